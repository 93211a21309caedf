"""The sidecar's own database holds what lives: of deleted conferences and accounts nothing stays.

In memory and on real services; conferences are deleted by the sidecar and by Kazoo. What was just written has
to stay for ten minutes, so the sweepers here live an hour ahead.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.commands.sweeping import Pace, Sweeper
from crossbar_conferences.store import own
from crossbar_conferences.store.names import ACCOUNTS, account_database
from crossbar_conferences.store.own_documents import own_document
from crossbar_conferences.store.reservations import Claim
from tests.support.brokers import eventually
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = Pace(first=3600, every=3600, soon=0.01, least=0, pause=0, delay=0.01)


def _ahead() -> float:
    return time.time() + 3600


@pytest_asyncio.fixture(loop_scope="module")
async def sweeper(house: House) -> AsyncIterator[Sweeper]:
    """What a service has, in a hurry; it hears what the service's own one hears."""
    service = house.service
    # As if we were connected for longer than a round of heartbeats.
    since = service.bus._listening_since
    service.bus._listening_since = time.monotonic() - 60
    made = Sweeper(house.store, service.bus, service.live, time.monotonic, _ahead, QUICK)
    heard = service.sweeper.conference_gone, service.sweeper.account_gone
    service.sweeper.conference_gone = made.conference_gone  # type: ignore[method-assign]
    service.sweeper.account_gone = made.account_gone  # type: ignore[method-assign]
    yield made
    service.sweeper.conference_gone, service.sweeper.account_gone = heard  # type: ignore[method-assign]
    service.bus._listening_since = since
    await made.close()


async def kept(house: House, account_id: str, conference_id: str | None = None) -> list[str]:
    """The kinds of what is kept of an account, or of one conference of it."""
    found = map(own_document, await house.store.inner.scan(own.DATABASE, "", 100_000))
    return sorted(
        one.kind
        for one in found
        if one is not None and one.account_id == account_id and conference_id in (None, one.conference_id)
    )


async def made(house: House) -> str:
    """A conference that has everything that the sidecar keeps of one."""
    number = f"7{secrets.randbelow(10**8):08}"
    conference_id = await house.create(member={"numbers": [number]})
    await house.run_room(conference_id)
    answer = await house.put(house.path(conference_id), {"action": "record", "data": {"action": "start"}})
    assert answer.status == 202, answer.text
    meetings = {
        "_id": f"meetings-{house.account}-{conference_id}",
        "pvt_type": "meetings",
        "account_id": house.account,
        "conference_id": conference_id,
        "meetings": [],
    }
    await own.put(house.store.inner, meetings)
    return conference_id


async def test_a_conference_that_is_deleted_while_it_runs(house: House, sweeper: Sweeper) -> None:
    """Its owner stays on record until nobody is in it any more; only then nothing of it is left."""
    conference_id = await made(house)
    everything = ["conference", "meetings", "name", "number", "recording"]
    assert await kept(house, house.account, conference_id) == everything
    await sweeper.sweep()
    assert await kept(house, house.account, conference_id) == everything
    assert (await house.call("DELETE", house.path(conference_id))).status == 200
    await sweeper.sweep()
    assert await kept(house, house.account, conference_id) == ["conference", "recording"]
    await house.cluster.perform(["destroy", conference_id])
    await sweeper.sweep()
    assert await kept(house, house.account, conference_id) == []


