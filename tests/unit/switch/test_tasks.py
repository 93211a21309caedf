"""Tasks that are owned."""

from __future__ import annotations

import asyncio

from crossbar_conferences.switch.tasks import OwnedTasks


async def test_bounded_and_ended() -> None:
    """No more than the limit run, and closing ends them all."""
    tasks = OwnedTasks(1)
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert tasks.start(wait(), "first")
    assert not tasks.start(wait(), "second")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended.is_set()


async def test_a_failure_ends_nothing_else() -> None:
    """What fails is logged, and its place is free again."""
    tasks = OwnedTasks(1)
    done = asyncio.Event()

    async def fail() -> None:
        done.set()
        raise RuntimeError("for the log")

    assert tasks.start(fail(), "failing")
    await done.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert tasks.start(asyncio.sleep(0), "next")
    await tasks.close()
