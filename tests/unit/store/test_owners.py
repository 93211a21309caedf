"""The owners on record (``store/owners.py``): what is remembered, and what goes on record how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.owners import BATCH, KEEP, Owners
from crossbar_conferences.store.port import Document, StoreRefused, StoreUnreachable
from crossbar_conferences.store.reservations import Reservations
from tests.support.watched_store import WatchedStore

A, B = "a" * 32, "b" * 32


class Time:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store() -> WatchedStore:
    store = WatchedStore(MemoryStore())
    for account_id in (A, B):
        await store.inner.create_database(account_database(account_id))
    return store


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def owners(store: WatchedStore, clock: Time) -> AsyncIterator[Owners]:
    made = Owners(store, Reservations(store, clock), clock, clock, limit=1_000)
    await made.start()
    yield made
    await made.close()


async def kazoos(store: WatchedStore, account_id: str, conference_id: str, **fields: Any) -> Document:
    document = {"_id": conference_id, "pvt_type": "conference", "pvt_created": 1, "name": "n", **fields}
    rev = await store.inner.put(account_database(account_id), document)
    return {**document, "_rev": rev}


async def test_an_account_goes_on_record_as_a_whole(store: WatchedStore, owners: Owners) -> None:
    """However many conferences it has, in a few requests for each batch, and once."""
    ids = [f"{number:032x}" for number in range(BATCH + 3)]
    for each in ids:
        await kazoos(store, A, each)
    owners.meet(A)
    await owners.settled()
    assert store.operations.count("by_id") == 2
    assert len(store.operations) <= 8
    store.requests.clear()
    owners.meet(A)
    await owners.settled()
    assert store.operations == []
    assert {await owners.owner(B, each) for each in (ids[0], ids[-1])} == {A}


async def test_what_others_have_stays_theirs(store: WatchedStore, owners: Owners) -> None:
    """A batch leaves the records of other accounts alone."""
    both = await kazoos(store, A, "both", pvt_created=5)
    await kazoos(store, B, "both", pvt_created=6)
    await kazoos(store, B, "b only")
    owners.meet(A)
    await owners.settled()
    owners.meet(B)
    await owners.settled()
    assert await owners.owner(A, "both", both) == A
    assert await owners.owner(A, "b only") == B


async def test_an_owner_is_asked_for_once_a_minute(store: WatchedStore, owners: Owners, clock: Time) -> None:
    """What is on record is remembered for a while; that nobody is, is not."""
    document = await kazoos(store, A, "c")
    assert await owners.owner(B, "c") is None
    assert await owners.owner(A, "c", document) is None
    await owners.settled()
    store.requests.clear()
    assert owners.is_own(A, "c")
    assert not owners.is_own(B, "c")
    assert await owners.owner(A, "c", document) == A
    assert await owners.owner(B, "c") == A
    assert store.operations == []
    clock.now += KEEP
    assert not owners.is_own(A, "c")
    assert await owners.owner(A, "c", document) == A
    assert store.operations == ["get"]


async def test_a_store_that_is_away_decides_nothing_new(
    store: WatchedStore, owners: Owners, clock: Time
) -> None:
    """What was known is believed for as long as it is away; what was not known is an error."""
    owners.learn(A, "known")
    clock.now += 10 * KEEP

    def away(operation: str, database: str) -> None:
        raise StoreUnreachable

    store.before = away
    assert await owners.owner(A, "known") == A
    await owners.look_up(A, ["known"])
    with pytest.raises(StoreUnreachable):
        await owners.owner(A, "unknown", {"_id": "unknown", "_rev": "1-a"})
    with pytest.raises(StoreUnreachable):
        await owners.look_up(A, ["known", "unknown"])
    await owners.settled()


async def test_without_the_right_to_a_database(store: WatchedStore, owners: Owners, clock: Time) -> None:
    """Nobody is on record then; that is not tried again with every request, and later it is."""
    document = await kazoos(store, A, "c")

    def refuse(operation: str, database: str) -> None:
        if operation in ("put", "put_many"):
            raise StoreRefused

    store.before = refuse
    assert await owners.owner(A, "c", document) is None
    await owners.settled()
    store.requests.clear()
    for _ in range(5):
        assert await owners.owner(A, "c", document) is None
    await owners.settled()
    assert "put_many" not in store.operations
    store.before = lambda operation, database: None
    clock.now += 61
    await owners.owner(A, "c", document)
    await owners.settled()
    assert await owners.owner(A, "c", document) == A


async def test_what_is_remembered_is_bounded(owners: Owners) -> None:
    """The owners used last, at most so many; accounts and what waits as well."""
    for number in range(3_000):
        owners.learn(A, f"c{number}")
    assert len(owners._known) == 1_000
    assert owners.is_own(A, "c2999")
    for number in range(30_000):
        owners.meet(f"{number:032x}")
    assert len(owners._met) <= 10_000
    assert owners._waiting.qsize() <= 10_000


async def test_a_fault_of_ours_stops_nobody_elses(
    store: WatchedStore, owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with one account, the next one goes on record, and that one when it comes again."""
    for account_id in (A, B):
        await kazoos(store, account_id, account_id)
    real = Owners._record_all

    async def fails(self: Owners, account_id: str) -> None:
        if account_id == A:
            raise RuntimeError("a fault")
        await real(self, account_id)

    monkeypatch.setattr(Owners, "_record_all", fails)
    owners.meet(A)
    owners.meet(B)
    async with asyncio.timeout(5):
        await owners.settled()
    assert await owners.owner(B, B) == B
    monkeypatch.setattr(Owners, "_record_all", real)
    owners.meet(A)
    async with asyncio.timeout(5):
        await owners.settled()
    assert await owners.owner(A, A) == A
