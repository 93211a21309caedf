"""Who holds which number and name, on the store in memory; processes race in an integration test."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.own import DATABASE
from crossbar_conferences.store.port import Document, StoreRefused, StoreUnreachable
from crossbar_conferences.store.reservations import (
    REFUSED_FOR,
    Claim,
    Clashes,
    Reservations,
    numbers_of,
)

ACCOUNT, OTHER = "a" * 32, "b" * 32


class Time:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Refusing(MemoryStore):
    """A store that does not let us have a database of our own."""

    async def put(self, database: str, document: Document) -> str:
        """Refused where it is ours."""
        if database == DATABASE:
            raise StoreRefused
        return await super().put(database, document)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    for account_id in (ACCOUNT, OTHER):
        await store.create_database(account_database(account_id))
    return store


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def reservations(store: MemoryStore, clock: Time) -> Reservations:
    return Reservations(store, clock)


def claim(conference_id: str, *numbers: str, name: str | None = None, account_id: str = ACCOUNT) -> Claim:
    return Claim(account_id, conference_id, numbers, name)


async def write(store: MemoryStore, conference_id: str, **fields: Any) -> str:
    document = {"_id": conference_id, "pvt_type": "conference", **fields}
    return await store.put(account_database(ACCOUNT), document)


async def test_what_nobody_has_is_free(reservations: Reservations) -> None:
    """Numbers and a name are taken together; taking them again for the same conference is fine."""
    for _ in range(2):
        assert await reservations.reserve(claim("c1", "1", "2", "1", name="n")) == Clashes()
    assert not await reservations.reserve(claim("c2"))


async def test_another_account_has_its_own(reservations: Reservations) -> None:
    """The same number in another account is no clash."""
    assert not await reservations.reserve(claim("c1", "1", name="n"))
    assert not await reservations.reserve(claim("c2", "1", name="n", account_id=OTHER))


async def test_a_clash_names_what_is_held(store: MemoryStore, reservations: Reservations) -> None:
    """Of several only what is held is told, and what was free is free again at once."""
    await reservations.reserve(claim("c1", "1", name="n"))
    await write(store, "c1", conference_numbers=["1"], name="n")
    assert await reservations.reserve(claim("c2", "0", "1", "2", name="n")) == Clashes(("1",), "n")
    assert not await reservations.reserve(claim("c3", "0", "2"))


async def test_a_write_in_progress_counts(reservations: Reservations, clock: Time) -> None:
    """Before its document is there a reservation counts for ten seconds, and then no more."""
    await reservations.reserve(claim("c1", "1"))
    clock.now += 9.9
    assert await reservations.reserve(claim("c2", "1")) == Clashes(("1",))
    clock.now += 0.2
    assert not await reservations.reserve(claim("c2", "1"))
    assert await reservations.reserve(claim("c1", "1")) == Clashes(("1",))


async def test_a_stamp_from_the_future_does_not_block_for_ever(
    reservations: Reservations, clock: Time
) -> None:
    """A holder whose clock was far ahead is not believed."""
    clock.now += 3600
    await reservations.reserve(claim("c1", "1"))
    clock.now -= 3600
    assert not await reservations.reserve(claim("c2", "1"))


@pytest.mark.parametrize("place", ["conference_numbers", "member", "moderator"])
async def test_a_used_number_counts_for_ever(
    store: MemoryStore, reservations: Reservations, clock: Time, place: str
) -> None:
    """A stored conference holds its numbers of all three lists, however old the reservation is."""
    await reservations.reserve(claim("c1", "1"))
    await write(store, "c1", **{place: ["1"] if place == "conference_numbers" else {"numbers": ["1"]}})
    clock.now += 1_000_000
    assert await reservations.reserve(claim("c2", "1")) == Clashes(("1",))


async def test_what_a_conference_gave_up_elsewhere_is_taken_over(
    store: MemoryStore, reservations: Reservations, clock: Time
) -> None:
    """When another node changed the holder's number, the reservation is stale after ten seconds."""
    await reservations.reserve(claim("c1", "1"))
    await write(store, "c1", conference_numbers=["2"])
    assert await reservations.reserve(claim("c2", "1"))
    clock.now += 11
    assert not await reservations.reserve(claim("c2", "1"))


