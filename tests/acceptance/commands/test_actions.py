"""Every action of the seed document, in every nesting: answer, message, effect on the switch, event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from crossbar_conferences.broker.port import Binding
from crossbar_conferences.switch.rooms import Member, Room
from tests.support.world import Heard, World, listen

#: Ann moderates, Bob listens, Cid is muted and Dee is deaf.
PEOPLE = ("moderator=true name=Ann", "name=Bob", "name=Cid speak=false", "name=Dee hear=false")

#: Stands in expected messages for the conference's and the account's id.
C, A = "<conference>", "<account>"


#: Stands for the name of a new recording.
RECORDING = "<recording>"


@dataclass(frozen=True, slots=True)
class Case:
    """An action and all that comes of it. ``on``: the path's parts below the conference."""

    action: str
    data: Mapping[str, Any]
    messages: tuple[Mapping[str, Any], ...]
    effect: Callable[[Room], bool]
    status: int = 202
    #: The answer's ``data``; ``None``: the conference's public document.
    answer: str | None = "ok"
    on: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    app: tuple[str, str] = ("kapps_conference", "1.0.0")

    def __str__(self) -> str:
        return "-".join([*self.on, self.action, *(str(value) for value in self.data.values())][:3])


def _member(room: Room, number: int) -> Member:
    found = room.member(number)
    assert found is not None
    return found


def _speaks(*numbers: int) -> Callable[[Room], bool]:
    return lambda room: tuple(m.member_id for m in room.members if m.speak) == numbers


def _hears(*numbers: int) -> Callable[[Room], bool]:
    return lambda room: tuple(m.member_id for m in room.members if m.hear) == numbers


def _stay(*numbers: int) -> Callable[[Room], bool]:
    return lambda room: tuple(m.member_id for m in room.members) == numbers


def _to(command: str, *numbers: int) -> tuple[Mapping[str, Any], ...]:
    return tuple({"Application-Name": command, "Participant-ID": number} for number in numbers)


def _plays(media: str, member: int | None = None) -> Callable[[Room], bool]:
    return lambda room: room.playing == ((media.replace(A, str(room.account_id)), member),)


ON_CONFERENCE = (
    Case("lock", {}, ({"Application-Name": "lock"},), lambda room: room.locked, events=("lock",)),
    Case(
        "unlock",
        {},
        ({"Application-Name": "unlock"},),
        lambda room: not room.locked,
        events=("unlock",),
        before=(("lock", C),),
    ),
    Case(
        "play",
        {"media_id": "greeting"},
        ({"Application-Name": "play", "Media-Name": f"/{A}/greeting"},),
        _plays(f"/{A}/greeting"),
    ),
    Case(
        "play",
        {"media_id": "http://media.example/a.mp3?x=1"},
        ({"Application-Name": "play", "Media-Name": "http://media.example/a.mp3?x=1"},),
        _plays("http://media.example/a.mp3?x=1"),
    ),
    Case(
        "record",
        {"action": "start"},
        ({"Application-Name": "record", "Media-Name": RECORDING},),
        lambda room: len(room.recordings) == 1,
        answer="starting recording",
        events=("start-recording",),
    ),
    Case(
        "record",
        {"action": "stop"},
        ({"Application-Name": "recordstop", "Media-Name": f"{A}_{C}.mp3"},),
        lambda room: not room.recordings,
        answer="stopping recording",
        events=("stop-recording",),
        before=(("record", C, f"{A}_{C}.mp3"),),
    ),
    Case(
        "vars",
        {"custom_conference_vars": {"key_the_first": "value_the_first"}},
        ({"Application-Name": "vars", "Custom-Conference-Vars": {"key_the_first": "value_the_first"}},),
        lambda room: dict(room.variables) == {"old": "1", "key_the_first": "value_the_first"},
        answer="vars sent",
        before=(("vars", C, "old=1"),),
        app=("crossbar", "4.0.0"),
    ),
)

_ALL = ("participants",)
ON_PARTICIPANTS = (
    Case(
        "mute",
        {},
        _to("mute_participant", 2, 4),
        _speaks(1),
        201,
        None,
        _ALL,
        ("mute-member:2", "mute-member:4"),
    ),
    Case(
        "unmute", {}, _to("unmute_participant", 3), _speaks(1, 2, 3, 4), 201, None, _ALL, ("unmute-member:3",)
    ),
    Case(
        "deaf",
        {},
        _to("deaf_participant", 2, 3),
        _hears(1),
        201,
        None,
        _ALL,
        ("deaf-member:2", "deaf-member:3"),
    ),
    Case(
        "undeaf", {}, _to("undeaf_participant", 4), _hears(1, 2, 3, 4), 201, None, _ALL, ("undeaf-member:4",)
    ),
    Case(
        "relate",
        {"participant_id": 1, "other_participant": 2},
        (
            {
                "Application-Name": "relate_participants",
                "Participant-ID": 1,
                "Other-Participant": 2,
                "Relationship": "clear",
            },
        ),
        lambda room: not room.relations,
        answer="relating participants",
        on=_ALL,
    ),
    Case(
        "relate",
        {"participant_id": "2", "other_participant": 3, "relationship": "deaf"},
        (
            {
                "Application-Name": "relate_participants",
                "Participant-ID": 2,
                "Other-Participant": 3,
                "Relationship": "deaf",
            },
        ),
        lambda room: room.relations == ((2, 3, "deaf"),),
        answer="relating participants",
        on=_ALL,
    ),
    Case(
        "play",
        {"media_id": "greeting"},
        ({"Application-Name": "play", "Media-Name": f"/{A}/greeting"},),
        _plays(f"/{A}/greeting"),
        on=_ALL,
    ),
)

