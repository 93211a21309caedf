"""``?dry_run=true``: everything is checked and shown, nothing is written or published."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.support.world import World, listen

PEOPLE = ("moderator=true name=Ann", "name=Bob", "name=Cid speak=false")
_ALL = ("participants",)
_TWO = ("participants", "2")
_TONE = {"frequencies": [440], "duration_on": 200, "duration_off": 100}

#: Action, data, where, how many messages, and what would be answered.
ACTIONS: list[tuple[str, dict[str, Any], tuple[str, ...], int, Any]] = [
    ("lock", {}, (), 1, "ok"),
    ("unlock", {}, (), 1, "ok"),
    ("play", {"media_id": "greeting"}, (), 1, "ok"),
    ("play", {"media_id": "conf-welcome"}, (), 1, "ok"),
    ("play", {"media_ids": ["greeting", "conf-welcome"]}, (), 1, "ok"),
    ("record", {"action": "start"}, (), 1, "starting recording"),
    ("vars", {"custom_conference_vars": {"a": "b"}}, (), 1, "vars sent"),
    ("say", {"text": "hello"}, (), 1, "ok"),
    ("stop_play", {}, (), 1, "ok"),
    ("tones", {"tones": [_TONE]}, (), 1, "ok"),
    ("mute", {}, _ALL, 1, dict),
    ("mute", {"announce": True}, _ALL, 2, dict),
    ("mute", {"announce": True}, _TWO, 2, "ok"),
    ("unmute", {}, _ALL, 1, dict),
    ("deaf", {}, _ALL, 2, dict),
    ("undeaf", {}, _ALL, 0, dict),
    ("kick", {}, _ALL, 3, dict),
    ("kick", {"ids": [1, 9]}, _ALL, 1, dict),
    ("energy", {"level": 1}, _ALL, 3, dict),
    ("relate", {"participant_id": 1, "other_participant": 2}, _ALL, 1, "relating participants"),
    ("play", {"media_id": "greeting"}, _ALL, 1, "ok"),
    ("mute", {}, _TWO, 1, "ok"),
    ("kick", {}, _TWO, 1, "ok"),
    ("volume_in", {"level": 1}, _TWO, 1, "ok"),
    ("play", {"media_id": "greeting"}, _TWO, 1, "ok"),
]


@pytest.mark.parametrize(("action", "data", "on", "count", "would_answer"), ACTIONS)
async def test_actions(
    world: World, action: str, data: dict[str, Any], on: tuple[str, ...], count: int, would_answer: Any
) -> None:
    """The messages shown are those that the real request publishes afterwards."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    heard = await listen(world)
    answer = await world.act(conference_id, action, data, *on, dry_run="true")
    assert answer.status == 200, answer.text
    assert answer.data["dry_run"] is True
    shown = answer.data["messages"]
    assert len(shown) == count
    if isinstance(would_answer, str):
        assert answer.data["answer"] == would_answer
    else:
        assert isinstance(answer.data["answer"], would_answer)
    assert (world.published, await heard.all(), len(world.told(conference_id))) == ([], [], 0)

    await world.act(conference_id, action, data, *on)
    published = world.published
    assert [(one["exchange"], one["routing_key"]) for one in shown] == [sent[:2] for sent in published]
    for one, (_, _, body) in zip(shown, published, strict=True):
        own = ("Msg-ID", "Media-Name") if action == "record" else ("Msg-ID",)
        # Each recording has a name of its own.
        assert {**one["body"], **{key: body[key] for key in own}} == body


async def test_a_dial(world: World) -> None:
    """Endpoints are resolved and shown as the legs that would be dialled."""
    conference_id = await world.create()
    device = world.data.devices["joe"].id
    data = {"endpoints": [device, "2600123456", "sip:a@example.com"], "caller_id_name": "Us"}
    answer = await world.act(conference_id, "dial", data, dry_run="true")
    assert answer.status == 200, answer.text
    (message,) = answer.data["messages"]
    assert (message["exchange"], message["routing_key"]) == ("conference", "conference.command.local")
    assert len(message["body"]["Endpoints"]) == 3
    assert message["body"]["Caller-ID-Name"] == "Us"
    assert (world.published, len(world.told(conference_id))) == ([], 0)
    bad = await world.act(conference_id, "dial", {"endpoints": ["nobody at all"]}, dry_run="true")
    assert "data.endpoints.1" in bad.errors


