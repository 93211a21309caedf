"""The rows of one view of the in-memory store, kept in CouchDB's order.

A sorted list: a write moves its own rows only, and a question finds its range by bisection, so that
a list of ten thousand conferences is paged as quickly as one of ten.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .memory_views import Document, Emitted, collation_key
from .port import Row, ViewQuery

#: Key, document id and the row's number among those of its document, which makes it unique; the row.
_Entry = tuple[tuple[Any, ...], str, int, Row]

#: Comes after every id.
_LAST_ID: Final = chr(0x10FFFF)


class ViewIndex:
    """Rows by key, then by document id."""

    def __init__(self, emit: Callable[[Document], Emitted], documents: Mapping[str, Document]) -> None:
        self._emit = emit
        self._of: dict[str, list[_Entry]] = {
            doc_id: list(self._emitted(document)) for doc_id, document in documents.items()
        }
        self._entries: list[_Entry] = sorted(entry for entries in self._of.values() for entry in entries)

    def update(self, doc_id: str, document: Document | None) -> None:
        """A document was written; ``None``: deleted."""
        for entry in self._of.pop(doc_id, ()):
            del self._entries[bisect_left(self._entries, entry)]
        if document is None:
            return
        self._of[doc_id] = list(self._emitted(document))
        for entry in self._of[doc_id]:
            insort(self._entries, entry)

    def rows(self, query: ViewQuery) -> list[Row]:
        """What a question finds, in order; the rows are the index's own."""
        found = self._by_keys(query) if query.keys is not None else self._in_range(query)
        end = None if query.limit is None else query.skip + query.limit
        return [entry[3] for entry in found[query.skip : end]]

    def _emitted(self, document: Document) -> Iterator[_Entry]:
        doc_id = document["_id"]
        for number, (key, value) in enumerate(self._emit(document)):
            yield collation_key(key), doc_id, number, Row(doc_id, key, value)

    def _by_keys(self, query: ViewQuery) -> list[_Entry]:
        found: list[_Entry] = []
        for key in query.keys or ():
            place = collation_key(key)
            found += self._entries[self._before(place) : self._after(place)]
        return found

    def _in_range(self, query: ViewQuery) -> list[_Entry]:
        first, last = (query.end, query.start) if query.descending else (query.start, query.end)
        low, high = 0, len(self._entries)
        if first is not None:
            low = self._before(collation_key(first), None if query.descending else query.start_id)
        if last is not None:
            high = self._after(collation_key(last), query.start_id if query.descending else None)
        found = self._entries[low:high]
        return found[::-1] if query.descending else found

    def _before(self, key: tuple[Any, ...], doc_id: str | None = None) -> int:
        return bisect_left(self._entries, (key, doc_id or ""))

    def _after(self, key: tuple[Any, ...], doc_id: str | None = None) -> int:
        return bisect_right(self._entries, (key, doc_id or _LAST_ID, math.inf))
