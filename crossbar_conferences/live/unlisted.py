"""Conferences that run though the media side does not list them under their account.

An ecallmgr that was restarted lists no room that was there before, and none lists a room whose
profile came late; asked by the conference's id, they tell, but not whose the room is: that is for
those to decide who know the record. So they are asked for what was known, and for what was read
lately. Source: real-switch.md A2, A10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..conference.rooms import Room
from .port import Sighting
from .tracked import TrackedAccount

#: Conferences of an account that are asked for by their own id in each round, because they were read
#: since the last one and the account's answer does not list them; and how many of them at once.
ASKED_AGAIN = 8
ASKED_AT_ONCE = 16

#: Asks for one conference by its id.
Lookup = Callable[[str], Awaitable[Sighting]]


async def unlisted(account: TrackedAccount, sighting: Sighting, since: float, lookup: Lookup) -> list[Room]:
    """Rooms of an account that its answer leaves out, though they were known, or read ``since``."""
    read = [(room_id, at) for room_id, at in reversed(account.asked.items()) if at >= since]
    lately = dict(read[:ASKED_AGAIN])
    # The others are asked for when somebody reads them again.
    account.asked.clear()
    found: list[Room] = []
    at_once = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(conference_id: str) -> None:
        async with at_once:
            told = await lookup(conference_id)
        known = account.rooms.get(conference_id)
        if not told.heard:
            # Nobody could be asked: what was known stays.
            found.extend([known] if known else [])
            return
        room = told.room(conference_id)
        if room is not None and room.account_id in (None, account.account_id):
            # What events tell of is known to be there, listed or not.
            found.append(replace(room, unlisted=known is None or known.unlisted))
        elif conference_id in lately:
            account.asked[conference_id] = lately[conference_id]

    # Rooms of others, in which the account has a leg, are none of its own.
    known_ones = [key for key, one in account.rooms.items() if one.unlisted or one.account_id is not None]
    async with asyncio.TaskGroup() as group:
        for conference_id in dict.fromkeys([*known_ones, *lately]):
            if conference_id not in sighting.rooms:
                group.create_task(ask(conference_id))
    return found
