"""The sidecar's own database: reservations, owners on record, the guests' key, notes about recordings.

Whoever writes into it first makes it. Kazoo has no part in it, and may refuse us the right to it: what is
to be done then, each of those who write here decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .port import DatabaseMissing, Store

DATABASE: Final = "crossbar_conferences"


async def put(store: Store, document: Mapping[str, Any]) -> None:
    """Write a document. Raises what the store raises."""
    try:
        await store.put(DATABASE, document)
    except DatabaseMissing:
        await store.create_database(DATABASE)
        await store.put(DATABASE, document)


async def put_many(store: Store, documents: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Write documents in one request; the ids of those that were written. Raises what the store raises."""
    try:
        return await store.put_many(DATABASE, documents)
    except DatabaseMissing:
        await store.create_database(DATABASE)
        return await store.put_many(DATABASE, documents)
