"""The live state of an account: what search answers and events do to its rooms. Pure.

Theory of operation
===================

The state of an account is a table from conference id to `Room`, a frozen value. Two kinds of input
change it.

*Events* are published by the one media node that controls a conference, after that node's own
table has changed (amqp.md 7.3), mostly in order: those of one participant within a few
milliseconds may be swapped, so such are doubted (`is_doubtful`) and whoever follows asks.
`TRANSITIONS` has one row for each kind; what is not in the table changes nothing. Every row is
idempotent: an event says how things are ("this member is muted, and here are all its flags"),
never how they differ. An event of another instance than the room's belongs to an earlier or later
run of the same conference: a later run begins with
``conference-create`` or ``add-member`` and replaces the room, everything else is a straggler.

An event is about one room, so `apply` takes one room and gives one, the same object when nothing
changed. The table belongs to whoever follows the account: `enter` puts a new value in the place of
the old one and touches no other, so that an event costs the same in an account with a thousand
rooms. A value that was read from the table stays as it was; who needs the whole table to stay as it
was copies it.

*Search answers* say how things were at the moment of answering. They travel another way than the
events, so an event heard while a search was under way may or may not be in its answer. The rule:
events heard since the question was sent are applied again on top of the answer, in their order.
Those that were in it already change nothing, those that were not are not lost, and those still
to come will be applied when they come. So any interleaving ends in the state of the switch.

An event cannot tell all that a search can (host, start, join times). A room known from events
alone is `partial`, and whoever shows it asks for it once.

Nothing is kept of what has ended: memory is bounded by what is live.

Source: amqp.md 5.2, 5.6, 7.2, 7.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..clock import gregorian_seconds
from .merging import merged, remembered
from .recordings import recorded_file
from .rooms import MAX_PARTICIPANTS, MAX_ROOMS, Participant, Room, strangers_last
from .sightings import object_of, participant_from, text_of

#: Rooms by conference id: as a reader sees them, and as their owner does.
Rooms = Mapping[str, Room]
MutableRooms = MutableMapping[str, Room]


@dataclass(frozen=True, slots=True)
class Event:
    """A conference event as it was heard. ``at`` in unix seconds.

    ``account_id``: whose it is as far as its headers say, if only the leg's; ``owner_id``: the
    conference's own account, where the event tells it."""

    kind: str
    conference_id: str
    instance_id: str
    at: float
    account_id: str | None = None
    owner_id: str | None = None
    call_id: str | None = None
    participant: Participant | None = None
    message_id: str | None = None
    #: The older core's events leave a participant's custom application variables out (amqp.md 7.3).
    lacks_vars: bool = False
    #: The file of a recording, where the event tells it (Kazoo 5).
    recording_file: str | None = None


def event_from(body: Mapping[str, Any], at: float, published_for: str | None = None) -> Event | None:
    """The event in a message's body; ``None`` when it does not say what and where.

    ``published_for``: the account in its routing key. Of an event of the conference itself that is the
    conference's own. Of one about a leg it may be the leg's: Kazoo takes the conference's where the
    switch knows it, else the leg's (conference-event.xml), so only one that is not the leg's tells."""
    kind, conference_id = text_of(body.get("Event")), text_of(body.get("Conference-ID"))
    if kind is None or conference_id is None:
        return None
    channel_vars = object_of(body.get("Custom-Channel-Vars"))
    of_leg = text_of(channel_vars.get("Account-ID"))
    owner_id = published_for or text_of(body.get("Account-ID"))
    if kind not in _OF_THE_ROOM and of_leg in (None, owner_id):
        owner_id = None
    return Event(
        kind=kind,
        conference_id=conference_id,
        instance_id=text_of(body.get("Instance-ID")) or "",
        at=at,
        account_id=text_of(body.get("Account-ID")) or of_leg,
        owner_id=owner_id,
        call_id=text_of(body.get("Call-ID")),
        participant=participant_from(body),
        message_id=text_of(body.get("Msg-ID")),
        lacks_vars="Custom-Application-Vars" not in body,
        recording_file=recorded_file(body) if kind == "start-recording" else None,
    )


def apply(room: Room | None, event: Event) -> Room | None:
    """A room after an event of its conference; the same object when nothing changed.

    ``None`` before: not known to run; after: it has ended."""
    transition = TRANSITIONS.get(event.kind)
    if transition is None:
        return room
    if room is not None and room.instance_id and event.instance_id not in ("", room.instance_id):
        return transition(None, event) if event.kind in BEGINNINGS else room
    return transition(room, event)


