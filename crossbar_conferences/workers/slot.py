"""A place for one worker: always filled, and refilled without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ..tasks import end
from .process import Worker

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds. ``back_off``: pauses before the next attempt after a worker died early, the
    last repeats; one that lived for ``healthy`` is followed at once. ``start``: until a worker must
    be ready. ``stop``: from asking it to leave until it is killed."""

    stop: float
    start: float = 60.0
    healthy: float = 10.0
    back_off: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)


class Slot:
    """Keeps one worker running. ``restarts`` counts those that had to be followed."""

    def __init__(self, index: int, start: Callable[[int], Awaitable[Worker]], pace: Pace) -> None:
        self.index = index
        self.restarts = 0
        self.worker: Worker | None = None
        self._start = start
        self._pace = pace
        self._task: asyncio.Task[None] | None = None
        #: Replaced, and still leaving.
        self._retired: Worker | None = None
        self._filling = asyncio.Lock()

    async def open(self) -> None:
        """Start its worker and watch it. Raises `OSError`."""
        self.worker = await self._start(self.index)
        self._task = asyncio.create_task(self._keep(), name=f"slot {self.index}")

    async def replace(self) -> bool:
        """Put a new worker in the old one's place once it is ready; the old one stays if it isn't."""
        try:
            fresh = await self._start(self.index)
        except OSError as error:
            log.error("worker_not_started", index=self.index, error=str(error))
            return False
        taken, reason = False, "it did not start"
        try:
            is_ready = await fresh.ready(self._pace.start)
            # The old one still has what it came in with.
            reason = fresh.unfit or reason
            if is_ready and fresh.unfit is None:
                async with self._filling:
                    self._retired, self.worker = self.worker, fresh
                taken = True
                await self._retire()
        finally:
            if not taken:
                log.error("worker_not_replaced", index=self.index, reason=reason)
                await fresh.kill()
        return taken

    async def close(self) -> bool:
        """End its worker; whether it went by itself."""
        await end(self._task)
        gone = await self._retire()
        self._retired, self.worker = self.worker, None
        return await self._retire() and gone

    async def _retire(self) -> bool:
        worker = self._retired
        went = await worker.stop(self._pace.stop) if worker is not None else True
        self._retired = None
        return went

    async def _keep(self) -> None:
        failures = 0
        while True:
            worker = self.worker
            if worker is None:
                worker = await self._refill()
            if worker is None:
                failures += 1
            else:
                status = await worker.ended()
                if self.worker is not worker:
                    # Replaced on purpose.
                    continue
                self.worker = None
                self.restarts += 1
                failures = 0 if worker.age > self._pace.healthy else failures + 1
                log.error("worker_died", index=self.index, pid=worker.pid, status=status)
            ladder = self._pace.back_off
            await asyncio.sleep(ladder[min(failures, len(ladder)) - 1] if failures else 0)

    async def _refill(self) -> Worker | None:
        async with self._filling:
            try:
                if self.worker is None:
                    self.worker = await self._start(self.index)
            except OSError as error:
                # No memory, no file descriptors: that may pass.
                log.error("worker_not_started", index=self.index, error=str(error))
            return self.worker
