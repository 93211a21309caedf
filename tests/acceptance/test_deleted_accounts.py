"""A deleted account, and one whose database is gone, is a 404 on every route, as in crossbar.

In memory and on real services; what is in memory goes with the change messages. Source: beside-kazoo.md 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from crossbar_conferences.api.errors import CATALOGUE
from crossbar_conferences.api.routes import ROUTES, Route
from crossbar_conferences.auth.mint import mint
from crossbar_conferences.auth.port import StoreDocuments
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import ACCOUNTS, account_database, encoded
from tests.support.brokers import eventually
from tests.support.contract import check
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

BELOW_ACCOUNTS = [route for route in ROUTES if route.template.startswith("accounts/")]


@dataclass(frozen=True, slots=True)
class Doomed:
    """An account below the main one, with a conference and a user, and a token of its own."""

    house: House
    id: str
    conference: str
    user: str
    token: str

    @property
    def database(self) -> str:
        """Its database."""
        return account_database(self.id)

    async def drop_database(self) -> None:
        """Remove the database, and tell nobody."""
        inner = self.house.store.inner
        if isinstance(inner, MemoryStore):
            del inner._databases[self.database]
            return
        assert isinstance(inner, CouchStore)
        async with (
            aiohttp.ClientSession() as http,
            http.delete(f"{inner._url}/{encoded(self.database)}") as answer,
        ):
            assert answer.status == 200

    async def mark(self, database: str) -> None:
        """Soft-delete the account's document in one of its two places."""
        inner = self.house.store.inner
        await inner.put(database, {**await inner.get(database, self.id), "pvt_deleted": True})


async def _account(house: House) -> Doomed:
    store = house.store.inner
    account_id, user, conference = (secrets.token_hex(16) for _ in range(3))
    database = account_database(account_id)
    await store.create_database(database)
    account = {
        "_id": account_id,
        "pvt_type": "account",
        "name": f"Doomed {account_id[:6]}",
        "pvt_tree": [house.account],
        "pvt_signature_secret": secrets.token_hex(16),
    }
    await store.put(database, account)
    await store.put(ACCOUNTS, account)
    await store.put(database, {"_id": user, "pvt_type": "user", "pvt_signature_secret": "x" * 32})
    pins = {"pins": ["1234"]}
    document = {"_id": conference, "pvt_type": "conference", "name": "Room", "member": pins, "owner_id": user}
    await store.put(database, {**document, "allow_shareable_link": True})
    token = await mint(StoreDocuments(store), account_id)
    return Doomed(house, account_id, conference, user, token)


async def _soft_deleted(doomed: Doomed) -> None:
    await doomed.mark(doomed.database)
    await doomed.house.say_changed("doc_deleted", doomed.database, "account", doomed.id)


async def _as_kazoo_does(doomed: Doomed) -> None:
    await doomed.drop_database()
    await doomed.house.say_changed("db_deleted", doomed.database, "database", doomed.database)
    await doomed.mark(ACCOUNTS)
    await doomed.house.say_changed("doc_deleted", ACCOUNTS, "account", doomed.id)


async def _only_its_copy_is_told_of(doomed: Doomed) -> None:
    await doomed.drop_database()
    await doomed.mark(ACCOUNTS)
    await doomed.house.say_changed("doc_deleted", ACCOUNTS, "account", doomed.id)


async def _only_the_database_is_told_of(doomed: Doomed) -> None:
    await doomed.drop_database()
    await doomed.house.say_changed("db_deleted", doomed.database, "database", doomed.database)


WAYS: list[Callable[[Doomed], Awaitable[None]]] = [
    _soft_deleted,
    _as_kazoo_does,
    _only_its_copy_is_told_of,
    _only_the_database_is_told_of,
]


def _path(doomed: Doomed, route: Route) -> str:
    return "/v2/" + route.template.format(
        account_id=doomed.id,
        user_id=doomed.user,
        conference_id=doomed.conference,
        participant_id="1",
        session_id="127.0.0.1:1",
    )


_BODIES: dict[str, Any] = {
    "collection": {"data": {"name": "New"}},
    "document": {"action": "lock", "data": {}},
    "participants": {"data": {"action": "mute"}},
    "participant": {"data": {"action": "mute"}},
    "email_invite": {"data": {"guests": ["a@example.com"], "invite_message": "x"}},
    "public_link": {"data": {}},
}


async def _every_route(doomed: Doomed, **headers: str) -> None:
    """Every verb of every route, also with what asks media servers or begins a dial."""
    house = doomed.house
    for route in BELOW_ACCOUNTS:
        for verb in route.verbs:
            queries = ("", "?fresh=true", "?dry_run=true", "?accept=csv", "?start=2030-01-01T10:00:00Z")
            for query in queries if verb in ("GET", "PUT") else ("",):
                body = None if verb == "GET" else _BODIES.get(route.name)
                answer = await house.call(verb, _path(doomed, route) + query, body, headers=headers)
                assert check(answer, verb) is CATALOGUE["bad_identifier"], (verb, route.template, answer)
                assert answer.data == {"cause": doomed.id, "message": "bad identifier"}
    dial = {"action": "dial", "data": {"endpoints": ["1000"]}}
    unknown = house.path(secrets.token_hex(16), account=doomed.id)
    for path in (house.path(doomed.conference, account=doomed.id), unknown):
        assert (await house.call("PUT", path, dial, headers=headers)).status == 404
        assert (await house.call("GET", path, headers=headers)).status == 404


