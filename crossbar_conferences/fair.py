"""What is kept in memory for accounts, so that none of them takes the room of the others.

A bound by number and one by size, for all together and for each owner. Who keeps more than its
share loses its own oldest; when all together keep too much, whoever keeps most does. So nothing that
an account does pushes out what an account that keeps little has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

from .shares import Shares

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: What an entry takes beside its size, whatever is kept: keys, tables, times.
OVERHEAD: Final = 256


class Bounds(NamedTuple):
    """At most ``number`` pieces and ``size`` bytes; one owner has at most ``number_each``, and half of
    the bytes. Without that it is half of the number too."""

    number: int
    size: int
    number_each: int | None = None


class _Entry(NamedTuple, Generic[Value]):
    value: Value
    size: int
    number: int


class FairCache(Generic[Key, Value]):
    """Values by owner and key; of each owner those that were used last."""

    def __init__(self, bounds: Bounds) -> None:
        self._numbers: Shares = Shares(bounds.number, bounds.number_each or max(bounds.number // 2, 1))
        self._sizes: Shares = Shares(bounds.size, max(bounds.size // 2, 1))
        self._owners: dict[str, OrderedDict[Key, _Entry[Value]]] = {}
        #: Owners by the binary length of what they hold: who holds most is in the highest, or nearly.
        self._ranks: dict[int, dict[str, None]] = {}
        self._rank_of: dict[str, int] = {}

    def __len__(self) -> int:
        """Pieces in all."""
        return self._numbers.held()

    @property
    def size(self) -> int:
        """Bytes in all, with what each entry takes beside its size."""
        return self._sizes.held()

    def get(self, owner: str, key: Key) -> Value | None:
        """A value, which is now the one used last."""
        kept = self._owners.get(owner)
        if kept is None or (entry := kept.get(key)) is None:
            return None
        kept.move_to_end(key)
        # By its place: this is asked several times for every request.
        return entry[0]

    def keep(self, owner: str, key: Key, value: Value, size: int, number: int = 1) -> bool:
        """Keep a value in place of what was kept under its key; whether it is kept.

        One that is larger than an owner's share is not."""
        self.drop(owner, key)
        size += OVERHEAD
        if size > self._sizes.each or number > self._numbers.each:
            return False
        while (
            self._sizes.held(owner) + size > self._sizes.each
            or self._numbers.held(owner) + number > self._numbers.each
        ):
            self._drop_oldest(owner)
        while (
            self._sizes.held() + size > self._sizes.total
            or self._numbers.held() + number > self._numbers.total
        ):
            self._drop_oldest(self._greediest())
        self._sizes.take(owner, size)
        self._numbers.take(owner, number)
        self._owners.setdefault(owner, OrderedDict())[key] = _Entry(value, size, number)
        self._rank(owner)
        return True

    def drop(self, owner: str, key: Key) -> Value | None:
        """Forget one; what it was."""
        kept = self._owners.get(owner)
        entry = kept.pop(key, None) if kept is not None else None
        if entry is None:
            return None
        self._gone(owner, entry)
        return entry.value

    def drop_owner(self, owner: str) -> bool:
        """Forget all of one owner's; whether there was any."""
        kept = self._owners.get(owner)
        if not kept:
            return False
        self._numbers.give(owner, self._numbers.held(owner))
        self._sizes.give(owner, self._sizes.held(owner))
        self._rank(owner)
        return True

    def clear(self) -> None:
        """Forget everything."""
        for owner in list(self._owners):
            self.drop_owner(owner)

    def _drop_oldest(self, owner: str) -> None:
        _, entry = self._owners[owner].popitem(last=False)
        self._gone(owner, entry)

    def _gone(self, owner: str, entry: _Entry[Value]) -> None:
        self._sizes.give(owner, entry.size)
        self._numbers.give(owner, entry.number)
        self._rank(owner)

    def _greediest(self) -> str:
        return next(iter(self._ranks[max(self._ranks)]))

    def _rank(self, owner: str) -> None:
        old, new = self._rank_of.get(owner), self._sizes.held(owner).bit_length()
        if old == new:
            return
        if old is not None:
            peers = self._ranks[old]
            del peers[owner]
            if not peers:
                del self._ranks[old]
        if new:
            self._ranks.setdefault(new, {})[owner] = None
            self._rank_of[owner] = new
        else:
            self._rank_of.pop(owner, None)
            self._owners.pop(owner, None)
