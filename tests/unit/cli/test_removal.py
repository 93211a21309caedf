"""Which design documents are the sidecar's (``cli/removal.py``)."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.cli.removal import look_for
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.views import design_of

DATABASE = account_database("a" * 32)


@pytest.mark.parametrize(
    ("changed", "is_ours"),
    [
        ({}, True),
        # An older version, or a newer one's first half.
        ({"views": {"by_id": {"map": "function (doc) {}"}}}, True),
        ({"views": {"by_id": {"map": "function (doc) {}"}, "mine": {"map": "function (doc) {}"}}}, False),
        ({"filters": {"x": "function () {}"}}, False),
        ({"language": "erlang"}, False),
        ({"views": []}, False),
    ],
)
async def test_whose_it_is(changed: dict[str, Any], is_ours: bool) -> None:
    """One that has what no version of ours ever had is somebody else's work under our name."""
    store: Any = MemoryStore()
    await store.create_database(DATABASE)
    await store.create_database(f"{DATABASE}-202611")
    design = design_of(DATABASE)
    assert design is not None
    rev = await store.put(DATABASE, {**design, **changed})
    written = await look_for(store)
    assert [(one.database, one.revision, one.is_ours) for one in written.designs] == [
        (DATABASE, rev, is_ours)
    ]
    assert written.documents is None
