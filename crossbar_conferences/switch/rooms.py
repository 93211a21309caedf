"""The rooms of the virtual switch: a pure machine, commands in, new rooms and events out.

`apply` never changes what it is given. Rules that the recordings show: member ids count from 1
and are not used twice in one run of a conference; the first to come has the floor; a conference
ends when its last member goes, and `Destroy` ends it without a word about the members.

A room that is ``real`` follows FreeSWITCH where that differs from their stand-in: the floor is given after a
join and taken before a leave, who talks while its holder is silent takes it, the newest member comes first.

Source: recordings (live, participants, websocket; real switch 01 to 27), amqp.md 7.1, 7.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
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
    Say,
    Selector,
    StopPlay,
    Switch,
    Variables,
    Verb,
    Volume,
)

#: FreeSWITCH's default threshold.
ENERGY_LEVEL = 20
#: FreeSWITCH clips volumes to this, up and down (real-switch.md C(a)).
VOLUME = 4
#: Endings of files that the switch can write; one without an ending gets one from ecallmgr.
WRITABLE = frozenset({"", ".mp3", ".mp4", ".wav"})


class SwitchRefuses(CrossbarConferencesError):
    """The virtual switch can't do that now."""


@dataclass(frozen=True, slots=True)
class Member:
    """One call in a room. ``join_time`` is in gregorian seconds. ``sounding``: makes a sound, heard or not;
    ``told_floor``: what its last event said of the floor. A dialled leg may have no name."""

    member_id: int
    call_id: str
    join_time: int
    name: str | None
    number: str | None
    moderator: bool = False
    speak: bool = True
    hear: bool = True
    see: bool = True
    talking: bool = False
    ghost: bool = False
    sounding: bool = False
    told_floor: bool = False
    energy_level: int = ENERGY_LEVEL
    volume_in: int = 0
    volume_out: int = 0
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
    #: It behaves as FreeSWITCH's.
    real: bool = False

    def member(self, member_id: int) -> Member | None:
        """The member with this id."""
        return next((member for member in self.members if member.member_id == member_id), None)

    def call(self, call_id: str) -> Member | None:
        """The member with this call id."""
        return next((member for member in self.members if member.call_id == call_id), None)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. ``name`` is FreeSWITCH's; ``room`` and ``member`` are as they were then:
    for ``del-member`` the member as it left, with the floor it had. ``caller``: whose call began the room."""

    name: str
    room: Room
    member: Member | None = None
    has_floor: bool = False
    caller: Member | None = None
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
        return _leave(rooms, room, command)
    changed, events = _STEPS[type(command)](room, command)
    return Outcome(_with(rooms, changed), events)


def chosen(room: Room, selector: Selector) -> tuple[Member, ...]:
    """The members that a selector means. Raises `SwitchRefuses` when an id means nobody."""
    members = room.members[::-1] if room.real else room.members
    if selector == "all":
        return members
    if selector == "non_moderator":
        return tuple(member for member in members if not member.moderator)
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
        real=command.real,
    )
    caller = None if command.caller is None else _member(room, command.caller, 0)
    return Outcome(_with(rooms, room), (Event("conference-create", room, caller=caller),))


def _destroyed(rooms: Rooms, room: Room) -> Outcome:
    rest = {key: other for key, other in rooms.items() if key != room.conference_id}
    return Outcome(MappingProxyType(rest), (Event("conference-destroy", room),))


def _leave(rooms: Rooms, room: Room, command: Leave) -> Outcome:
    leaving = chosen(room, command.member)
    events = [_about("hup-member", room, member) for member in leaving if command.kicked]
    for member in leaving:
        had_floor = room.floor == member.member_id
        room = replace(
            room,
            members=tuple(other for other in room.members if other is not member),
            floor=None if had_floor else room.floor,
            relations=tuple(link for link in room.relations if member.member_id not in link[:2]),
            playing=tuple(play for play in room.playing if play[1] != member.member_id),
        )
        if room.real and had_floor:
            events.append(Event("floor-change", room))
        events.append(Event("del-member", room, member, had_floor and not room.real))
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
    number = command.member_id or room.next_member_id
    member = _member(room, command, number)
    is_first = not room.members
    room = replace(room, members=(*room.members, member), next_member_id=number + 1)
    if not room.real:
        room = _floor_offered(room, member)
        return room, (_about("add-member", room, member),)
    joined = _about("add-member", room, member)
    room, taken = _floor_taken(room, member) if is_first and member.speak else (room, ())
    return room, (joined, *taken)


def _member(room: Room, command: Join, number: int) -> Member:
    is_nameless = room.real and command.dialled
    return Member(
        member_id=number,
        call_id=command.call_id,
        join_time=command.at,
        name=command.name or (None if is_nameless else f"Caller {number}"),
        number=command.number or (None if is_nameless else str(1000 + number)),
        moderator=command.moderator,
        speak=command.speak,
        hear=command.hear,
        see=command.see,
        ghost=command.ghost,
        account_id=command.account_id or room.account_id,
        channel_vars=command.channel_vars,
        application_vars=command.application_vars,
    )


def _lock(room: Room, command: Lock) -> tuple[Room, tuple[Event, ...]]:
    room = replace(room, locked=command.locked)
    return room, (Event("lock" if command.locked else "unlock", room),)


#: What a verb does to a member, and the event that says so.
_VERBS: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "mute": ("mute-member", {"speak": False, "talking": False}),
    "unmute": ("unmute-member", {"speak": True}),
    "deaf": ("deaf-member", {"hear": False}),
    "undeaf": ("undeaf-member", {"hear": True}),
    "talk": ("start-talking", {"talking": True, "sounding": True}),
    "quiet": ("stop-talking", {"talking": False, "sounding": False}),
}


def _switch(room: Room, command: Switch) -> tuple[Room, tuple[Event, ...]]:
    # Like FreeSWITCH, an event comes for every member meant, changed or not.
    events: list[Event] = []
    for member in chosen(room, command.member):
        if command.verb == "talk" and not member.speak:
            raise SwitchRefuses(f"member {member.member_id} is muted")
        room, switched = _switched(room, member, command.verb)
        events += switched
        now = room.member(member.member_id)
        if command.verb == "unmute" and now is not None and now.sounding and not now.talking:
            # Muting ended the talking without an event; now it is heard again.
            room, switched = _switched(room, now, "talk")
            events += switched
    return room, tuple(events)


def _switched(room: Room, member: Member, verb: Verb) -> tuple[Room, tuple[Event, ...]]:
    name, flags = _VERBS[verb]
    changed = replace(member, told_floor=room.floor == member.member_id, **flags)  # type: ignore[arg-type]
    room = _replaced(room, changed)
    if not room.real:
        room = _floor_offered(room, changed) if verb == "talk" else room
        return room, (_about(name, room, changed),)
    happened = _about(name, room, changed)
    holder = room.member(room.floor or 0)
    if verb != "talk" or (holder is not None and holder.talking):
        return room, (happened,)
    room, taken = _floor_taken(room, changed)
    return room, (happened, *taken)


def _energy(room: Room, command: Energy) -> tuple[Room, tuple[Event, ...]]:
    return _levelled(room, command.member, "energy-level-member", {"energy_level": command.level})


def _volume(room: Room, command: Volume) -> tuple[Room, tuple[Event, ...]]:
    level = max(-VOLUME, min(command.level, VOLUME))
    return _levelled(room, command.member, f"volume-{command.way}-member", {f"volume_{command.way}": level})


def _levelled(
    room: Room, selector: Selector, name: str, levels: Mapping[str, int]
) -> tuple[Room, tuple[Event, ...]]:
    levelled = [replace(member, **levels) for member in chosen(room, selector)]  # type: ignore[arg-type]
    for member in levelled:
        room = _replaced(room, member)
    return room, tuple(_about(name, room, member) for member in levelled)


def _relate(room: Room, command: Relate) -> tuple[Room, tuple[Event, ...]]:
    for member_id in (command.member, command.other):
        chosen(room, member_id)
    pair = (command.member, command.other)
    kept = tuple(link for link in room.relations if link[:2] != pair)
    added = () if command.relationship == "clear" else ((*pair, command.relationship),)
    return replace(room, relations=(*kept, *added)), ()


def _play(room: Room, command: Play) -> tuple[Room, tuple[Event, ...]]:
    events = _sound("play-file", room, command.member)
    return replace(room, playing=(*room.playing, (command.media, command.member))), events


def _stop_play(room: Room, command: StopPlay) -> tuple[Room, tuple[Event, ...]]:
    rest = tuple(play for play in room.playing if play[1] != command.member)
    ended = len(room.playing) - len(rest)
    events = _sound("play-file", room, command.member, "-done") if ended else ()
    return replace(room, playing=rest), events * ended


def _sound(name: str, room: Room, selector: Selector | None, suffix: str = "") -> tuple[Event, ...]:
    """What is told of something to hear: of the room, or of the members that hear it alone."""
    if selector is None:
        return (Event(name + suffix, room),)
    return tuple(_about(f"{name}-member{suffix}", room, member) for member in chosen(room, selector))


def _record(room: Room, command: Record) -> tuple[Room, tuple[Event, ...]]:
    recorded = command.media in room.recordings
    if command.on == recorded:
        what = "already recorded" if recorded else "not recorded"
        raise SwitchRefuses(f"conference {room.conference_id} is {what} to {command.media}")
    if command.on and PurePosixPath(command.media).suffix.lower() not in WRITABLE:
        # It begins and ends in the same moment; the bus tells no reason (real-switch.md A4).
        return room, (Event("start-recording", room), Event("stop-recording", room))
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
    Volume: _volume,
    Say: lambda room, command: (room, _sound("speak-text", room, command.member)),
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


def _floor_taken(room: Room, member: Member) -> tuple[Room, tuple[Event, ...]]:
    room = replace(room, floor=member.member_id)
    return room, (Event("floor-change", room, member, True),)


def _about(name: str, room: Room, member: Member) -> Event:
    return Event(name, room, member, room.floor == member.member_id)
