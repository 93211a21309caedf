"""Documents in memory: read once, flushed by the change messages of any node.

Bounded in number, bytes and age; no database takes more than its share. Misses of one document at
the same time share one read (`reads.py`). While the feed of change
messages is down nothing is kept, since nobody would tell what has become stale.
Source: data.md 4; issue "live state" 3.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .. import jsontext
from ..clock import Clock
from ..fair import Bounds, FairCache
from .port import DatabaseMissing, Document, DocumentMissing, Store
from .reads import SharedReads

Key = tuple[str, str]

#: Documents of which is remembered when their change was told of: for as long as a write takes.
_TOLD = 1_000
#: Databases of which it is remembered that they are not there.
_GONE = 1_000


@dataclass(slots=True)
class CacheCounters:
    """What became of look-ups; read by the metrics."""

    hits: int = 0
    misses: int = 0
    flushes: int = 0


class DocumentCache:
    """Reads documents of a store. ``keep`` in seconds, at most ``limit`` documents of ``size`` bytes of
    JSON in all.

    Beside them it keeps as many ids that name nothing: every request looks for settings that most
    clusters do not have. Ids that name nothing are endless, so they never push a document out.
    """

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
        #: By database, which is an account's or Kazoo's own.
        self._kept: FairCache[str, tuple[float, Document | None]] = FairCache(Bounds(limit, size))
        self._absent: FairCache[str, tuple[float, Document | None]] = FairCache(Bounds(limit, size))
        self._reads: SharedReads[str, Document | None] = SharedReads("document_read")
        #: Grows with everything that makes a read out of date.
        self._flushes = 0
        #: Grows with every change, also our own ones and those to what is kept already.
        self.heard = 0
        #: When (in `heard`) a document's change was last told of; before ``_told_from`` nobody knows.
        self._told: OrderedDict[Key, int] = OrderedDict()
        self._told_from = 0
        #: Grows with those that concern what others derived from documents (`derived.py`).
        self.generation = 0
        self._watched: set[str] = set()
        #: Databases that were found missing; the latest last.
        self._gone: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of the documents in memory, as JSON."""
        return self._kept.size

    @property
    def is_heard(self) -> bool:
        """Whether somebody tells of changes now."""
        return self._feed

    def watch(self, databases: Iterable[str]) -> None:
        """Begin a new generation when a document of one of these changes; until then."""
        self._watched.update(databases)

    def peek(self, database: str, doc_id: str) -> Document | None:
        """A document that is in memory; ``None`` when it is not, or is known not to exist."""
        kept = self._kept.get(database, doc_id)
        if kept is None or kept[0] <= self._clock():
            return None
        self.counters.hits += 1
        return kept[1]

    async def document(self, database: str, doc_id: str) -> Document | None:
        """A document, soft-deleted ones included; ``None`` when it or its database is not there."""
        key = (database, doc_id)
        kept = self._find(key)
        if kept is not None:
            self.counters.hits += 1
            return kept[1]
        self.counters.misses += 1
        return await self._reads.join(database, doc_id, lambda: self._read(key))

    async def documents(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """Those of the documents that exist, by id; what is not kept is read in one round trip."""
        found: dict[str, Document] = {}
        missing: list[str] = []
        for doc_id in dict.fromkeys(doc_ids):
            kept = self._find((database, doc_id))
            if kept is None:
                missing.append(doc_id)
            elif kept[1] is not None:
                found[doc_id] = kept[1]
        self.counters.hits += len(doc_ids) - len(missing)
        self.counters.misses += len(missing)
        if missing:
            flushes = self._flushes
            read = await self._store.get_many(database, missing)
            found.update(read)
            if flushes == self._flushes:
                for doc_id in missing:
                    self._keep_document((database, doc_id), read.get(doc_id))
        return found

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes | None:
        """An attachment, not kept; ``None`` when it is not there."""
        try:
            return await self._store.attachment(database, doc_id, name)
        except (DocumentMissing, DatabaseMissing):
            return None

    def put(self, database: str, document: Document, heard: int | None = None) -> None:
        """What we have just written ourselves; ``heard`` as it was before the write began.

        A change of it that was told of meanwhile may have come after the write: then nothing is
        kept. What was derived ends here, and once more with the message about the write."""
        key = (database, document["_id"])
        self._changed(key)
        if heard is not None and max(self._told.get(key, 0), self._told_from) > heard:
            self._forget(key)
        else:
            self._keep_document(key, document)

    def flush(self, database: str, doc_id: str, rev: str | None = None) -> None:
        """A document has changed somewhere, to a revision; when that is what is kept, it stays.

        What was derived ends in any case. That the cache holds the revision says when the document
        was read last, not that whatever was decided on it was decided after that."""
        key = (database, doc_id)
        kept = self._kept.get(*key)
        self._changed(key)
        self._told[key] = self.heard
        self._told.move_to_end(key)
        if len(self._told) > _TOLD:
            self._told_from = self._told.popitem(last=False)[1]
        if rev is not None and kept is not None and kept[1] is not None and kept[1].get("_rev") == rev:
            return
        self.counters.flushes += 1
        self._forget(key)

    def flush_database(self, database: str) -> None:
        """A database is gone, or another one under its name: nothing that is kept of it is right."""
        self._kept.drop_owner(database)
        self._absent.drop_owner(database)
        self._reads.forget_database(database)
        self.counters.flushes += 1
        self._changed((database, ""))
        self._told.clear()
        self._told_from = self.heard

    def is_gone(self, database: str) -> bool:
        """Whether a database was not there when a document of it was looked for last."""
        return database in self._gone

    def set_feed(self, is_up: bool) -> None:
        """Change messages are heard from now on, or not."""
        self._feed = is_up
        self._kept.clear()
        self._absent.clear()
        self._reads.clear()
        self._flushes += 1
        self.heard += 1
        self._told.clear()
        self._told_from = self.heard
        self._begin_generation()

    async def close(self) -> None:
        """End reads that are under way."""
        await self._reads.close()
        self._kept.clear()
        self._absent.clear()

    async def _read(self, key: Key) -> Document | None:
        found: Document | None
        try:
            found = await self._store.get(*key)
            self._gone.pop(key[0], None)
        except DocumentMissing:
            found = None
            self._gone.pop(key[0], None)
        except DatabaseMissing:
            found = None
            self._gone[key[0]] = None
            if len(self._gone) > _GONE:
                del self._gone[next(iter(self._gone))]
        if self._reads.is_current(*key):
            self._keep_document(key, found)
        return found

    def _find(self, key: Key) -> tuple[float, Document | None] | None:
        """Until when, and what, is kept of a key."""
        place = self._kept
        kept = place.get(*key)
        if kept is None:
            place = self._absent
            kept = place.get(*key)
            if kept is None:
                return None
        if kept[0] <= self._clock():
            place.drop(*key)
            return None
        return kept

    def _forget(self, key: Key) -> None:
        self._kept.drop(*key)
        self._absent.drop(*key)

    def _changed(self, key: Key) -> None:
        self.heard += 1
        if key[0] in self._watched:
            self._begin_generation()
        # A read that is under way may bring what was there before: its result is not kept.
        self._reads.forget(*key)
        self._flushes += 1

    def _begin_generation(self) -> None:
        # Nothing is left of the old one, so nothing of it is watched: what is kept next says anew.
        self.generation += 1
        self._watched.clear()

    def _keep_document(self, key: Key, found: Document | None) -> None:
        if not self._feed:
            return
        self._forget(key)
        place, size = (self._absent, 0) if found is None else (self._kept, jsontext.size(found))
        database, doc_id = key
        place.keep(database, doc_id, (self._clock() + self._keep, found), size + len(doc_id))
