"""A server under measurement as its clients see it, and the conferences that the scenarios need there.

Everything is made through the API and on the virtual switch, so that any server which speaks the
API can be measured in the same way.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from crossbar_conferences.demo.story import command_switch
from crossbar_conferences.errors import CrossbarConferencesError

from .wrk import NUMBER, Request

#: Conferences for scenarios that take one after the other; the list of 50 comes from them too.
CONFERENCES = 200
PARTICIPANTS = 20


class SiteFailed(CrossbarConferencesError):
    """The server did not answer as the benchmark needs it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A server, and who speaks to it."""

    base_url: str
    token: str

    @property
    def account_id(self) -> str:
        """The account that the token is for."""
        return account_of(self.token)

    @property
    def headers(self) -> dict[str, str]:
        """What every request has."""
        return {"X-Auth-Token": self.token, "Content-Type": "application/json"}

    @property
    def collection(self) -> str:
        """The path of the account's conferences."""
        return f"/v2/accounts/{self.account_id}/conferences"


@dataclass(frozen=True, slots=True)
class Rooms:
    """What was made at a site: ids of conferences, and the two of them that run on the switch.

    ``crowded`` has `PARTICIPANTS` people, ``lockable`` one. ``nonce`` makes names unique."""

    conferences: tuple[str, ...]
    crowded: str
    lockable: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Example:
    """One answer of a scenario, for the floor to repeat."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def data(self) -> Any:
        """The envelope's ``data``."""
        return json.loads(self.body).get("data")


#: What the server's own stack writes into every answer.
_OF_THE_STACK = frozenset({"content-length", "date", "server", "connection", "transfer-encoding"})


def account_of(token: str) -> str:
    """The account in a token's claims. Raises `SiteFailed`."""
    try:
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["account_id"])
    except (IndexError, KeyError, ValueError):
        raise SiteFailed("the token is no JWT with an account_id in it") from None


async def prepare(site: Site, switch_url: str | None) -> Rooms:
    """Make the conferences, and people in two of them. Raises `SiteFailed`."""
    nonce = secrets.token_hex(4)
    async with aiohttp.ClientSession(site.base_url, headers=site.headers) as http:
        limit = asyncio.Semaphore(4)

        async def create(number: int) -> str:
            body = json.dumps({"data": {"name": f"Bench {nonce} room {number}"}})
            async with limit, http.put(site.collection, data=body) as answer:
                if answer.status != 201:
                    raise SiteFailed(f"creating a conference gave {answer.status}: {await answer.text()}")
                return str((await answer.json())["data"]["id"])

        conferences = await asyncio.gather(*(create(number) for number in range(CONFERENCES)))
        rooms = Rooms(tuple(conferences), conferences[0], conferences[1], nonce)
        if switch_url is not None:
            await _people(http, switch_url, site, rooms)
    return rooms


async def _people(http: aiohttp.ClientSession, switch_url: str, site: Site, rooms: Rooms) -> None:
    for room, people in ((rooms.crowded, PARTICIPANTS), (rooms.lockable, 1)):
        await command_switch(http, switch_url, "create", room, site.account_id)
        for number in range(people):
            call = f"call-{room}-{number}"
            await command_switch(http, switch_url, "join", room, call, f"name=Caller {number}")


async def example(site: Site, request: Request) -> Example:
    """One request, and what was answered."""
    body = request.body.replace(NUMBER, "0") if request.body else None
    async with (
        aiohttp.ClientSession(site.base_url, headers=site.headers, auto_decompress=False) as http,
        http.request(
            request.method, request.path, data=body, headers={"Accept-Encoding": "identity"}
        ) as answer,
    ):
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_STACK}
        return Example(answer.status, headers, await answer.text())
