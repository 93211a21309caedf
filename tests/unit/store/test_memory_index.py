"""The rows of a view in memory against the plainest way to say what a view is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.store.memory_index import ViewIndex
from crossbar_conferences.store.memory_views import MAPS, Document, collation_key
from crossbar_conferences.store.port import Row, ViewQuery

KEYS = st.sampled_from(["", "1", "2", "22", "3"])
IDS = st.sampled_from(["a", "b", "c", "d", "e"])
WRITES = st.lists(st.tuples(IDS, st.one_of(st.none(), st.lists(KEYS, max_size=3))), max_size=15)
QUERIES = st.one_of(
    st.builds(
        ViewQuery,
        start=st.one_of(st.none(), KEYS),
        start_id=st.one_of(st.none(), IDS),
        end=st.one_of(st.none(), KEYS),
        limit=st.one_of(st.none(), st.integers(0, 5)),
        skip=st.integers(0, 3),
        descending=st.booleans(),
    ),
    st.builds(ViewQuery, keys=st.lists(KEYS, max_size=4), limit=st.one_of(st.none(), st.integers(0, 5))),
)


def emit(document: Document) -> Any:
    return ((key, None) for key in document["keys"])


def plainly(documents: dict[str, Document], query: ViewQuery) -> list[tuple[str, str]]:
    """All rows, sorted, then what the question leaves of them."""
    rows = sorted((key, doc_id) for doc_id, document in documents.items() for key in document["keys"])
    if query.keys is not None:
        rows = [row for key in query.keys for row in rows if row[0] == key]
    elif query.descending:
        rows = [row for row in reversed(rows) if not (query.start is not None and row > _start(query))]
        rows = [row for row in rows if query.end is None or row[0] >= query.end]
    else:
        rows = [row for row in rows if query.start is None or row >= _start(query)]
        rows = [row for row in rows if query.end is None or row[0] <= query.end]
    return rows[query.skip : None if query.limit is None else query.skip + query.limit]


def _start(query: ViewQuery) -> tuple[str, str]:
    return query.start, query.start_id or ("~" if query.descending else "")


def shown(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.key, row.id) for row in rows]


@given(WRITES, WRITES, QUERIES)
def test_gives_what_a_view_is(early: Any, late: Any, query: ViewQuery) -> None:
    """After any writes, those before and those after the first question, every question is answered right."""
    documents: dict[str, Document] = {}
    for doc_id, keys in early:
        documents.pop(doc_id, None)
        if keys is not None:
            documents[doc_id] = {"_id": doc_id, "keys": keys}
    index = ViewIndex(emit, documents)
    assert shown(index.rows(query)) == plainly(documents, query)
    for doc_id, keys in late:
        document = None if keys is None else {"_id": doc_id, "keys": keys}
        index.update(doc_id, document)
        documents.pop(doc_id, None)
        if document is not None:
            documents[doc_id] = document
    assert shown(index.rows(query)) == plainly(documents, query)


def test_collation() -> None:
    """CouchDB's order: null, booleans, numbers, texts, arrays, objects."""
    values = [
        None,
        False,
        True,
        -1,
        0,
        0.5,
        7,
        "",
        "1",
        "a",
        "b",
        [],
        [None],
        ["a"],
        ["a", "b"],
        {},
        {"a": 1},
    ]
    assert all(collation_key(one) < collation_key(next_one) for one, next_one in pairwise(values))


@pytest.mark.parametrize("kind", ["conference", "callflow", "user", "account"])
def test_maps_take_any_document(kind: str) -> None:
    """No map fails on a document whose fields have other types than they should."""
    fields = (
        "name",
        "owner_id",
        "member",
        "numbers",
        "conference_numbers",
        "flags",
        "enabled",
        "pvt_md5_auth",
    )
    values: list[Any] = [None, 0, "x", [], {}, [[]], {"numbers": {}}]
    for value in values:
        for emit_rows in MAPS.values():
            list(emit_rows({"_id": "x", "pvt_type": kind, **dict.fromkeys(fields, value)}))
