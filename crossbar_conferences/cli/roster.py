"""Who is in which conference, as `watch` shows it: a value, what changes it, and its table. Pure.

Events of the websocket say how things are, not how they differ, so one that was known already
changes nothing. Names come from telephones: nothing in them may steer the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

#: Longest name that is shown.
NAME_LENGTH: Final = 40

#: With more conferences than this, those that have ended are forgotten, numbers and all.
ENDED_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Person:
    """One participant. ``joined`` in unix seconds of our own clock; flags as the switch tells them."""

    participant_id: int
    name: str = ""
    number: str = ""
    joined: float = 0.0
    is_moderator: bool = False
    speak: bool = True
    hear: bool = True
    talking: bool = False


@dataclass(frozen=True, slots=True)
class Conference:
    """One conference; ``sequence`` is the number of the last event that is in it."""

    conference_id: str
    sequence: int = 0
    started: float | None = None
    locked: bool = False
    recording: bool = False
    people: Mapping[int, Person] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether there is anything to show."""
        return self.started is not None


Roster = Mapping[str, Conference]


def from_snapshots(snapshots: Mapping[str, Any], now: float) -> dict[str, Conference]:
    """The roster that a reply's ``snapshots`` describe."""
    return {
        conference_id: _from_snapshot(conference_id, shown, now)
        for conference_id, shown in snapshots.items()
        if isinstance(shown, Mapping)
    }


def after_event(roster: Roster, frame: Mapping[str, Any], now: float) -> Roster:
    """The roster after a pushed frame; the same object when it tells nothing new."""
    data = frame.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("conference_id"), str):
        return roster
    conference_id, kind = data["conference_id"], data.get("event")
    before = roster.get(conference_id, Conference(conference_id))
    sequence = frame.get("seq")
    if isinstance(sequence, int):
        if sequence <= before.sequence:
            return roster
        before = replace(before, sequence=sequence)
    if len(roster) > ENDED_LIMIT:
        roster = {key: conference for key, conference in roster.items() if conference.is_running}
    return {**roster, conference_id: _changed(before, kind, data, now)}


def table(roster: Roster, now: float, status: str = "") -> RenderableType:
    """What the terminal shows: a table for each running conference, and a line about the connection."""
    running = sorted((c for c in roster.values() if c.is_running), key=lambda c: c.conference_id)
    shown: list[RenderableType] = []
    for conference in running:
        shown += [_title(conference, now), _table(conference, now)]
    if not shown:
        shown.append(Text("No conference is running.", style="dim"))
    if status:
        shown.append(Text(clean(status), style="dim"))
    return Group(*shown)


def clean(text: Any) -> str:
    """A text that cannot steer the terminal, and is not endless."""
    return "".join(c if c.isprintable() else "�" for c in str(text or ""))[:NAME_LENGTH]


def _from_snapshot(conference_id: str, shown: Mapping[str, Any], now: float) -> Conference:
    if "conference_id" not in shown:
        return Conference(conference_id, sequence=_number(shown.get("seq")))
    members = shown.get("participants")
    people = [
        _person(
            Person(_number(member.get("participant_id")), joined=now - _number(member.get("duration"))),
            member,
        )
        for member in (members if isinstance(members, list) else [])
        if isinstance(member, Mapping)
    ]
    return Conference(
        conference_id,
        sequence=_number(shown.get("seq")),
        started=now - _number(shown.get("duration")),
        locked=shown.get("is_locked") is True,
        recording=shown.get("is_recording") is True,
        people={person.participant_id: person for person in people},
    )


def _changed(before: Conference, kind: Any, data: Mapping[str, Any], now: float) -> Conference:
    if kind == "conference-destroy":
        return Conference(before.conference_id, sequence=before.sequence)
    if kind == "conference-create":
        return Conference(before.conference_id, sequence=before.sequence, started=now)
    after = before if before.is_running else replace(before, started=now)
    if kind in ("lock", "unlock"):
        return replace(after, locked=kind == "lock")
    if kind in ("start-recording", "stop-recording"):
        return replace(after, recording=kind == "start-recording")
    number = data.get("participant_id")
    if not isinstance(number, int):
        return after
    people = dict(after.people)
    if kind == "del-member":
        people.pop(number, None)
        return replace(after, people=people)
    person = _person(people.get(number, Person(number, joined=now)), data)
    if kind in ("start-talking", "stop-talking"):
        person = replace(person, talking=kind == "start-talking")
    return replace(after, people={**people, number: person})


def _person(known: Person, told: Mapping[str, Any]) -> Person:
    flags = told.get("conference_channel_vars")
    flags = flags if isinstance(flags, Mapping) else {}
    return replace(
        known,
        name=clean(told.get("caller_id_name")) or known.name,
        number=clean(told.get("caller_id_number")) or known.number,
        is_moderator=_flag(flags, "is_moderator", known.is_moderator),
        speak=_flag(flags, "speak", known.speak),
        hear=_flag(flags, "hear", known.hear),
        talking=_flag(flags, "talking", known.talking),
    )


def _flag(flags: Mapping[str, Any], name: str, known: bool) -> bool:
    value = flags.get(name)
    return value if isinstance(value, bool) else known


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _title(conference: Conference, now: float) -> Text:
    title = Text(clean(conference.conference_id), style="bold")
    title.append(f"  {_duration(now - (conference.started or now))}", style="not bold")
    if conference.locked:
        title.append("  locked", style="yellow not bold")
    if conference.recording:
        title.append("  recording", style="red not bold")
    return title


def _table(conference: Conference, now: float) -> Table:
    made = Table()
    for heading, justify in (("#", "right"), ("name", "left"), ("number", "left"), ("", "left")):
        made.add_column(heading, justify="right" if justify == "right" else "left")
    made.add_column("in", justify="right")
    for person in sorted(conference.people.values(), key=lambda each: each.participant_id):
        made.add_row(
            str(person.participant_id),
            Text(person.name, style="bold" if person.talking else ""),
            Text(person.number),
            _marks(person),
            _duration(now - person.joined),
        )
    return made


def _marks(person: Person) -> Text:
    marks = Text()
    for holds, word, style in (
        (person.is_moderator, "moderator", "cyan"),
        (person.talking, "talking", "green"),
        (not person.speak, "muted", "red"),
        (not person.hear, "deaf", "magenta"),
    ):
        if holds:
            marks.append(f"{word} ", style=style)
    return marks


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
