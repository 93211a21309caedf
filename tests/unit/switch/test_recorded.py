"""What the recorded media side said, said again by the virtual switch from the same steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbar_conferences.switch import messages
from crossbar_conferences.switch.execution import command_of
from crossbar_conferences.switch.messages import MediaServer, Speaker
from crossbar_conferences.switch.node import PUBLISHED_EVENTS
from crossbar_conferences.switch.rooms import NO_ROOMS, Event, Rooms, apply
from crossbar_conferences.switch.steps import InRoom, Moment, parse, words

RECORDED = Path(__file__).parents[3] / "fixtures" / "recorded" / "new"
SPEAKER = Speaker("ecallmgr@e1", "local", MediaServer(), "ecallmgr@e1", core="master")
MOMENT = Moment(63_962_552_800, "instance")
VARIABLE = re.compile(r"\{\{(\w+)\}\}")
PLACEHOLDER = re.compile(r"<[a-z_]+(:\d+)?>")


def cases() -> Iterator[Any]:
    """Recorded cases in which something happens on the media side."""
    for path in sorted(RECORDED.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            # Variables become plain words, which no routing key encodes.
            case = json.loads(VARIABLE.sub(r"var\1", line))
            if any("switch" in step for step in case["steps"]):
                yield pytest.param(case, id=case["id"])


def agree(recorded: Any, said: Any) -> bool:
    """Whether a value is as recorded; placeholders stand for anything."""
    if isinstance(recorded, dict) and isinstance(said, dict):
        return recorded.keys() == said.keys() and all(agree(recorded[key], said[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(said, list):
        return len(recorded) == len(said) and all(map(agree, recorded, said))
    if recorded in ("<greg>", "<secs>", "<int>"):
        return isinstance(said, int)
    if isinstance(recorded, str) and PLACEHOLDER.search(recorded):
        return True
    return type(recorded) is type(said) and recorded == said


def about(body: dict[str, Any]) -> tuple[str, int]:
    """What tells one event of a step from another."""
    return body["Event"], body.get("Participant-ID", 0)


def events_of(step: dict[str, Any], rooms: Rooms) -> tuple[Rooms, list[Event]]:
    """What a recorded step does here: its words, or the commands that the API published."""
    events: list[Event] = []
    if "switch" in step:
        parsed = parse(words(step["switch"]), MOMENT)
        commands = [parsed.command] if isinstance(parsed, InRoom) else []
    else:
        bodies = [message["body"] for message in step.get("amqp", ()) if message["from"] == "api"]
        commands = [
            command
            for body in bodies
            if body.get("Event-Name") == "command" and body["Application-Name"] != "dial"
            if body["Conference-ID"] in rooms and (command := command_of(body, body["Conference-ID"]))
        ]
    for command in commands:
        outcome = apply(rooms, command)
        rooms = outcome.rooms
        events += [event for event in outcome.events if event.name in PUBLISHED_EVENTS]
    return rooms, events


def assert_answers(step: dict[str, Any], rooms: Rooms) -> None:
    """Recorded answers about running conferences are given again; the order of members is free."""
    for message in step.get("amqp", ()):
        recorded = message["body"]
        if recorded.get("Event-Name") != "search_resp":
            continue
        if "Conference-ID" in recorded:
            room = rooms[recorded["Conference-ID"]]
            said = messages.search_by_conference(room, SPEAKER, MOMENT.now, "<rid:0>")
            recorded["Participants"].sort(key=lambda one: one["Participant-ID"])
        else:
            account_id = recorded["Account-ID"]
            said = messages.search_by_account(account_id, rooms.values(), SPEAKER, MOMENT.now, "<rid:0>")
        assert agree(recorded, said), (recorded, said)


@pytest.mark.parametrize("case", list(cases()))
def test_the_same_is_said(case: dict[str, Any]) -> None:
    """Every recorded event and search answer comes with the same body, events on the same key."""
    rooms: Rooms = NO_ROOMS
    for step in case["steps"]:
        if any(message["body"].get("Application-Name") == "dial" for message in step.get("amqp", ())):
            # Dialled legs have fresh ids, and nobody dials here: the dial tests see to these.
            break
        assert_answers(step, rooms)
        rooms, events = events_of(step, rooms)
        said = [messages.event(event, SPEAKER, "varREALM") for event in events]
        recorded = [
            message for message in step.get("amqp", ()) if message["body"].get("Event-Name") == "event"
        ]
        assert sorted(about(dict(one.body)) for one in said) == sorted(about(one["body"]) for one in recorded)
        for one in said:
            match = next(other for other in recorded if about(other["body"]) == about(dict(one.body)))
            assert one.routing_key == match["routing_key"]
            assert agree(match["body"], dict(one.body)), (match["body"], one.body)


def test_there_are_cases() -> None:
    """The recordings are there, so that the test above shows something."""
    assert len(list(cases())) > 20
