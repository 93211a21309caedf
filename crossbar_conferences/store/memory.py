"""The store's port in memory: for embedded mode, and for users' own tests.

Revisions, conflicts, tombstones, attachments and the rows of our own views are those of a real
CouchDB; the contract suite compares the two. Nothing is kept when the process ends.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .counters import Counters, Observer
from .memory_index import ViewIndex
from .memory_views import MAPS
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

_REVISION = re.compile(r"[1-9][0-9]{0,18}-[0-9a-f]+")


@dataclass(slots=True)
class _Stored:
    document: dict[str, Any]
    deleted: bool = False
    attachments: dict[str, bytes] = field(default_factory=dict)


class _Database:
    """Documents and tombstones by id, and the rows of the views that were asked for."""

    def __init__(self) -> None:
        self._stored: dict[str, _Stored] = {}
        self._indexes: dict[str, ViewIndex] = {}

    def get(self, doc_id: str) -> _Stored | None:
        return self._stored.get(doc_id)

    def store(self, stored: _Stored) -> None:
        doc_id = stored.document["_id"]
        self._stored[doc_id] = stored
        for index in self._indexes.values():
            index.update(doc_id, None if stored.deleted else stored.document)

    def from_id(self, start: str) -> list[dict[str, Any]]:
        live = [each.document for each in self._stored.values() if not each.deleted]
        return sorted((one for one in live if one["_id"] >= start), key=lambda one: str(one["_id"]))

    def index(self, view: View) -> ViewIndex:
        if view.name not in self._indexes:
            live = {doc_id: each.document for doc_id, each in self._stored.items() if not each.deleted}
            self._indexes[view.name] = ViewIndex(MAPS[view.name], live)
        return self._indexes[view.name]


class MemoryStore:
    """A document store in this process. `reachable` set to false makes every call fail."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.observer: Observer | None = None
        self.reachable = True
        self._databases: dict[str, _Database] = {}

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
        return self._copy(database, doc_id)

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """See `Store`."""
        if not doc_ids:
            return {}
        self._request("get_many")
        documents = self._database(database)
        found = {doc_id: documents.get(doc_id) for doc_id in doc_ids}
        return {
            doc_id: copy.deepcopy(stored.document)
            for doc_id, stored in found.items()
            if stored is not None and not stored.deleted
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
        documents.store(_Stored(fresh, attachments=attachments))
        return str(fresh["_rev"])

    async def put_many(self, database: str, documents: Sequence[Document]) -> frozenset[str]:
        """See `Store`."""
        if not documents:
            return frozenset()
        self._request("put_many")
        there = self._database(database)
        written: set[str] = set()
        for document in documents:
            stored = there.get(document["_id"])
            if (stored is not None and not stored.deleted) or not is_addressable(document["_id"]):
                continue
            fresh = copy.deepcopy(dict(document))
            fresh["_rev"] = _next_revision(stored, fresh)
            there.store(_Stored(fresh))
            written.add(fresh["_id"])
        return frozenset(written)

    async def delete(self, database: str, doc_id: str, rev: str) -> str:
        """See `Store`."""
        self._request("delete")
        stored = self._live(database, doc_id)
        self._check_revision(stored, rev)
        tombstone = {"_id": doc_id, "_deleted": True}
        tombstone["_rev"] = _next_revision(stored, tombstone)
        self._database(database).store(_Stored(tombstone, deleted=True))
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
        stub = {"content_type": content_type, "length": len(content), "stub": True}
        document = {**stored.document}
        document["_attachments"] = {**document.get("_attachments", {}), name: stub}
        document["_rev"] = _next_revision(stored, document)
        self._database(database).store(_Stored(document, attachments={**stored.attachments, name: content}))
        return str(document["_rev"])

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """See `Store`."""
        self._request("query")
        documents = self._database(database)
        if design_for(view, database) is None:
            raise ViewMissing
        index = documents.index(view)
        return [
            Row(
                row.id,
                row.key,
                copy.deepcopy(row.value),
                self._copy(database, row.id) if query.include_docs else None,
            )
            for row in index.rows(query)
        ]

    async def scan(self, database: str, start: str, limit: int) -> list[Document]:
        """See `Store`."""
        self._request("scan")
        return [copy.deepcopy(one) for one in self._database(database).from_id(start)[:limit]]

    async def databases(self) -> list[str]:
        """See `Store`."""
        self._request("databases")
        return sorted(self._databases)

    async def delete_database(self, database: str) -> None:
        """See `Store`."""
        self._request("delete_database")
        self._databases.pop(database, None)

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        self._request("create_database")
        self._databases.setdefault(database, _Database())

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

    def _database(self, database: str) -> _Database:
        try:
            return self._databases[database]
        except KeyError:
            raise DatabaseMissing from None

    def _copy(self, database: str, doc_id: str) -> dict[str, Any]:
        return copy.deepcopy(self._live(database, doc_id).document)

    def _live(self, database: str, doc_id: str) -> _Stored:
        stored = self._database(database).get(doc_id)
        if stored is None or stored.deleted:
            raise DocumentMissing
        return stored

    def _check_revision(self, stored: _Stored | None, rev: Any) -> None:
        current = None if stored is None or stored.deleted else stored.document["_rev"]
        if stored is None and isinstance(rev, str) and _REVISION.fullmatch(rev):
            # CouchDB takes it for a revision that it has not seen, of a document that it has not seen.
            return
        # A new document may name the revision of the tombstone that it follows.
        tombstone = stored.document["_rev"] if stored is not None and stored.deleted else None
        if rev != current and (rev is None or rev != tombstone):
            raise DocumentConflict


def _next_revision(stored: _Stored | None, document: dict[str, Any]) -> str:
    before = str(document.get("_rev") or "0") if stored is None else str(stored.document["_rev"])
    generation = int(before.partition("-")[0]) + 1
    body = {key: value for key, value in document.items() if key != "_rev"}
    digest = hashlib.md5(f"{before}{json.dumps(body, default=str)}".encode(), usedforsecurity=False)
    return f"{generation}-{digest.hexdigest()}"
