"""What the documents of the sidecar's own database are about."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.store.own_documents import counted, own_document
from crossbar_conferences.store.reservations import owner_record

A = "a" * 32


def _stored(**fields: Any) -> dict[str, Any]:
    return {"_id": "x", "_rev": "1-a", "account_id": A, "conference_id": "c", **fields}


@pytest.mark.parametrize(
    ("fields", "kind", "written_at"),
    [
        ({**owner_record(A, "c", 5.0), "_rev": "1-a"}, "conference", 5.0),
        (_stored(pvt_type="reservation", kind="number", value="7001", taken_at=6), "number", 6.0),
        (_stored(pvt_type="reservation", kind="name", value="n", taken_at="now"), "name", None),
        (_stored(pvt_type="recording", noted_at=7.5), "recording", 7.5),
        (_stored(pvt_type="recording"), "recording", None),
        (_stored(pvt_type="meetings"), "meetings", None),
    ],
)
def test_kinds(fields: dict[str, Any], kind: str, written_at: float | None) -> None:
    """Each is about one conference of one account, and most say when they were written."""
    found = own_document(fields)
    assert found is not None
    assert (found.kind, found.account_id, found.conference_id) == (kind, A, "c")
    assert (found.id, found.revision, found.written_at) == (fields["_id"], "1-a", written_at)


@pytest.mark.parametrize(
    "fields",
    [
        {"pvt_type": "guest_key"},
        {"pvt_type": "reservation", "kind": "other"},
        {"pvt_type": "reservation", "kind": ["number"]},
        {"pvt_type": "meetings", "account_id": "../x"},
        {"pvt_type": "meetings", "conference_id": None},
        {"pvt_type": ["meetings"]},
        {},
    ],
)
def test_what_is_about_no_conference(fields: dict[str, Any]) -> None:
    """The guests' key, and what somebody else put there, is never judged."""
    assert own_document(_stored(**fields)) is None


def test_counts() -> None:
    """By kind; what is none of ours is told apart, whatever it is called."""
    documents = [
        _stored(pvt_type="meetings"),
        _stored(pvt_type="meetings"),
        {"_id": "guest_key", "_rev": "1-a", "pvt_type": "guest_key"},
        {"_id": "guest_key_2", "_rev": "1-a", "pvt_type": "guest_key"},
        {"_id": "_design/other", "_rev": "1-a"},
    ]
    assert counted(documents) == {"meetings": 2, "guest_key": 1, "foreign": 2}
