"""What goes from the sidecar's own database, and what stays (``store/cleaning.py``)."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.store import own
from crossbar_conferences.store.cleaning import SETTLED, Cleaning, Outcome
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import ACCOUNTS, account_database
from crossbar_conferences.store.port import (
    DocumentMissing,
    StoreFault,
    StoreRefused,
    StoreUnreachable,
)
from crossbar_conferences.store.recordings import Recordings, Started
from crossbar_conferences.store.reservations import Claim, Reservations, owner_record
from tests.support.watched_store import WatchedStore

A, B = "a" * 32, "b" * 32
NOW = 1_700_000_000.0


class Place:
    """A store with two accounts, what runs, and a time of day."""

    def __init__(self) -> None:
        self.store = WatchedStore(MemoryStore())
        self.now = NOW
        self.running: set[str] = set()
        self.asked: list[str] = []
        self.cleaning = Cleaning(self.store, self._may_run, lambda: self.now)
        self.reservations = Reservations(self.store, lambda: self.now)

    async def _may_run(self, conference_id: str) -> bool:
        self.asked.append(conference_id)
        return conference_id in self.running

    async def account(self, account_id: str) -> None:
        for database in (account_database(account_id), ACCOUNTS):
            await self.store.inner.create_database(database)
            await self.store.inner.put(database, {"_id": account_id, "pvt_type": "account"})

    async def conference(self, conference_id: str, account_id: str = A, **fields: Any) -> None:
        """One with everything that is kept of it."""
        document = {
            "_id": conference_id,
            "pvt_type": "conference",
            "conference_numbers": ["7001"],
            "name": "n",
        }
        await self.store.inner.put(account_database(account_id), {**document, **fields})
        assert not await self.reservations.reserve(Claim(account_id, conference_id, ("7001",), "n"))
        assert await self.reservations.own(account_id, conference_id)
        await Recordings(self.store, lambda: self.now).starts(account_id, conference_id, Started("f", None))
        meetings = {
            "_id": f"meetings-{account_id}-{conference_id}",
            "pvt_type": "meetings",
            "account_id": account_id,
            "conference_id": conference_id,
            "meetings": [],
        }
        await own.put(self.store, meetings)

    async def change(self, conference_id: str, account_id: str = A, **fields: Any) -> None:
        database = account_database(account_id)
        stored = await self.store.inner.get(database, conference_id)
        await self.store.inner.put(database, {**stored, **fields})

    async def kept(self) -> list[str]:
        found = await self.store.inner.scan(own.DATABASE, "", 1_000)
        return sorted(str(one.get("kind") or one["pvt_type"]) for one in found)

    async def clean(self) -> Outcome:
        return await self.cleaning.clean(await self.store.inner.scan(own.DATABASE, "", 1_000))


EVERYTHING = ["conference", "meetings", "name", "number", "recording"]


@pytest.fixture
async def place() -> Place:
    made = Place()
    await made.account(A)
    await made.account(B)
    return made


async def test_what_lives_stays(place: Place) -> None:
    """All of a conference that is there, and the key that is about none; nobody is asked whether it runs."""
    await place.conference("c")
    await own.put(place.store, {"_id": "guest_key", "pvt_type": "guest_key"})
    await own.put(place.store, {"_id": "strange", "account_id": A, "conference_id": "gone"})
    place.now += 10 * SETTLED
    assert await place.clean() == Outcome(0, 0)
    assert len(await place.store.inner.scan(own.DATABASE, "", 100)) == 7
    assert place.asked == []


@pytest.mark.parametrize("way", ["marked", "removed", "another type"])
async def test_all_of_a_deleted_conference_goes(place: Place, way: str) -> None:
    """However it was deleted; what is about others stays."""
    await place.conference("c")
    if way == "removed":
        stored = await place.store.inner.get(account_database(A), "c")
        await place.store.inner.delete(account_database(A), "c", stored["_rev"])
    else:
        await place.change("c", **({"pvt_deleted": True} if way == "marked" else {"pvt_type": "user"}))
    await place.conference("other", B)
    place.now += SETTLED + 1
    assert await place.clean() == Outcome(5, 0)
    assert await place.kept() == EVERYTHING


async def test_what_was_just_written_stays(place: Place) -> None:
    """Reservations come before their conference: young ones wait, whatever is behind them, and so do those
    of a host whose clock is ahead."""
    await place.reservations.own(A, "coming")
    await place.reservations.reserve(Claim(A, "coming", ("1",), "n"))
    assert await place.clean() == Outcome(0, 3)
    place.now -= 60
    assert await place.clean() == Outcome(0, 3)
    place.now += 60 + SETTLED
    assert await place.clean() == Outcome(3, 0)


async def test_a_conference_that_is_made_anew_keeps_its_record(place: Place) -> None:
    """Its owner renews the record before the conference is written: what was judged before does not go."""
    await place.reservations.own(A, "c")
    place.now += SETTLED + 1
    seen = await place.store.inner.scan(own.DATABASE, "", 10)
    assert await place.reservations.own(A, "c")
    assert await place.cleaning.clean(seen) == Outcome(0, 0)
    assert await place.kept() == ["conference"]
    assert await place.reservations.owner("c") == A


async def test_what_somebody_writes_meanwhile_stays(place: Place) -> None:
    """A number that another conference takes over between the look and the removal is not removed."""
    await place.reservations.reserve(Claim(A, "gone", ("1",)))
    place.now += SETTLED + 1
    seen = await place.store.inner.scan(own.DATABASE, "", 10)
    assert not await place.reservations.reserve(Claim(A, "new", ("1",)))
    assert await place.cleaning.clean(seen) == Outcome(0, 0)
    assert await place.kept() == ["number"]


async def test_the_record_of_an_id_stays_while_it_may_run(place: Place) -> None:
    """Else another account could make a conference under it, and own who is in it; so does a recording's."""
    await place.conference("c")
    await place.change("c", pvt_deleted=True)
    place.now += SETTLED + 1
    place.running = {"c"}
    assert await place.clean() == Outcome(3, 2)
    assert await place.kept() == ["conference", "recording"]
    assert not await place.reservations.own(B, "c")
    place.running = set()
    assert await place.clean() == Outcome(2, 0)


