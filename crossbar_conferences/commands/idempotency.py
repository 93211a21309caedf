"""Repeated requests under one Idempotency-Key do their work once.

The first request runs; a duplicate that comes meanwhile waits for it, a later one gets the stored
answer. The same key with another body is refused. Kept in memory, for a bounded time and number.

Source: issue "commands" 8; draft-ietf-httpapi-idempotency-key-header; anchors.md 2.4.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..tasks import end

#: Longest key that is taken.
MAX_KEY_LENGTH = 255

Answer = TypeVar("Answer")


class KeyReused(CrossbarConferencesError):
    """The Idempotency-Key was used before with another request."""


@dataclass(slots=True)
class _Entry(Generic[Answer]):
    fingerprint: str
    task: asyncio.Task[Answer]
    expires: float


class IdempotencyKeys(Generic[Answer]):
    """Answers by account and key. ``keep`` in seconds, at most ``limit`` answers."""

    def __init__(self, clock: Clock, *, keep: float = 3600.0, limit: int = 10_000) -> None:
        self._clock = clock
        self._keep = keep
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], _Entry[Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def run(
        self, account_id: str, key: str, fingerprint: str, work: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The answer of the first request under this key, and whether this is a repetition.

        A request that failed is forgotten: the next one under its key tries again. A caller that
        is cancelled does not end work that others wait for. Raises `KeyReused`."""
        name = (account_id, key)
        entry = self._entries.get(name)
        if entry is not None and (entry.expires > self._clock() or not entry.task.done()):
            if entry.fingerprint != fingerprint:
                raise KeyReused
            return await asyncio.shield(entry.task), True
        self._make_room()
        task = asyncio.ensure_future(work())
        assert isinstance(task, asyncio.Task)
        entry = _Entry(fingerprint, task, self._clock() + self._keep)
        self._entries[name] = entry
        task.add_done_callback(lambda done: self._settle(name, done))
        return await asyncio.shield(task), False

    async def close(self) -> None:
        """End what is still running."""
        await end(*(entry.task for entry in self._entries.values()))
        self._entries.clear()

    def _settle(self, name: tuple[str, str], done: asyncio.Task[Answer]) -> None:
        entry = self._entries.get(name)
        if (done.cancelled() or done.exception() is not None) and entry is not None and entry.task is done:
            del self._entries[name]

    def _make_room(self) -> None:
        now, excess = self._clock(), len(self._entries) - self._limit + 1
        gone = []
        for name, entry in self._entries.items():
            if entry.expires > now and excess <= 0:
                break
            # One that still runs stays, and does not keep younger ones from going.
            if entry.task.done():
                gone.append(name)
                excess -= 1
        for name in gone:
            del self._entries[name]
