"""A limit of time that begins with the first wait (``api/patience.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crossbar_conferences.api.patience import Patience


@contextmanager
def counted_timers() -> Iterator[list[float]]:
    """How many timers were set meanwhile."""
    loop = asyncio.get_running_loop()
    real, timers = loop.call_at, []

    def call_at(when: float, *args: object, **more: object) -> asyncio.TimerHandle:
        timers.append(when)
        return real(when, *args, **more)  # type: ignore[arg-type]

    loop.call_at = call_at  # type: ignore[method-assign]
    try:
        yield timers
    finally:
        del loop.call_at  # type: ignore[method-assign]


async def test_what_does_not_wait_sets_no_timer() -> None:
    """The result, or the error, comes straight away."""

    async def quick() -> int:
        return 7

    async def broken() -> int:
        raise KeyError("x")

    with counted_timers() as timers:
        assert await Patience(5.0).with_(quick()) == 7
        with pytest.raises(KeyError):
            await Patience(5.0).with_(broken())
    assert timers == []


async def test_what_waits_goes_on_as_if_nothing_were_between() -> None:
    """Results and errors of several waits come through, values sent and thrown included."""

    async def slow() -> list[object]:
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        loop.call_soon(first.set_result, 1)
        seen: list[object] = [await first]
        loop.call_soon(second.set_exception, ValueError("two"))
        try:
            await second
        except ValueError as error:
            seen.append(str(error))
        await asyncio.sleep(0)
        return seen

    assert await Patience(5.0).with_(slow()) == [1, "two"]


async def test_time_is_over() -> None:
    """The coroutine is cancelled where it waits, and can tidy up; the caller gets a `TimeoutError`."""
    tidied = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(True)

    with pytest.raises(TimeoutError):
        await Patience(0.01).with_(endless())
    assert tidied == [True]


@pytest.mark.parametrize("before_the_first_wait", [True, False])
async def test_patience_may_end(before_the_first_wait: bool) -> None:
    """What said that it must not be broken off is not, however long it takes."""
    patience = Patience(0.01)

    async def work() -> str:
        if not before_the_first_wait:
            await asyncio.sleep(0)
        patience.end()
        await asyncio.sleep(0.05)
        return "done"

    assert await patience.with_(work()) == "done"


async def test_a_cancelled_caller_cancels_the_work() -> None:
    """Cancellation from outside is one, not a timeout."""
    waiting, ended = asyncio.Event(), []

    async def work() -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    task = asyncio.create_task(Patience(5.0).with_(work()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
