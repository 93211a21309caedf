"""Idempotency keys (``commands/idempotency.py``)."""

from __future__ import annotations

import asyncio

import pytest

from crossbar_conferences.commands.idempotency import AnswerUnknown, IdempotencyKeys, KeyReused, Name, Packing

AS_TEXT: Packing[int] = Packing(lambda number: str(number).encode(), int)


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
    return IdempotencyKeys(lambda: moment[0], AS_TEXT, **options)  # type: ignore[arg-type]


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
    store, long, short = keys(limit=4), Work(), Work()
    long.gate.clear()
    running = asyncio.create_task(store.run("a", "long", "f", long))
    await asyncio.sleep(0)
    for number in range(5):
        await store.run("a", f"k{number}", "f", short)
    assert len(store) == 3
    long.gate.set()
    assert await running == (1, False)
    assert await store.run("a", "long", "f", long) == (1, True)


async def test_answers_are_kept_for_a_bounded_time_and_number() -> None:
    """Old answers and the oldest beyond the limit are dropped."""
    now = [0.0]
    store, work = keys(now, keep=10, limit=4), Work()
    for key in ("k1", "k2", "k3"):
        await store.run("a", key, "f", work)
    assert len(store) == 2
    assert (await store.run("a", "k1", "f", work))[1] is False
    now[0] = 11.0
    assert (await store.run("a", "k3", "f", work))[1] is False
    await store.close()
    assert len(store) == 0


class Others:
    """What the other processes did: answers by key, an exception instead of one."""

    fallbacks = 0

    def __init__(self, **answers: bytes | Exception) -> None:
        self.answers = answers
        self.settled: list[tuple[Name, bytes | None]] = []

    async def claim(self, name: Name, fingerprint: str) -> bytes | None:
        await asyncio.sleep(0)
        told = self.answers.get(name[1])
        if isinstance(told, Exception):
            raise told
        return told

    def settle(self, name: Name, answer: bytes | None) -> None:
        self.settled.append((name, answer))


async def test_what_another_process_did_is_not_done_again() -> None:
    """Its answer is given as a repetition, and kept; what nobody did is done and told."""
    others, work = Others(k=b"7"), Work()
    store = IdempotencyKeys(lambda: 0.0, AS_TEXT, claims=others)
    assert [await store.run("a", "k", "f", work) for _ in range(2)] == [(7, True)] * 2
    assert work.done == 0
    assert await store.run("a", "new", "f", work) == (1, False)
    assert others.settled == [(("a", "new"), b"1")]


async def test_failed_work_is_left_to_others() -> None:
    """They hear that there is no answer, so that one of them may try."""
    others, work = Others(), Work()
    work.fails = True
    store = IdempotencyKeys(lambda: 0.0, AS_TEXT, claims=others)
    with pytest.raises(ValueError):
        await store.run("a", "k", "f", work)
    assert others.settled == [(("a", "k"), None)]
    assert len(store) == 0


@pytest.mark.parametrize("error", [KeyReused(), AnswerUnknown()])
async def test_a_refusal_of_the_others_is_forgotten(error: Exception) -> None:
    """It is the caller's answer, no work is done, and the next request asks again."""
    others, work = Others(k=error), Work()
    store = IdempotencyKeys(lambda: 0.0, AS_TEXT, claims=others)
    with pytest.raises(type(error)):
        await store.run("a", "k", "f", work)
    assert (work.done, len(store), others.settled) == (0, 0, [])
