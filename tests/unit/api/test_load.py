"""How running requests are counted (``api/load.py``); its order is held by the acceptance tests."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from crossbar_conferences.api.errors import ApiError
from crossbar_conferences.api.load import Load, LoadLimits

LIMITS = LoadLimits(places=8, places_each=2, waiting=5, waiting_each=3, body_bytes=1_000, body_bytes_each=600)


async def test_the_end_of_running_requests_is_waited_for_within_a_bound() -> None:
    """Nothing running is over at once; a request holds the wait up until it is done or time is up."""
    load = Load(LIMITS)
    assert await load.over(0.0)
    place = load.place()
    assert not await load.over(0.01)
    waiting = asyncio.create_task(load.over(5.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    place.leave()
    assert await waiting


async def test_a_stream_holds_nothing_up() -> None:
    """A request that has become a stream is not waited for."""
    load = Load(LIMITS)
    place = load.place()
    waiting = asyncio.create_task(load.over(5.0))
    await asyncio.sleep(0)
    place.stream()
    assert await waiting
    place.leave()
    assert load.running == 0


async def test_who_waits_takes_no_place_and_is_waited_for_at_the_end() -> None:
    """As many may wait as have a place for that, of one account and in all; the others are told to come
    back, and whoever has a place is served."""
    load = Load(LIMITS)
    places = [load.place() for _ in range(7)]
    for place in places[:3]:
        place.wait("a")
    assert (load.running, load.waiting.held()) == (4, 3)
    _refused(429, lambda: places[3].wait("a"))
    for place in places[3:5]:
        place.wait("b")
    _refused(503, lambda: places[5].wait("c"))
    assert load.running == 2
    for place in places[5:]:
        place.leave()
    assert not await load.over(0.01)
    for place in places:
        place.leave()
    assert await load.over(0.01)
    assert (load.running, load.waiting.held(), load.waiting.accounts()) == (0, 0, 0)


async def test_one_account_has_a_share_of_the_places() -> None:
    """Whoever waits has given its share back too."""
    load = Load(LIMITS)
    first, second, third, other = (load.place() for _ in range(4))
    first.claim("a")
    second.claim("a")
    _refused(429, lambda: third.claim("a"))
    other.claim("b")
    first.wait("a")
    third.claim("a")


async def test_a_body_that_comes_slowly_takes_no_place() -> None:
    """Of one address only so many are waited for; whose requests they are is not known yet."""
    load = Load(LIMITS)
    places = [load.place() for _ in range(3)]
    with ExitStack() as reading:
        for place in places[:2]:
            reading.enter_context(place.reading("1.1.1.1"))
        assert load.running == 1
        _refused(429, lambda: reading.enter_context(places[2].reading("1.1.1.1")))
        reading.enter_context(places[2].reading("2.2.2.2"))
        assert load.running == 0 and not await load.over(0.01)
    assert load.running == 3


async def test_bodies_are_bounded_in_bytes() -> None:
    """Of one address and in all, until the requests are done."""
    load = Load(LIMITS)
    first, second, third = (load.place() for _ in range(3))
    first.hold("1.1.1.1", 500)
    _refused(429, lambda: second.hold("1.1.1.1", 200))
    second.hold("2.2.2.2", 400)
    _refused(503, lambda: third.hold("3.3.3.3", 200))
    first.leave()
    third.hold("3.3.3.3", 200)
    assert load.bodies.held() == 600


async def test_a_request_that_was_left_holds_nothing_any_more() -> None:
    """Work that goes on after its caller has gone, as under an Idempotency-Key, is not counted for ever."""
    load = Load(LIMITS)
    place = load.place()
    place.leave()
    place.leave()
    place.wait("a")
    assert (load.running, load.waiting.held()) == (0, 0)


def _refused(status: int, step: object) -> None:
    assert callable(step)
    with pytest.raises(ApiError) as refused:
        step()
    assert (refused.value.entry.status, refused.value.entry.message) == (status, "overloaded")
    assert refused.value.headers == {"retry-after": "1"}
