"""What this room reads from the store, and how.

`Documents` is cached in a running service (a cache flushed by Kazoo's change messages);
`StoreDocuments` reads straight through, for commands and tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from ..store.port import DatabaseMissing, Document, DocumentMissing, Row, Store, View, ViewQuery


class Documents(Protocol):
    """Reads documents. Raises what `Store` raises, except for things that are not there."""

    async def document(self, database: str, doc_id: str) -> Document | None:
        """A document, soft-deleted ones included; ``None`` when it or its database is not there."""
        ...

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes | None:
        """An attachment; ``None`` when it is not there."""
        ...


class Views(Protocol):
    """Asks views; a `Store` is one."""

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """See `Store.query`."""
        ...


class StoreDocuments:
    """`Documents` without a cache."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def document(self, database: str, doc_id: str) -> Document | None:
        """See `Documents`."""
        try:
            return await self._store.get(database, doc_id)
        except (DocumentMissing, DatabaseMissing):
            return None

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes | None:
        """See `Documents`."""
        try:
            return await self._store.attachment(database, doc_id, name)
        except (DocumentMissing, DatabaseMissing):
            return None


async def live_document(
    documents: Documents, database: str, doc_id: str, doc_type: str | None = None
) -> Document | None:
    """A document that is not soft-deleted and, when ``doc_type`` is given, of no other type."""
    found = await documents.document(database, doc_id)
    if found is None or found.get("pvt_deleted") is True:
        return None
    if doc_type is not None and found.get("pvt_type", doc_type) != doc_type:
        return None
    return found


async def together(*reads: Coroutine[Any, Any, Document | None]) -> Sequence[Document | None]:
    """Several reads at once; when one fails the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
