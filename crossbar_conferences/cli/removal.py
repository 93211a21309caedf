"""What the sidecar has written into a cluster's databases, and how it is taken out again.

Ours are the design document of our own name in account databases and in the database of all accounts, and
the database of our own name. What is Kazoo's stays, whoever wrote it: conferences, kept notifications,
exchanges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ..store import own, views
from ..store.couch import CouchStore
from ..store.names import ACCOUNTS, OWN_DESIGN_DOCUMENT, account_database, account_id_of
from ..store.own_documents import counted
from ..store.port import DatabaseMissing, DocumentConflict, DocumentMissing, StoreError

#: Databases that are looked at, or written, at once.
AT_ONCE: Final = 8

#: Documents that are read at a time.
_PAGE: Final = 500

#: What a design document of ours may have, of whatever version.
_FIELDS: Final = frozenset({"_id", "_rev", "language", "views"})


@dataclass(frozen=True, slots=True)
class Design:
    """A design document of our name. ``is_ours``: it has nothing that no version of ours ever had."""

    database: str
    revision: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What there is of ours. ``documents``: those of our own database by kind; ``None``: there is none."""

    designs: Sequence[Design] = ()
    documents: Mapping[str, int] | None = None
    #: Databases that could not be looked at, and why.
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> list[Design]:
        """Design documents that the sidecar wrote."""
        return [one for one in self.designs if one.is_ours]

    @property
    def foreign(self) -> list[Design]:
        """Design documents of our name that it did not write."""
        return [one for one in self.designs if not one.is_ours]


async def look_for(store: CouchStore, databases: Sequence[str] | None = None) -> Written:
    """What there is: in these account databases, or everywhere. Changes nothing."""
    if databases is None:
        names = await store.databases()
        wanted = [name for name in names if name == ACCOUNTS or account_id_of(name) is not None]
        documents = await _own_documents(store) if own.DATABASE in names else None
    else:
        wanted, documents = list(databases), None
    turns, designs, unseen = asyncio.Semaphore(AT_ONCE), dict[str, Design](), dict[str, str]()

    async def look(database: str) -> None:
        async with turns:
            try:
                stored = await store.get(database, OWN_DESIGN_DOCUMENT)
            except DocumentMissing:
                return
            except DatabaseMissing:
                unseen[database] = "no such database"
                return
        designs[database] = Design(database, str(stored["_rev"]), _is_ours(stored))

    await asyncio.gather(*map(look, wanted))
    return Written([designs[name] for name in sorted(designs)], documents, unseen)


async def remove_design(store: CouchStore, design: Design) -> bool:
    """Take out a design document in the revision that was seen, and the files of its indexes.

    ``False``: somebody has written it since."""
    try:
        await store.delete(design.database, OWN_DESIGN_DOCUMENT, design.revision)
    except (DocumentMissing, DatabaseMissing):
        return True
    except DocumentConflict:
        return False
    with suppress(StoreError):
        # The files go with CouchDB's next clean-up at the latest.
        await store.clean_views(design.database)
    return True


async def remove_designs(store: CouchStore, designs: Sequence[Design]) -> list[str]:
    """Take them out; the databases where somebody has written the document since."""
    turns, left = asyncio.Semaphore(AT_ONCE), list[str]()

    async def remove(design: Design) -> None:
        async with turns:
            if not await remove_design(store, design):
                left.append(design.database)

    await asyncio.gather(*map(remove, designs))
    return sorted(left)


async def _own_documents(store: CouchStore) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    start = ""
    while True:
        page = await store.scan(own.DATABASE, start, _PAGE + 1)
        for kind, count in counted(page[:_PAGE]).items():
            counts[kind] = counts.get(kind, 0) + count
        if len(page) <= _PAGE:
            return counts
        start = str(page[_PAGE]["_id"])


def _is_ours(stored: Mapping[str, Any]) -> bool:
    designs = views.design_of(ACCOUNTS), views.design_of(account_database("0" * 32))
    known = {name for one in designs if one is not None for name in one["views"]}
    names = stored.get("views")
    return (
        set(stored) <= _FIELDS
        and stored.get("language") == "javascript"
        and isinstance(names, Mapping)
        and set(names) <= known
    )
