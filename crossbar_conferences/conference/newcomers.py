"""Who has just joined, and which commands to them may be lost. Pure.

FreeSWITCH tells of a member before it finds it: until it has the profile of the key controls from Kazoo,
0.2 s and up to 3 s later, a command to that member does nothing, without a sign. Source: real-switch.md
D.0, 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..kapi.messages import Outgoing
from .confirmation import COMMANDS, PROOFS, Confirmation
from .rooms import Room

#: Seconds after the joining at which a command that nothing has proved is sent again.
REPEATED_AT: Final = (0.25, 0.5, 1.0, 3.0)

#: Seconds after the joining that a command which no event proves waits for.
WAITED_OUT: Final = 0.5

#: Seconds after the joining for which somebody counts as new.
NEW: Final = 0.25

_HEADERS: Final = ("Participant-ID", "Other-Participant")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A command to somebody who has just joined (``joined_at``, unix seconds). ``confirmation``: what proves
    it wherever it is carried out; ``None`` where nothing does, so that it has to wait."""

    message: Outgoing
    confirmation: Confirmation | None
    joined_at: float


def newcomers(
    messages: Iterable[Outgoing], confirms: Iterable[Confirmation], room: Room | None, now: float
) -> tuple[Newcomer, ...]:
    """Those of the commands that are to somebody who joined less than `WAITED_OUT` seconds ago, or `NEW`
    seconds where an event proves them."""
    if room is None or not any(_is_recent(member.joined_at, now) for member in room.participants):
        return ()
    # Of two commands to one participant an event proves its own only.
    proofs = {
        (COMMANDS.get(one.action), one.participant_id): one
        for one in confirms
        if PROOFS[one.action].is_default
    }
    found = []
    for message in messages:
        numbers = [_number(message.body.get(header)) for header in _HEADERS]
        joined_at = _joined_at(room, numbers)
        confirmation = proofs.get((message.body.get("Application-Name"), numbers[0]))
        if _is_recent(joined_at, now, NEW if confirmation is not None else WAITED_OUT):
            assert joined_at is not None
            found.append(Newcomer(message, confirmation, joined_at))
    return tuple(found)


def _joined_at(room: Room, numbers: Iterable[int | None]) -> float | None:
    there = [room.participant(number) for number in numbers if number is not None]
    times = [member.joined_at for member in there if member is not None and member.joined_at is not None]
    return max(times, default=None)


def _is_recent(joined_at: float | None, now: float, seconds: float = WAITED_OUT) -> bool:
    return joined_at is not None and 0 <= now - joined_at < seconds


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isdecimal() else None
    return value if isinstance(value, int) else None
