"""Documents of an account: load checks, writes that tell, deletions on the newest revision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from crossbar_conferences.store.cache import DocumentCache
from crossbar_conferences.store.documents import Documents
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    StoreUnreachable,
)

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
DATABASE = account_database(ACCOUNT)


class World:
    """An account's documents, and what was told about them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.cache = DocumentCache(self.store, time.monotonic)
        self.cache.set_feed(True)
        self.told: list[tuple[str, str, Mapping[str, Any]]] = []
        self.documents = Documents(self.store, self.cache, self._tell)

    async def _tell(self, action: str, database: str, document: Mapping[str, Any]) -> None:
        self.told.append((action, database, document))


@pytest.fixture
async def world() -> World:
    world = World()
    await world.store.create_database(DATABASE)
    await world.store.create_database("accounts")
    return world


def conference(doc_id: str, **more: Any) -> dict[str, Any]:
    return {"_id": doc_id, "pvt_type": "conference", "name": doc_id, **more}


async def test_a_created_document_is_told_and_kept(world: World) -> None:
    """A create is announced with its revision and database, and read without a request."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    assert world.told == [("created", encoded(DATABASE), stored)]
    assert stored["_rev"].startswith("1-")
    before = world.store.counters.requests
    assert await world.documents.load(ACCOUNT, "x") == stored
    assert world.store.counters.requests == before


async def test_an_edit_is_told(world: World) -> None:
    """A save of a stored document is an edit."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    edited = await world.documents.save(ACCOUNT, {**stored, "name": "y"})
    assert world.told[-1] == ("edited", encoded(DATABASE), edited)


async def test_a_conflict_is_told_to_nobody_and_forgotten(world: World) -> None:
    """Who writes over somebody else's change gets a conflict; the next load sees that change."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    await world.store.put(DATABASE, {**stored, "name": "theirs"})
    with pytest.raises(DocumentConflict):
        await world.documents.save(ACCOUNT, {**stored, "name": "ours"})
    assert len(world.told) == 1
    assert (await world.documents.load(ACCOUNT, "x"))["name"] == "theirs"


async def test_a_write_of_unknown_outcome_is_forgotten(world: World) -> None:
    """After a write that got no answer the document is read again."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    world.store.reachable = False
    with pytest.raises(StoreUnreachable):
        await world.documents.save(ACCOUNT, {**stored, "name": "y"})
    world.store.reachable = True
    before = world.store.counters.requests
    await world.documents.load(ACCOUNT, "x")
    assert world.store.counters.requests == before + 1


async def test_a_write_whose_caller_went_away_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that was cancelled may have been carried out: the next load sees what is stored."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    put, was_put = world.store.put, asyncio.Event()

    async def slow(database: str, document: Document) -> str:
        await put(database, document)
        was_put.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(world.store, "put", slow)
    saving = asyncio.create_task(world.documents.save(ACCOUNT, {**stored, "name": "y"}))
    await was_put.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert (await world.documents.load(ACCOUNT, "x"))["name"] == "y"


async def test_a_write_overtaken_by_another_node_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that is heard before our own write is answered does not hide behind what we wrote."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    put = world.store.put

    async def overtaken(database: str, document: Document) -> str:
        rev = await put(database, document)
        later = await put(database, {**document, "_rev": rev, "name": "theirs"})
        world.cache.flush(database, document["_id"], later)
        return rev

    monkeypatch.setattr(world.store, "put", overtaken)
    await world.documents.save(ACCOUNT, {**stored, "name": "ours"})
    assert (await world.documents.load(ACCOUNT, "x"))["name"] == "theirs"


@pytest.mark.parametrize(
    "document",
    [
        conference("x", pvt_deleted=True),
        {"_id": "x", "pvt_type": "user"},
        {"_id": "y", "pvt_type": "conference"},
    ],
)
async def test_load_checks(world: World, document: dict[str, Any]) -> None:
    """A soft-deleted document, one of another type and none at all are the same: missing."""
    await world.store.put(DATABASE, document)
    with pytest.raises(DocumentMissing):
        await world.documents.load(ACCOUNT, "x")


async def test_a_document_without_type_passes(world: World) -> None:
    """Kazoo lets a document pass that has no type."""
    await world.store.put(DATABASE, {"_id": "x"})
    assert await world.documents.load(ACCOUNT, "x")


@pytest.mark.parametrize("doc_id", ["_design/x", "../x", "", "a" * 257, "a\n"])
async def test_hostile_ids_never_reach_the_store(world: World, doc_id: str) -> None:
    """An id that could lead elsewhere is missing, without a request."""
    before = world.store.counters.requests
    with pytest.raises(DocumentMissing):
        await world.documents.load(ACCOUNT, doc_id)
    with pytest.raises(DocumentMissing):
        await world.documents.load("not an account", "x")
    assert await world.documents.load_many(ACCOUNT, [doc_id]) == {}
    with pytest.raises(DatabaseMissing):
        await world.documents.load_many("not an account", ["x"])
    assert world.store.counters.requests == before


