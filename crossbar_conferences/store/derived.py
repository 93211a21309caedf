"""What was made of documents, kept until one of them may have changed.

To look a dozen documents up again for each request, and to come to the same end, is most of what
a warm request would cost. So the end is kept, with the generation of the documents that it came
from: the change messages of any node that concern one of their databases begin a new generation,
and whatever belongs to an older one is gone. While nobody tells of changes nothing is kept.

The order is what makes it safe: note what was heard (`Changes.heard`), read, decide, keep. A change
that is heard in between makes `keep` do nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, Generic, Protocol, TypeVar

from ..clock import Clock
from ..fair import OVERHEAD, Bounds, FairCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Changes(Protocol):
    """Who tells of changed documents; `DocumentCache` does."""

    #: Grows with every change heard.
    heard: int
    #: Grows with every change that concerns a watched database, and with every doubt.
    generation: int

    @property
    def is_heard(self) -> bool:
        """Whether changes are heard at all now."""
        ...

    def watch(self, databases: Iterable[str]) -> None:
        """Begin a new generation when one of these changes; until the next one begins."""
        ...


class _Unheard:
    """`Changes` where nobody tells of any: nothing that is derived can be kept."""

    heard = 0
    generation = 0
    is_heard = False

    def watch(self, databases: Iterable[str]) -> None:
        """There is nothing to watch."""


UNHEARD: Final[Changes] = _Unheard()


class Derived(Generic[Key, Value]):
    """At most ``limit`` values, ``each`` of one owner, for ``keep`` seconds at most; of too many the one
    goes that was used longest ago. ``size`` in bytes is that of all keys."""

    def __init__(
        self,
        changes: Changes,
        clock: Clock,
        *,
        limit: int,
        keep: float = 60.0,
        each: int | None = None,
        size: int = 2**20,
    ) -> None:
        self.changes = changes
        self._clock = clock
        self._keep = keep
        self._generation = changes.generation
        bounds = Bounds(limit, size + 2 * limit * OVERHEAD, each or limit)
        self._kept: FairCache[Key, tuple[float, Value]] = FairCache(bounds)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, owner: str = "") -> Value | None:
        """The value, when nothing that it was made of can have changed."""
        if self._generation != self.changes.generation:
            self._kept.clear()
            self._generation = self.changes.generation
            return None
        kept = self._kept.get(owner, key)
        if kept is None:
            return None
        if kept[0] <= self._clock():
            self._kept.drop(owner, key)
            return None
        return kept[1]

    def keep(
        self,
        key: Key,
        value: Value,
        heard: int,
        databases: Iterable[str],
        *,
        owner: str = "",
        size: int = 0,
    ) -> None:
        """Keep a value made of documents of these databases.

        ``heard``: `Changes.heard` as it was before the first of them was read."""
        changes = self.changes
        if not changes.is_heard or heard != changes.heard:
            return
        if self._generation != changes.generation:
            self._kept.clear()
            self._generation = changes.generation
        changes.watch(databases)
        self._kept.keep(owner, key, (self._clock() + self._keep, value), size)
