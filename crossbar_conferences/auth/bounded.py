"""A small cache with two bounds: how many entries, and how old they may get."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from ..clock import Clock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """The ``limit`` entries last used, none older than ``max_age`` seconds."""

    def __init__(self, limit: int, max_age: float, clock: Clock) -> None:
        self._limit = limit
        self._max_age = max_age
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """The value, when it is there and young enough."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        stored_at, value = entry
        # A clock that was set back would keep what was stored before that for too long.
        if not 0 <= self._clock() - stored_at < self._max_age:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keep a value; the one unused for longest goes when there are too many."""
        self._entries[key] = (self._clock(), value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget one."""
        self._entries.pop(key, None)

    def items(self) -> list[tuple[Key, Value]]:
        """A copy of what is kept."""
        return [(key, value) for key, (_, value) in self._entries.items()]

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
