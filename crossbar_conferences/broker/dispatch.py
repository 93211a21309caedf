"""A consumer's inbox: deliveries are handled one after the other, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress

from ..complaints import Complaints, place_of
from .counters import TransportCounters
from .port import Delivery, GapListener, Handler

MAX_LENGTH = 10_000
MAX_BYTES = 64 * 1024 * 1024
#: After so many deliveries handled at a stretch, others get their turn.
STRETCH = 50


class Dispatcher:
    """Runs a handler for every delivery pushed; bounded in length and bytes.

    When it is full the newest delivery is dropped and counted: queues are read without
    acknowledgement, as Kazoo does (amqp.md 3.1), so the broker cannot be held back. ``on_gap`` is
    told once everything that came before the loss is handled.
    """

    def __init__(
        self,
        handler: Handler,
        counters: TransportCounters,
        *,
        on_gap: GapListener | None = None,
        max_length: int = MAX_LENGTH,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._handler = handler
        self._counters = counters
        self._on_gap = on_gap
        self._max_length = max_length
        self._max_bytes = max_bytes
        self._complaints = Complaints()
        self._inbox: deque[Delivery] = deque()
        self._bytes = 0
        self._taken = self._handled = 0
        #: After how many deliveries something is missing.
        self._gap_after: int | None = None
        self._filled = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="dispatch")

    def __len__(self) -> int:
        return len(self._inbox)

    def push(self, delivery: Delivery) -> None:
        """Hand in a delivery; never blocks and never raises."""
        size = len(delivery.body)
        if len(self._inbox) >= self._max_length or self._bytes + size > self._max_bytes:
            self._counters.dropped += 1
            self._complaints.complain("delivery_dropped", "inbox_full", length=len(self._inbox))
            self.gap()
            return
        self._inbox.append(delivery)
        self._bytes += size
        self._taken += 1
        self._filled.set()

    def gap(self) -> None:
        """Note that something is missing after what was pushed so far."""
        self._gap_after = self._taken
        self._filled.set()

    async def close(self) -> None:
        """Stop; what was not handled yet is forgotten. A handler may close its own consumer."""
        self._task.cancel()
        if self._task is not asyncio.current_task():
            with suppress(asyncio.CancelledError):
                await self._task
        self._inbox.clear()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            while self._inbox:
                delivery = self._inbox.popleft()
                self._bytes -= len(delivery.body)
                await self._handle(delivery)
                self._handled += 1
                self._tell_gap()
                if self._handled % STRETCH == 0:
                    await asyncio.sleep(0)
            self._filled.clear()
            self._tell_gap()

    def _tell_gap(self) -> None:
        if self._gap_after is None or self._handled < self._gap_after:
            return
        self._gap_after = None
        self._counters.gaps += 1
        if self._on_gap is not None:
            try:
                self._on_gap()
            except Exception as error:  # whatever a listener does, the consumer goes on
                self._counters.failed += 1
                self._complaints.complain("gap_failed", type(error).__name__, at=place_of(error))

    async def _handle(self, delivery: Delivery) -> None:
        self._counters.delivered += 1
        try:
            result = self._handler(delivery)
            if isinstance(result, Awaitable):
                await result
        except Exception as error:  # whatever a handler does, the listener goes on
            self._counters.failed += 1
            self._complaints.complain(
                "delivery_failed",
                type(error).__name__,
                at=place_of(error),
                exchange=delivery.exchange,
                routing_key=delivery.routing_key,
            )