async def test_a_number_that_is_not_used_any_more_goes(place: Place) -> None:
    """What a process left behind when it died; the others of the conference stay."""
    await place.conference("c")
    await place.change("c", conference_numbers=[], name="other")
    place.now += SETTLED + 1
    assert await place.clean() == Outcome(2, 0)
    assert await place.kept() == ["conference", "meetings", "recording"]


@pytest.mark.parametrize("error", [StoreUnreachable, StoreFault, StoreRefused])
async def test_what_cannot_be_asked_is_not_gone(place: Place, error: type[Exception]) -> None:
    """An account whose database is away or refuses us keeps all; the others are cleaned all the same."""
    await place.conference("c")
    await place.conference("c2", B)
    await place.change("c", pvt_deleted=True)
    await place.change("c2", B, pvt_deleted=True)
    place.now += SETTLED + 1

    def away(operation: str, database: str) -> None:
        if database == account_database(A):
            raise error

    place.store.before = away
    assert await place.clean() == Outcome(5, 0)
    assert await place.kept() == EVERYTHING


async def test_a_bulk_answer_alone_removes_nothing(place: Place) -> None:
    """What an answer about many left out is asked for by itself, and found."""
    await place.conference("c")
    place.now += SETTLED + 1
    inner = place.store.inner.get_many

    async def short(database: str, doc_ids: Any) -> dict[str, Any]:
        found = await inner(database, doc_ids)
        return {key: value for key, value in found.items() if key != "c"}

    place.store.inner.get_many = short  # type: ignore[method-assign]
    assert await place.clean() == Outcome(0, 0)


async def drop(place: Place, account_id: str) -> None:
    await place.store.inner.delete_database(account_database(account_id))


async def mark(place: Place, database: str) -> None:
    stored = await place.store.inner.get(database, A)
    await place.store.inner.put(database, {**stored, "pvt_deleted": True})


async def test_a_deleted_account_goes_as_a_whole(place: Place) -> None:
    """Its database has gone and its copy among all accounts is marked, or both documents are marked."""
    await place.conference("c")
    await place.conference("other", B)
    place.now += SETTLED + 1
    await mark(place, ACCOUNTS)
    await mark(place, account_database(A))
    assert await place.clean() == Outcome(5, 0)
    assert await place.kept() == EVERYTHING
    await drop(place, B)
    copy = await place.store.inner.get(ACCOUNTS, B)
    await place.store.inner.delete(ACCOUNTS, B, copy["_rev"])
    assert await place.clean() == Outcome(5, 0)
    assert await place.kept() == []


@pytest.mark.parametrize("what", ["database only", "own document only", "no list of accounts"])
async def test_an_account_that_may_be_there_keeps_all(place: Place, what: str) -> None:
    """Half of a deletion, or of a restore, is no deletion."""
    await place.conference("c")
    place.now += SETTLED + 1
    if what == "own document only":
        await mark(place, account_database(A))
    else:
        await drop(place, A)
    if what == "no list of accounts":
        await place.store.inner.delete_database(ACCOUNTS)
    assert await place.clean() == Outcome(0, 0)
    assert await place.kept() == EVERYTHING


async def test_what_another_host_removed_is_no_trouble(place: Place) -> None:
    """Two that sweep at the same time: each document is removed once."""
    await own.put(place.store, owner_record(A, "gone", NOW - 2 * SETTLED))
    seen = await place.store.inner.scan(own.DATABASE, "", 10)
    assert [await place.cleaning.clean(seen) for _ in range(2)] == [Outcome(1, 0), Outcome(0, 0)]
    with pytest.raises(DocumentMissing):
        await place.store.inner.get(own.DATABASE, seen[0]["_id"])


@pytest.mark.parametrize("conference_id", ["_design/x", "a/b", "..", "x" * 300])
async def test_ids_that_no_conference_can_have(place: Place, conference_id: str) -> None:
    """No path is made of them; what is kept of such a conference goes."""
    await own.put(place.store, owner_record(A, conference_id, NOW - 2 * SETTLED))
    assert await place.clean() == Outcome(1, 0)
