"""Taking rate tokens: from this process's own buckets, or from those that several processes share.

Buckets themselves are in ``buckets.py``; who shares them, and how, is no concern of this room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .buckets import Limits, TokenBuckets


@dataclass(frozen=True, slots=True)
class Charge:
    """What came of it: whether the tokens were taken, and what the bucket holds afterwards."""

    taken: bool
    remaining: int


class Charger(Protocol):
    """Takes tokens from buckets. ``fallbacks`` counts the charges that were decided without the others."""

    fallbacks: int

    async def charge(self, name: str, cost: int, limits: Limits, *, drain: bool = False) -> Charge:
        """Take ``cost`` tokens, or nothing when there are fewer; with ``drain`` then what there is.

        A negative cost gives back what was taken."""
        ...

    def remaining(self, name: str, limits: Limits) -> int:
        """What a bucket holds, as far as this process knows; takes nothing and waits for nobody."""
        ...


def charge(buckets: TokenBuckets, name: str, cost: int, limits: Limits, *, drain: bool = False) -> Charge:
    """Take tokens from buckets at hand."""
    take = buckets.consume_until if drain else buckets.consume
    taken = take(name, cost, limits)
    return Charge(taken, buckets.remaining(name, limits))


class OwnCharger:
    """`Charger` for a process that is alone on its host."""

    def __init__(self, buckets: TokenBuckets) -> None:
        self.fallbacks = 0
        self._buckets = buckets

    async def charge(self, name: str, cost: int, limits: Limits, *, drain: bool = False) -> Charge:
        """See `Charger`."""
        return charge(self._buckets, name, cost, limits, drain=drain)

    def remaining(self, name: str, limits: Limits) -> int:
        """See `Charger`."""
        return self._buckets.remaining(name, limits)