async def test_a_deleted_conference_holds_nothing(store: MemoryStore, reservations: Reservations) -> None:
    """A holder that was soft-deleted by Kazoo loses its number at once."""
    await reservations.reserve(claim("c1", "1"))
    await write(store, "c1", conference_numbers=["1"], pvt_deleted=True)
    assert not await reservations.reserve(claim("c2", "1"))


async def test_release(store: MemoryStore, reservations: Reservations) -> None:
    """What is let go is free at once; somebody else's stays; what is not there is no trouble."""
    await reservations.release(claim("c1", "1", name="n"))
    await reservations.reserve(claim("c1", "1", name="n"))
    await reservations.release(claim("c2", "1", name="n"))
    assert await reservations.reserve(claim("c3", "1")) == Clashes(("1",))
    await reservations.release(claim("c1", "1", name="n"))
    assert not await reservations.reserve(claim("c3", "1", name="n"))


async def test_of_two_that_want_the_same_one_gets_all(reservations: Reservations) -> None:
    """However the store mixes two claims of several things, exactly one of them wins."""
    numbers = tuple(str(number) for number in range(10))
    claims = [claim("c1", *numbers, name="n"), claim("c2", *reversed(numbers), name="n")]
    outcomes = await asyncio.gather(*(reservations.reserve(each) for each in claims))
    assert sum(not outcome for outcome in outcomes) == 1


class Shuffled(MemoryStore):
    """A store whose answers take turns as chance has it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    async def _pass(self) -> None:
        for _ in range(self._random.randrange(5)):
            await asyncio.sleep(0)

    async def get(self, database: str, doc_id: str) -> Document:
        """Like `MemoryStore`, later."""
        await self._pass()
        return await super().get(database, doc_id)

    async def put(self, database: str, document: Document) -> str:
        """Like `MemoryStore`, later."""
        await self._pass()
        rev = await super().put(database, document)
        await self._pass()
        return rev


@pytest.mark.parametrize(
    "wanted",
    [
        {"c1": "123", "c2": "321"},
        {"c1": "023", "c2": "132"},
        {"c1": "12", "c2": "23", "c3": "31"},
        {"c1": "1234", "c2": "4", "c3": "2", "c4": "45"},
    ],
)
async def test_somebody_wins_whatever_else_they_want(clock: Time, wanted: dict[str, str]) -> None:
    """However the store mixes claims that overlap in part, one wins, and winners have nothing in common."""
    for seed in range(30):
        store = Shuffled(seed)
        await store.create_database(account_database(ACCOUNT))
        won: list[str] = []

        async def create(conference_id: str, store: MemoryStore = store, won: list[str] = won) -> None:
            numbers = wanted[conference_id]
            if not await Reservations(store, clock).reserve(claim(conference_id, *numbers)):
                await write(store, conference_id, conference_numbers=list(numbers))
                won.extend(numbers)

        await asyncio.gather(*map(create, wanted))
        assert won, seed
        assert len(won) == len(set(won)), seed


async def test_a_reservation_of_ones_own_is_renewed(
    store: MemoryStore, reservations: Reservations, clock: Time
) -> None:
    """Taken again after a while it counts as fresh, since its holder is about to write again."""
    await reservations.reserve(claim("c1", "1"))
    await write(store, "c1", conference_numbers=["2"])
    clock.now += 11
    assert not await reservations.reserve(claim("c1", "1"))
    assert await reservations.reserve(claim("c2", "1")) == Clashes(("1",))


async def test_a_cancelled_caller_leaves_nothing_behind(
    store: MemoryStore, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes away while waiting lets go of what was taken."""
    await Reservations(store, clock).reserve(claim("c2", "2"))
    put, was_put = store.put, asyncio.Event()

    async def noting(database: str, document: Document) -> str:
        rev = await put(database, document)
        was_put.set()
        return rev

    monkeypatch.setattr(store, "put", noting)
    waiting = asyncio.create_task(Reservations(store, clock).reserve(claim("c1", "1", "2")))
    await was_put.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not await Reservations(store, clock).reserve(claim("c3", "1"))


