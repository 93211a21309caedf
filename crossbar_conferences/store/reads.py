"""Reads under way: misses of one thing at the same time share one, whichever of them goes first.

A read goes on when a caller is cancelled. One that a change overtook is forgotten: it runs to its end for
those who wait for it, but nobody joins it any more, and nothing of it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from ..tasks import end

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """Reads by database and key; their tasks are called ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._databases: dict[str, dict[Key, asyncio.Task[Value]]] = {}
        self._running: set[asyncio.Task[Value]] = set()

    async def join(self, database: str, key: Key, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What the read that is under way finds, or ``read`` if none is."""
        reads = self._databases.setdefault(database, {})
        task = reads.get(key)
        if task is None:
            task = asyncio.create_task(read(), name=self._name)
            reads[key] = task
            self._running.add(task)
            task.add_done_callback(lambda done: self._over(database, key, done))
        return await asyncio.shield(task)

    def is_current(self, database: str, key: Key) -> bool:
        """For the read itself: whether no change has overtaken it."""
        return self._databases.get(database, {}).get(key) is asyncio.current_task()

    def forget(self, database: str, key: Key) -> None:
        """What is being read has changed."""
        reads = self._databases.get(database)
        if reads is not None and reads.pop(key, None) is not None and not reads:
            del self._databases[database]

    def forget_database(self, database: str) -> bool:
        """Anything in a database may have changed; whether anything of it was being read."""
        return self._databases.pop(database, None) is not None

    def clear(self) -> None:
        """Anything may have changed."""
        self._databases.clear()

    async def close(self) -> None:
        """End what is under way."""
        await end(*self._running)
        self._databases.clear()

    def _over(self, database: str, key: Key, done: asyncio.Task[Value]) -> None:
        self._running.discard(done)
        if self._databases.get(database, {}).get(key) is done:
            self.forget(database, key)
        if not done.cancelled():
            # Every caller may have gone; then nobody else looks at the error.
            done.exception()
