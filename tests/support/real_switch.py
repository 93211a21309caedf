"""Recorded bus traffic of a real FreeSWITCH and ecallmgr, as the live state sees it.

The files in ``tests/recordings/real_switch`` are JSON lines: the first says what was done and what the
switch's own list said at which moment (``switch_said``), then comes one message a line, in the order
of the bus. Accounts and people in them are made up.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from crossbar_conferences.conference import live
from crossbar_conferences.conference.rooms import Room
from crossbar_conferences.conference.sightings import room_from_search, rooms_from_account_search

FOLDER = Path(__file__).parents[1] / "recordings" / "real_switch"
FILES = sorted(FOLDER.glob("*.jsonl.gz"))

#: Seconds after which everything of a moment is on the bus: rooms that are being emptied, for one.
SETTLED = 0.2


@dataclass(frozen=True, slots=True)
class Recording:
    """One scenario: what was done and said, and the messages on the bus."""

    name: str
    head: Mapping[str, Any]
    messages: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, path: Path) -> Recording:
        """The recording in a file."""
        head, *messages = map(orjson.loads, gzip.decompress(path.read_bytes()).splitlines())
        return cls(path.name.partition(".")[0], head, tuple(messages))

    def conference(self) -> Iterator[tuple[float, Mapping[str, Any]]]:
        """The conference messages and their times."""
        for message in self.messages:
            body = message["body"]
            if body.get("Event-Category") == "conference":
                yield message["t"], body

    def said(self) -> Iterator[tuple[float, str, Mapping[str, Any] | None]]:
        """What the switch said: when, of which conference, and its list (``None``: not running). A list that
        counts other members than it has was made in the middle of a change, and is left out."""
        for moment in self.head["switch_said"]:
            for conference_id, told in moment.items():
                if isinstance(told, Mapping) and "json_list" in told:
                    listed = told["json_list"]
                    if isinstance(listed, list) and listed[0]["member_count"] != len(listed[0]["members"]):
                        continue
                    yield moment["t"], conference_id, listed[0] if isinstance(listed, list) else None


def rooms_until(recording: Recording, moment: float) -> live.MutableRooms:
    """The rooms after everything that was on the bus until then: events entered, answers folded in."""
    rooms: live.MutableRooms = {}
    for at, body in recording.conference():
        if at > moment:
            break
        kind = body.get("Event-Name")
        if kind == "error":
            # There was one node, and it does not know the conference.
            rooms.pop(body["Conference-ID"], None)
        elif kind == "event":
            event = live.event_from(body, at)
            assert event is not None, body
            live.enter(rooms, event)
        elif kind == "search_resp" and body.get("Conference-ID"):
            found = live.reconcile([room_from_search(body)], (), rooms)
            rooms.update(found)
        elif kind == "search_resp" and body.get("Account-ID"):
            summaries = rooms_from_account_search(body, body["Account-ID"])
            rooms.update(live.reconcile(summaries, (), rooms))
    return rooms


def essence(room: Room | None) -> Any:
    """Who is in a room with which flags, and whether it is locked, as sidecar and switch both know it."""
    if room is None:
        return None
    return (
        room.locked is True,
        sorted(
            (one.participant_id or 0, one.call_id, one.speak, one.hear, one.is_moderator)
            for one in room.participants
        ),
    )


def essence_of_list(listed: Mapping[str, Any] | None) -> Any:
    """The same, from the switch's own list."""
    if listed is None:
        return None
    return (
        listed["locked"],
        sorted(
            (
                one["id"],
                one["uuid"],
                one["flags"]["can_speak"],
                one["flags"]["can_hear"],
                one["flags"]["is_moderator"],
            )
            for one in listed["members"]
        ),
    )
