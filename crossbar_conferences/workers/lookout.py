"""Asks every worker for a sign of life; one that gives none is killed, and followed by another one.

A worker whose loop is held up, or that was stopped, answers nobody, though its process is there. Time
counts only as far as the supervisor itself was running: after a host was suspended, a clock set or this
process stopped, everybody has been silent, and nobody is to blame. One that starts gets the time that a start
may take. When all are silent at once, something else is wrong than a worker: they are killed one after
the other, each once its forerunner's successor serves or has had its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from ..clock import Clock
from .process import Worker
from .slot import Slot

log = structlog.get_logger(__name__)

#: Seconds between two questions, and of silence until a worker is asked for nothing else.
PAUSE = 1.0
QUIET = 3.0
#: A pause that took longer than so many pauses counts as no longer than that.
MOST_PAUSES = 2.0


class Lookout:
    """``limit``: seconds of silence until a worker is killed; ``start``: while it starts."""

    def __init__(
        self, slots: Sequence[Slot], *, limit: float, start: float, clock: Clock = time.monotonic
    ) -> None:
        #: Workers that were killed for their silence.
        self.killed = 0
        self.pause = min(PAUSE, limit / 5)
        self._slots = slots
        self._limit = limit
        self._start = start
        self._clock = clock
        self._quiet = min(QUIET, limit / 2)
        #: What was killed last, and how long ago, in time in which we were running.
        self._last: tuple[Slot, Worker] | None = None
        self._since_last = 0.0

    async def run(self) -> None:
        """Look after them until cancelled."""
        looked_at = self._clock()
        while True:
            await asyncio.sleep(self.pause)
            before, looked_at = looked_at, self._clock()
            self.look(min(max(looked_at - before, 0.0), MOST_PAUSES * self.pause))

    def look(self, seconds: float) -> None:
        """So many more seconds have passed: ask everybody, and kill whoever was silent for too long."""
        self._since_last += seconds
        silent = []
        for slot in self._slots:
            worker = slot.worker
            if worker is None or worker.is_condemned:
                continue
            worker.silence += seconds
            worker.channel.send({"alive": True})
            if worker.silence >= (self._limit if worker.is_ready else self._start):
                silent.append((slot, worker))
        if silent and self._may_kill():
            slot, worker = max(silent, key=lambda one: one[1].silence)
            log.error("worker_silent", index=worker.index, pid=worker.pid, seconds=round(worker.silence, 1))
            self.killed += 1
            self._last, self._since_last = (slot, worker), 0.0
            worker.condemn()

    def is_quiet(self, worker: Worker) -> bool:
        """Whether it should have said something by now."""
        return worker.is_condemned or worker.silence >= self._quiet

    def _may_kill(self) -> bool:
        if self._last is None or self._since_last >= self._limit:
            return True
        slot, worker = self._last
        return slot.worker is not None and slot.worker is not worker and slot.worker.is_ready
