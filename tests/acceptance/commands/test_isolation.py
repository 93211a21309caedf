"""Two accounts, both with running conferences: neither sees or commands the other's.

Kazoo lets any account with a token command any id (design 3.3).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.support.world import World, beside, listen

_ALL = ("participants",)
_ONE = ("participants", "1")
_TONE = {"frequencies": [440], "duration_on": 200, "duration_off": 100}

#: Every action there is: action, data, where.
ACTIONS: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = [
    ("lock", {}, ()),
    ("unlock", {}, ()),
    ("play", {"media_id": "greeting"}, ()),
    ("record", {"action": "start"}, ()),
    ("record", {"action": "stop"}, ()),
    ("vars", {"custom_conference_vars": {"a": "b"}}, ()),
    ("dial", {"endpoints": ["2600123456"], "timeout": 1}, ()),
    ("say", {"text": "hello"}, ()),
    ("stop_play", {}, ()),
    ("tones", {"tones": [_TONE]}, ()),
    ("set", {"max_members": 2}, ()),
    *((action, {}, _ALL) for action in ("mute", "unmute", "deaf", "undeaf", "kick")),
    ("kick", {"ids": [1]}, _ALL),
    ("energy", {"level": 1}, _ALL),
    ("relate", {"participant_id": 1, "other_participant": 2}, _ALL),
    ("play", {"media_id": "greeting"}, _ALL),
    *((action, {}, _ONE) for action in ("mute", "unmute", "deaf", "undeaf", "kick", "stop_play")),
    ("play", {"media_id": "greeting"}, _ONE),
    ("say", {"text": "hello"}, _ONE),
    *((action, {"level": 1}, _ONE) for action in ("energy", "volume_in", "volume_out")),
]

#: How a conference of the other account is there.
Kind = Literal["stored", "stored and running", "ad hoc"]


@pytest_asyncio.fixture(loop_scope="session", params=["events", "search"])
async def ours(world: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A sidecar that follows events, and one that asks at each request."""
    if request.param == "events":
        yield world
    else:
        async with beside(world, live_mode="search") as other:
            yield other


async def _theirs(world: World, kind: Kind) -> str:
    if kind == "ad hoc":
        conference_id = f"room-{secrets.token_hex(4)}"
    else:
        conference_id = await world.create(account=world.other, who="other", name=f"Secret {kind} {_word()}")
    if kind != "stored":
        await world.start_room(
            conference_id, "moderator=true name=Olga", "name=Otto", account=world.other, known=False
        )
    # Our account has a running one of its own beside it.
    mine = await world.create()
    await world.start_room(mine, "moderator=true name=Ann", "name=Bob")
    await world.call("GET", world.path())
    world.sent.clear()
    return conference_id


def _word() -> str:
    return secrets.token_hex(4)


KINDS: list[Kind] = ["stored", "stored and running", "ad hoc"]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_action_reaches_another_account(ours: World, kind: Kind) -> None:
    """Every action on an id of another account is a 404, and nothing is published."""
    theirs = await _theirs(ours, kind)
    heard = await listen(ours)
    further = itertools.cycle([{"wait": "100"}, {"dry_run": "true"}, {"fresh": "true"}])
    for action, data, on in ACTIONS:
        for query in ({}, next(further)):
            answer = await ours.act(theirs, action, data, *on, **query)
            assert (answer.status, answer.body["message"]) == (404, "bad_identifier"), (action, query, on)
            assert answer.data == {"cause": theirs, "message": "bad identifier"}
    assert (ours.published, await heard.all(), ours.told(theirs)) == ([], [], [])


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_shown_of_another_account(ours: World, kind: Kind) -> None:
    """No route shows a conference of another account, its people, or that it is there."""
    theirs = await _theirs(ours, kind)
    document = {"data": {"name": f"Mine {_word()}"}}
    invite = {"data": {"guests": ["a@example.com"], "invite_message": "hi"}}
    link = f"/v2/accounts/{ours.account}/conference_auth/{theirs}"
    answers = {
        "one": await ours.call("GET", ours.path(theirs)),
        "one, fresh": await ours.call("GET", ours.path(theirs), fresh="true"),
        "participants": await ours.call("GET", ours.path(theirs, "participants")),
        "participant": await ours.call("GET", ours.path(theirs, "participants", "1")),
        "events": await ours.call("GET", ours.path(theirs, "events")),
        "calendar": await ours.call("GET", ours.path(theirs, "invite.ics"), start="2026-01-01T10:00:00"),
        "invite": await ours.put(ours.path(theirs, "email_invite"), invite),
        "replace": await ours.call("POST", ours.path(theirs), document),
        "patch": await ours.call("PATCH", ours.path(theirs), document),
        "delete": await ours.call("DELETE", ours.path(theirs)),
        "link": await ours.put(link, {"data": {}}),
    }
    for what, answer in answers.items():
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier"), (what, answer.text)
        for name in ("Olga", "Otto", "Secret"):
            assert name not in answer.text
    listed = await ours.call("GET", ours.path(), paginate="false")
    assert theirs not in listed.text
    assert ours.published == []


