"""The rooms of the virtual switch: a pure machine, commands in, new rooms and events out.

`apply` never changes what it is given. Rules that the recordings show: member ids count from 1
and are not used twice in one run of a conference; the first to come has the floor; a conference
ends when its last member goes, and `Destroy` ends it without a word about the members.

Source: recordings (live, participants, websocket), amqp.md 7.1, 7.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..errors import CrossbarConferencesError
from .commands import (
    Command,
    Create,
    Destroy,
    Energy,
    Join,
    Leave,
    Lock,
    Parameter,
    Play,
    Record,
    Relate,
    Selector,
    StopPlay,
    Switch,
    Variables,
)

#: FreeSWITCH's default threshold.
ENERGY_LEVEL = 20


class SwitchRefuses(CrossbarConferencesError):
    """The virtual switch can't do that now."""


@dataclass(frozen=True, slots=True)
class Member:
    """One call in a room. ``join_time`` is in gregorian seconds."""

    member_id: int
    call_id: str
    join_time: int
    name: str
    number: str
    moderator: bool = False
    speak: bool = True
    hear: bool = True
    see: bool = True
    talking: bool = False
    ghost: bool = False
    energy_level: int = ENERGY_LEVEL
    account_id: str | None = None
    channel_vars: Mapping[str, Any] = field(default_factory=dict)
    application_vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Room:
    """One running conference. ``floor`` is a member id; ``relations`` are (member, other, what)."""

    conference_id: str
    account_id: str | None
    instance_id: str
    start_time: int
    locked: bool = False
    members: tuple[Member, ...] = ()
    next_member_id: int = 1
    floor: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    recordings: tuple[str, ...] = ()
    playing: tuple[tuple[str, Selector | None], ...] = ()
    relations: tuple[tuple[int, int, str], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Kazoo's profile came too late: the room runs, and ecallmgr publishes none of its events.
    late_profile: bool = False

    def member(self, member_id: int) -> Member | None:
        """The member with this id."""
        return next((member for member in self.members if member.member_id == member_id), None)

    def call(self, call_id: str) -> Member | None:
        """The member with this call id."""
        return next((member for member in self.members if member.call_id == call_id), None)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. ``name`` is FreeSWITCH's; ``room`` and ``member`` are as they were then:
    for ``del-member`` the member as it left, with the floor it had."""

    name: str
    room: Room
    member: Member | None = None
    has_floor: bool = False
    #: The file of a recording.
    media: str | None = None


#: Every running room, by conference id, in order of creation.
Rooms = Mapping[str, Room]

NO_ROOMS: Rooms = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rooms after a command, and what happened, in order."""

    rooms: Rooms
    events: tuple[Event, ...] = ()


def apply(rooms: Rooms, command: Command) -> Outcome:
    """Do one command. Raises `SwitchRefuses` and then nothing has happened."""
    if isinstance(command, Create):
        return _create(rooms, command)
    room = rooms.get(command.conference_id)
    if room is None:
        raise SwitchRefuses(f"conference {command.conference_id} is not running")
    if isinstance(command, Destroy):
        return _destroyed(rooms, room)
    if isinstance(command, Leave):
        return _leave(rooms, room, command.member)
    changed, events = _STEPS[type(command)](room, command)
    return Outcome(_with(rooms, changed), events)


def chosen(room: Room, selector: Selector) -> tuple[Member, ...]:
    """The members that a selector means. Raises `SwitchRefuses` when an id means nobody."""
    if selector == "all":
        return room.members
    if selector == "non_moderator":
        return tuple(member for member in room.members if not member.moderator)
    if selector == "last":
        return room.members[-1:]
    member = room.member(selector)
    if member is None:
        raise SwitchRefuses(f"conference {room.conference_id} has no member {selector}")
    return (member,)


def _create(rooms: Rooms, command: Create) -> Outcome:
    if command.conference_id in rooms:
        raise SwitchRefuses(f"conference {command.conference_id} is already running")
    room = Room(
        command.conference_id,
        command.account_id,
        command.instance_id,
        command.at,
        late_profile=command.late_profile,
    )
    return Outcome(_with(rooms, room), (Event("conference-create", room),))


def _destroyed(rooms: Rooms, room: Room) -> Outcome:
    rest = {key: other for key, other in rooms.items() if key != room.conference_id}
    return Outcome(MappingProxyType(rest), (Event("conference-destroy", room),))


def _leave(rooms: Rooms, room: Room, selector: Selector) -> Outcome:
    events = []
    for member in chosen(room, selector):
        had_floor = room.floor == member.member_id
        room = replace(
            room,
            members=tuple(other for other in room.members if other is not member),
            floor=None if had_floor else room.floor,
            relations=tuple(link for link in room.relations if member.member_id not in link[:2]),
            playing=tuple(play for play in room.playing if play[1] != member.member_id),
        )
        events.append(Event("del-member", room, member, had_floor))
    if room.members or not events:
        return Outcome(_with(rooms, room), tuple(events))
    end = _destroyed(rooms, room)
    return Outcome(end.rooms, (*events, *end.events))


def _join(room: Room, command: Join) -> tuple[Room, tuple[Event, ...]]:
    if room.locked and not command.dialled:
        raise SwitchRefuses(f"conference {room.conference_id} is locked")
    limit = room.parameters.get("Max-Members", "")
    if limit.isdecimal() and 0 < int(limit) <= len(room.members):
        raise SwitchRefuses(f"conference {room.conference_id} is full")
    if room.call(command.call_id) is not None:
        raise SwitchRefuses(f"call {command.call_id} is already in conference {room.conference_id}")
    number = room.next_member_id
    member = Member(
        member_id=number,
        call_id=command.call_id,
        join_time=command.at,
        name=command.name or f"Caller {number}",
        number=command.number or str(1000 + number),
        moderator=command.moderator,
        speak=command.speak,
        hear=command.hear,
        see=command.see,
        ghost=command.ghost,
        account_id=command.account_id or room.account_id,
        channel_vars=command.channel_vars,
        application_vars=command.application_vars,
    )
    room = replace(room, members=(*room.members, member), next_member_id=number + 1)
    room = _floor_offered(room, member)
    return room, (_about("add-member", room, member),)


def _lock(room: Room, command: Lock) -> tuple[Room, tuple[Event, ...]]:
    room = replace(room, locked=command.locked)
    return room, (Event("lock" if command.locked else "unlock", room),)


#: What a verb does to a member, and the event that says so.
_VERBS: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "mute": ("mute-member", {"speak": False, "talking": False}),
    "unmute": ("unmute-member", {"speak": True}),
    "deaf": ("deaf-member", {"hear": False}),
    "undeaf": ("undeaf-member", {"hear": True}),
    "talk": ("start-talking", {"talking": True}),
    "quiet": ("stop-talking", {"talking": False}),
}


