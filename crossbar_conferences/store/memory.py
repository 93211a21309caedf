"""The store's port in memory: for embedded mode, and for users' own tests.

Revisions, conflicts, tombstones, attachments and the rows of our own views are those of a real
CouchDB; the contract suite compares the two. Nothing is kept when the process ends.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .counters import Counters, Observer
from .memory_views import MAPS, collation_key
from .names import is_addressable
from .port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Row,
    StoreUnreachable,
    View,
    ViewMissing,
    ViewQuery,
)
from .views import design_for


@dataclass(slots=True)
class _Stored:
    document: dict[str, Any]
    deleted: bool = False
    attachments: dict[str, bytes] = field(default_factory=dict)


class MemoryStore:
    """A document store in this process. `reachable` set to false makes every call fail."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.observer: Observer | None = None
        self.reachable = True
        self._databases: dict[str, dict[str, _Stored]] = {}

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close; documents stay until the object goes."""

    async def ping(self) -> str:
        """See `Store`."""
        self._request("ping")
        return "memory"

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        self._request("get")
        return copy.deepcopy(self._live(database, doc_id).document)

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """See `Store`."""
        if not doc_ids:
            return {}
        self._request("get_many")
        documents = self._database(database)
        found = {doc_id: documents[doc_id] for doc_id in doc_ids if doc_id in documents}
        return {
            doc_id: copy.deepcopy(stored.document) for doc_id, stored in found.items() if not stored.deleted
        }

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        self._request("put")
        documents = self._database(database)
        doc_id = document["_id"]
        if not is_addressable(doc_id):
            raise DocumentMissing
        stored = documents.get(doc_id)
        self._check_revision(stored, document.get("_rev"))
        fresh = copy.deepcopy(dict(document))
        fresh["_rev"] = _next_revision(stored, fresh)
        # Attachments that the new revision does not name are gone, as in CouchDB.
        kept = stored.attachments if stored is not None else {}
        attachments = {name: kept[name] for name in fresh.get("_attachments", ()) if name in kept}
        documents[doc_id] = _Stored(fresh, attachments=attachments)
        return str(fresh["_rev"])

    async def delete(self, database: str, doc_id: str, rev: str) -> str:
        """See `Store`."""
        self._request("delete")
        stored = self._live(database, doc_id)
        self._check_revision(stored, rev)
        tombstone = {"_id": doc_id, "_deleted": True}
        tombstone["_rev"] = _next_revision(stored, tombstone)
        self._databases[database][doc_id] = _Stored(tombstone, deleted=True)
        return str(tombstone["_rev"])

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes:
        """See `Store`."""
        self._request("attachment")
        try:
            return self._live(database, doc_id).attachments[name]
        except KeyError:
            raise DocumentMissing from None

    async def put_attachment(
        self, database: str, doc_id: str, rev: str, name: str, content_type: str, content: bytes
    ) -> str:
        """See `Store`."""
        self._request("put_attachment")
        stored = self._live(database, doc_id)
        self._check_revision(stored, rev)
        stored.attachments = {**stored.attachments, name: content}
        stub = {"content_type": content_type, "length": len(content), "stub": True}
        document = {**stored.document}
        document["_attachments"] = {**document.get("_attachments", {}), name: stub}
        document["_rev"] = _next_revision(stored, document)
        stored.document = document
        return str(document["_rev"])

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """See `Store`."""
        self._request("query")
        documents = self._database(database)
        if design_for(view, database) is None:
            raise ViewMissing
        rows = [
            Row(doc_id, key, value, stored.document if query.include_docs else None)
            for doc_id, stored in documents.items()
            if not stored.deleted and not doc_id.startswith("_design/")
            for key, value in MAPS[view.name](stored.document)
        ]
        rows.sort(key=_row_key, reverse=query.descending)
        chosen = _by_keys(rows, query.keys) if query.keys is not None else _in_range(rows, query)
        end = None if query.limit is None else query.skip + query.limit
        return [copy.deepcopy(row) for row in chosen[query.skip : end]]

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        self._request("create_database")
        self._databases.setdefault(database, {})

    async def database_exists(self, database: str) -> bool:
        """See `Store`."""
        self._request("database_exists")
        return database in self._databases

    def _request(self, operation: str) -> None:
        self.counters.requests += 1
        if self.observer is not None:
            self.observer(operation, 0.0, not self.reachable)
        if not self.reachable:
            self.counters.errors += 1
            raise StoreUnreachable

    def _database(self, database: str) -> dict[str, _Stored]:
        try:
            return self._databases[database]
        except KeyError:
            raise DatabaseMissing from None

    def _live(self, database: str, doc_id: str) -> _Stored:
        stored = self._database(database).get(doc_id)
        if stored is None or stored.deleted:
            raise DocumentMissing
        return stored

    def _check_revision(self, stored: _Stored | None, rev: Any) -> None:
        current = None if stored is None or stored.deleted else stored.document["_rev"]
        # A new document may name the revision of the tombstone that it follows.
        tombstone = stored.document["_rev"] if stored is not None and stored.deleted else None
        if rev != current and (rev is None or rev != tombstone):
            raise DocumentConflict


def _next_revision(stored: _Stored | None, document: dict[str, Any]) -> str:
    before = "0" if stored is None else str(stored.document["_rev"])
    generation = int(before.partition("-")[0]) + 1
    body = {key: value for key, value in document.items() if key != "_rev"}
    digest = hashlib.md5(f"{before}{json.dumps(body, default=str)}".encode(), usedforsecurity=False)
    return f"{generation}-{digest.hexdigest()}"


def _row_key(row: Row) -> tuple[Any, ...]:
    return (collation_key(row.key), row.id)


def _by_keys(rows: Sequence[Row], keys: Iterable[Any]) -> list[Row]:
    return [row for key in keys for row in rows if collation_key(row.key) == collation_key(key)]


def _in_range(rows: Sequence[Row], query: ViewQuery) -> list[Row]:
    def before(row: Row) -> bool:
        if query.start is None:
            return False
        key, start = collation_key(row.key), collation_key(query.start)
        if key == start and query.start_id is not None:
            return row.id > query.start_id if query.descending else row.id < query.start_id
        return key > start if query.descending else key < start

    def after(row: Row) -> bool:
        if query.end is None:
            return False
        key, end = collation_key(row.key), collation_key(query.end)
        return key < end if query.descending else key > end

    return [row for row in rows if not before(row) and not after(row)]
