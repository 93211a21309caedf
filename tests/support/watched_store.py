"""A store that remembers what it was asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crossbar_conferences.store.port import Document, Row, Store, View, ViewQuery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the store, as the sidecar made it; times on one clock."""

    operation: str
    database: str
    begun: float
    ended: float
    rows: int


class WatchedStore:
    """Another store, watched; it can be told to fail."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.requests: list[Request] = []
        #: Called before each request with operation and database; what it raises is the answer.
        self.before: Callable[[str, str], None] = lambda operation, database: None
        #: Awaited before each request.
        self.gate: Callable[[str], Awaitable[None]] | None = None

    @property
    def operations(self) -> list[str]:
        """What was asked, in the order of the answers."""
        return [request.operation for request in self.requests]

    @property
    def rows(self) -> int:
        """Rows and documents that were answered, in all."""
        return sum(request.rows for request in self.requests)

    @property
    def steps(self) -> int:
        """How many of the requests waited for one another: the longest chain of them."""
        steps, until = 0, float("-inf")
        for request in sorted(self.requests, key=lambda each: each.ended):
            if request.begun >= until:
                steps, until = steps + 1, request.ended
        return steps

    async def open(self) -> None:
        """See `Store`."""
        await self.inner.open()

    async def close(self) -> None:
        """See `Store`."""
        await self.inner.close()

    async def ping(self) -> str:
        """See `Store`."""
        return await self._watch("ping", "", self.inner.ping)

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        return await self._watch("get", database, lambda: self.inner.get(database, doc_id))

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """See `Store`."""
        return await self._watch("get_many", database, lambda: self.inner.get_many(database, doc_ids))

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        return await self._watch("put", database, lambda: self.inner.put(database, document))

    async def put_many(self, database: str, documents: Sequence[Document]) -> frozenset[str]:
        """See `Store`."""
        return await self._watch("put_many", database, lambda: self.inner.put_many(database, documents))

    async def delete(self, database: str, doc_id: str, rev: str) -> str:
        """See `Store`."""
        return await self._watch("delete", database, lambda: self.inner.delete(database, doc_id, rev))

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes:
        """See `Store`."""
        return await self._watch(
            "attachment", database, lambda: self.inner.attachment(database, doc_id, name)
        )

    async def put_attachment(
        self, database: str, doc_id: str, rev: str, name: str, content_type: str, content: bytes
    ) -> str:
        """See `Store`."""
        return await self._watch(
            "put_attachment",
            database,
            lambda: self.inner.put_attachment(database, doc_id, rev, name, content_type, content),
        )

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """See `Store`."""
        return await self._watch(view.name, database, lambda: self.inner.query(database, view, query))

    async def scan(self, database: str, start: str, limit: int) -> list[Document]:
        """See `Store`."""
        return await self._watch("scan", database, lambda: self.inner.scan(database, start, limit))

    async def databases(self) -> list[str]:
        """See `Store`."""
        return await self._watch("databases", "", self.inner.databases)

    async def delete_database(self, database: str) -> None:
        """See `Store`."""
        await self._watch("delete_database", database, lambda: self.inner.delete_database(database))

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        await self._watch("create_database", database, lambda: self.inner.create_database(database))

    async def database_exists(self, database: str) -> bool:
        """See `Store`."""
        return await self._watch("database_exists", database, lambda: self.inner.database_exists(database))

    async def _watch(self, operation: str, database: str, ask: Callable[[], Awaitable[T]]) -> T:
        begun = time.perf_counter()
        self.before(operation, database)
        if self.gate is not None:
            await self.gate(operation)
        rows = 0
        try:
            result = await ask()
            rows = len(result) if isinstance(result, list | dict) else 0
            return result
        finally:
            self.requests.append(Request(operation, database, begun, time.perf_counter(), rows))