async def test_an_id_of_ones_own_choice_is_free_once_it_is_over(house: House, sweeper: Sweeper) -> None:
    """While the room of a deleted conference runs, another account gets no hold of it; afterwards the id is
    like any that was never used."""
    conference_id, other = f"room-{secrets.token_hex(4)}", house.data.other.id
    document = {
        "_id": conference_id,
        "pvt_type": "conference",
        "pvt_account_id": house.account,
        "pvt_created": gregorian_seconds(),
        "name": conference_id,
    }
    await house.store.inner.put(house.database, document)
    assert (await house.get(house.path(conference_id))).status == 200
    await house.service.owners.settled()
    assert await kept(house, house.account, conference_id) == ["conference"]
    await house.run_room(conference_id)
    assert (await house.call("DELETE", house.path(conference_id))).status == 200
    for runs in (True, False):
        if not runs:
            await house.cluster.perform(["destroy", conference_id])
        await sweeper.sweep()
        house.service.owners._known.clear()
        assert await kept(house, house.account, conference_id) == (["conference"] if runs else [])
        path = house.path(conference_id, account=other)
        assert (await house.get(path, who="other")).status == (404 if runs else 200)
        assert (await house.put(path, {"action": "lock"}, who="other")).status == (404 if runs else 202)
        took = await house.service.reservations.own(other, conference_id)
        assert took is not runs


async def test_what_kazoo_deletes_goes_with_the_message(house: House, sweeper: Sweeper) -> None:
    """Numbers and name of a conference that crossbar deleted, and its record; no round is needed."""
    conference_id = await house.create(conference_numbers=[f"8{secrets.randbelow(10**8):08}"])
    await sweeper.start()
    assert await kept(house, house.account, conference_id) == ["conference", "name", "number"]
    stored = await house.store.inner.get(house.database, conference_id)
    await house.store.inner.put(house.database, {**stored, "pvt_deleted": True})
    await house.say_changed("doc_deleted", house.database, "conference", conference_id)

    async def gone() -> bool:
        return await kept(house, house.account, conference_id) == []

    await eventually(gone)


async def test_a_message_that_is_not_true_removes_nothing(house: House, sweeper: Sweeper) -> None:
    """Whoever may publish on the bus cannot have records removed: the account's database is asked."""
    conference_id = await house.create()
    await sweeper.start()
    for _ in range(3):
        await house.say_changed("doc_deleted", house.database, "conference", conference_id)
        await house.say_changed("doc_deleted", house.database, "account", house.account)
        await house.say_changed("db_deleted", house.database, "database", house.database)
    await house.quiet()
    await eventually(lambda: not sweeper._due)
    await sweeper.sweep()
    assert await kept(house, house.account, conference_id) == ["conference", "name"]


async def test_of_a_deleted_account_nothing_stays(house: House, sweeper: Sweeper) -> None:
    """Its database goes and its copy is marked, as Kazoo does it: the next round takes all."""
    account_id, conference_id = secrets.token_hex(16), secrets.token_hex(16)
    store, database = house.store.inner, account_database(account_id)
    await store.create_database(database)
    account = {"_id": account_id, "pvt_type": "account", "name": account_id, "pvt_tree": [house.account]}
    await store.put(database, account)
    await store.put(ACCOUNTS, account)
    await store.put(database, {"_id": conference_id, "pvt_type": "conference", "name": "n"})
    assert not await house.service.reservations.reserve(Claim(account_id, conference_id, ("1",), "n"))
    assert await house.service.reservations.own(account_id, conference_id)
    await store.delete_database(database)
    await sweeper.sweep()
    assert len(await kept(house, account_id)) == 3
    await sweeper.start()
    await store.put(ACCOUNTS, {**await store.get(ACCOUNTS, account_id), "pvt_deleted": True})
    await house.say_changed("db_deleted", database, "database", database)
    await house.say_changed("doc_deleted", ACCOUNTS, "account", account_id)

    async def gone() -> bool:
        return await kept(house, account_id) == []

    await eventually(gone)


async def test_the_number_is_free_for_the_next_one(house: House, sweeper: Sweeper) -> None:
    """A sweep between a deletion and the next create does no harm, and neither does one after it."""
    number = f"9{secrets.randbelow(10**8):08}"
    first = await house.create(conference_numbers=[number])
    await house.call("DELETE", house.path(first))
    await sweeper.sweep()
    second = await house.create(conference_numbers=[number])
    await sweeper.sweep()
    assert await kept(house, house.account, second) == ["conference", "name", "number"]
    again = await house.put(house.path(), {"name": "third", "conference_numbers": [number]})
    assert again.status == 400