def enter(rooms: MutableRooms, event: Event) -> bool:
    """Put what an event does to its room into the caller's table; whether anything changed."""
    before = rooms.get(event.conference_id)
    after = apply(before, event)
    if after is before or (before is None and len(rooms) >= MAX_ROOMS):
        return False
    if after is None:
        del rooms[event.conference_id]
    else:
        rooms[event.conference_id] = after
    return True


def reconcile(found: Iterable[Room], heard_since: Iterable[Event], known: Rooms) -> MutableRooms:
    """The rooms after a complete answer for the account: what it says, and the events since.

    A new table, which is the caller's; ``known`` stays as it was. Several rooms of one id are
    answers of several nodes; these and what was known are merged (`merging`).
    """
    rooms = {key: remembered(room, known.get(key)) for key, room in merged(found).items()}
    for event in heard_since:
        enter(rooms, event)
    return rooms


def is_doubtful(room: Room | None, event: Event) -> bool:
    """Whether an event of flags may have come out of order; ``room`` as it was before the event.

    Nothing in an event tells its place: the media node publishes each from a process of its own,
    Kazoo's time stamp is that of publishing, and member numbers do not follow the order of joins
    (real-switch.md A8). So two of one participant shortly after one another, and one of somebody who
    is not there (any more), are worth asking."""
    if event.kind not in _FLAG_EVENTS or event.participant is None:
        return False
    known = None if room is None else _known(room, event.participant)
    if known is None:
        return room is None or not room.partial
    return known.told_at is not None and event.at - known.told_at < _OUT_OF_ORDER_SECONDS


def drift(before: Rooms, after: Rooms) -> int:
    """In how many rooms two states differ in who is there, in flags or in the lock."""
    return sum(_essence(before.get(key)) != _essence(after.get(key)) for key in {*before, *after})


# The rows of the table. Each takes the room before (``None``: not known, or another run) and the
# event, and gives the room after (``None``: gone).


def _created(room: Room | None, event: Event) -> Room | None:
    return _room(room, event)


def _destroyed(room: Room | None, event: Event) -> Room | None:
    return None


