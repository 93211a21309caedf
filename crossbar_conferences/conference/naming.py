"""Whom a text in a path means: a participant by number, by call, by device or by user. Pure.

Kazoo knows numbers only; other switches' APIs take a call or an endpoint too, which clients know before
anybody has a number. Source: issue "calendars, clients" 8; amqp.md 7.3 (what an event tells of a leg).
"""

from __future__ import annotations

from typing import Final

from .isolation import participant_id
from .rooms import Participant, Room

#: The channel variables that tell of which device and of which user a leg is.
_OF_DEVICE_AND_USER: Final = ("Authorizing-ID", "Owner-ID")


def meant(room: Room | None, text: str) -> tuple[Participant, ...]:
    """Those whom a text may mean, in the room's order; nobody when it names none.

    A number is a number, whoever else is called so; a call goes before devices and users."""
    if room is None:
        return ()
    number = participant_id(text)
    if number is not None:
        numbered = room.participant(number)
        return () if numbered is None else (numbered,)
    called = tuple(one for one in room.participants if one.call_id == text)
    return called or tuple(
        one
        for one in room.participants
        if any(one.custom_channel_vars.get(header) == text for header in _OF_DEVICE_AND_USER)
    )
