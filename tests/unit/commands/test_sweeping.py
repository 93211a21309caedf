"""When the sidecar's own database is cleaned (``commands/sweeping.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.commands.sweeping import PAGE, Pace, Sweeper
from crossbar_conferences.live.port import Sighting
from crossbar_conferences.store import own
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import ACCOUNTS, account_database
from crossbar_conferences.store.port import StoreUnreachable
from crossbar_conferences.store.reservations import Claim, Reservations, owner_document_id, owner_record
from tests.support.watched_store import WatchedStore

A = "a" * 32
OLD = 1_700_000_000.0
NOW = OLD + 86_400

NEVER = Pace(first=3600, every=3600, soon=3600, least=0, pause=0, ask=0, delay=3600)


class Switch:
    """What the media side says of a conference."""

    def __init__(self) -> None:
        self.sighting = Sighting(source="search", nodes_expected=1, nodes_heard=("n@h",))
        self.asked: list[str] = []

    async def lookup(self, conference_id: str) -> Sighting:
        self.asked.append(conference_id)
        return self.sighting


class Place:
    """A store with an account, a switch, a bus, and a sweeper of some pace."""

    def __init__(self) -> None:
        self.store = WatchedStore(MemoryStore())
        self.switch = Switch()
        self.bus = SimpleNamespace(connected=True, settling=False)
        self.sweepers: list[Sweeper] = []

    def sweeper(self, pace: Pace = NEVER) -> Sweeper:
        bus: Any = self.bus
        live: Any = self.switch
        made = Sweeper(self.store, bus, live, asyncio.get_running_loop().time, lambda: NOW, pace)
        self.sweepers.append(made)
        return made

    async def own(self, *conference_ids: str, at: float = OLD) -> None:
        await own.put_many(self.store, [owner_record(A, each, at) for each in conference_ids])

    async def count(self) -> int:
        return len(await self.store.inner.scan(own.DATABASE, "", 10_000))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while await self.count() != count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    for database in (account_database(A), ACCOUNTS):
        await made.store.inner.create_database(database)
        await made.store.inner.put(database, {"_id": A, "pvt_type": "account"})
    yield made
    for sweeper in made.sweepers:
        await sweeper.close()


async def test_a_round_goes_through_all_pages(place: Place) -> None:
    """However many documents there are, a page at a time; what it removed is counted."""
    ids = [f"c{number}" for number in range(2 * PAGE + 5)]
    await place.own(*ids)
    await place.store.inner.put(account_database(A), {"_id": "c7", "pvt_type": "conference"})
    sweeper = place.sweeper()
    outcome = await sweeper.sweep()
    assert (outcome.removed, sweeper.removed) == (len(ids) - 1, len(ids) - 1)
    assert place.store.operations.count("scan") == 3
    assert await place.count() == 1


async def test_rounds_come_by_themselves(place: Place) -> None:
    """The first some time after the start, then again and again; the log says what was removed."""
    await place.own("c")
    sweeper = place.sweeper(Pace(first=0.01, every=0.02, soon=1, least=0, pause=0, delay=1))
    with capture_logs() as logs:
        await sweeper.start()
        await place.until(0)
        await place.own("d")
        await place.until(0)
    assert {"event": "swept", "log_level": "info", "removed": 1, "waiting": 0} in logs


async def test_a_deleted_conference_is_looked_at(place: Place) -> None:
    """With its number and name, which it still has; nothing else is touched, and no round is needed."""
    reservations = Reservations(place.store, lambda: OLD)
    await reservations.reserve(Claim(A, "c", ("7001",), "n"))
    await place.own("c", "other")
    document = {"_id": "c", "pvt_type": "conference", "name": "n", "member": {"numbers": ["7001"]}}
    await place.store.inner.put(account_database(A), {**document, "pvt_deleted": True})
    sweeper = place.sweeper(Pace(first=3600, delay=0.01))
    await sweeper.start()
    sweeper.conference_gone(A, "c")
    await place.until(1)
    assert (await place.store.inner.get(own.DATABASE, owner_document_id("other")))["value"] == "other"
    assert "scan" not in place.store.operations


async def test_a_deleted_account_brings_the_next_round_forward(place: Place) -> None:
    """But rounds do not follow one another without a pause, however many accounts go."""
    await place.own("c")
    sweeper = place.sweeper(Pace(first=3600, every=3600, soon=0.01, least=3600, pause=0, delay=1))
    await sweeper.start()
    sweeper.account_gone()
    await place.until(0)
    await place.own("d")
    for _ in range(5):
        sweeper.account_gone()
    await asyncio.sleep(0.05)
    assert await place.count() == 1


async def test_who_does_not_sweep_keeps_nothing(place: Place) -> None:
    """The other workers of a host hear of deletions too."""
    sweeper = place.sweeper()
    for number in range(100):
        sweeper.conference_gone(A, f"c{number}")
    sweeper.account_gone()
    assert sweeper._due == {}


async def test_what_waits_is_bounded(place: Place) -> None:
    """A flood of messages takes no more than so many places; ids that are none take none."""
    sweeper = place.sweeper()
    await sweeper.start()
    for number in range(10_100):
        sweeper.conference_gone(A, f"c{number}")
    sweeper.conference_gone(A, "x" * 300)
    assert len(sweeper._due) == 10_000


@pytest.mark.parametrize("doubt", ["runs", "not all heard", "nobody expected", "just connected", "no broker"])
async def test_an_id_that_may_run_keeps_its_owner(place: Place, doubt: str) -> None:
    """Only when everybody who would know was heard, and nobody runs it, the record goes."""
    await place.own("c")
    sure = place.switch.sighting
    room: Any = object()
    if doubt == "runs":
        place.switch.sighting = Sighting({"c": room}, "search", None, 1, ("n@h",))
    elif doubt == "not all heard":
        place.switch.sighting = Sighting({}, "search", None, 2, ("n@h",))
    elif doubt == "nobody expected":
        place.switch.sighting = Sighting()
    elif doubt == "just connected":
        place.bus.settling = True
    else:
        place.bus.connected = False
    sweeper = place.sweeper()
    assert (await sweeper.sweep()).waiting == 1
    assert await place.count() == 1
    place.switch.sighting, place.bus.connected, place.bus.settling = sure, True, False
    assert (await sweeper.sweep()).removed == 1


async def test_a_media_side_that_does_not_answer_is_not_asked_on(place: Place) -> None:
    """Each such question takes its full time: after some in a row the rest of the round does without, and
    the next round begins anew."""
    await place.own(*(f"c{number}" for number in range(100)))
    sure, place.switch.sighting = place.switch.sighting, Sighting({}, "search", None, 2, ("n@h",))
    sweeper = place.sweeper()
    assert (await sweeper.sweep()).waiting == 100
    assert len(place.switch.asked) == 20
    place.switch.sighting = sure
    assert (await sweeper.sweep()).removed == 100


async def test_an_id_that_no_switch_can_run_is_not_asked_for(place: Place) -> None:
    """Its record goes without a question to the media side."""
    await place.own("joe@example")
    assert (await place.sweeper().sweep()).removed == 1
    assert place.switch.asked == []


async def test_one_that_is_too_young_is_looked_at_again(place: Place) -> None:
    """Not at once, and not for ever."""
    await place.own("c", at=NOW)
    sweeper = place.sweeper(Pace(first=3600, delay=0.0))
    await sweeper.start()
    sweeper.conference_gone(A, "c")
    async with asyncio.timeout(5):
        while not any(one.looks for one in sweeper._due.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    (due,) = sweeper._due.values()
    assert (due.looks, due.at > asyncio.get_running_loop().time() + 60) == (1, True)
    assert await place.count() == 1


async def test_a_store_that_is_away_is_waited_for(place: Place) -> None:
    """The round is put off, and the task goes on."""
    await place.own("c")
    is_away = True

    def away(operation: str, database: str) -> None:
        if is_away and operation == "scan":
            raise StoreUnreachable

    place.store.before = away
    sweeper = place.sweeper(Pace(first=0.01, every=0.02, soon=1, least=0.02, pause=0, delay=1))
    with capture_logs() as logs:
        await sweeper.start()
        await asyncio.sleep(0.1)
    assert {"event": "sweep_put_off", "log_level": "info", "reason": "StoreUnreachable"} in logs
    is_away = False
    await place.until(0)


async def test_without_a_database_there_is_nothing_to_do(place: Place) -> None:
    """A sidecar that has written nothing yet, or may not."""
    sweeper = place.sweeper(Pace(first=3600, delay=0.0))
    assert (await sweeper.sweep()).removed == 0
    await sweeper.start()
    sweeper.conference_gone(A, "c")
    async with asyncio.timeout(5):
        while sweeper._due:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
