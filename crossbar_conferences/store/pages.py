"""Rows of the lists' views in memory: read once, forgotten when a document of their database changes.

A page depends on every document of its database, so any change there drops all of the database's
pages. Bounded in rows, bytes and age; no database takes more than its share. Misses of one page at
the same time share one read (`reads.py`). While the feed of change
messages is down nothing is kept, since nobody would tell what has become stale.
Source: data.md 4; issue "live state" 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import jsontext
from ..clock import Clock
from ..fair import Bounds, FairCache
from .cache import CacheCounters
from .memory_views import summary
from .port import Row, Store, View, ViewQuery
from .reads import SharedReads

Key = tuple[View, ViewQuery]
Rows = Sequence[Row]


async def listed(store: Store, database: str, view: View, query: ViewQuery) -> Rows:
    """What a view answers; a row that has a document, but no value, gets the document's summary."""
    return tuple(
        Row(row.id, row.key, summary(row.doc), row.doc) if row.value is None and row.doc is not None else row
        for row in await store.query(database, view, query)
    )


class PageCache:
    """Asks views of a store. ``keep`` in seconds; at most ``limit`` rows, of ``size`` bytes of JSON in all.

    Questions must be hashable: ones by ``start``, not by ``keys``."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        limit: int = 10_000,
        size: int = 64 * 2**20,
        keep: float = 900.0,
    ) -> None:
        self.counters = CacheCounters()
        self._store = store
        self._clock = clock
        self._keep = keep
        self._feed = False
        self._kept: FairCache[Key, tuple[float, Rows]] = FairCache(Bounds(limit, size))
        self._reads: SharedReads[Key, Rows] = SharedReads("page_read")

    def __len__(self) -> int:
        return len(self._kept)

    async def rows(self, database: str, view: View, query: ViewQuery) -> Rows:
        """What `listed` answers; read-only, since others get the same rows."""
        key = (view, query)
        kept = self._kept.get(database, key)
        if kept is not None and kept[0] > self._clock():
            self.counters.hits += 1
            return kept[1]
        self.counters.misses += 1
        return await self._reads.join(database, key, lambda: self._read(database, key))

    def flush(self, database: str) -> None:
        """A document of a database has changed: what is kept of it, or under way, is old."""
        is_under_way = self._reads.forget_database(database)
        if self._kept.drop_owner(database) or is_under_way:
            self.counters.flushes += 1

    def set_feed(self, is_up: bool) -> None:
        """Change messages are heard from now on, or not."""
        self._feed = is_up
        self._kept.clear()
        self._reads.clear()

    async def close(self) -> None:
        """End reads that are under way."""
        await self._reads.close()
        self._kept.clear()

    async def _read(self, database: str, key: Key) -> Rows:
        rows = await listed(self._store, database, *key)
        if self._feed and self._reads.is_current(database, key):
            # An empty page takes room too.
            until = self._clock() + self._keep
            size = sum(map(_size, rows)) + len(repr(key[1]))
            self._kept.keep(database, key, (until, rows), size, len(rows) + 1)
        return rows


def _size(row: Row) -> int:
    return jsontext.size((row.id, row.value, row.doc))
