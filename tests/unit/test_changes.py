"""What a change message makes out of date (``changes.py``)."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.broker.port import Delivery
from crossbar_conferences.changes import BINDINGS, Changes
from crossbar_conferences.kapi import configuration
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.store.names import account_database

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
DATABASE = account_database(ACCOUNT)
ORIGIN = Origin("datamgr", "4.0.0", "kazoo@test")


class _Told:
    """Notes what it is told, as cache, pages, auth and reviews at once."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.calls.append((name, *given))


def _changes() -> tuple[Changes, _Told, _Told]:
    cache, others = _Told(), _Told()
    return Changes(cache, others, others, others, others), cache, others  # type: ignore[arg-type]


def _heard(event: str, database: str, document: dict[str, Any]) -> list[tuple[Any, ...]]:
    changes, cache, _ = _changes()
    message = configuration.document_change(event, database, document, ORIGIN)
    changes.hear(message.body, Delivery(message.exchange, message.routing_key, b""))
    return cache.calls


@pytest.mark.parametrize(
    ("event", "fields", "revision"),
    [
        ("edited", {}, "3-a"),
        ("deleted", {"pvt_deleted": True}, "3-a"),
        # Gone for good: the revision told may be the one that is kept.
        ("deleted", {}, None),
    ],
)
def test_a_document_is_read_anew(event: str, fields: dict[str, Any], revision: str | None) -> None:
    """The cache hears the revision, by which it keeps what is up to date, unless the document is gone."""
    document = {"_id": "c", "_rev": "3-a", **fields}
    assert _heard(event, DATABASE, document) == [("flush", DATABASE, "c", revision)]


def test_an_account_has_two_documents() -> None:
    """A change of the account's copy among all accounts makes its own document be read anew."""
    calls = _heard("edited", "accounts", {"_id": ACCOUNT, "_rev": "3-a"})
    assert ("flush", DATABASE, ACCOUNT) in calls


@pytest.mark.parametrize(
    ("event", "database", "document", "calls"),
    [
        ("deleted", DATABASE, {"_id": "c", "pvt_type": "conference"}, [("conference_gone", ACCOUNT, "c")]),
        (
            "deleted",
            DATABASE,
            {"_id": "c", "pvt_type": "conference", "pvt_deleted": True},
            [("conference_gone", ACCOUNT, "c")],
        ),
        ("deleted", DATABASE, {"_id": ACCOUNT, "pvt_type": "account"}, [("account_gone",)]),
        ("deleted", "accounts", {"_id": ACCOUNT, "pvt_type": "account"}, [("account_gone",)]),
        ("edited", DATABASE, {"_id": "c", "pvt_type": "conference"}, []),
        ("deleted", DATABASE, {"_id": "u", "pvt_type": "user"}, []),
        ("deleted", "system_config", {"_id": "c", "pvt_type": "conference"}, []),
    ],
)
def test_what_is_gone_is_cleaned_up_after(
    event: str, database: str, document: dict[str, Any], calls: list[tuple[Any, ...]]
) -> None:
    """Deleted conferences and accounts are told to the sweeper, and nothing else."""
    told, others = _Told(), _Told()
    changes = Changes(others, others, others, others, told)  # type: ignore[arg-type]
    message = configuration.document_change(event, database.replace("/", "%2F"), document, ORIGIN)
    changes.hear(message.body, Delivery(message.exchange, message.routing_key, b""))
    assert told.calls == calls


def test_a_database_that_is_gone() -> None:
    """An account goes with its database; another database is nobody's."""
    for database, calls in ((DATABASE, [("account_gone",)]), ("faxes", [])):
        told, others = _Told(), _Told()
        changes = Changes(others, others, others, others, told)  # type: ignore[arg-type]
        encoded = database.replace("/", "%2F")
        body = {
            "Event-Category": "configuration",
            "Event-Name": "db_deleted",
            "App-Name": "datamgr",
            "App-Version": "4.0.0",
            "Msg-ID": "1",
            "ID": encoded,
            "Database": encoded,
        }
        changes.hear(body, Delivery("configuration", "db_deleted", b""))
        assert told.calls == calls


def test_everybody_is_told_when_nobody_tells_of_changes() -> None:
    """While the feed is down nothing is believed that was read or decided before."""
    changes, cache, others = _changes()
    changes.set_feed(False)
    assert cache.calls == [("set_feed", False)]
    assert others.calls == [("set_feed", False), ("flush_all",), ("doubt",)]
    assert len(BINDINGS) == 5