@pytest.mark.parametrize("kind", KINDS)
async def test_another_accounts_paths_are_forbidden(ours: World, kind: Kind) -> None:
    """Below the other account's own path everything is a 403."""
    theirs = await _theirs(ours, kind)
    for action, data, on in ACTIONS:
        answer = await ours.act(theirs, action, data, *on, account=ours.other)
        assert (answer.status, answer.body["message"]) == (403, "forbidden")
    for parts in ((), ("participants",), ("participants", "1"), ("events",), ("invite.ics",)):
        assert (await ours.call("GET", ours.path(theirs, *parts, account=ours.other))).status == 403
    assert ours.published == []


async def test_the_owner_reaches_all_of_them(ours: World) -> None:
    """What is refused to us works for them, on each kind of conference."""
    for kind in KINDS:
        theirs = await _theirs(ours, kind)
        answer = await ours.act(theirs, "lock", account=ours.other, who="other")
        assert (answer.status, len(ours.commands)) == (202, 1), kind
        shown = await ours.call("GET", ours.path(theirs, account=ours.other), who="other")
        assert shown.status == 200


async def test_ids_of_nobody_are_free(ours: World) -> None:
    """An ad-hoc conference may be started under an id that nobody has; then it is ours alone."""
    conference_id = f"room-{_word()}"
    data = {"endpoints": ["2600123456"], "timeout": 2}
    answer = await ours.act(conference_id, "dial", data)
    assert answer.data["endpoint_responses"][0]["status"] == "success"
    assert (await ours.act(conference_id, "lock")).status == 202
    refused = await ours.act(conference_id, "unlock", account=ours.other, who="other")
    assert refused.status == 404


async def test_a_master_account_reaches_those_below_it(ours: World) -> None:
    """The parent's administrator uses the child's path, and only by that path."""
    conference_id = await ours.create()
    await ours.start_room(conference_id, "name=Ann")
    assert (await ours.act(conference_id, "lock", who="master")).status == 202
    parent = ours.data.parent.id
    assert (await ours.act(conference_id, "lock", who="master", account=parent)).status == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_websocket_bindings(world: World, kind: Kind) -> None:
    """Commands of another account's conference cannot be subscribed to, nor are its events heard."""
    theirs = await _theirs(world, kind)
    async with world.http.ws_connect(world.service.ws_url) as socket:
        command = await _subscribe(world, socket, f"conference.command.{theirs}")
        assert command["status"] == "error"
        assert command["data"]["errors"]
        for binding in (f"conference.event.{theirs}.*", f"conference.event.*.{theirs}.*"):
            await _subscribe(world, socket, binding)
        await world.act(theirs, "lock", account=world.other, who="other")
        if kind != "stored":
            await world.done(theirs)
            await world.cluster.perform(["mute", theirs, "2"])
        # A reply comes behind whatever was pushed before.
        last = await _subscribe(world, socket, "conference.event.*.none.*")
        assert last["action"] == "reply"
    other = {"account_id": world.other, "binding": "conference.event.*"}
    async with world.http.ws_connect(world.service.ws_url) as socket:
        answer = await _subscribe(world, socket, **other)
        assert answer["status"] == "error"


async def _subscribe(
    world: World, socket: aiohttp.ClientWebSocketResponse, binding: str, account_id: str | None = None
) -> dict[str, Any]:
    data = {"account_id": account_id or world.account, "binding": binding}
    frame = {"action": "subscribe", "auth_token": world.tokens["boss"], "data": data}
    await socket.send_str(orjson.dumps(frame).decode())
    answer: dict[str, Any] = orjson.loads(await socket.receive_str(timeout=10))
    assert answer["action"] == "reply", answer
    return answer


