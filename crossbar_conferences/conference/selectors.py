"""Which participants a command to many is for, and what became of each.

Without a selector Kazoo's own choice (amqp.md 6.2), except that nobody is forgotten for want of a
flag. With one, exactly whom it names. Source: issue "bulk with a report"; anchors.md 1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .rooms import Participant, Room

#: The selector's keys in a request.
KEYS: Final = ("where", "ids", "except")

#: Condition -> header and what a missing flag means: somebody who speaks, hears and is no moderator.
CONDITIONS: Final[Mapping[str, tuple[str, bool]]] = {
    "moderator": ("Is-Moderator", False),
    "speak": ("Speak", True),
    "hear": ("Hear", True),
    "talking": ("Talking", False),
    "floor": ("Floor", False),
    "video": ("Video", False),
}

#: What a participant's state is already when a command would change nothing.
_EFFECTS: Final[Mapping[str, tuple[str, bool]]] = {
    "mute": ("speak", False),
    "unmute": ("speak", True),
    "deaf": ("hear", False),
    "undeaf": ("hear", True),
}

SENT: Final = "sent"
UNCHANGED: Final = "unchanged"
NOT_FOUND: Final = "not_found"
#: There, but the media side does not know the number that a command needs (real-switch.md A2).
UNKNOWN_TO_SWITCH: Final = "participant_unknown_to_switch"


@dataclass(frozen=True, slots=True)
class Selector:
    """Whom a request names: conditions that all hold, of these ids (``None``: of all), but not those."""

    where: Mapping[str, bool]
    ids: tuple[int, ...] | None = None
    but: frozenset[int] = frozenset()

    def of(self, participants: Sequence[Participant]) -> list[Participant]:
        """Those who are meant."""
        ids = None if self.ids is None else frozenset(self.ids)
        return [
            one
            for one in participants
            if (ids is None or one.participant_id in ids)
            and one.participant_id not in self.but
            and all(condition(one, name) is wanted for name, wanted in self.where.items())
        ]


@dataclass(frozen=True, slots=True)
class Target:
    """One participant of a command to many, and what happens to it: sent, unchanged, not_found or
    participant_unknown_to_switch. ``call_id`` names one whose number nobody knows."""

    participant_id: int | None
    result: str
    call_id: str | None = None

    def public(self) -> dict[str, Any]:
        """As a row of the report."""
        row = {"participant_id": self.participant_id, "result": self.result}
        return row if self.participant_id is not None else {**row, "call_id": self.call_id}


def condition(participant: Participant, name: str) -> bool:
    """Whether a condition of `CONDITIONS` holds, with the meaning of a missing flag."""
    header, default = CONDITIONS[name]
    flag = participant.flag(header)
    return default if flag is None else flag


def is_selective(data: Mapping[str, Any]) -> bool:
    """Whether a request names participants itself."""
    return any(key in data for key in KEYS)


def selector_of(data: Mapping[str, Any]) -> Selector:
    """The selector of a request that passed the schema ``conferences.actions.participants``."""
    ids = data.get("ids")
    return Selector(
        where=dict(data.get("where") or {}),
        ids=None if ids is None else tuple(dict.fromkeys(ids)),
        but=frozenset(data.get("except") or ()),
    )


def select(selector: Selector, action: str, room: Room | None) -> tuple[Target, ...]:
    """Everybody whom a selector names, in the room's order; ids that nobody has come last.

    Who is in the wanted state already is reported and left alone.
    """
    participants = room.participants if room else ()
    targets = [
        _target(participant, SENT if _would_change(participant, action) else UNCHANGED)
        for participant in selector.of(participants)
    ]
    here = {participant.participant_id for participant in participants}
    missing = (number for number in selector.ids or () if number not in here and number not in selector.but)
    return (*targets, *(Target(number, NOT_FOUND) for number in missing))


def everybody(action: str, room: Room | None) -> tuple[Target, ...]:
    """Kazoo's choice: members but no moderators whose state would change; a kick is for all."""
    is_meant = _KAZOO_CHOICE.get(action, _all)
    return tuple(
        _target(participant, SENT)
        for participant in (room.participants if room else ())
        if is_meant(participant)
    )


def _target(participant: Participant, result: str) -> Target:
    if participant.participant_id is None:
        return Target(None, UNKNOWN_TO_SWITCH, participant.call_id)
    return Target(participant.participant_id, result)


def _all(participant: Participant) -> bool:
    return True


def _members(flag: str, wanted: bool) -> Callable[[Participant], bool]:
    def is_meant(participant: Participant) -> bool:
        return not condition(participant, "moderator") and condition(participant, flag) is wanted

    return is_meant


_KAZOO_CHOICE: Final[Mapping[str, Callable[[Participant], bool]]] = {
    action: _members(flag, not effect) for action, (flag, effect) in _EFFECTS.items()
}


def _would_change(participant: Participant, action: str) -> bool:
    if action not in _EFFECTS:
        return True
    name, effect = _EFFECTS[action]
    # A flag that was not said may be either way: the command goes out.
    flag = participant.flag(CONDITIONS[name][0])
    return flag is not effect
