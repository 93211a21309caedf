"""The document store as the rest of the house sees it: a port, its values and its errors.

Two adapters fill it: ``store/couch.py`` (aiocouch, a real CouchDB) and ``store/memory.py``
(public, for embedded mode and users' own tests). One contract suite runs against both.

A database is named here by its *real* name, with slashes: ``account/a1/b2/c3d4…``
(data.md 1.1; ``store/names.py`` converts the three spellings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ..errors import CrossbarConferencesError

#: A CouchDB document, with ``_id`` and, once stored, ``_rev``. Treat it as read-only: a cache may hold it.
Document = Mapping[str, Any]


class StoreError(CrossbarConferencesError):
    """The document store did not do what was asked."""


class StoreUnreachable(StoreError):
    """The document store cannot be reached, or did not answer in time.

    ``said``: why, in the words of the store or of what failed. ``retry_after``: in how many seconds it is
    asked again, where that is known."""

    kind: ClassVar[str] = "unreachable"

    def __init__(self, said: str = "") -> None:
        self.said = said
        self.retry_after: int | None = None
        words = (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{words.rstrip('.')}: {said}" if said else words)


class StoreRefusesUs(StoreUnreachable):
    """The document store refuses our user, whatever is asked."""


class CredentialsRefused(StoreRefusesUs):
    """The document store refuses our user name and password."""

    kind = "credentials_refused"


class UserLocked(StoreRefusesUs):
    """The document store has locked our user out for a while, after too many wrong passwords."""

    kind = "user_locked"


class DatabaseMissing(StoreError):
    """There is no such database."""


class DocumentMissing(StoreError):
    """There is no such document."""


class DocumentConflict(StoreError):
    """The document was changed by somebody else since it was read."""


class ViewMissing(StoreError):
    """There is no such view, and it is not one that we may install."""


class StoreFault(StoreError):
    """The document store answered with an error or with nonsense."""


class StoreRefused(StoreFault):
    """The document store knows our user, and does not let it do this."""


@dataclass(frozen=True, slots=True)
class View:
    """A view of a design document: ``View("crossbar_conferences", "by_id")``."""

    design: str
    name: str


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """What is asked of a view, in CouchDB's terms. Keys are JSON values; adapters encode them.

    ``start`` and ``end`` are inclusive keys (``None`` = open: CouchDB's own null key is not asked
    for anywhere). ``start_id`` continues inside equal keys. ``keys`` excludes ``start``/``end``.
    """

    keys: Sequence[Any] | None = None
    start: Any = None
    start_id: str | None = None
    end: Any = None
    limit: int | None = None
    skip: int = 0
    descending: bool = False
    include_docs: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a view."""

    id: str
    key: Any
    value: Any
    doc: Document | None = field(default=None, compare=False)


class Store(Protocol):
    """Documents with revisions and conflicts, attachments and views.

    Every method raises `StoreUnreachable` when the store does not answer within the adapter's
    bound, `DatabaseMissing` for a database that is not there, `StoreFault` for anything that
    makes no sense. No method retries a conflict.
    """

    async def open(self) -> None:
        """Get ready; must not fail because the store is away."""

    async def close(self) -> None:
        """Give back every connection."""

    async def ping(self) -> str:
        """The server's version text, by one round trip."""
        ...

    async def get(self, database: str, doc_id: str) -> Document:
        """One document. Raises `DocumentMissing`; a soft-deleted one is returned as it is."""
        ...

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """Those of the documents that exist, by id, in one round trip."""
        ...

    async def put(self, database: str, document: Document) -> str:
        """Write a document under its ``_id``; the new revision. ``_rev`` must be the stored one
        (absent for a new document), else `DocumentConflict`.

        A ``_rev`` of a document that never was is written as a new document by CouchDB 3.5, and refused
        by PouchDB Server: whoever must not make one looks first, as `Documents` does."""
        ...

    async def put_many(self, database: str, documents: Sequence[Document]) -> frozenset[str]:
        """Write new documents under their ``_id``, in one round trip; the ids of those that were written.

        One whose id is taken is left as it is, and so is one that the store refuses."""
        ...

    async def delete(self, database: str, doc_id: str, rev: str) -> str:
        """Remove for good (a tombstone); raises `DocumentConflict` and `DocumentMissing`."""
        ...

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes:
        """The bytes of an attachment; raises `DocumentMissing`."""
        ...

    async def put_attachment(
        self, database: str, doc_id: str, rev: str, name: str, content_type: str, content: bytes
    ) -> str:
        """Attach bytes to a document; the new revision."""
        ...

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """Rows of a view in the store's order. Our own design documents (``couchdb_views/``) are
        installed on first use when missing; for any other, `ViewMissing`."""
        ...

    async def scan(self, database: str, start: str, limit: int) -> list[Document]:
        """Whole documents in the order of their ids, from ``start`` on (inclusive; ``""``: the first), at
        most so many; design documents among them."""
        ...

    async def databases(self) -> list[str]:
        """The real names of all databases."""
        ...

    async def create_database(self, database: str) -> None:
        """Make a database; not an error when it is there."""

    async def delete_database(self, database: str) -> None:
        """Remove a database with all that is in it; not an error when it is gone."""

    async def database_exists(self, database: str) -> bool:
        """Whether the database is there, by one round trip."""
        ...
