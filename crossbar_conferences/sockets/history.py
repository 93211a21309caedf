"""What was pushed last, so that a client that comes back misses nothing. Pure.

Every event of a conference gets a number, one more than the event before it. A client names the
last number that it saw and gets what came after, or is told that there is a gap. Numbers begin at
the unix time in milliseconds, so those of an earlier process are never mistaken for ours.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its number."""

    sequence: int
    body: Mapping[str, Any]
    routing_key: str


@dataclass(slots=True)
class _Ring:
    last: int
    events: deque[Numbered] = field(default_factory=deque)


class History:
    """Rings of recent events by conference: ``depth`` events each, at most ``conferences`` rings."""

    def __init__(self, depth: int = 256, conferences: int = 10_000) -> None:
        self._depth = depth
        self._limit = conferences
        self._rings: OrderedDict[tuple[str, str], _Ring] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rings)

    def add(
        self, account_id: str, conference_id: str, body: Mapping[str, Any], routing_key: str, now: float
    ) -> Numbered:
        """Number an event and keep it."""
        key = (account_id, conference_id)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = _Ring(int(now * 1000), deque(maxlen=self._depth))
            while len(self._rings) > self._limit:
                self._rings.popitem(last=False)
        self._rings.move_to_end(key)
        ring.last += 1
        numbered = Numbered(ring.last, body, routing_key)
        ring.events.append(numbered)
        return numbered

    def last(self, account_id: str, conference_id: str) -> int | None:
        """The number of the newest event, ``None`` when there was none."""
        ring = self._rings.get((account_id, conference_id))
        return ring.last if ring else None

    def since(self, account_id: str, conference_id: str, sequence: int) -> list[Numbered] | None:
        """What came after a number, oldest first; ``None`` when some of it is lost."""
        ring = self._rings.get((account_id, conference_id))
        if ring is None or not ring.events:
            return None
        if not ring.events[0].sequence - 1 <= sequence <= ring.last:
            return None
        return [event for event in ring.events if event.sequence > sequence]

    def forget(self, account_id: str) -> None:
        """Drop an account's rings: its events are not heard any longer."""
        for key in [key for key in self._rings if key[0] == account_id]:
            del self._rings[key]
