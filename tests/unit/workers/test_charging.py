"""Rate tokens across processes, with both ends of the line in one loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from crossbar_conferences.auth.buckets import Limits, TokenBuckets
from crossbar_conferences.workers.channel import Channel
from crossbar_conferences.workers.charging import BucketKeeper, SharedCharger

LIMITS = Limits(size=5, fill_rate=1, fill_seconds=3600.0)


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[tuple[BucketKeeper, list[SharedCharger]]]:
    """A keeper and the chargers of so many workers."""
    keeper, chargers = BucketKeeper(TokenBuckets()), []
    near: list[Channel] = []
    far: list[Channel] = []

    async def keep(channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            keeper.answer(channel, message, [one for one in near if one is not channel])

    async def hear(channel: Channel, charger: SharedCharger) -> None:
        while (message := await channel.receive()) is not None:
            charger.hear(message)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            ours, theirs = socket.socketpair()
            near.append(await Channel.over(ours))
            far.append(await Channel.over(theirs))
            chargers.append(SharedCharger(far[-1].send, TokenBuckets()))
            group.create_task(keep(near[-1]))
            group.create_task(hear(far[-1], chargers[-1]))
        yield keeper, chargers
        for channel in (*near, *far):
            await channel.close()


async def test_two_workers_share_one_bucket() -> None:
    """However a caller's requests are spread, it gets as many as one bucket holds."""
    async with workers(2) as (keeper, (first, second)):
        taken = [(await one.charge("a", 1, LIMITS)).taken for one in (first, second) * 4]
    assert taken == [True] * 5 + [False] * 3
    assert (keeper.charges, keeper.refusals) == (8, 3)
    assert first.fallbacks == second.fallbacks == 0


async def test_charges_at_the_same_time_are_counted_once_each() -> None:
    """A burst over both workers takes what is there, and no more."""
    async with workers(2) as (_, chargers):
        charges = [chargers[number % 2].charge("a", 1, LIMITS) for number in range(50)]
        results = await asyncio.gather(*charges)
    assert sum(result.taken for result in results) == 5


async def test_workers_hear_of_each_others_charges() -> None:
    """What a bucket holds is known without asking, soon after another worker took from it."""
    async with workers(2) as (_, (first, second)):
        assert second.remaining("a", LIMITS) == 5
        await first.charge("a", 3, LIMITS)
        # The supervisor tells the others in the order of their charges: after an answer of its
        # own, a worker has heard of what was before.
        await second.charge("b", 1, LIMITS)
        assert (first.remaining("a", LIMITS), second.remaining("a", LIMITS)) == (2, 2)


async def test_draining_empties_the_bucket() -> None:
    """A login that costs more than there is takes everything and is refused."""
    async with workers(1) as (_, (charger,)):
        result = await charger.charge("a", 35, LIMITS, drain=True)
    assert (result.taken, result.remaining) == (False, 0)


async def test_a_silent_supervisor_is_counted_and_own_buckets_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an answer in time the worker goes on by itself, and still refuses at its own limit."""
    monkeypatch.setattr("crossbar_conferences.workers.charging.ANSWER_WITHIN", 0.01)
    charger = SharedCharger(lambda message: True, TokenBuckets())
    assert [(await charger.charge("a", 5, LIMITS)).taken for _ in range(2)] == [True, False]
    assert charger.fallbacks == 2


async def test_a_lost_supervisor_costs_no_wait() -> None:
    """When the line is gone the worker does not wait for anybody."""
    charger = SharedCharger(lambda message: False, TokenBuckets())
    assert (await charger.charge("a", 1, LIMITS)).remaining == 4
    assert charger.fallbacks == 1


async def test_any_header_may_be_a_name() -> None:
    """A client's address that is no text, nor short, has a bucket of its own like any other."""
    names = ["\udc80\udcff", "é", "x" * 10_000]
    async with workers(1) as (_, (charger,)):
        left = [(await charger.charge(name, 2, LIMITS)).remaining for name in names * 2]
    assert left == [3, 3, 3, 1, 1, 1]
    assert charger.fallbacks == 0
