"""Ending background tasks (``tasks.py``)."""

from __future__ import annotations

import asyncio

from crossbar_conferences.tasks import end


async def test_tasks_are_over_when_it_returns() -> None:
    """Ones that run, that clean up first, that are over, that failed; and one that never was."""
    cleaned = asyncio.Event()

    async def runs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    async def fails() -> None:
        raise ValueError

    tasks = [asyncio.create_task(one) for one in (runs(), asyncio.sleep(0, "done"), fails())]
    await asyncio.sleep(0.01)
    await end(*tasks, None)
    assert cleaned.is_set()
    assert tasks[0].cancelled()
    assert tasks[1].result() == "done"
    assert isinstance(tasks[2].exception(), ValueError)