async def test_an_invitation(world: World) -> None:
    """The notification is shown with its call-in numbers; nobody is invited."""
    conference_id = await world.create(member={"pins": ["1234"]})
    body = {"data": {"guests": ["a@example.com"], "invite_message": "hi"}}
    world.operations.clear()
    answer = await world.put(world.path(conference_id, "email_invite"), body, dry_run="true")
    assert answer.status == 200, answer.text
    (message,) = answer.data["messages"]
    assert message["exchange"] == "notifications"
    assert message["body"]["Guests"] == ["a@example.com"]
    assert message["body"]["Conference-Participant-Pins"] == ["1234"]
    assert world.published == []
    assert "put" not in world.operations


@pytest.mark.parametrize("verb", ["PUT", "POST", "PATCH", "DELETE"])
async def test_documents(world: World, verb: str) -> None:
    """The document is checked and shown as it would be, and stays as it is in the store."""
    conference_id = await world.create(conference_numbers=[str(secrets.randbelow(10**9))])
    before = await world.document(conference_id)
    listed = await world.call("GET", world.path(), paginate="false")
    path = world.path() if verb == "PUT" else world.path(conference_id)
    name = f"Changed {secrets.token_hex(4)}"
    heard = await listen(world)
    world.operations.clear()
    answer = await world.call(verb, path, {"data": {"name": name}}, dry_run="true")
    assert answer.status == 200, answer.text
    assert answer.body["metadata"]["dry_run"] is True
    (message,) = answer.body["metadata"]["messages"]
    event = {"PUT": "doc_created", "DELETE": "doc_deleted"}.get(verb, "doc_edited")
    assert (message["exchange"], message["body"]["Event-Name"]) == ("configuration", event)
    assert message["body"]["ID"] == answer.data["id"]
    assert "Rev" not in message["body"]
    assert answer.data["name"] == (before["name"] if verb == "DELETE" else name)
    assert not {"put", "delete", "put_attachment", "create_database"} & set(world.operations)
    assert (world.published, await heard.all()) == ([], [])
    assert await world.document(conference_id) == before
    again = await world.call("GET", world.path(), paginate="false")
    assert again.body["revision"] == listed.body["revision"]
    if verb == "PUT":
        # Nothing was reserved either: the same name can be had at once.
        assert (await world.put(path, {"data": {"name": name}})).status == 201


@pytest.mark.parametrize("verb", ["PUT", "POST", "PATCH"])
async def test_documents_are_checked(world: World, verb: str) -> None:
    """A dry run finds what the real one would: rules of the schema, and numbers in use."""
    number = str(secrets.randbelow(10**9))
    await world.create(conference_numbers=[number])
    conference_id = await world.create()
    path = world.path() if verb == "PUT" else world.path(conference_id)
    taken = {"data": {"name": f"Other {number}", "conference_numbers": [number]}}
    assert "numbers" in (await world.call(verb, path, taken, dry_run="true")).errors
    wrong = {"data": {"name": f"Other {number}", "max_participants": "many"}}
    assert "max_participants" in (await world.call(verb, path, wrong, dry_run="true")).errors


@pytest.mark.parametrize("value", ["1", "yes", "", "tru"])
async def test_a_value_that_is_neither_true_nor_false(world: World, value: str) -> None:
    """Who meant to try must not act instead: it is refused wherever it may stand."""
    conference_id = await world.create()
    invite = {"data": {"guests": ["a@example.com"], "invite_message": "hi"}}
    named = {"data": {"name": f"New {secrets.token_hex(4)}"}}
    before = await world.document(conference_id)
    for answer in (
        await world.act(conference_id, "lock", dry_run=value),
        await world.act(conference_id, "kick", None, *_ALL, dry_run=value),
        await world.act(conference_id, "dial", {"endpoints": ["2600123456"]}, dry_run=value),
        await world.put(world.path(conference_id, "email_invite"), invite, dry_run=value),
        await world.put(world.path(), named, dry_run=value),
        await world.call("POST", world.path(conference_id), named, dry_run=value),
        await world.call("PATCH", world.path(conference_id), named, dry_run=value),
        await world.call("DELETE", world.path(conference_id), dry_run=value),
    ):
        assert set(answer.errors["dry_run"]) == {"type"}
    assert world.published == []
    assert await world.document(conference_id) == before
    assert (await world.act(conference_id, "lock", dry_run="false")).status == 202


async def test_a_key_without_a_value_is_true(world: World) -> None:
    """``?dry_run`` alone is a dry run."""
    conference_id = await world.create()
    answer = await world.act_at(f"{world.path(conference_id)}?dry_run", "lock")
    assert (answer.status, world.published) == (200, [])
