"""Our own views: one design document in each account database, one in the accounts database.

They stand under a name of ours, never under one of Kazoo's, whose refresh leaves unknown design
documents alone. The maps are in ``couchdb_views/``. Source: data.md 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from ..resources import design_document
from .names import ACCOUNTS, account_id_of
from .port import DocumentMissing, Store, View

#: The name of our design document, in whatever database.
OWN_DESIGN: Final = "crossbar_conferences"

#: What is found of our design document in a database.
INSTALLED: Final = "installed"
OTHER: Final = "other version"
MISSING: Final = "missing"

BY_ID: Final = View(OWN_DESIGN, "by_id")
BY_NUMBER: Final = View(OWN_DESIGN, "by_number")
BY_NAME: Final = View(OWN_DESIGN, "by_name")
BY_OWNER: Final = View(OWN_DESIGN, "by_owner")
CALLFLOWS_BY_NAME: Final = View(OWN_DESIGN, "callflows_by_name")
ACCOUNTS_BY_NAME: Final = View(OWN_DESIGN, "accounts_by_name")


def design_for(view: View, database: str) -> Mapping[str, Any] | None:
    """The design document of ours that a view of a database belongs to; ``None`` for others' views."""
    design = design_of(database)
    if design is None or view.design != OWN_DESIGN or view.name not in design["views"]:
        return None
    return design


def design_of(database: str) -> Mapping[str, Any] | None:
    """The design document of ours that a database should have, as it is to be stored."""
    if account_id_of(database) is not None:
        return _stored("account")
    return _stored("accounts") if database == ACCOUNTS else None


async def look(store: Store, database: str, design: Mapping[str, Any]) -> str:
    """What a database has of a design document of ours: `INSTALLED`, `OTHER` or `MISSING`.

    Changes nothing; raises the store's errors."""
    try:
        stored = dict(await store.get(database, design["_id"]))
    except DocumentMissing:
        return MISSING
    stored.pop("_rev", None)
    return INSTALLED if stored == design else OTHER


@cache
def _stored(name: str) -> Mapping[str, Any]:
    # What a file says about itself is not for CouchDB.
    return {key: value for key, value in design_document(name).items() if key != OWN_DESIGN}
