"""Live state by asking: one search on the bus for every question, as Kazoo does it.

Used when events are switched off or narrowed by the operator, and by the tracker to seed and
reconcile. Source: http.md 3.8, amqp.md 5.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from ..broker.bus import Bus
from ..broker.port import BrokerError
from ..broker.requests import Collected
from ..clock import Clock
from ..complaints import Complaints
from ..conference.merging import merged
from ..conference.rooms import Room
from ..conference.sightings import of_sane_size, room_from_search, rooms_from_account_search
from ..kapi import conference as messages
from ..kapi.messages import MessageInvalid, Outgoing
from .port import Sighting, doubts_of

#: Questions about single rooms of an account under way at once.
_AT_ONCE = 16


class SearchLive:
    """Asks every ecallmgr node, waits for all of them or for the timeout (seconds)."""

    def __init__(self, bus: Bus, clock: Clock, timeout: float = 2.0) -> None:
        self._bus = bus
        self._clock = clock
        self._timeout = timeout
        self._complaints = Complaints()

    async def start(self) -> None:
        """Nothing to follow."""

    async def close(self) -> None:
        """Nothing to stop."""

    async def conference(
        self, account_id: str, conference_id: str, *, fresh: bool = False, own: bool = False
    ) -> Sighting:
        """One conference, asked for every time."""
        return await self.lookup(conference_id)

    def peek(self, account_id: str, conference_id: str) -> Sighting | None:
        """Nothing is known without asking."""
        return None

    async def lookup(self, conference_id: str) -> Sighting:
        """A conference of any account; what several nodes tell of it is merged."""
        question = messages.search_request(self._bus.origin(), conference_id=conference_id)
        collected = await self._ask(question)
        if collected is None:
            return Sighting()
        rooms = [
            room_from_search(reply)
            # Error replies ("not found") count as heard, but tell of no room.
            for reply in of_sane_size(collected.replies)
            if messages.is_search_response(reply) and reply.get("Conference-ID") == conference_id
        ]
        return self._sighting(collected, merged(rooms))

    async def account(self, account_id: str, *, fresh: bool = False) -> Sighting:
        """Everything that runs for an account; the nodes' answers are merged."""
        question = messages.search_request(self._bus.origin(), account_id=account_id)
        collected = await self._ask(question)
        if collected is None:
            return Sighting()
        rooms = merged(
            room
            for reply in of_sane_size(filter(messages.is_search_response, collected.replies))
            if reply.get("Account-ID") in (None, account_id)
            for room in rooms_from_account_search(reply, account_id)
        )
        await self._complete(rooms)
        return self._sighting(collected, rooms)

    async def _complete(self, rooms: dict[str, Room]) -> None:
        """Ask for each room whose participants were not told: the older core's ecallmgr leaves them
        out of an account's answer (amqp.md 7.2). A room that nobody tells more of stays partial."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def complete(room: Room) -> None:
            async with at_once:
                found = (await self.lookup(room.conference_id)).room(room.conference_id)
            # Another account may run a conference of the same name.
            if found is not None and found.instance_id == room.instance_id:
                rooms[room.conference_id] = replace(found, account_id=room.account_id)

        async with asyncio.TaskGroup() as group:
            for room in [room for room in rooms.values() if room.partial]:
                group.create_task(complete(room))

    async def _ask(self, question: Outgoing) -> Collected | None:
        try:
            return await self._bus.collect(question, timeout=self._timeout, scope="all", ask_anyway=True)
        except (BrokerError, MessageInvalid) as error:
            # An id that no question may carry, such as a document's with a blank, is not asked for.
            # That there is no broker is said where it is noticed, and once.
            if self._bus.connected:
                self._complaints.complain("search_failed", type(error).__name__, error=str(error)[:200])
            return None

    def _sighting(self, collected: Collected, rooms: Mapping[str, Room]) -> Sighting:
        if not collected.replies:
            # Nobody could be heard: that is no answer, not an empty one.
            return Sighting(nodes_expected=collected.expected)
        doubts = doubts_of(rooms.values())
        return Sighting(
            rooms=rooms,
            source="partial" if doubts else "search",
            as_of=self._clock(),
            nodes_expected=collected.expected,
            nodes_heard=collected.heard,
            doubts=doubts,
        )
