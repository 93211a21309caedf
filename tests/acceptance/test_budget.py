"""What each request costs in round trips: to the store, and over the bus.

Source: issue "live state from events" 4; the floor of a cold GET is anchors.md 2.3.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What a dial of any number of endpoints may ask the store: the documents, those that they name, and
#: beside the first, once for all dials, the operator's settings of endpoints.
DIAL_REQUESTS = 3


async def warm(house: House, *paths: str) -> None:
    """Read paths until what they need is in memory, and nothing is under way any more."""
    for path in paths:
        await house.get(path)
    await house.quiet()
    for path in paths:
        await house.get(path)
    house.forget()


async def test_a_warm_read_costs_nothing(house: House) -> None:
    """GET of one conference, of its participants, of one of them, of the list and of a page: 0 and 0."""
    made = await house.create()
    await house.run_room(made, 2)
    paths = (
        house.path(made),
        house.path(made, "participants"),
        house.path(made, "participants", "1"),
        house.path(),
        house.path() + "?page_size=1",
        house.path() + f"?filter_id={made}",
        f"/v2/accounts/{house.account}/users/{house.data.users['joe'].id}/conferences",
    )
    await warm(house, *paths)
    for path in paths:
        answer = await house.get(path)
        assert (answer.status, answer.metadata["source"]) == (200, "events")
        assert house.store.operations == [], path
        assert house.spoken == [], path


async def test_a_list_is_warm_again_after_one_read(house: House) -> None:
    """A change drops the list from memory; the read after it asks the view once, the next not at all."""
    made = await house.create()
    await warm(house, house.path(), house.path(made))
    await house.call("PATCH", house.path(made), {"data": {"custom": secrets.token_hex(4)}})
    await house.quiet()
    for expected in (["by_id"], []):
        await house.get(house.path())
        assert house.store.operations == expected
        house.forget()


async def test_a_change_by_another_node_is_seen_at_once(house: House) -> None:
    """A notice from elsewhere drops exactly what it is about: the next reads show the change."""
    made = await house.create()
    await warm(house, house.path(), house.path(made))
    name = f"Changed {secrets.token_hex(4)}"
    document = {**await house.stored(made), "name": name}
    rev = await house.store.inner.put(house.database, document)
    await house.service.announcer.announce(
        "edited", house.database.replace("/", "%2F"), {**document, "_rev": rev}
    )
    await house.quiet()
    assert (await house.get(house.path(made))).data["name"] == name
    assert name in [item["name"] for item in (await house.get(house.path())).data]
    assert sorted(house.store.operations) == ["by_id", "get"]


async def test_a_cold_read_asks_each_thing_once(house: House) -> None:
    """The first GET of a conference in a known account: its document, and one search."""
    await house.empty()
    made = await house.create()
    # Nothing that was kept may be believed when the feed was away.
    house.service.cache.set_feed(True)
    await house.quiet()
    await house.get(house.path("c" * 32))
    house.forget()
    answer = await house.get(house.path(made))
    assert answer.status == 200
    assert house.store.operations == ["get"]
    assert len(house.spoken) <= 1


async def test_putting_owners_on_record_costs_reads_nothing_but_one_look(house: House) -> None:
    """Of conferences that Kazoo made: one read beside the document's, no write that anybody waits for, and
    one for all that came by meanwhile. A list costs none, and afterwards nothing is asked any more."""
    made = [secrets.token_hex(16) for _ in range(3)]
    for each in made:
        document = {"_id": each, "pvt_type": "conference", "pvt_account_id": house.account, "name": each}
        await house.store.inner.put(house.database, document)
    await house.get(house.path("room-of-nobody"))
    await house.quiet()
    with slowly(house):
        answers = await asyncio.gather(*(house.get(house.path(each)) for each in made))
        assert [answer.status for answer in answers] == [200] * 3
        assert [one for one in house.store.operations if one.startswith("put")] == []
    await house.service.owners.settled()
    assert house.store.operations.count("get") == 6
    assert house.store.operations.count("put_many") <= 3
    house.forget()
    for each in made:
        assert (await house.get(house.path(each))).status == 200
    assert house.store.operations == []


@pytest.mark.parametrize("where", [(), ("participants",), ("participants", "1")])
async def test_a_command_costs_one_publish(house: House, where: tuple[str, ...]) -> None:
    """A command to a conference, or to a participant: 0 to the store, one message for each who is meant."""
    made = await house.create()
    await house.run_room(made, 1)
    await warm(house, house.path(made, "participants"))
    before = len(house.cluster.told.heard)
    answer = await house.put(house.path(made, *where), {"action": "mute" if where else "lock"})
    assert answer.status in (201, 202), answer.text
    assert house.store.operations == []
    [command] = house.spoken
    assert (command.exchange, command.body["Event-Name"]) == ("conference", "command")
    await house.cluster.told.reached(before + 1)


@pytest.mark.parametrize("numbers", [0, 1, 8])
async def test_a_create_takes_two_steps(house: House, numbers: int) -> None:
    """However many numbers a new conference has, the store is waited for twice: check, then write."""
    await house.create(conference_numbers=[_a_number()])
    await house.quiet()
    with slowly(house):
        await house.create(conference_numbers=[_a_number() for _ in range(numbers)])
    assert house.store.steps <= 2, house.store.requests
    # Names and numbers by one view each, a reservation for each and for the id, then the document.
    assert len(house.store.requests) <= (2 if numbers else 1) + numbers + 2 + 1
    assert [sent.exchange for sent in house.spoken] == ["configuration"]


@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_a_save_takes_few_steps(house: House, verb: str) -> None:
    """A save of a known document that changes neither name nor numbers: is it there still, then the write."""
    made = await house.create()
    await warm(house, house.path(made))
    name = (await house.stored(made))["name"]
    house.forget()
    answer = await house.call(verb, house.path(made), {"data": {"name": name, "custom": 1}})
    assert answer.status == 200, answer.text
    assert house.store.operations == ["get", "put"]


async def test_a_deletion_takes_few_steps(house: House) -> None:
    """A deletion is a look, one write of the document, and the letting go of its name and number."""
    made = await house.create(conference_numbers=[_a_number()])
    await warm(house, house.path(made))
    with slowly(house):
        await house.call("DELETE", house.path(made))
    assert house.store.operations[:2] == ["get", "put"]
    assert house.store.steps <= 4, house.store.requests


@pytest.mark.parametrize("count", [1, 50])
async def test_a_dial_costs_the_same_for_one_and_for_fifty(house: House, count: int) -> None:
    """The documents of all endpoints are read together, and one message asks for all of them."""
    made = await house.create()
    await house.run_room(made)
    devices = [secrets.token_hex(16) for _ in range(count)]
    for device in devices:
        document = {
            "_id": device,
            "pvt_type": "device",
            "pvt_account_id": house.account,
            "owner_id": house.data.users["joe"].id,
            "sip": {"username": device[:8], "method": "password", "invite_format": "contact"},
        }
        await house.store.inner.put(house.database, document)
    await warm(house, house.path(made))
    answer = await house.put(house.path(made), {"action": "dial", "data": {"endpoints": devices}})
    assert answer.status == 202, answer.text
    assert len(answer.data["endpoint_responses"]) == count
    assert len(house.store.requests) <= DIAL_REQUESTS, house.store.requests
    assert [sent.body["Application-Name"] for sent in house.spoken] == ["dial"]


@contextmanager
def slowly(house: House) -> Iterator[None]:
    """Each request to the store takes a moment, so that those that are made at once overlap."""

    async def wait(operation: str) -> None:
        await asyncio.sleep(0.02)

    house.store.gate = wait
    try:
        yield
    finally:
        house.store.gate = None


def _a_number() -> str:
    return str(10_000_000 + secrets.randbelow(89_999_999))
