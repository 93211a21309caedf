"""Idempotency keys (``commands/idempotency.py``)."""

from __future__ import annotations

import asyncio

import pytest

from crossbar_conferences.commands.idempotency import IdempotencyKeys, KeyReused


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    async def __call__(self) -> int:
        self.done += 1
        await self.gate.wait()
        if self.fails:
            raise ValueError
        return self.done


def keys(now: list[float] | None = None, **options: float) -> IdempotencyKeys[int]:
    moment = now or [0.0]
    return IdempotencyKeys(lambda: moment[0], **options)  # type: ignore[arg-type]


async def test_a_repeated_key_gives_the_stored_answer() -> None:
    """The work is done once, and the second caller is told that it repeats."""
    store, work = keys(), Work()
    assert await store.run("a", "k", "f", work) == (1, False)
    assert await store.run("a", "k", "f", work) == (1, True)
    assert await store.run("b", "k", "f", work) == (2, False)


async def test_a_concurrent_duplicate_waits_for_the_first() -> None:
    """Two at once share one run, and a cancelled caller does not end it."""
    store, work = keys(), Work()
    work.gate.clear()
    first = asyncio.create_task(store.run("a", "k", "f", work))
    second = asyncio.create_task(store.run("a", "k", "f", work))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    work.gate.set()
    assert await second == (1, True)
    assert work.done == 1


async def test_another_body_under_the_same_key_is_refused() -> None:
    """A different fingerprint raises and does no work."""
    store, work = keys(), Work()
    await store.run("a", "k", "f", work)
    with pytest.raises(KeyReused):
        await store.run("a", "k", "other", work)
    assert work.done == 1


async def test_a_failure_is_forgotten() -> None:
    """After a failure the same key tries again."""
    store, work = keys(), Work()
    work.fails = True
    with pytest.raises(ValueError):
        await store.run("a", "k", "f", work)
    work.fails = False
    assert await store.run("a", "k", "f", work) == (2, False)


async def test_a_request_that_runs_long_does_not_keep_others() -> None:
    """The number stays bounded while the oldest one is still under way, and that one is not lost."""
    store, long, short = keys(limit=2), Work(), Work()
    long.gate.clear()
    running = asyncio.create_task(store.run("a", "long", "f", long))
    await asyncio.sleep(0)
    for number in range(5):
        await store.run("a", f"k{number}", "f", short)
    assert len(store) == 2
    long.gate.set()
    assert await running == (1, False)
    assert await store.run("a", "long", "f", long) == (1, True)


async def test_answers_are_kept_for_a_bounded_time_and_number() -> None:
    """Old answers and the oldest beyond the limit are dropped."""
    now = [0.0]
    store, work = keys(now, keep=10, limit=2), Work()
    for key in ("k1", "k2", "k3"):
        await store.run("a", key, "f", work)
    assert len(store) == 2
    assert (await store.run("a", "k1", "f", work))[1] is False
    now[0] = 11.0
    assert (await store.run("a", "k3", "f", work))[1] is False
    await store.close()
    assert len(store) == 0
