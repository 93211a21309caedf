"""The store's port on CouchDB, through aiocouch.

aiocouch's limits are handled here and nowhere else (anchors.md 4.1): its ``_all_docs`` does not
quote names with slashes, view keys must be JSON texts, its errors are builtins, whatever it does
not know surfaces as an aiohttp error, and its handles cost a round trip unless made directly.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import structlog
from aiocouch import CouchDB
from aiocouch.attachment import Attachment
from aiocouch.database import Database
from aiocouch.document import Document as CouchDocument
from yarl import URL

from .couch_errors import translated
from .couch_resources import BulkDocs, KeyedView, QuotedAllDocs, json_object
from .couch_response import CouchResponse, as_json
from .counters import Counters, Observer
from .health import Health
from .names import account_database, is_account_id, is_addressable
from .port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Row,
    StoreFault,
    StoreRefused,
    StoreUnreachable,
    View,
    ViewMissing,
    ViewQuery,
)
from .views import design_for

log = structlog.get_logger(__name__)

_DESIGN: Final = "_design/"


class CouchStore:
    """A CouchDB server. ``timeout`` in seconds bounds every request; ``observer`` may be set."""

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: str | None = None,
        *,
        timeout: float = 5.0,
        connections: int = 50,
    ) -> None:
        self.counters = Counters()
        self.health = Health()
        self.observer: Observer | None = None
        # Credentials that are part of the URL count where none are given.
        parts = URL(url)
        self._url = str(parts.with_user(None)).rstrip("/")
        if not user:
            user, password = parts.user, parts.password
        self._credentials = f"{user}:{password or ''}" if user else None
        self._timeout = timeout
        self._connections = connections
        self._couch: CouchDB | None = None

    async def open(self) -> None:
        """Make the session; the server may be away."""
        if self._couch is not None:
            return
        timeout = aiohttp.ClientTimeout(total=self._timeout, connect=min(self._timeout, 2.0))
        self._couch = CouchDB(
            self._url,
            timeout=timeout,
            connector=aiohttp.TCPConnector(limit=self._connections),
            response_class=CouchResponse,
            json_serialize=as_json,
        )
        headers = self._couch._server._http_session.headers
        # PouchDB Server labels JSON as text unless it is asked for by name.
        headers["Accept"] = "application/json"
        if self._credentials is not None:
            # aiocouch would use aiohttp's BasicAuth argument, which is on its way out.
            encoded = base64.b64encode(self._credentials.encode()).decode()
            headers["Authorization"] = f"Basic {encoded}"

    async def close(self) -> None:
        """Close every connection."""
        if self._couch is not None:
            await self._couch.close()
            self._couch = None

    async def ping(self) -> str:
        """See `Store`."""
        with self._request("ping"):
            info = await self._server.info()
            return str(info.get("version", ""))

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        with self._request("get", database):
            document = self._document(database, doc_id)
            await document.fetch()
            return json_object(document.data)

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """See `Store`."""
        if not doc_ids:
            return {}
        with self._request("get_many", database):
            view = QuotedAllDocs(self._database(database))
            response = await view.post(list(dict.fromkeys(doc_ids)), include_docs=True)
            rows = [row for row in response.rows if isinstance(row.get("doc"), dict)]
            return {row["id"]: row["doc"] for row in rows if not row["doc"].get("_deleted")}

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        with self._request("put", database):
            target = self._document(database, document["_id"], dict(document))
            await target.save()
            # An answer without a revision would leave the old one there.
            return _revision(target.rev if target.rev != document.get("_rev") else None)

    async def put_many(self, database: str, documents: Sequence[Document]) -> frozenset[str]:
        """See `Store`."""
        if not documents:
            return frozenset()
        with self._request("put_many", database):
            target = BulkDocs(self._server, database)
            answer = await target.write([dict(document) for document in documents])
            outcomes = [outcome for outcome in answer if isinstance(outcome, dict)]
            return frozenset(str(outcome["id"]) for outcome in outcomes if outcome.get("rev"))

    async def delete(self, database: str, doc_id: str, rev: str) -> str:
        """See `Store`."""
        try:
            with self._request("delete", database):
                target = self._document(database, doc_id, {"_rev": rev})
                await target.delete(discard_changes=True)
                return _revision(target.get("rev"))
        except (DocumentMissing, DocumentConflict):
            # PouchDB Server takes the one for the other: only a look tells them apart.
            await self.get(database, doc_id)
            raise DocumentConflict from None

    async def attachment(self, database: str, doc_id: str, name: str) -> bytes:
        """See `Store`."""
        with self._request("attachment", database):
            return await Attachment(self._document(database, doc_id), name).fetch()

    async def put_attachment(
        self, database: str, doc_id: str, rev: str, name: str, content_type: str, content: bytes
    ) -> str:
        """See `Store`."""
        with self._request("put_attachment", database):
            document = self._document(database, doc_id, {"_rev": rev})
            # Its `save` would read the document again, and refuses one that was not read before.
            answer = await Attachment(document, name)._put(rev, content, content_type)
            return _revision(answer.get("rev"))

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        """See `Store`."""
        try:
            return await self._query(database, view, query)
        except ViewMissing:
            design = design_for(view, database)
            if design is None:
                raise
            await self.install(database, design)
            return await self._query(database, view, query)

    async def install(self, database: str, design: Mapping[str, Any]) -> bool:
        """Put one of our own design documents in place; whether it was missing or other."""
        try:
            stored = await self.get(database, design["_id"])
        except DocumentMissing:
            stored = {}
        if design == {key: value for key, value in stored.items() if key != "_rev"}:
            return False
        document = {**design, "_rev": stored["_rev"]} if stored else design
        try:
            await self.put(database, document)
        except DocumentConflict:
            # Another process was faster; it put the same thing there.
            return False
        log.info("views_installed", database=database, design=design["_id"])
        return True

    async def scan(self, database: str, start: str, limit: int) -> list[Document]:
        """See `Store`."""
        with self._request("scan"):
            rows = await QuotedAllDocs(self._database(database)).page(start, limit)
            return [row["doc"] for row in rows if isinstance(row.get("doc"), dict)]

    async def databases(self) -> list[str]:
        """See `Store`."""
        with self._request("databases"):
            return [_listed(name) for name in await self._server.keys() if isinstance(name, str)]

    async def clean_views(self, database: str) -> None:
        """Have the server remove the files of indexes that no design document names any more."""
        with self._request("clean_views"):
            await self._server._server._post(f"{self._database(database).endpoint}/_view_cleanup", data={})

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        with self._request("create_database", database):
            await self._server.create(database, exists_ok=True)

    async def delete_database(self, database: str) -> None:
        """See `Store`."""
        with suppress(DatabaseMissing, DocumentMissing), self._request("delete_database"):
            await self._database(database)._delete()

    async def database_exists(self, database: str) -> bool:
        """See `Store`."""
        with self._request("database_exists", database):
            return bool(await self._database(database)._exists())

    @property
    def _server(self) -> CouchDB:
        if self._couch is None:
            raise StoreUnreachable("the store is not open")
        return self._couch

    def _database(self, database: str) -> Database:
        # Made directly: asking the server for a handle would cost a HEAD each time.
        return Database(self._server, database)

    def _document(self, database: str, doc_id: str, data: dict[str, Any] | None = None) -> CouchDocument:
        if not is_addressable(doc_id):
            raise DocumentMissing
        kind = _DesignDocument if doc_id.startswith(_DESIGN) else _Document
        return kind(self._database(database), doc_id, data=data)

    async def _query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        rows = await self._rows(database, view, query)
        passed = sum(1 for row in rows if _is_passed(row, query))
        while passed and passed == len(rows) and query.limit is not None:
            # The server leaves out equal keys before ``start_id`` itself, but PouchDB Server does not.
            query = replace(query, skip=query.skip + passed)
            rows = await self._rows(database, view, query)
            passed = sum(1 for row in rows if _is_passed(row, query))
        if passed and query.limit is not None:
            rows = await self._rows(database, view, replace(query, skip=query.skip + passed))
        return [row for row in rows if not _is_passed(row, query)]

    async def _rows(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        with self._request("query", database, view):
            target = KeyedView(self._database(database), view.design, view.name)
            parameters = _parameters(query)
            if query.keys is None:
                response = await target.get(**parameters)
            else:
                response = await target.post(list(query.keys), **parameters)
            return [
                Row(row["id"], row["key"], row.get("value"), _document(row.get("doc")))
                for row in response.rows
                if "error" not in row
            ]

    @contextmanager
    def _request(self, operation: str, database: str = "", view: View | None = None) -> Iterator[None]:
        looks = self.health.enter()
        self.counters.requests += 1
        begun = time.perf_counter()
        failed = True
        try:
            with translated(view):
                yield
            failed = False
            self.health.worked(looks)
        except (DocumentMissing, DocumentConflict, DatabaseMissing, ViewMissing):
            failed = False
            self.health.worked(looks)
            raise
        except StoreRefused as error:
            self.health.worked(looks)
            self.health.lacks(database, str(error))
            raise
        except StoreUnreachable as error:
            if not _is_ours(error) and not (view is not None and _is_slow(error)):
                self.health.failed(error, looks)
            raise
        finally:
            self.health.leave(looks)
            self.counters.errors += failed
            if self.observer is not None:
                self.observer(operation, time.perf_counter() - begun, failed)


def _is_ours(error: StoreUnreachable) -> bool:
    """Whether nothing was asked, since the store is not open."""
    return error.__cause__ is None


def _is_slow(error: StoreUnreachable) -> bool:
    """Whether an answer was waited for in vain: from a view it comes once the view is built."""
    cause = error.__cause__
    return isinstance(cause, TimeoutError) and not isinstance(cause, aiohttp.ConnectionTimeoutError)


class _Document(CouchDocument):
    """aiocouch encodes a document each time to see whether it was changed, and follows few levels then."""

    def _update_hash(self) -> None:
        """What is saved here is always new."""


class _DesignDocument(_Document):
    """CouchDB redirects who quotes the slash in the name, with a URL that a proxy may not know."""

    @property
    def endpoint(self) -> str:
        return f"{self._database.endpoint}/{_DESIGN}{quote(self.id.removeprefix(_DESIGN), safe='')}"


def _listed(name: str) -> str:
    """A database's real name. PouchDB Server in memory lists those of accounts without their slashes."""
    account_id = name.removeprefix("account")
    return account_database(account_id) if account_id != name and is_account_id(account_id) else name


def _parameters(query: ViewQuery) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if query.start is not None:
        parameters["startkey"] = query.start
    if query.start_id is not None:
        parameters["startkey_docid"] = query.start_id
    if query.end is not None:
        parameters["endkey"] = query.end
    if query.limit is not None:
        parameters["limit"] = query.limit
    if query.skip:
        parameters["skip"] = query.skip
    if query.descending:
        parameters["descending"] = True
    if query.include_docs:
        parameters["include_docs"] = True
    return parameters


def _is_passed(row: Row, query: ViewQuery) -> bool:
    if query.start_id is None or query.keys is not None or row.key != query.start:
        return False
    return row.id > query.start_id if query.descending else row.id < query.start_id


def _document(value: Any) -> Document | None:
    return value if isinstance(value, dict) else None


def _revision(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise StoreFault("the document store gave no revision")
    return value