async def test_soft_deletion_costs_two_requests(world: World) -> None:
    """The newest revision and one write, told as a deletion; the document is gone then."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    before = world.store.counters.requests
    gone = await world.documents.soft_delete(ACCOUNT, {**stored, "pvt_deleted": True})
    assert world.store.counters.requests == before + 2
    assert world.told[-1] == ("deleted", encoded(DATABASE), gone)
    with pytest.raises(DocumentMissing):
        await world.documents.load(ACCOUNT, "x")


@pytest.mark.parametrize("soft", [True, False])
async def test_deletions_take_the_newest_revision(world: World, soft: bool) -> None:
    """A change that came between does not keep a document from being deleted."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    await world.store.put(DATABASE, {**stored, "name": "theirs"})
    if soft:
        await world.documents.soft_delete(ACCOUNT, {**stored, "pvt_deleted": True})
    else:
        await world.documents.remove(ACCOUNT, stored)
    assert world.told[-1][0] == "deleted"
    assert world.told[-1][2]["_rev"].startswith("3-")
    with pytest.raises(DocumentMissing):
        await world.documents.load(ACCOUNT, "x")


async def test_what_is_gone_already_is_a_success(world: World) -> None:
    """Deleting what somebody else has just removed is done, and nothing is told."""
    stored = await world.documents.save(ACCOUNT, conference("x"))
    await world.store.delete(DATABASE, "x", stored["_rev"])
    await world.documents.remove(ACCOUNT, stored)
    await world.documents.soft_delete(ACCOUNT, {**stored, "pvt_deleted": True})
    assert [action for action, *_ in world.told] == ["created"]


async def test_who_has_a_number_or_name(world: World) -> None:
    """Numbers of all three lists and exact names are found, with their conferences."""
    await world.documents.save(
        ACCOUNT,
        conference("x", conference_numbers=["1"], member={"numbers": ["2"]}, moderator={"numbers": ["3"]}),
    )
    held = await world.documents.holders_of_numbers(ACCOUNT, ["3", "9", "1", "1"])
    assert held == [("3", "x"), ("1", "x")]
    assert await world.documents.holders_of_numbers(ACCOUNT, []) == []
    assert await world.documents.holders_of_name(ACCOUNT, "x") == ["x"]
    assert await world.documents.holders_of_name(ACCOUNT, "X") == []
    assert [doc["_id"] for doc in await world.documents.conferences_named(ACCOUNT, "x")] == ["x"]


async def test_lists_and_finds(world: World) -> None:
    """Pages by id, also those of one owner, callflows and accounts by name."""
    for number, owner in enumerate(["o1", "o2", "o1"]):
        await world.documents.save(ACCOUNT, conference(f"c{number}", owner_id=owner))
    await world.store.put(
        DATABASE, {"_id": "f", "pvt_type": "callflow", "name": "MainConference", "numbers": ["7100"]}
    )
    await world.store.put("accounts", {"_id": ACCOUNT, "pvt_type": "account", "name": "Acme & Co."})
    page = await world.documents.page(ACCOUNT, start="c1", descending=True, limit=2, include_docs=False)
    assert [row.id for row in page] == ["c1", "c0"]
    page = await world.documents.page(ACCOUNT, start=None, descending=False, limit=9, include_docs=False)
    theirs = await world.documents.page(
        ACCOUNT, start=None, descending=False, limit=9, include_docs=False, owner="o1"
    )
    assert [(row.id, row.value) for row in theirs] == [(row.id, row.value) for row in (page[0], page[2])]
    theirs = await world.documents.page(
        ACCOUNT, start="c1", descending=True, limit=2, include_docs=True, owner="o1"
    )
    assert [(row.id, row.doc and row.doc["owner_id"]) for row in theirs] == [("c0", "o1")]
    assert await world.documents.callflows_named(ACCOUNT, ["MainConference"]) == [{"numbers": ["7100"]}]
    assert await world.documents.accounts_named("acmeco") == [ACCOUNT]


async def test_an_account_without_database(world: World) -> None:
    """Writing and listing in an account whose database is not there is told as that."""
    other = "f" * 32
    with pytest.raises(DatabaseMissing):
        await world.documents.save(other, conference("x"))
    with pytest.raises(DatabaseMissing):
        await world.documents.page(other, start=None, descending=True, limit=1, include_docs=False)
