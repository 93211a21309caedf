"""aiocouch's resources where its own do not do: requests in bulk, views with keys, all documents.

Source: anchors.md 4.1.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import orjson
from aiocouch.database import Database
from aiocouch.exception import raises
from aiocouch.view import AllDocsView
from aiocouch.view import View as CouchView

from .port import StoreFault

#: Characters of encoded parameters that go into a path; CouchDB refuses request lines of 8192 bytes.
_LONGEST_QUERY: Final = 4096


class BulkDocs(Database):
    """aiocouch's own does not tell that the database is missing."""

    @raises(400, "Invalid request")
    @raises(401, "Write privileges required")
    @raises(403, "Access forbidden: {reason}")
    @raises(404, "Specified database is missing")
    async def write(self, documents: list[dict[str, Any]]) -> list[Any]:
        """What became of each."""
        _, answer = await self._remote._post(f"{self.endpoint}/_bulk_docs", data={"docs": documents})
        if not isinstance(answer, list):
            raise StoreFault("the document store answered with nonsense")
        return answer


class KeyedView(CouchView):
    """aiocouch passes keys on as they are, where the server wants JSON, and whatever their length."""

    @raises(400, "Invalid request")
    @raises(401, "Read privileges required")
    @raises(403, "Access forbidden: {reason}")
    @raises(404, "Specified database, design document or view is missing")
    async def _get(self, **params: Any) -> dict[str, Any]:
        encoded = {name: _in_query(name, value) for name, value in params.items()}
        remote = self._database._remote
        if len(quote("".join(encoded.values()))) > _LONGEST_QUERY:
            _, rows = await remote._post(self.endpoint, data=params)
        else:
            _, rows = await remote._get(self.endpoint, params=encoded)
        return json_object(rows)


class QuotedAllDocs(AllDocsView):
    """aiocouch's own forgets to quote a database's name (anchors.md 4.1)."""

    @property
    def endpoint(self) -> str:
        return f"{self._database.endpoint}/_all_docs"

    @raises(401, "Read privileges required")
    @raises(403, "Access forbidden: {reason}")
    @raises(404, "Specified database is missing")
    async def page(self, start: str, limit: int) -> list[Any]:
        """Rows with their documents, by id."""
        asked = {"include_docs": "true", "limit": str(limit), "startkey": orjson.dumps(start).decode()}
        _, answer = await self._database._remote._get(self.endpoint, params=asked)
        rows = json_object(answer).get("rows")
        if not isinstance(rows, list):
            raise StoreFault("the document store answered with nonsense")
        return rows


def json_object(value: Any) -> dict[str, Any]:
    """What a server answered, which must be an object. Raises `StoreFault`."""
    if not isinstance(value, dict):
        raise StoreFault("the document store answered with nonsense")
    return value


def _in_query(name: str, value: Any) -> str:
    # The id is the one parameter that is no JSON there.
    return str(value) if name == "startkey_docid" else orjson.dumps(value).decode()
