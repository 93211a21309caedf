"""Repeated requests under one Idempotency-Key do their work once.

The first request runs; a duplicate that comes meanwhile waits for it, a later one gets the stored
answer. The same key with another body is refused. Kept in memory, for a bounded time, number and
size, and of each account no more than its share: its own oldest go first. Where several processes
serve one host, they agree on who is the first (`Claims`).

Answers take more room than keys and go earlier. A repetition whose answer is gone, or was too long
to be kept, is refused, and the work is not done again.

Source: issue "commands" 8; draft-ietf-httpapi-idempotency-key-header; anchors.md 2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..fair import Bounds, FairCache
from ..tasks import end

#: Longest key that is taken.
MAX_KEY_LENGTH = 255
#: Bytes of an answer; one that is longer is not kept.
MAX_ANSWER = 262_144
#: Bytes that a key takes at most, with what belongs to it.
_KEY_SIZE = 2_048

Answer = TypeVar("Answer")


#: An account and a key.
Name = tuple[str, str]

#: Gives the context in which a request waits for another one.
Waits = Callable[[], AbstractAsyncContextManager[object]]


class KeyReused(CrossbarConferencesError):
    """The Idempotency-Key was used before with another request."""


class AnswerUnknown(CrossbarConferencesError):
    """The request under this key is in another process's hands, or was done; what was answered is not
    known any more."""


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


class _Done(NamedTuple):
    fingerprint: str
    expires: float


class Remembered:
    """Keys whose work is done, and packed answers as long as there is room for them.

    ``keep`` in seconds; at most ``limit`` keys, and answers of ``size`` bytes."""

    def __init__(self, clock: Clock, *, keep: float, limit: int, size: int) -> None:
        self._clock = clock
        self._keep = keep
        self._keys: FairCache[str, _Done] = FairCache(Bounds(limit, limit * _KEY_SIZE))
        self._answers: FairCache[str, bytes] = FairCache(Bounds(limit, size))

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def size(self) -> int:
        """Bytes of the answers that are kept."""
        return self._answers.size

    def find(self, name: Name, fingerprint: str) -> bytes | None:
        """The answer under a key, ``None`` when it is a new one. Raises `KeyReused`, `AnswerUnknown`."""
        done = self._keys.get(*name)
        if done is None:
            return None
        if done.expires <= self._clock():
            self._keys.drop(*name)
            self._answers.drop(*name)
            return None
        if done.fingerprint != fingerprint:
            raise KeyReused
        answer = self._answers.get(*name)
        if answer is None:
            raise AnswerUnknown
        return answer

    def clear(self) -> None:
        """Forget all."""
        self._keys.clear()
        self._answers.clear()

    def keep(self, name: Name, fingerprint: str, answer: bytes | None) -> None:
        """The work is done, with this answer; ``None``: nobody knows it any more."""
        account_id, key = name
        done = _Done(fingerprint, self._clock() + self._keep)
        self._keys.keep(account_id, key, done, len(key) + len(fingerprint))
        self._answers.drop(account_id, key)
        if answer is not None and len(answer) <= MAX_ANSWER:
            self._answers.keep(account_id, key, answer, len(answer))


@dataclass(slots=True)
class _Running(Generic[Answer]):
    fingerprint: str
    #: Gives the answer, and whether another process gave it.
    task: asyncio.Task[tuple[Answer, bool]]


class IdempotencyKeys(Generic[Answer]):
    """Answers by account and key. ``keep`` in seconds; at most ``limit`` keys, and answers of ``size``
    bytes."""

    def __init__(
        self,
        clock: Clock,
        packing: Packing[Answer],
        *,
        keep: float = 3600.0,
        limit: int = 10_000,
        size: int = 64 * 2**20,
        claims: Claims = ALONE,
    ) -> None:
        self._packing = packing
        self._claims = claims
        self._remembered = Remembered(clock, keep=keep, limit=limit, size=size)
        self._running: dict[Name, _Running[Answer]] = {}

    def __len__(self) -> int:
        return len(self._running) + len(self._remembered)

    @property
    def size(self) -> int:
        """Bytes of the answers that are kept."""
        return self._remembered.size

    async def run(
        self,
        account_id: str,
        key: str,
        fingerprint: str,
        work: Callable[[], Awaitable[Answer]],
        waits: Waits = nullcontext,
    ) -> tuple[Answer, bool]:
        """The answer of the first request under this key, and whether this is a repetition.

        A request that failed is forgotten: the next one under its key tries again. A caller that
        is cancelled does not end work that others wait for. ``waits`` gives a context in which this waits
        for another request. Raises `KeyReused`, `AnswerUnknown`, and what the context raises."""
        name = (account_id, key)
        first = self._in_hand(name, fingerprint)
        if first is None:
            known = self._remembered.find(name, fingerprint)
            if known is not None:
                return self._packing.unpack(known), True
            if self._claims is ALONE:
                return await asyncio.shield(self._begun(name, fingerprint, work))
        # Another request has it in hand, or another process may have.
        async with waits():
            # To come in may have taken time, and another have come in and be done meanwhile.
            first = first or self._in_hand(name, fingerprint)
            if first is not None:
                return (await asyncio.shield(first))[0], True
            known = self._remembered.find(name, fingerprint)
            if known is not None:
                return self._packing.unpack(known), True
            return await asyncio.shield(self._begun(name, fingerprint, work))

    async def close(self) -> None:
        """End what is still running."""
        await end(*(running.task for running in self._running.values()))
        self._running.clear()
        self._remembered.clear()

    def _in_hand(self, name: Name, fingerprint: str) -> asyncio.Task[tuple[Answer, bool]] | None:
        running = self._running.get(name)
        if running is None:
            return None
        if running.fingerprint != fingerprint:
            raise KeyReused
        return running.task

    def _begun(
        self, name: Name, fingerprint: str, work: Callable[[], Awaitable[Answer]]
    ) -> asyncio.Task[tuple[Answer, bool]]:
        task = asyncio.create_task(self._first(name, fingerprint, work), name="idempotent_request")
        self._running[name] = _Running(fingerprint, task)
        task.add_done_callback(lambda done: self._over(name, done))
        return task

    async def _first(
        self, name: Name, fingerprint: str, work: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        told = await self._claims.claim(name, fingerprint)
        if told is not None:
            self._remembered.keep(name, fingerprint, told)
            return self._packing.unpack(told), True
        packed = None
        try:
            answer = await work()
            packed = self._packing.pack(answer)
            self._remembered.keep(name, fingerprint, packed)
        finally:
            self._claims.settle(name, packed)
        return answer, False

    def _over(self, name: Name, done: asyncio.Task[tuple[Answer, bool]]) -> None:
        running = self._running.get(name)
        if running is not None and running.task is done:
            del self._running[name]
        if not done.cancelled():
            # Every caller may have gone; then nobody else looks at the error.
            done.exception()
