"""Tells the other nodes about documents that we changed, as every writer must.

Without it their caches stay stale for up to 15 minutes (data.md 4). What cannot be told while the
broker is away is told when it is back; of very many changes the oldest are dropped and counted, those
of a database that has more than half of what waits first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..broker.bus import Bus
from ..broker.port import BrokerError
from ..complaints import Complaints
from ..kapi import configuration
from ..kapi.messages import Outgoing
from ..shares import ShareExceeded, Shares
from ..tasks import end


@dataclass(frozen=True, eq=False, slots=True)
class _Change:
    database: str
    message: Outgoing


class Announcer:
    """Publishes doc_created, doc_edited and doc_deleted; keeps at most ``limit`` for later, and tries
    again after ``pause`` seconds."""

    def __init__(self, bus: Bus, *, limit: int = 10_000, pause: float = 2.0) -> None:
        self.dropped = 0
        self._bus = bus
        #: In the order of their coming, all and those of each database.
        self._waiting: OrderedDict[_Change, None] = OrderedDict()
        self._of: dict[str, deque[_Change]] = {}
        self._shares = Shares(limit, max(limit // 2, 1))
        self._pause = pause
        self._complaints = Complaints()
        self._telling: asyncio.Task[None] | None = None
        #: Set when the broker has come.
        self._again = asyncio.Event()
        bus.on_state(self._on_broker)

    @property
    def waiting(self) -> int:
        """Changes that could not be told yet."""
        return len(self._waiting)

    async def announce(self, action: str, database_encoded: str, document: Mapping[str, Any]) -> None:
        """Tell of one change: ``action`` is created, edited or deleted. Never fails."""
        message = self.message(action, database_encoded, document)
        try:
            # What waits comes first: of two changes of one document, others have to hear in order.
            if not self._waiting:
                await self._bus.cast(message)
                return
        except BrokerError as error:
            self._complaints.complain(
                "change_not_announced", type(error).__name__, document=document.get("_id")
            )
        self._wait(_Change(database_encoded, message))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="announcer")

    def message(self, action: str, database_encoded: str, document: Mapping[str, Any]) -> Outgoing:
        """What `announce` tells."""
        return configuration.document_change(action, database_encoded, document, self._bus.origin())

    async def close(self) -> None:
        """Stop telling."""
        await end(self._telling)

    def _on_broker(self, connected: bool) -> None:
        if connected:
            self._again.set()

    def _wait(self, change: _Change) -> None:
        while True:
            try:
                self._shares.take(change.database)
                break
            except ShareExceeded as exceeded:
                self.dropped += 1
                whose = self._of[change.database] if exceeded.of_account else self._waiting
                self._settle(next(iter(whose)))
        self._of.setdefault(change.database, deque()).append(change)
        self._waiting[change] = None

    def _settle(self, change: _Change) -> None:
        """A change, the oldest of its database, waits no more."""
        del self._waiting[change]
        self._shares.give(change.database)
        own = self._of[change.database]
        own.popleft()
        if not own:
            del self._of[change.database]

    async def _tell(self) -> None:
        """Tell what waits, as soon as the broker is there, or after a pause when it takes none."""
        while self._waiting:
            change = next(iter(self._waiting))
            try:
                await self._bus.cast(change.message)
            except BrokerError:
                self._again.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await self._again.wait()
                continue
            # Too many may have come meanwhile, and pushed it out.
            if change in self._waiting:
                self._settle(change)
