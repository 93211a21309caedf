"""Documents in memory: read once, flushed by the change messages of any node.

Bounded in number and age. Misses of one document at the same time share one read, which goes on
when a caller is cancelled. While the feed of change messages is down nothing is kept, since
nobody would tell what has become stale. Source: data.md 4; issue "live state" 3.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from ..clock import Clock
from .port import DatabaseMissing, Document, DocumentMissing, Store

Key = tuple[str, str]


@dataclass(slots=True)
class CacheCounters:
    """What became of look-ups; read by the metrics."""

    hits: int = 0
    misses: int = 0
    flushes: int = 0


class DocumentCache:
    """Reads documents of a store. ``keep`` in seconds, at most ``limit`` documents."""

    def __init__(self, store: Store, clock: Clock, *, limit: int = 10_000, keep: float = 900.0) -> None:
        self.counters = CacheCounters()
        self._store = store
        self._clock = clock
        self._limit = limit
        self._keep = keep
        self._feed = False
        self._kept: OrderedDict[Key, tuple[float, Document | None]] = OrderedDict()
        #: The read that a miss may join; one that a flush overtook is running, but not here.
        self._reads: dict[Key, asyncio.Task[Document | None]] = {}
        self._running: set[asyncio.Task[Document | None]] = set()

    def __len__(self) -> int:
        return len(self._kept)

    async def document(self, database: str, doc_id: str) -> Document | None:
        """A document, soft-deleted ones included; ``None`` when it or its database is not there."""
        key = (database, doc_id)
        kept = self._kept.get(key)
        if kept is not None:
            if kept[0] > self._clock():
                self.counters.hits += 1
                self._kept.move_to_end(key)
                return kept[1]
            del self._kept[key]
        self.counters.misses += 1
        read = self._reads.get(key)
        if read is None:
            read = asyncio.create_task(self._read(key), name="document_read")
            self._reads[key] = read
            self._running.add(read)
            read.add_done_callback(lambda done: self._over(key, done))
        return await asyncio.shield(read)

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes | None:
        """An attachment, not kept; ``None`` when it is not there."""
        try:
            return await self._store.attachment(database, doc_id, name)
        except (DocumentMissing, DatabaseMissing):
            return None

    def put(self, database: str, document: Document) -> None:
        """What we have just written ourselves."""
        key = (database, document["_id"])
        self._reads.pop(key, None)
        self._keep_document(key, document)

    def flush(self, database: str, doc_id: str) -> None:
        """A document has changed somewhere."""
        key = (database, doc_id)
        self.counters.flushes += 1
        self._kept.pop(key, None)
        # A read that is under way may bring what was there before: its result is not kept.
        self._reads.pop(key, None)

    def set_feed(self, is_up: bool) -> None:
        """Change messages are heard from now on, or not."""
        self._feed = is_up
        self._kept.clear()
        self._reads.clear()

    async def close(self) -> None:
        """End reads that are under way."""
        reads = list(self._running)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        self._kept.clear()

    async def _read(self, key: Key) -> Document | None:
        found: Document | None
        try:
            found = await self._store.get(*key)
        except (DocumentMissing, DatabaseMissing):
            found = None
        if self._reads.get(key) is asyncio.current_task():
            self._keep_document(key, found)
        return found

    def _keep_document(self, key: Key, found: Document | None) -> None:
        if not self._feed:
            return
        self._kept[key] = (self._clock() + self._keep, found)
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def _over(self, key: Key, done: asyncio.Task[Document | None]) -> None:
        self._running.discard(done)
        if self._reads.get(key) is done:
            del self._reads[key]
        if not done.cancelled():
            # Every caller may have gone; then nobody else looks at the error.
            done.exception()
