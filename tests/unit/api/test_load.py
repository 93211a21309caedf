"""How running requests are counted (``api/load.py``); its order is held by the acceptance tests."""

from __future__ import annotations

import asyncio

from crossbar_conferences.api.load import Load


async def test_the_end_of_running_requests_is_waited_for_within_a_bound() -> None:
    """Nothing running is over at once; a request holds the wait up until it is done or time is up."""
    load = Load(10)
    assert await load.over(0.0)
    with load:
        assert not await load.over(0.01)
        waiting = asyncio.create_task(load.over(5.0))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting


async def test_a_stream_holds_nothing_up() -> None:
    """A request that is set aside is not waited for; when it is counted again, it is."""
    load = Load(10)
    with load:
        with load.set_aside():
            assert await load.over(1.0)
        assert not await load.over(0.01)