def _switch(room: Room, command: Switch) -> tuple[Room, tuple[Event, ...]]:
    # Like FreeSWITCH, an event comes for every member meant, changed or not.
    name, flags = _VERBS[command.verb]
    events = []
    for member in chosen(room, command.member):
        if command.verb == "talk" and not member.speak:
            raise SwitchRefuses(f"member {member.member_id} is muted")
        changed = replace(member, **flags)  # type: ignore[arg-type]
        room = _replaced(room, changed)
        if command.verb == "talk":
            room = _floor_offered(room, changed)
        events.append(_about(name, room, changed))
    return room, tuple(events)


def _energy(room: Room, command: Energy) -> tuple[Room, tuple[Event, ...]]:
    for member in chosen(room, command.member):
        room = _replaced(room, replace(member, energy_level=command.level))
    return room, ()


def _relate(room: Room, command: Relate) -> tuple[Room, tuple[Event, ...]]:
    for member_id in (command.member, command.other):
        chosen(room, member_id)
    pair = (command.member, command.other)
    kept = tuple(link for link in room.relations if link[:2] != pair)
    added = () if command.relationship == "clear" else ((*pair, command.relationship),)
    return replace(room, relations=(*kept, *added)), ()


def _play(room: Room, command: Play) -> tuple[Room, tuple[Event, ...]]:
    if command.member is not None:
        chosen(room, command.member)
    return replace(room, playing=(*room.playing, (command.media, command.member))), ()


def _stop_play(room: Room, command: StopPlay) -> tuple[Room, tuple[Event, ...]]:
    return replace(room, playing=tuple(play for play in room.playing if play[1] != command.member)), ()


def _record(room: Room, command: Record) -> tuple[Room, tuple[Event, ...]]:
    recorded = command.media in room.recordings
    if command.on == recorded:
        what = "already recorded" if recorded else "not recorded"
        raise SwitchRefuses(f"conference {room.conference_id} is {what} to {command.media}")
    rest = tuple(media for media in room.recordings if media != command.media)
    room = replace(room, recordings=(*rest, command.media) if command.on else rest)
    name = "start-recording" if command.on else "stop-recording"
    return room, (Event(name, room, media=command.media),)


def _variables(room: Room, command: Variables) -> tuple[Room, tuple[Event, ...]]:
    return replace(room, variables={**room.variables, **command.values}), ()


def _parameter(room: Room, command: Parameter) -> tuple[Room, tuple[Event, ...]]:
    return replace(room, parameters={**room.parameters, command.name: command.value}), ()


_STEPS: Mapping[type, Callable[[Room, Any], tuple[Room, tuple[Event, ...]]]] = {
    Join: _join,
    Lock: _lock,
    Switch: _switch,
    Energy: _energy,
    Relate: _relate,
    Play: _play,
    StopPlay: _stop_play,
    Record: _record,
    Variables: _variables,
    Parameter: _parameter,
}


def _with(rooms: Rooms, room: Room) -> Rooms:
    return MappingProxyType({**rooms, room.conference_id: room})


def _replaced(room: Room, member: Member) -> Room:
    members = tuple(member if other.member_id == member.member_id else other for other in room.members)
    return replace(room, members=members)


def _floor_offered(room: Room, member: Member) -> Room:
    """Who comes or talks while nobody has the floor takes it."""
    return replace(room, floor=member.member_id) if room.floor is None and member.speak else room


def _about(name: str, room: Room, member: Member) -> Event:
    return Event(name, room, member, room.floor == member.member_id)
