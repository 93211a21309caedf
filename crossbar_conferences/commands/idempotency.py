"""Repeated requests under one Idempotency-Key do their work once.

The first request runs; a duplicate that comes meanwhile waits for it, a later one gets the stored
answer. The same key with another body is refused. Kept in memory, for a bounded time and number;
where several processes serve one host, they agree on who is the first (`Claims`).

Source: issue "commands" 8; draft-ietf-httpapi-idempotency-key-header; anchors.md 2.4.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..tasks import end

#: Longest key that is taken.
MAX_KEY_LENGTH = 255

Answer = TypeVar("Answer")


#: An account and a key.
Name = tuple[str, str]


class KeyReused(CrossbarConferencesError):
    """The Idempotency-Key was used before with another request."""


class AnswerUnknown(CrossbarConferencesError):
    """Another process has the request under this key in hand, or has done it; what it answered is not
    known here."""


class Claims(Protocol):
    """How the processes of a host agree on who does the work under a key. ``fallbacks`` counts the claims
    that were decided without the others."""

    fallbacks: int

    async def claim(self, name: Name, fingerprint: str) -> bytes | None:
        """The answer that another process gave, packed, or ``None``: the work is the caller's to do.

        Waits while another one does it. Raises `KeyReused`, `AnswerUnknown`."""
        ...

    def settle(self, name: Name, answer: bytes | None) -> None:
        """The caller's work is done, with this answer; ``None``: it failed, and may be tried again."""
        ...


class Alone:
    """`Claims` of a process that has its host to itself."""

    fallbacks = 0

    async def claim(self, name: Name, fingerprint: str) -> bytes | None:
        """There is nobody else."""
        return None

    def settle(self, name: Name, answer: bytes | None) -> None:
        """Nobody waits for it."""


ALONE: Final[Claims] = Alone()


class Packing(NamedTuple, Generic[Answer]):
    """How an answer goes from one process to another."""

    pack: Callable[[Answer], bytes]
    unpack: Callable[[bytes], Answer]


@dataclass(slots=True)
class _Entry(Generic[Answer]):
    fingerprint: str
    #: Gives the answer, and whether another process gave it.
    task: asyncio.Task[tuple[Answer, bool]]
    expires: float


class IdempotencyKeys(Generic[Answer]):
    """Answers by account and key. ``keep`` in seconds, at most ``limit`` answers."""

    def __init__(
        self,
        clock: Clock,
        packing: Packing[Answer],
        *,
        keep: float = 3600.0,
        limit: int = 10_000,
        claims: Claims = ALONE,
    ) -> None:
        self._clock = clock
        self._packing = packing
        self._keep = keep
        self._limit = limit
        self._claims = claims
        self._entries: OrderedDict[Name, _Entry[Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def run(
        self, account_id: str, key: str, fingerprint: str, work: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The answer of the first request under this key, and whether this is a repetition.

        A request that failed is forgotten: the next one under its key tries again. A caller that
        is cancelled does not end work that others wait for. Raises `KeyReused`, `AnswerUnknown`."""
        name = (account_id, key)
        entry = self._entries.get(name)
        if entry is not None and (entry.expires > self._clock() or not entry.task.done()):
            if entry.fingerprint != fingerprint:
                raise KeyReused
            answer, _ = await asyncio.shield(entry.task)
            return answer, True
        self._make_room()
        task = asyncio.create_task(self._first(name, fingerprint, work), name="idempotent_request")
        entry = _Entry(fingerprint, task, self._clock() + self._keep)
        self._entries[name] = entry
        task.add_done_callback(lambda done: self._settle(name, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is still running."""
        await end(*(entry.task for entry in self._entries.values()))
        self._entries.clear()

    async def _first(
        self, name: Name, fingerprint: str, work: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        told = await self._claims.claim(name, fingerprint)
        if told is not None:
            return self._packing.unpack(told), True
        packed = None
        try:
            answer = await work()
            packed = self._packing.pack(answer)
        finally:
            self._claims.settle(name, packed)
        return answer, False

    def _settle(self, name: Name, done: asyncio.Task[tuple[Answer, bool]]) -> None:
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
