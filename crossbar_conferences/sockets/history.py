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

#: Events of a conference that are kept for clients that come back.
DEPTH = 256


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its number."""

    sequence: int
    body: Mapping[str, Any]
    routing_key: str


@dataclass(slots=True)
class _Ring:
    #: The number before the first event.
    begin: int
    last: int
    events: deque[Numbered] = field(default_factory=deque)


class History:
    """Rings of recent events by conference: ``depth`` events each, at most ``conferences`` rings.

    Times (``now``) are in unix seconds."""

    def __init__(self, depth: int = DEPTH, conferences: int = 10_000) -> None:
        self._depth = depth
        self._limit = conferences
        self._rings: OrderedDict[tuple[str, str], _Ring] = OrderedDict()
        #: Above every number of a ring that was dropped, whatever the clock says.
        self._floor = 0

    def __len__(self) -> int:
        return len(self._rings)

    def add(
        self, account_id: str, conference_id: str, body: Mapping[str, Any], routing_key: str, now: float
    ) -> Numbered:
        """Number an event and keep it."""
        ring = self._ring(account_id, conference_id, now)
        ring.last += 1
        numbered = Numbered(ring.last, body, routing_key)
        ring.events.append(numbered)
        return numbered

    def mark(self, account_id: str, conference_id: str, now: float) -> int:
        """The number of the newest event; what comes has a higher one, also when there was none."""
        return self._ring(account_id, conference_id, now).last

    def marks(self, account_id: str) -> dict[str, int]:
        """The newest numbers of an account's conferences."""
        return {key[1]: ring.last for key, ring in self._rings.items() if key[0] == account_id}

    def begin(self, account_id: str, conference_id: str, now: float) -> int:
        """The number before a conference's first event."""
        return self._ring(account_id, conference_id, now).begin

    def since(self, account_id: str, conference_id: str, sequence: int) -> list[Numbered] | None:
        """What came after a number, oldest first; ``None`` when some of it is lost."""
        ring = self._rings.get((account_id, conference_id))
        if ring is None:
            return None
        oldest = ring.events[0].sequence - 1 if ring.events else ring.last
        if not oldest <= sequence <= ring.last:
            return None
        return [event for event in ring.events if event.sequence > sequence]

    def forget(self, account_id: str) -> None:
        """Drop an account's rings: its events are not heard any longer."""
        for key in [key for key in self._rings if key[0] == account_id]:
            self._drop(key)

    def clear(self) -> None:
        """Drop everything: events may have passed unheard."""
        for key in list(self._rings):
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._floor = max(self._floor, self._rings.pop(key).last + 1)

    def _ring(self, account_id: str, conference_id: str, now: float) -> _Ring:
        key = (account_id, conference_id)
        ring = self._rings.get(key)
        if ring is None:
            begin = max(int(now * 1000), self._floor)
            ring = self._rings[key] = _Ring(begin, begin, deque(maxlen=self._depth))
            while len(self._rings) > self._limit:
                self._drop(next(iter(self._rings)))
        self._rings.move_to_end(key)
        return ring
