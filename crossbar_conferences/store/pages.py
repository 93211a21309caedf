"""Rows of the lists' views in memory: read once, forgotten when a document of their database changes.

A page depends on every document of its database, so any change there drops all of the database's
pages. Bounded in rows and age. Misses of one page at the same time share one read, which goes on
when a caller is cancelled. While the feed of change messages is down nothing is kept, since nobody
would tell what has become stale. Source: data.md 4; issue "live state" 4.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..clock import Clock
from ..tasks import end
from .cache import CacheCounters
from .memory_views import summary
from .port import Row, Store, View, ViewQuery

Key = tuple[View, ViewQuery]
Rows = Sequence[Row]


@dataclass(slots=True)
class _Database:
    """What is kept of one database, and the reads that a miss may join."""

    kept: dict[Key, tuple[float, Rows]] = field(default_factory=dict)
    reads: dict[Key, asyncio.Task[Rows]] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        # An empty page takes room too.
        return sum(len(rows) + 1 for _, rows in self.kept.values())


async def listed(store: Store, database: str, view: View, query: ViewQuery) -> Rows:
    """What a view answers; a row that has a document, but no value, gets the document's summary."""
    return tuple(
        Row(row.id, row.key, summary(row.doc), row.doc) if row.value is None and row.doc is not None else row
        for row in await store.query(database, view, query)
    )


class PageCache:
    """Asks views of a store. ``keep`` in seconds; at most ``limit`` rows.

    Questions must be hashable: ones by ``start``, not by ``keys``."""

    def __init__(self, store: Store, clock: Clock, *, limit: int = 10_000, keep: float = 900.0) -> None:
        self.counters = CacheCounters()
        self._store = store
        self._clock = clock
        self._limit = limit
        self._keep = keep
        self._feed = False
        #: The database that was used last comes last.
        self._databases: OrderedDict[str, _Database] = OrderedDict()
        self._running: set[asyncio.Task[Rows]] = set()

    def __len__(self) -> int:
        return sum(database.weight for database in self._databases.values())

    async def rows(self, database: str, view: View, query: ViewQuery) -> Rows:
        """What `listed` answers; read-only, since others get the same rows."""
        held = self._databases.setdefault(database, _Database())
        self._databases.move_to_end(database)
        key = (view, query)
        kept = held.kept.get(key)
        if kept is not None and kept[0] > self._clock():
            self.counters.hits += 1
            return kept[1]
        self.counters.misses += 1
        read = held.reads.get(key)
        if read is None:
            read = asyncio.create_task(self._read(database, held, key), name="page_read")
            held.reads[key] = read
            self._running.add(read)
            read.add_done_callback(lambda done: self._over(database, held, key, done))
        return await asyncio.shield(read)

    def flush(self, database: str) -> None:
        """A document of a database has changed: what is kept of it, or under way, is old."""
        if self._databases.pop(database, None) is not None:
            self.counters.flushes += 1

    def set_feed(self, is_up: bool) -> None:
        """Change messages are heard from now on, or not."""
        self._feed = is_up
        self._databases.clear()

    async def close(self) -> None:
        """End reads that are under way."""
        await end(*self._running)
        self._databases.clear()

    async def _read(self, database: str, held: _Database, key: Key) -> Rows:
        rows = await listed(self._store, database, *key)
        # A change that overtook this read has put another object in our place, or none.
        if self._feed and self._databases.get(database) is held:
            held.kept[key] = (self._clock() + self._keep, rows)
            self._evict(database)
        return rows

    def _evict(self, newest: str) -> None:
        weight = len(self)
        while weight > self._limit and len(self._databases) > 1:
            _, oldest = self._databases.popitem(last=False)
            weight -= oldest.weight
        if weight > self._limit:
            # One account has more than may be kept: begin again with it.
            self._databases[newest].kept.clear()

    def _over(self, database: str, held: _Database, key: Key, done: asyncio.Task[Rows]) -> None:
        self._running.discard(done)
        if held.reads.get(key) is done:
            del held.reads[key]
        if not held.kept and not held.reads and self._databases.get(database) is held:
            del self._databases[database]
        if not done.cancelled():
            # Every caller may have gone; then nobody else looks at the error.
            done.exception()