ON_ONE = (
    Case(
        "mute",
        {},
        _to("mute_participant", 1),
        _speaks(2, 4),
        on=("participants", "1"),
        events=("mute-member:1",),
    ),
    Case(
        "unmute",
        {},
        _to("unmute_participant", 3),
        _speaks(1, 2, 3, 4),
        on=("participants", "3"),
        events=("unmute-member:3",),
    ),
    Case(
        "deaf",
        {},
        _to("deaf_participant", 2),
        _hears(1, 3),
        on=("participants", "2"),
        events=("deaf-member:2",),
    ),
    Case(
        "undeaf",
        {},
        _to("undeaf_participant", 4),
        _hears(1, 2, 3, 4),
        on=("participants", "4"),
        events=("undeaf-member:4",),
    ),
    Case("kick", {}, _to("kick", 2), _stay(1, 3, 4), on=("participants", "2"), events=("del-member:2",)),
    Case(
        "play",
        {"media_id": "greeting"},
        # To one participant Kazoo sends the number as text, and only here (amqp.md 6.2).
        ({"Application-Name": "play", "Media-Name": f"/{A}/greeting", "Participant-ID": "2"},),
        _plays(f"/{A}/greeting", 2),
        on=("participants", "2"),
    ),
)


def _top(case: Case) -> dict[str, Any]:
    return {"action": case.action, "data": dict(case.data)}


def _inside(case: Case) -> dict[str, Any]:
    return {"data": {"action": case.action, "data": dict(case.data)}}


def _both(case: Case) -> dict[str, Any]:
    return {"action": case.action, "data": {"data": dict(case.data)}}


NESTINGS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "action-at-the-top": _top,
    "action-inside-data": _inside,
    "data-inside-data": _both,
}


def _filled(value: Any, conference_id: str, account_id: str) -> Any:
    if isinstance(value, str):
        return value.replace(C, conference_id).replace(A, account_id)
    if isinstance(value, Mapping):
        return {key: _filled(item, conference_id, account_id) for key, item in value.items()}
    return value


async def _hold(world: World, case: Case, body: Mapping[str, Any]) -> None:
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    for step in case.before:
        await world.cluster.perform([_filled(word, conference_id, world.account) for word in step])
    heard = await listen(world, Binding("conference", f"conference.event.*.{world.account}.#"))
    world.sent.clear()

    answer = await world.put(world.path(conference_id, *case.on), body)

    assert answer.status == case.status, answer.text
    assert answer.body["status"] == "success"
    if case.answer is None:
        assert (answer.data["id"], "name" in answer.data) == (conference_id, True)
    else:
        assert answer.data == case.answer
    assert answer.body["revision"].startswith("1-")
    assert answer.body["metadata"]["id"] == conference_id
    where = world.path(conference_id, *case.on)
    assert answer.headers["location"] == f"{where}/{conference_id}"

    app_name, app_version = case.app
    standing = {
        "Event-Category": "conference",
        "Event-Name": "command",
        "Conference-ID": conference_id,
        "App-Name": app_name,
        "App-Version": app_version,
        "Node": world.service.bus.node,
    }
    expected = [{**standing, **_filled(message, conference_id, world.account)} for message in case.messages]
    published = world.published
    assert [(exchange, routing_key) for exchange, routing_key, _ in published] == [
        ("conference", f"conference.command.{conference_id}")
    ] * len(expected)
    sent = [{key: body[key] for key in body if key != "Msg-ID"} for _, _, body in published]
    for one, wanted in zip(sent, expected, strict=True):
        if wanted.get("Media-Name") == RECORDING:
            # Each recording has a name of its own.
            name = rf"{world.account}_{conference_id}_[0-9]{{8}}T[0-9]{{9}}Z_[0-9a-f]{{8}}\.mp3"
            assert re.fullmatch(name, one["Media-Name"])
            wanted["Media-Name"] = one["Media-Name"]
    assert sent == expected
    assert all(isinstance(body["Msg-ID"], str) for _, _, body in published)

    await world.done(conference_id, len(expected))
    assert world.told(conference_id) == ["done"] * len(expected)
    assert case.effect(world.room(conference_id))
    await world.eventually(lambda: len(_events(heard, conference_id)) >= len(case.events))
    on_bus = await heard.all()
    assert sorted(_events(heard, conference_id)) == sorted(case.events)
    assert len([key for key, body in on_bus if body.get("Event-Name") == "command"]) == len(expected)


def _events(heard: Heard, conference_id: str) -> list[str]:
    """The events of a conference in short: ``lock``, ``mute-member:2``."""
    bodies = [orjson.loads(delivery.body) for delivery in heard.deliveries]
    return [
        f"{body['Event']}:{body['Participant-ID']}" if "Participant-ID" in body else body["Event"]
        for body in bodies
        if body.get("Event-Name") == "event" and body["Conference-ID"] == conference_id
    ]


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("case", ON_CONFERENCE, ids=str)
async def test_actions_on_a_conference(world: World, case: Case, nesting: str) -> None:
    """The answer is Kazoo's, exactly the messages go out, and the switch does it and says so."""
    await _hold(world, case, NESTINGS[nesting](case))


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("case", ON_PARTICIPANTS, ids=str)
async def test_actions_on_all_participants(world: World, case: Case, nesting: str) -> None:
    """Without a selector members are commanded whose state would change, and no moderator."""
    await _hold(world, case, NESTINGS[nesting](case))


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("case", ON_ONE, ids=str)
async def test_actions_on_one_participant(world: World, case: Case, nesting: str) -> None:
    """One is commanded, moderator or not."""
    await _hold(world, case, NESTINGS[nesting](case))