async def test_whose_an_id_is_must_be_known_to_command_it(ours: World) -> None:
    """While the media side is silent, an id without a document may be another account's: 503.

    A node that does not answer in time would still do what it is told."""
    theirs = await _theirs(ours, "ad hoc")
    mine = await ours.create()
    await ours.cluster.perform(["fault", "all", "silent", "on"])
    answer = await ours.act(theirs, "lock")
    assert (answer.status, answer.body["message"]) == (503, "live_state_unknown")
    assert ours.published == []
    assert (await ours.act(mine, "lock")).status == 202


async def test_a_chosen_id_is_not_another_accounts(world: World) -> None:
    """Where clients may choose ids, one of another account is a conflict, stored or running."""
    config = {"_id": "crossbar", "default": {"allow_onboarding_setting_id": True}}
    stored = await _theirs(world, "stored")
    running = secrets.token_hex(16)
    await world.start_room(running, "name=Otto", account=world.other, known=False)
    await world.write("system_config", config)
    try:
        async with beside(world) as choosing:
            for taken in (stored, running):
                body = {"data": {"name": f"Mine {_word()}", "id": taken}}
                answer = await choosing.put(choosing.path(), body)
                assert (answer.status, answer.body["message"]) == (409, "datastore_conflict")
            body = {"data": {"name": f"Mine {_word()}", "id": secrets.token_hex(16)}}
            assert (await choosing.put(choosing.path(), body)).status == 201
    finally:
        await world.erase("system_config", "crossbar")


#: Ids that would be something else in a store's path, a routing key, a command line or a log.
HOSTILE = (
    "_design%2Fconference",
    "_design%2Fcrossbar_conferences",
    "_all_docs",
    "_local%2Fx",
    "..%2F..%2Faccounts",
    "a%2Fb",
    "%2e%2e",
    "*",
    "%23",
    "a.b",
    "a%20b",
    "a%0Ab",
    "a%0D%0Ab",
    "a%00b",
    "a%E2%80%A8b",
    "a%C2%A0b",
    "a'b",
    "a%22b",
    "a;b",
    "a%7Cb",
    "a%5Cb",
    "$%7Bx%7D",
    "a@b%60",
    "-flag",
    "%FF",
    "room%40default",
    "room@default",
    "room%2B1",
    "room+1",
    "bridge:room:x",
    "BriDGE:x",
    "list",
    "LIST",
    "Count",
    "help",
    "commands",
    "xml_list",
    "Json_List",
    "a=b",
    "x" * 129,
    "%E2%82%AC" * 50,
    "x" * 5000,
)


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: bad[:20])
async def test_hostile_ids(world: World, bad: str) -> None:
    """An id that could be more than an id is a 404 on every route, before anybody is asked."""
    heard = await listen(world)
    base = f"{world.path()}/{bad}"
    await world.call("GET", world.path())
    world.operations.clear()
    answers = [
        await world.call("GET", base),
        await world.call("GET", f"{base}/participants"),
        await world.call("GET", f"{base}/participants/1"),
        await world.call("GET", f"{base}/events"),
        await world.call("GET", f"{base}/invite.ics?start=2026-01-01T10:00:00"),
        await world.call("POST", base, {"data": {"name": f"x {_word()}"}}),
        await world.call("PATCH", base, {"data": {"name": f"x {_word()}"}}),
        await world.call("DELETE", base),
        await world.act_at(base, "lock"),
        await world.act_at(base, "dial", {"endpoints": ["2600123456"], "timeout": 1}),
        await world.act_at(f"{base}/participants", "kick"),
        await world.act_at(f"{base}/participants/1", "kick"),
        await world.put(f"{base}/email_invite", {"data": {"guests": [], "invite_message": "x"}}),
        await world.put(f"/v2/accounts/{world.account}/conference_auth/{bad}", {"data": {}}),
    ]
    for number, answer in enumerate(answers):
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier"), (number, answer.text)
        assert len(answer.data["cause"]) <= 256
    assert (await heard.all(), world.published, world.operations) == ([], [], [])


@pytest.mark.parametrize(
    "participant", ["all", "last", "non_moderator", "0", "99", "-1", "1.0", "%2A", "x" * 500]
)
async def test_hostile_participants(world: World, participant: str) -> None:
    """The switch's own words for many are no participant, and neither is who is not there."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann", "name=Bob")
    for action in ("kick", "mute", "play"):
        path = f"{world.path(conference_id)}/participants/{participant}"
        answer = await world.act_at(path, action, {"media_id": "greeting"})
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier")
    assert world.published == []
