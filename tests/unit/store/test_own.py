"""Whoever writes into the sidecar's own database first makes it."""

from __future__ import annotations

import pytest

from crossbar_conferences.store import own
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import DocumentConflict


async def test_put() -> None:
    """The first write makes the database, later ones find it; a conflict is the caller's business."""
    store = MemoryStore()
    for doc_id in ("one", "two"):
        await own.put(store, {"_id": doc_id})
        assert (await store.get(own.DATABASE, doc_id))["_id"] == doc_id
    with pytest.raises(DocumentConflict):
        await own.put(store, {"_id": "one"})


async def test_put_many() -> None:
    """The same for several at once; those that are there already are left as they are."""
    store = MemoryStore()
    assert await own.put_many(store, [{"_id": "one", "n": 1}]) == {"one"}
    assert await own.put_many(store, [{"_id": "one", "n": 2}, {"_id": "two"}]) == {"two"}
    assert (await store.get(own.DATABASE, "one"))["n"] == 1
