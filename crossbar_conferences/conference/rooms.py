"""The values of a running conference: a room and the participants in it.

Snapshots: whoever follows a conference (``live/``) makes new ones, everybody else only reads.
Flags are ``None`` when the switch did not say; what that means is the reader's decision.

Source: amqp.md 5 (search answers and events).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_TRUE = (True, "true", "True")
_FALSE = (False, "false", "False")

#: Participants that are kept of one room, rooms of one account, and participants that are read from all
#: answers to one search. No cluster has as many; a message that says so would hold us up for seconds.
MAX_PARTICIPANTS: Final = 5_000
MAX_ROOMS: Final = 5_000
MAX_ANSWERED: Final = 60_000

#: Above every member number: who has none comes last.
_NO_NUMBER: Final = 2**64


def _number_of(participant: Participant) -> int:
    return _NO_NUMBER if participant.participant_id is None else participant.participant_id


@dataclass(frozen=True, slots=True)
class Participant:
    """One call in a conference.

    ``participant_id`` is the switch's member number, unique inside one run of the conference;
    ``None`` where the media side does not know it: an ecallmgr that was restarted finds running
    conferences with call ids alone (real-switch.md A2). ``join_time`` is in gregorian seconds.
    ``told_at`` (unix seconds) is when an event last told of this participant.
    ``conference_channel_vars`` keeps Kazoo's header case (``Is-Moderator``, ``Speak``, ``Hear``,
    ``Talking``, ``Floor`` …).
    """

    participant_id: int | None
    call_id: str | None = None
    join_time: int | None = None
    caller_id_name: str | None = None
    caller_id_number: str | None = None
    conference_channel_vars: Mapping[str, Any] = field(default_factory=dict)
    custom_channel_vars: Mapping[str, Any] = field(default_factory=dict)
    custom_application_vars: Mapping[str, Any] = field(default_factory=dict)
    switch_hostname: str | None = None
    conference_name: str | None = None
    conference_uuid: str | None = None
    #: Seconds of talk in the stretches that have ended, and since when (unix) one is going on.
    talk_time: float = 0.0
    talking_since: float | None = None
    told_at: float | None = None
    #: When the joining was heard (unix seconds); ``None`` for who was there before.
    joined_at: float | None = None

    def flag(self, header: str) -> bool | None:
        """A boolean conference channel variable by its header, ``None`` when it says nothing."""
        value = self.conference_channel_vars.get(header)
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        return None

    @property
    def is_moderator(self) -> bool | None:
        """Whether this participant is a moderator."""
        return self.flag("Is-Moderator")

    @property
    def speak(self) -> bool | None:
        """Whether the others can hear this participant (false: muted)."""
        return self.flag("Speak")

    @property
    def hear(self) -> bool | None:
        """Whether this participant hears the others (false: deaf)."""
        return self.flag("Hear")

    @property
    def talking(self) -> bool | None:
        """Whether this participant is talking now."""
        return self.flag("Talking")

    @property
    def floor(self) -> bool | None:
        """Whether this participant holds the floor."""
        return self.flag("Floor")


def strangers_last(participants: Iterable[Participant]) -> tuple[Participant, ...]:
    """The participants of a room in their order, but those whose number is not known behind the others."""
    there = tuple(participants)
    if all(member.participant_id is not None for member in there):
        return there
    return tuple(sorted(there, key=lambda member: member.participant_id is None))


@dataclass(frozen=True, slots=True)
class Room:
    """One running conference.

    ``account_id`` is the conference's own account, ``None`` when nobody says it: its legs do not, since
    a leg of any account may be in it. ``start_time`` is in gregorian seconds, ``run_time`` in seconds.
    ``recording`` is ``None`` when nothing was heard about a recording; ``recording_file`` is its file where
    an event told it. ``extra`` keeps headers without
    a field. ``participants`` without a number come last (`strangers_last`).
    """

    conference_id: str
    account_id: str | None = None
    instance_id: str | None = None
    locked: bool | None = None
    start_time: int | None = None
    run_time: int | None = None
    zone: str | None = None
    switch_hostname: str | None = None
    custom_conference_vars: Mapping[str, Any] = field(default_factory=dict)
    recording: bool | None = None
    recording_file: str | None = None
    participants: tuple[Participant, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: Who began to talk last and has not stopped.
    active_speaker: int | None = None
    #: Known from events or a summary alone: the media side did not tell everything yet.
    partial: bool = False
    #: Found by its id alone: the media side does not list it under its account, and its events may
    #: not be published (real-switch.md A2, A10).
    unlisted: bool = False

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why what is known of the room may not be all of it, in words for a client; mostly empty."""
        if not (self.partial or self.unlisted or self.has_strangers):
            return ()
        told = (
            (self.partial, "the media side has not told everything about this conference"),
            (self.unlisted, "the media side does not list this conference under its account"),
            (self.has_strangers, "the media side does not know the ids of some participants"),
        )
        return tuple(words for holds, words in told if holds)

    @property
    def has_strangers(self) -> bool:
        """Whether somebody is there whose member number is not known."""
        return bool(self.participants) and self.participants[-1].participant_id is None

    def caller(self, call_id: str | None) -> Participant | None:
        """The participant with this call, ``None`` when nobody has it."""
        if call_id is None:
            return None
        return next((member for member in self.participants if member.call_id == call_id), None)

    @property
    def legs_account_id(self) -> str | None:
        """The one account that every leg names; ``None`` when they name several, or one names none."""
        named = [member.custom_channel_vars.get("Account-ID") for member in self.participants]
        first = named[0] if named else None
        return first if isinstance(first, str) and first and named.count(first) == len(named) else None

    def participant(self, participant_id: int) -> Participant | None:
        """The participant with this number, ``None`` when nobody has it."""
        place = self.place(participant_id)
        return None if place is None else self.participants[place]

    def place(self, participant_id: int) -> int | None:
        """Where in ``participants`` somebody is, ``None`` when nobody has this number."""
        # Numbers grow as people come, so most tables are in order; an answer's need not be.
        likely = bisect_left(self.participants, participant_id, key=_number_of)
        if likely < len(self.participants) and self.participants[likely].participant_id == participant_id:
            return likely
        for place, participant in enumerate(self.participants):
            if participant.participant_id == participant_id:
                return place
        return None
