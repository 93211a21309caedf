"""What was pushed last, so that a client that comes back misses nothing. Pure.

Every event of a conference gets a number, one more than the event before it. A client names the
last number that it saw and gets what came after, or is told that there is a gap. Numbers begin at
the unix time in milliseconds, so those of an earlier process are never mistaken for ours.

Events are kept as the text that they came as. What no longer fits, in number or in bytes, is lost
by the account that has too much, or by whoever was quiet for longest; a gap says so.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ..shares import ShareExceeded, Shares

#: Events of a conference that are kept for clients that come back.
DEPTH: Final = 256

#: Conferences of which events are kept, in all and of one account.
CONFERENCES: Final = 10_000
CONFERENCES_EACH: Final = 2_000

#: Bytes of kept events, in all and of one account.
BYTES: Final = 64_000_000
BYTES_EACH: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its number."""

    sequence: int
    body: Mapping[str, Any]
    routing_key: str


#: A conference of an account.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    sequence: int
    text: bytes
    routing_key: str


@dataclass(slots=True)
class _Ring:
    #: The number before the first event.
    begin: int
    last: int
    events: deque[_Kept] = field(default_factory=deque)


class History:
    """Rings of recent events by conference, ``depth`` events each. ``rings`` counts them, ``sizes``
    the bytes of their events, by account.

    Times (``now``) are in unix seconds."""

    def __init__(self, depth: int = DEPTH, rings: Shares | None = None, sizes: Shares | None = None) -> None:
        self._depth = depth
        self._counts = rings or Shares(CONFERENCES, CONFERENCES_EACH)
        self._sizes = sizes or Shares(BYTES, BYTES_EACH)
        #: In the order of their last use; those of an account likewise.
        self._rings: OrderedDict[_Key, _Ring] = OrderedDict()
        self._accounts: dict[str, OrderedDict[str, None]] = {}
        #: Above every number of a ring that was dropped, whatever the clock says.
        self._floor = 0

    def __len__(self) -> int:
        return len(self._rings)

    @property
    def size(self) -> int:
        """Bytes of the events that are kept."""
        return self._sizes.held()

    def add(
        self, account_id: str, conference_id: str, body: Mapping[str, Any], routing_key: str, now: float
    ) -> Numbered:
        """Number an event and keep it."""
        ring = self._ring(account_id, conference_id, now)
        ring.last += 1
        kept = _Kept(ring.last, orjson.dumps(body), routing_key)
        if len(ring.events) >= self._depth:
            self._lose(account_id, ring)
        if self._fits((account_id, conference_id), ring, len(kept.text)):
            ring.events.append(kept)
        else:
            # One that is not kept is a gap for whoever has not seen it.
            while ring.events:
                self._lose(account_id, ring)
        return Numbered(ring.last, body, routing_key)

    def mark(self, account_id: str, conference_id: str, now: float) -> int:
        """The number of the newest event; what comes has a higher one, also when there was none."""
        return self._ring(account_id, conference_id, now).last

    def marks(self, account_id: str) -> dict[str, int]:
        """The newest numbers of an account's conferences."""
        return {
            conference_id: self._rings[account_id, conference_id].last
            for conference_id in self._accounts.get(account_id, ())
        }

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
        return [
            Numbered(kept.sequence, orjson.loads(kept.text), kept.routing_key)
            for kept in ring.events
            if kept.sequence > sequence
        ]

    def forget(self, account_id: str) -> None:
        """Drop an account's rings: its events are not heard any longer."""
        for conference_id in list(self._accounts.get(account_id, ())):
            self._drop((account_id, conference_id))

    def clear(self) -> None:
        """Drop everything: events may have passed unheard."""
        for key in list(self._rings):
            self._drop(key)

    def _fits(self, key: _Key, ring: _Ring, size: int) -> bool:
        """Make room for an event, at the cost of the account's other conferences first."""
        while True:
            try:
                self._sizes.take(key[0], size)
            except ShareExceeded as refusal:
                oldest = self._oldest(key[0] if refusal.of_account else None)
                if oldest is not None and oldest != key:
                    self._drop(oldest)
                elif ring.events:
                    self._lose(key[0], ring)
                else:
                    return False
            else:
                return True

    def _oldest(self, account_id: str | None) -> _Key | None:
        if account_id is None:
            return next(iter(self._rings), None)
        of_account = next(iter(self._accounts.get(account_id, ())), None)
        return None if of_account is None else (account_id, of_account)

    def _lose(self, account_id: str, ring: _Ring) -> None:
        self._sizes.give(account_id, len(ring.events.popleft().text))

    def _drop(self, key: _Key) -> None:
        ring = self._rings.pop(key)
        account_id, conference_id = key
        self._floor = max(self._floor, ring.last + 1)
        while ring.events:
            self._lose(account_id, ring)
        self._counts.give(account_id)
        conferences = self._accounts[account_id]
        del conferences[conference_id]
        if not conferences:
            del self._accounts[account_id]

    def _ring(self, account_id: str, conference_id: str, now: float) -> _Ring:
        key = (account_id, conference_id)
        ring = self._rings.get(key)
        if ring is None:
            self._make_room(account_id)
            begin = max(int(now * 1000), self._floor)
            ring = self._rings[key] = _Ring(begin, begin)
            self._accounts.setdefault(account_id, OrderedDict())[conference_id] = None
        self._rings.move_to_end(key)
        self._accounts[account_id].move_to_end(conference_id)
        return ring

    def _make_room(self, account_id: str) -> None:
        while True:
            try:
                self._counts.take(account_id)
            except ShareExceeded as refusal:
                oldest = self._oldest(account_id if refusal.of_account else None)
                assert oldest is not None
                self._drop(oldest)
            else:
                return
