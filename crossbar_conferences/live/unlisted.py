"""Conferences that run though the media side does not list them under their account.

An ecallmgr that was restarted lists no room that was there before, and none lists a room whose
profile came late; asked by the conference's id, they tell, but not whose the room is. So they are
asked for what was known, and for what was read lately. Source: real-switch.md A2, A10.
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
        room = owned_by(account, told.room(conference_id), own=conference_id in lately)
        if room is not None:
            # What events tell of is known to be there, listed or not.
            found.append(replace(room, unlisted=known is None or known.unlisted))
        elif conference_id in lately:
            account.asked[conference_id] = lately[conference_id]

    async with asyncio.TaskGroup() as group:
        for conference_id in dict.fromkeys([*account.rooms, *lately]):
            if conference_id not in sighting.rooms:
                group.create_task(ask(conference_id))
    return found


def owned_by(account: TrackedAccount, found: Room | None, *, own: bool) -> Room | None:
    """A room that was asked for by its id, if it is this account's; ``own``: if nobody else's, it is."""
    if found is None or found.account_id == account.account_id:
        return found
    known = account.rooms.get(found.conference_id)
    is_known = known is not None and known.instance_id == found.instance_id
    is_ours = found.account_id is None and (own or is_known)
    return replace(found, account_id=account.account_id) if is_ours else None
