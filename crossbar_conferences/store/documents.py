"""What is done with the documents of one account, on top of the store's port.

Reads of single documents go through the cache; writes tell the cache and everybody else.
Source: data.md 2, 3, 4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from . import views
from .cache import DocumentCache
from .names import account_database, encoded, is_account_id, is_document_id
from .pages import PageCache, listed
from .port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Row,
    Store,
    ViewQuery,
)

#: Called after each write: created, edited or deleted; the encoded database; the document as stored.
OnChange = Callable[[str, str, Mapping[str, Any]], Awaitable[None]]

CONFERENCE = "conference"


class Documents:
    """Documents by account id. Raises the errors of the store's port."""

    def __init__(
        self, store: Store, cache: DocumentCache, on_change: OnChange, pages: PageCache | None = None
    ) -> None:
        self._store = store
        self._cache = cache
        self._on_change = on_change
        self._pages = pages

    async def load(self, account_id: str, doc_id: str, kind: str = CONFERENCE) -> Document:
        """One document of a type; `DocumentMissing` also for a deleted one or one of another type.

        A document without a type passes, as in Kazoo (data.md 2.4). Raises `DatabaseMissing` too."""
        try:
            database = account_database(account_id)
        except ValueError:
            raise DocumentMissing from None
        if not is_document_id(doc_id):
            raise DocumentMissing
        found = await self._cache.document(database, doc_id)
        if found is None and self._cache.is_gone(database):
            raise DatabaseMissing
        if found is None or not _is_of(found, kind):
            raise DocumentMissing
        return found

    def peek(self, account_id: str, doc_id: str, kind: str = CONFERENCE) -> Document | None:
        """What `load` would give, if that is in memory."""
        found = self._cache.peek(account_database(account_id), doc_id)
        return found if found is not None and _is_of(found, kind) else None

    async def check_account(self, account_id: str) -> None:
        """Raise `DatabaseMissing` when the account has no database; one round trip."""
        if not is_account_id(account_id) or not await self._store.database_exists(
            account_database(account_id)
        ):
            raise DatabaseMissing

    async def load_many(self, account_id: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """Those of the documents that exist, of any type, in one round trip at most."""
        if not is_account_id(account_id):
            raise DatabaseMissing
        wanted = [doc_id for doc_id in doc_ids if is_document_id(doc_id)]
        return await self._cache.documents(account_database(account_id), wanted)

    async def page(
        self,
        account_id: str,
        *,
        start: str | None,
        descending: bool,
        limit: int | None,
        include_docs: bool,
        owner: str | None = None,
    ) -> Sequence[Row]:
        """Conferences by id, from ``start`` on (inclusive): summaries, and whole documents if wanted.

        Those of one ``owner`` always come with their documents, of which their summaries are made.
        Rows are read-only, like documents: a cache may hold them."""
        database = account_database(account_id)
        if owner is None:
            view = views.BY_ID
            query = ViewQuery(start=start, descending=descending, limit=limit, include_docs=include_docs)
        else:
            view = views.BY_OWNER
            query = ViewQuery(
                start=owner, start_id=start, end=owner, descending=descending, limit=limit, include_docs=True
            )
        if self._pages is not None:
            return await self._pages.rows(database, view, query)
        return await listed(self._store, database, view, query)

    async def holders_of_numbers(self, account_id: str, numbers: Sequence[str]) -> list[tuple[str, str]]:
        """Which of the numbers are in use: pairs of number and conference id."""
        if not numbers:
            return []
        query = ViewQuery(keys=list(dict.fromkeys(numbers)))
        rows = await self._store.query(account_database(account_id), views.BY_NUMBER, query)
        return [(str(row.key), row.id) for row in rows]

    async def holders_of_name(self, account_id: str, name: str) -> list[str]:
        """The ids of the conferences with exactly this name."""
        query = ViewQuery(keys=[name])
        return [row.id for row in await self._store.query(account_database(account_id), views.BY_NAME, query)]

    async def callflows_named(self, account_id: str, names: Sequence[str]) -> list[Mapping[str, Any]]:
        """The callflows with these names: objects with ``numbers``."""
        query = ViewQuery(keys=list(names))
        rows = await self._store.query(account_database(account_id), views.CALLFLOWS_BY_NAME, query)
        return [row.value for row in rows if isinstance(row.value, Mapping)]

    async def conferences_named(self, account_id: str, name: str) -> list[Document]:
        """The conferences with exactly this name."""
        query = ViewQuery(keys=[name], include_docs=True)
        rows = await self._store.query(account_database(account_id), views.BY_NAME, query)
        return [row.doc for row in rows if row.doc is not None]

    async def accounts_named(self, normalised: str) -> list[str]:
        """The ids of the accounts whose name, lower-cased and reduced to [a-z0-9], is this."""
        query = ViewQuery(keys=[normalised])
        return [row.id for row in await self._store.query("accounts", views.ACCOUNTS_BY_NAME, query)]

    async def save(self, account_id: str, document: Mapping[str, Any]) -> Document:
        """Write a new document, or a new revision of one; as it is stored now.

        Raises `DocumentConflict` when it is not what was read, or is not there any more."""
        database = account_database(account_id)
        heard = self._cache.heard
        rev = await self._written(database, document, self._put(database, document))
        stored = {**document, "_rev": rev}
        self._cache.put(database, stored, heard)
        action = "created" if document.get("_rev") is None else "edited"
        await self._on_change(action, encoded(database), stored)
        return stored

    async def soft_delete(self, account_id: str, document: Mapping[str, Any]) -> Document:
        """Write a document that has ``pvt_deleted``, over whatever is stored now (data.md 2.5).

        As it is stored now; that it is not there any more is success too."""
        database = account_database(account_id)

        async def write(rev: str) -> str:
            return await self._store.put(database, {**document, "_rev": rev})

        heard = self._cache.heard
        # Kazoo asks for the newest first too (data.md 2.5); and see `_put`.
        newest = await self._revision(database, document["_id"])
        rev = None
        if newest is not None:
            rev = await self._on_newest(database, {**document, "_rev": newest}, write)
        if rev is None:
            self._cache.flush(database, document["_id"])
            return document
        stored = {**document, "_rev": rev}
        self._cache.put(database, stored, heard)
        await self._on_change("deleted", encoded(database), stored)
        return stored

    async def remove(self, account_id: str, document: Mapping[str, Any]) -> None:
        """Remove a document for good, whatever is stored now."""
        database = account_database(account_id)

        async def write(rev: str) -> str:
            return await self._store.delete(database, document["_id"], rev)

        rev = await self._on_newest(database, document, write)
        self._cache.flush(database, document["_id"])
        if rev is not None:
            await self._on_change("deleted", encoded(database), {**document, "_rev": rev})

    async def _put(self, database: str, document: Mapping[str, Any]) -> str:
        """Write a document if it is new, or is stored as it was read; else `DocumentConflict`.

        A change of it is a conflict to the store itself. But CouchDB makes a document of a revision
        whose document never was, as in a database that was made anew while we kept what had been there."""
        rev = document.get("_rev")
        if rev is not None and await self._revision(database, document["_id"]) != rev:
            raise DocumentConflict
        return await self._store.put(database, document)

    async def _on_newest(
        self, database: str, document: Mapping[str, Any], write: Callable[[str], Awaitable[str]]
    ) -> str | None:
        """Write on the revision at hand, else on the newest; ``None`` when nothing is there to write on."""
        rev = str(document["_rev"])
        for last in (False, False, True):
            try:
                return await self._written(database, document, write(rev))
            except DocumentMissing:
                return None
            except DocumentConflict:
                if last:
                    raise
            newest = await self._revision(database, document["_id"])
            if newest is None:
                return None
            rev = newest
        raise DocumentConflict

    async def _revision(self, database: str, doc_id: str) -> str | None:
        try:
            return str((await self._store.get(database, doc_id))["_rev"])
        except DocumentMissing:
            return None

    async def _written(self, database: str, document: Mapping[str, Any], write: Awaitable[str]) -> str:
        try:
            return await write
        except BaseException:
            # After a conflict what is kept is old; after anything else, also when the caller goes away
            # while the request is under way, nobody knows what is stored.
            self._cache.flush(database, document["_id"])
            raise
        finally:
            if self._pages is not None:
                self._pages.flush(database)


def is_conference(document: Document) -> bool:
    """Whether this is a conference that was not deleted."""
    return _is_of(document, CONFERENCE)


def _is_of(document: Document, kind: str) -> bool:
    return not document.get("pvt_deleted") and document.get("pvt_type", kind) == kind
