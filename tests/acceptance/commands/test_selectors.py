"""Commands to many: whom a selector names, the report, and nobody forgotten for want of a flag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.world import World

PEOPLE = ("moderator=true name=Ann", "name=Bob", "name=Cid speak=false", "name=Dee hear=false")


def _report(sent: tuple[int, ...] = (), unchanged: tuple[int, ...] = (), absent: tuple[int, ...] = ()) -> Any:
    rows = [(number, "sent") for number in sent] + [(number, "unchanged") for number in unchanged]
    return sorted(rows) + [(number, "not_found") for number in absent]


@pytest.mark.parametrize(
    ("action", "selector", "report"),
    [
        ("mute", {"ids": [1, 2]}, _report((1, 2))),
        ("mute", {"ids": [3, 9, 2, 2]}, _report((2,), (3,), (9,))),
        ("mute", {"where": {}}, _report((1, 2, 4), (3,))),
        ("mute", {"except": [1]}, _report((2, 4), (3,))),
        ("mute", {"ids": [1, 2, 3], "except": [1, 7]}, _report((2,), (3,))),
        ("unmute", {"where": {"moderator": False}}, _report((3,), (2, 4))),
        ("kick", {"where": {"moderator": False, "hear": True}}, _report((2, 3))),
        ("kick", {"where": {"speak": False}, "ids": [3, 4]}, _report((3,))),
        ("deaf", {"where": {"talking": True}}, _report()),
        ("deaf", {"ids": []}, _report()),
    ],
)
async def test_whom_a_selector_names(
    world: World, action: str, selector: Mapping[str, Any], report: list[tuple[int, str]]
) -> None:
    """Exactly those are commanded, and the answer says what became of each."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    answer = await world.act(conference_id, action, selector, "participants")
    assert answer.status == 202, answer.text
    assert answer.data["action"] == action
    rows = [(row["participant_id"], row["result"]) for row in answer.data["participants"]]
    assert rows == report
    assert [command["Participant-ID"] for command in world.commands] == [
        number for number, result in report if result == "sent"
    ]


async def test_a_selector_without_a_room_names_nobody(world: World) -> None:
    """A conference that does not run has nobody: the ids are told, nothing is published."""
    conference_id = await world.create()
    answer = await world.act(conference_id, "mute", {"ids": [1]}, "participants")
    assert answer.data["participants"] == [{"participant_id": 1, "result": "not_found"}]
    assert world.published == []


@pytest.mark.parametrize(
    ("selector", "path"),
    [
        ({"ids": "1"}, "ids"),
        ({"ids": [-1]}, "ids.0"),
        ({"ids": [1.5]}, "ids.0"),
        ({"where": {"tall": True}}, "where"),
        ({"where": {"speak": "yes"}}, "where.speak"),
        ({"except": None, "where": []}, "where"),
        ({"ids": list(range(1001))}, "ids"),
    ],
)
async def test_a_selector_that_is_wrong(world: World, selector: Mapping[str, Any], path: str) -> None:
    """It is refused as a whole: nobody is commanded."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    answer = await world.act(conference_id, "mute", selector, "participants")
    assert path in answer.errors
    assert world.published == []


async def test_nobody_is_forgotten_for_want_of_a_flag(world: World) -> None:
    """A member of whom the switch does not say whether they speak is commanded, with and without a
    selector; Kazoo leaves them out."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    # An event without flags, as older switches send them, makes them unknown.
    await world.call("GET", world.path(conference_id, "participants"))
    body = {
        "Event-Category": "conference",
        "Event-Name": "event",
        "App-Name": "freeswitch",
        "App-Version": "1.0",
        "Node": "ecallmgr@virtual",
        "Event": "add-member",
        "Conference-ID": conference_id,
        "Account-ID": world.account,
        "Instance-ID": world.room(conference_id).instance_id,
        "Call-ID": "bare@example.com",
        "Participant-ID": 5,
        "Msg-ID": "bare",
    }
    key = f"conference.event.add-member.{world.account}.{conference_id}.bare"
    await world.publish("conference", key, body)
    await world.until_shown(conference_id, 5)
    assert (await world.act(conference_id, "mute", None, "participants")).status == 201
    assert [command["Participant-ID"] for command in world.commands] == [2, 4, 5]
    world.sent.clear()
    answer = await world.act(conference_id, "mute", {"where": {"moderator": False}}, "participants")
    assert {"participant_id": 5, "result": "sent"} in answer.data["participants"]


async def test_kick_all_takes_moderators_too(world: World) -> None:
    """Without a selector a kick is for everybody, and the conference ends."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    answer = await world.act(conference_id, "kick", None, "participants")
    assert answer.status == 201
    await world.done(conference_id, 4)
    assert world.cluster.room(conference_id) is None