async def _warm(doomed: Doomed) -> None:
    """What there is of the account is in memory."""
    house = doomed.house
    for _ in range(2):
        for path in (
            house.path(account=doomed.id),
            house.path(doomed.conference, account=doomed.id),
            house.path(doomed.conference, "participants", account=doomed.id),
            house.path("adhoc", account=doomed.id),
            f"/v2/accounts/{doomed.id}/users/{doomed.user}/conferences",
            f"/v2/accounts/{doomed.id}/websockets",
        ):
            assert (await house.get(path)).status == 200
    own = await house.get(house.path(account=doomed.id), headers={"X-Auth-Token": doomed.token})
    assert own.status == 200


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_is_a_404_on_every_route(house: House, way: Callable[[Doomed], Awaitable[None]]) -> None:
    """Warm before, deleted by whomever, and told of on the bus: nothing of it is served or written."""
    doomed = await _account(house)
    await _warm(doomed)
    await way(doomed)

    async def heard() -> bool:
        return (await house.get(house.path(doomed.conference, account=doomed.id))).status == 404

    await eventually(heard)
    house.forget()
    await _every_route(doomed)
    assert house.spoken == []
    assert "put" not in house.store.operations
    # Its own token is nobody's any more: not there, and not elsewhere.
    await _every_route(doomed, **{"X-Auth-Token": doomed.token})
    for path in (house.path(), "/v2/account/conferences", "/v2/conferences"):
        assert (await house.get(path, headers={"X-Auth-Token": doomed.token})).status == 401
    # No create has brought the database back.
    if way is not _soft_deleted:
        assert not await house.store.inner.database_exists(doomed.database)


@pytest.mark.parametrize("first", ["list", "create", "adhoc", "invite", "calendar", "websockets"])
async def test_a_database_that_went_silently(house: House, first: str) -> None:
    """Nobody tells: whatever asks the store first finds out, and then nothing is served from memory."""
    doomed = await _account(house)
    await _warm(doomed)
    await doomed.drop_database()
    asked = {
        "list": lambda: house.get(house.path(account=doomed.id) + "?page_size=7"),
        "create": lambda: house.put(house.path(account=doomed.id), {"name": "New"}),
        "adhoc": lambda: house.get(house.path("another", account=doomed.id)),
        "invite": lambda: house.put(
            house.path(doomed.conference, "email_invite", account=doomed.id),
            {"guests": ["a@example.com"], "invite_message": "x"},
        ),
        "calendar": lambda: house.get(
            house.path(doomed.conference, "invite.ics", account=doomed.id) + "?start=2030-01-01T10:00:00Z"
        ),
        "websockets": lambda: house.get(f"/v2/accounts/{doomed.id}/websockets"),
    }[first]
    answer = await asked()
    assert (answer.status, answer.data) == (404, {"cause": doomed.id, "message": "bad identifier"})
    await _every_route(doomed)
    assert not await house.store.inner.database_exists(doomed.database)


async def test_who_never_was_is_told_so(house: House) -> None:
    """As crossbar does: an id that no account has ever had is a 401."""
    answer = await house.get(house.path(account="f" * 32))
    assert check(answer, "GET") is CATALOGUE["invalid_account"]


async def test_an_account_that_comes_back_is_served(house: House) -> None:
    """A 404 is not for ever: once the account is restored, and that is told, it is as before."""
    doomed = await _account(house)
    await _soft_deleted(doomed)

    async def gone() -> bool:
        return (await house.get(house.path(account=doomed.id))).status == 404

    await eventually(gone)
    stored = dict(await house.store.inner.get(doomed.database, doomed.id))
    del stored["pvt_deleted"]
    await house.store.inner.put(doomed.database, stored)
    await doomed.house.say_changed("doc_edited", doomed.database, "account", doomed.id)

    async def back() -> bool:
        return (await house.get(house.path(account=doomed.id))).status == 200

    await eventually(back)


async def test_guests_of_a_deleted_account_are_refused_like_others(house: House) -> None:
    """A login names no account in its path: every refusal is the same 401, before and after news of it."""
    doomed = await _account(house)
    await house.store.inner.put(
        doomed.database, {"_id": "whitelabel", "conference_public_domain": "https://x"}
    )
    login = {"account_name": f"doomed{doomed.id[:6]}", "conference_name": "Room", "conference_pin": "1234"}

    async def status() -> int:
        forwarded = {"X-Forwarded-For": f"192.0.2.{secrets.randbelow(250)}"}
        return (await house.put("/v2/conference_auth", login, who=None, headers=forwarded)).status

    assert await status() == 201
    await doomed.drop_database()
    assert await status() == 401
    await doomed.mark(ACCOUNTS)
    assert await status() == 401
