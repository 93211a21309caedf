"""Which event proves that a command was carried out, and how the state looks then.

Commands are fire and forget (anchors.md 0.4); the event they cause is the only receipt. Only the
events of amqp.md 7.3's default list come without the operator's doing; a command proved by others
is confirmed by state, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .rooms import Participant, Room

#: Says of a room (``None``: not running) and a participant's number whether the command took
#: effect; ``None`` when the state cannot tell.
Holds = Callable[[Room | None, int | None], bool | None]


@dataclass(frozen=True, slots=True)
class Proof:
    """A row of the table. ``is_default``: one of its events is published without configuration.

    ``undone_by``: an event that, soon after, says that it failed; ``failure``: that in words."""

    events: tuple[str, ...]
    holds: Holds
    is_default: bool = True
    undone_by: str | None = None
    failure: str = ""


def _room(read: Callable[[Room], bool | None], wanted: bool) -> Holds:
    def holds(room: Room | None, participant_id: int | None) -> bool | None:
        value = None if room is None else read(room)
        return None if value is None else value is wanted

    return holds


def _flag(read: Callable[[Participant], bool | None], wanted: bool) -> Holds:
    def holds(room: Room | None, participant_id: int | None) -> bool | None:
        participant = None if room is None or participant_id is None else room.participant(participant_id)
        value = None if participant is None else read(participant)
        return None if value is None else value is wanted

    return holds


def _is_gone(room: Room | None, participant_id: int | None) -> bool | None:
    return room is None or (participant_id is not None and room.participant(participant_id) is None)


def _cannot_tell(room: Room | None, participant_id: int | None) -> bool | None:
    return None


#: Actions on participants -> the commands that carry them out.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mute": "mute_participant",
        "unmute": "unmute_participant",
        "deaf": "deaf_participant",
        "undeaf": "undeaf_participant",
        "kick": "kick",
    }
)

#: Action -> what proves it. Actions that are not here cause no event.
PROOFS: Final[Mapping[str, Proof]] = MappingProxyType(
    {
        "lock": Proof(("lock",), _room(lambda room: room.locked, True)),
        "unlock": Proof(("unlock",), _room(lambda room: room.locked, False)),
        "mute": Proof(("mute-member",), _flag(lambda participant: participant.speak, False)),
        "unmute": Proof(("unmute-member",), _flag(lambda participant: participant.speak, True)),
        "deaf": Proof(("deaf-member",), _flag(lambda participant: participant.hear, False)),
        "undeaf": Proof(("undeaf-member",), _flag(lambda participant: participant.hear, True)),
        "kick": Proof(("del-member", "conference-destroy"), _is_gone),
        # A file that cannot be written ends in the same millisecond as it began, without a word why in
        # the events (real-switch.md A4).
        "record_start": Proof(
            ("start-recording",),
            _room(lambda room: room.recording, True),
            False,
            "stop-recording",
            "recording failed: it ended as soon as it had begun",
        ),
        "record_stop": Proof(("stop-recording",), _room(lambda room: room.recording, False), False),
        "energy": Proof(("energy-level-member",), _cannot_tell, False),
        "volume_in": Proof(("volume-in-member",), _cannot_tell, False),
        "volume_out": Proof(("volume-out-member",), _cannot_tell, False),
    }
)

#: Ends a conference, whoever it is about.
_ROOM_EVENTS: Final = frozenset({"lock", "unlock", "start-recording", "stop-recording", "conference-destroy"})


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What one command waits for. ``participant_id`` is ``None`` for the conference itself."""

    action: str
    conference_id: str
    participant_id: int | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events that prove it."""
        return PROOFS[self.action].events

    def is_undone_by(self, event: str, conference_id: str) -> bool:
        """Whether an event says that what was proved did not last."""
        return event == PROOFS[self.action].undone_by and conference_id == self.conference_id

    @property
    def may_be_undone(self) -> bool:
        """Whether the proof counts only once nothing has undone it for a moment."""
        return PROOFS[self.action].undone_by is not None

    @property
    def failure(self) -> str:
        """What is said when it was undone."""
        return PROOFS[self.action].failure

    def is_proved_by(self, event: str, conference_id: str, participant_id: int | None) -> bool:
        """Whether an event of this name, conference and participant is the receipt."""
        if conference_id != self.conference_id or event not in self.events:
            return False
        return event in _ROOM_EVENTS or participant_id == self.participant_id

    def holds(self, room: Room | None) -> bool | None:
        """Whether the state shows the command's effect; ``None`` when it cannot tell.

        ``room`` must be known state: ``None`` means that the conference does not run.
        """
        return PROOFS[self.action].holds(room, self.participant_id)


def confirmation(
    action: str, conference_id: str, participant_id: int | None = None
) -> tuple[Confirmation, ...]:
    """What an action waits for: one `Confirmation`, or nothing when nothing can prove it."""
    return (Confirmation(action, conference_id, participant_id),) if action in PROOFS else ()
