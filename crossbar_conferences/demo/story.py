"""The story that the demo tells: a conference from its creation to its end."""

from __future__ import annotations

import json
import shlex
import sys

import aiohttp

from ..dataset import DataSet
from ..errors import CrossbarConferencesError
from .connection import Connection
from .narrator import REQUEST_SECONDS, Narrator

NUMBER = "7001"


class SwitchFailed(CrossbarConferencesError):
    """The virtual switch did not do what the story needs."""


async def tell(
    narrator: Narrator, http: aiohttp.ClientSession, connection: Connection, data: DataSet
) -> None:
    """Play every step; what was not as expected is in ``narrator.failures``."""
    account = data.main
    collection = f"/v2/accounts/{account.id}/conferences"

    narrator.title("A token, as Kazoo mints them, for the administrator of the account")
    boss = data.users["boss"]
    if connection.couchdb_url is not None:
        narrator.command(
            f"CROSSBAR_CONFERENCES_COUCHDB_URL={shlex.quote(connection.couchdb_url)} "
            f"{shlex.quote(sys.executable)} -m crossbar_conferences token "
            f"--account {account.id} --user {boss.id}"
        )
    narrator.say(f"   {connection.tokens['boss'].split('.')[0]}.…  (the whole of it is in a file, see below)")
    narrator.check("three parts, as a JWT has", connection.tokens["boss"].count(".") == 2)

    narrator.title("Create a conference")
    created = await narrator.request(
        "PUT",
        collection,
        data={
            "name": "Monday meeting",
            "conference_numbers": [NUMBER],
            "member": {"join_muted": False},
            "moderator": {"pins": ["4711"]},
        },
        status=201,
        expect={"status": "success", "data.name": "Monday meeting", "data.conference_numbers": [NUMBER]},
    )
    conference = str(created.at("data.id"))
    document = f"{collection}/{conference}"

    narrator.title("Nobody is in it yet")
    await narrator.request(
        "GET", document, expect={"data._read_only.members": 0, "data._read_only.moderators": 0}
    )

    narrator.title("Two people join, on the virtual switch")
    await _switch(narrator, http, connection, "create", conference, account.id)
    await _switch(
        narrator, http, connection, "join", conference, "call-of-berta", "moderator=true", "name=Berta"
    )
    await _switch(narrator, http, connection, "join", conference, "call-of-joe", "name=Joe", "number=1002")

    narrator.title("Now they are seen")
    await narrator.request(
        "GET",
        document,
        expect={
            "data._read_only.members": 1,
            "data._read_only.moderators": 1,
            "data._read_only.is_locked": False,
        },
    )

    narrator.title("Who is in it")
    listed = await narrator.request("GET", f"{document}/participants", expect={"status": "success"})
    people = {one.get("participant_id"): one.get("is_moderator") for one in listed.at("data") or []}
    narrator.check("participant 1 is a moderator and 2 is not", people == {1: True, 2: False})

    narrator.title("Change the name, and nothing else")
    await narrator.request(
        "PATCH",
        document,
        data={"name": "Tuesday meeting"},
        expect={"data.name": "Tuesday meeting", "data.conference_numbers": [NUMBER]},
    )

    narrator.title("All conferences of the account")
    listed = await narrator.request("GET", collection, expect={"status": "success"})
    names = [item.get("name") for item in listed.at("data") or [] if item.get("id") == conference]
    narrator.check("the conference is in the list, with its new name", names == ["Tuesday meeting"])

    narrator.title("Without a token there is no answer")
    await narrator.request("GET", document, who=None, status=401, expect={"status": "error", "error": "401"})

    narrator.title("A conference has to have a name")
    await narrator.request(
        "PUT",
        collection,
        data={"conference_numbers": ["7002"]},
        status=400,
        expect={"status": "error", "message": "validation error"},
    )

    narrator.title("Everybody leaves, and the conference is deleted")
    await _switch(narrator, http, connection, "destroy", conference)
    await narrator.request("DELETE", document, expect={"status": "success"})

    narrator.title("What is gone can't be deleted again")
    await narrator.request(
        "DELETE", document, status=404, expect={"status": "error", "data.message": "bad identifier"}
    )


async def command_switch(http: aiohttp.ClientSession, switch_url: str, *args: str) -> None:
    """Have the virtual switch do a step. Raises `SwitchFailed`."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with http.post(switch_url, data=json.dumps({"args": args}), timeout=timeout) as answer:
        if answer.status != 200:
            raise SwitchFailed(f"the virtual switch answered {answer.status}: {await answer.text()}")


async def _switch(
    narrator: Narrator, http: aiohttp.ClientSession, connection: Connection, *args: str
) -> None:
    body = json.dumps({"args": args}, ensure_ascii=False)
    narrator.command(f"curl -s -d {shlex.quote(body)} {shlex.quote(connection.switch_url)}")
    await command_switch(http, connection.switch_url, *args)
    narrator.check(" ".join(("the switch did:", *args)), True)