def _locked(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    return here if here.locked is True else replace(here, locked=True)


def _unlocked(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    return here if here.locked is False else replace(here, locked=False)


def _recording(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    if here.recording is True and here.recording_file == event.recording_file:
        return here
    return replace(here, recording=True, recording_file=event.recording_file)


def _not_recording(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    return here if here.recording is False else replace(here, recording=False, recording_file=None)


def _member_there(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    if event.participant is None:
        return here
    known = _known(here, event.participant)
    member, speaker = _told(here, known, event.participant, event), here.active_speaker
    if member.talking is False and member.talking_since is not None:
        # Who is muted while talking gets no stop-talking (real-switch.md A10).
        member = _silent(member, event)
        speaker = None if speaker == member.participant_id else speaker
    return _with(here, known, member, speaker)


def _member_gone(room: Room | None, event: Event) -> Room | None:
    if room is None:
        return None
    told = event.participant
    known = None if told is None else _known(room, told)
    if known is None:
        return room
    left = tuple(member for member in room.participants if member is not known)
    speaker = room.active_speaker if room.active_speaker != known.participant_id else None
    return replace(room, participants=left, active_speaker=speaker)


def _talks(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    if event.participant is None:
        return here
    known = _known(here, event.participant)
    member = _told(here, known, event.participant, event)
    if member.talking_since is None:
        member = replace(member, talking_since=event.at)
    return _with(here, known, member, member.participant_id)


def _is_quiet(room: Room | None, event: Event) -> Room | None:
    here = _room(room, event)
    if event.participant is None:
        return here
    known = _known(here, event.participant)
    member = _told(here, known, event.participant, event)
    member = _silent(member, event)
    speaker = here.active_speaker if here.active_speaker != member.participant_id else None
    return _with(here, known, member, speaker)


def _silent(member: Participant, event: Event) -> Participant:
    if member.talking_since is None:
        return member
    spoken = max(0.0, event.at - member.talking_since)
    return replace(member, talk_time=member.talk_time + spoken, talking_since=None)


Transition = Callable[[Room | None, Event], Room | None]

#: What each kind of event does to a room; kinds that are not here do nothing.
TRANSITIONS: Final[Mapping[str, Transition]] = {
    "conference-create": _created,
    "conference-destroy": _destroyed,
    "lock": _locked,
    "unlock": _unlocked,
    "start-recording": _recording,
    "stop-recording": _not_recording,
    "add-member": _member_there,
    "del-member": _member_gone,
    "mute-member": _member_there,
    "unmute-member": _member_there,
    "deaf-member": _member_there,
    "undeaf-member": _member_there,
    "start-talking": _talks,
    "stop-talking": _is_quiet,
}

_FLAG_EVENTS: Final = frozenset(
    {
        "mute-member",
        "unmute-member",
        "deaf-member",
        "undeaf-member",
        "start-talking",
        "stop-talking",
    }
)

#: Events of one participant that were 5 ms apart came in order in all of 25 rounds; this is ten times that.
_OUT_OF_ORDER_SECONDS: Final = 0.05

#: Kinds with which a new run of a conference is first heard of.
BEGINNINGS = frozenset({"conference-create", "add-member"})

#: Kinds that are about the conference itself and not about one who is in it.
_OF_THE_ROOM = frozenset(
    {"conference-create", "conference-destroy", "lock", "unlock", "start-recording", "stop-recording"}
)

#: Without these the state cannot be followed (amqp.md 7.3: the operator may narrow the list).
NEEDED_EVENTS = frozenset(TRANSITIONS) - {"start-recording", "stop-recording"}


def _room(room: Room | None, event: Event) -> Room:
    if room is not None:
        known = room.account_id is not None or event.owner_id is None
        return room if known else replace(room, account_id=event.owner_id)
    return Room(
        conference_id=event.conference_id,
        account_id=event.owner_id,
        instance_id=event.instance_id or None,
        locked=False if event.kind == "conference-create" else None,
        start_time=gregorian_seconds(event.at),
        partial=True,
    )


def _told(room: Room, known: Participant | None, told: Participant, event: Event) -> Participant:
    # An event has all flags, but not what only a search knows: that is kept, or made up.
    if known is None:
        return replace(
            told,
            join_time=told.join_time or gregorian_seconds(event.at),
            switch_hostname=told.switch_hostname or room.switch_hostname,
            conference_name=told.conference_name or room.conference_id,
            conference_uuid=told.conference_uuid or room.instance_id,
            told_at=event.at,
            joined_at=event.at if event.kind == "add-member" else None,
        )
    return replace(
        known,
        participant_id=told.participant_id if told.participant_id is not None else known.participant_id,
        conference_channel_vars=told.conference_channel_vars or known.conference_channel_vars,
        custom_channel_vars=told.custom_channel_vars or known.custom_channel_vars,
        custom_application_vars=told.custom_application_vars or known.custom_application_vars,
        caller_id_name=told.caller_id_name or known.caller_id_name,
        caller_id_number=told.caller_id_number or known.caller_id_number,
        told_at=event.at,
    )


def _known(room: Room, told: Participant) -> Participant | None:
    """Who is there already of whom an event tells: by number, or by call where no number is known."""
    if told.participant_id is None:
        return room.caller(told.call_id)
    known = room.participant(told.participant_id)
    if known is None and room.has_strangers:
        caller = room.caller(told.call_id)
        return caller if caller is not None and caller.participant_id is None else None
    return known


def _with(room: Room, known: Participant | None, member: Participant, speaker: int | None) -> Room:
    """The room with a member in the place of what was known of it; the room itself if that is the same."""
    if member == known:
        return room if speaker == room.active_speaker else replace(room, active_speaker=speaker)
    others = room.participants
    if known is not None and known.participant_id is not None:
        place = room.place(known.participant_id)
        assert place is not None
        # Slices are copied as a whole: of a large room that is the least that a tuple costs.
        after = (*others[:place], member, *others[place + 1 :])
    elif known is None and len(others) >= MAX_PARTICIPANTS:
        return room
    else:
        # Somebody new, or whose number was not known till now.
        after = (*(other for other in others if other is not known), member)
        after = strangers_last(after) if room.has_strangers else after
    return replace(room, participants=after, active_speaker=speaker)


def _essence(room: Room | None) -> Any:
    if room is None:
        return None
    flags = ("Is-Moderator", "Speak", "Hear")
    return (
        room.instance_id,
        room.locked is True,
        frozenset(
            (member.participant_id, *(member.flag(flag) for flag in flags)) for member in room.participants
        ),
    )