async def test_a_lost_store_leaves_nothing_behind(
    store: MemoryStore, reservations: Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one of several can't be reserved the others are let go, and the caller is told."""
    await reservations.reserve(claim("c0", "9"))
    put, asked = store.put, 0

    async def failing(database: str, document: Document) -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise StoreUnreachable
        return await put(database, document)

    monkeypatch.setattr(store, "put", failing)
    with pytest.raises(StoreUnreachable):
        await reservations.reserve(claim("c1", "1", "2", "3"))
    monkeypatch.undo()
    assert not await reservations.reserve(claim("c2", "1", "2", "3"))


async def test_without_the_right_to_a_database(clock: Time) -> None:
    """A table in the process decides then; that is said once, and owners are not known."""
    store = Refusing()
    await store.create_database(account_database(ACCOUNT))
    reservations = Reservations(store, clock)
    with capture_logs() as logs:
        assert not await reservations.reserve(claim("c1", "1", "2", name="n"))
        assert await reservations.reserve(claim("c2", "2", name="n")) == Clashes(("2",), "n")
        await reservations.release(claim("c2", "1"))
        assert await reservations.reserve(claim("c2", "1"))
        await reservations.release(claim("c1", "1", "2", name="n"))
        assert not await reservations.reserve(claim("c2", "1", "2", name="n"))
        clock.now += 11
        assert not await reservations.reserve(claim("c3", "1"))
        clock.now -= 3600
        assert not await reservations.reserve(claim("c4", "1"))
        await reservations.own(ACCOUNT, "c1")
        assert await reservations.owner("c1") is None
    assert [entry["event"] for entry in logs] == ["reservations_in_process_only"]


async def test_a_refusal_is_not_for_ever(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that was refused is tried again, and what it knows counts once more."""
    store, refusing = MemoryStore(), Refusing()
    await store.create_database(account_database(ACCOUNT))
    reservations = Reservations(store, clock)
    await reservations.own(ACCOUNT, "c1")
    monkeypatch.setattr(store, "put", refusing.put)
    assert not await reservations.reserve(claim("c1", "1"))
    assert await reservations.owner("c1") is None
    monkeypatch.undo()
    clock.now += REFUSED_FOR - 1
    assert await reservations.owner("c1") is None
    clock.now += 1
    assert await reservations.owner("c1") == ACCOUNT
    assert not await reservations.reserve(claim("c2", "2"))
    others = Reservations(store, clock)
    assert await others.reserve(claim("c3", "2")) == Clashes(("2",))


async def test_remembers_whose_an_id_is(reservations: Reservations) -> None:
    """The first account to own a conference's id is believed."""
    assert await reservations.owner("c1") is None
    assert await reservations.own(ACCOUNT, "c1")
    assert not await reservations.own(OTHER, "c1")
    assert await reservations.owner("c1") == ACCOUNT


async def test_an_owner_is_replaced_by_what_counts_more(
    store: MemoryStore, reservations: Reservations, clock: Time
) -> None:
    """By who has a document where the owner has none any more, or has a younger one; by nobody else."""
    mine = {"_id": "c1", "pvt_type": "conference", "pvt_created": 200}
    assert await reservations.own(OTHER, "c1")
    assert await reservations.own(OTHER, "c1")
    assert not await reservations.own(ACCOUNT, "c1")
    # It may be about to be written.
    assert not await reservations.own(ACCOUNT, "c1", mine)
    clock.now += 60
    theirs = {"_id": "c1", "pvt_type": "conference", "pvt_created": 100}
    rev = await store.put(account_database(OTHER), theirs)
    for created in (100, 200, None, "50", True):
        assert not await reservations.own(ACCOUNT, "c1", {**mine, "pvt_created": created})
    assert await reservations.own(ACCOUNT, "c1", {**mine, "pvt_created": 99})
    assert await reservations.owner("c1") == ACCOUNT
    clock.now += 60
    assert await reservations.own(OTHER, "c1", theirs)
    clock.now += 60
    await store.put(account_database(OTHER), {**theirs, "_rev": rev, "pvt_deleted": True})
    assert not await reservations.own(ACCOUNT, "c1")
    assert await reservations.own(ACCOUNT, "c1", mine)


def test_numbers_of_any_document() -> None:
    """Lists that are no lists and numbers that are no texts are passed over."""
    document = {"conference_numbers": ["1", 2, None], "member": {"numbers": "3"}, "moderator": ["4"]}
    assert numbers_of(document) == ["1"]
    assert numbers_of({"moderator": {"numbers": ["2"]}, "member": {"numbers": ["1"]}}) == ["1", "2"]
