"""Idempotency-Keys across processes, with both ends of the line in one loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from crossbar_conferences.commands.idempotency import AnswerUnknown, KeyReused
from crossbar_conferences.workers import claims
from crossbar_conferences.workers.channel import GONE, Channel
from crossbar_conferences.workers.claims import ClaimKeeper, SharedClaims

NAME = ("account", "key")


@dataclass
class Host:
    """A supervisor's keeper and the claims of its workers; ``near`` are its ends of the lines."""

    now: float
    keeper: ClaimKeeper
    workers: list[SharedClaims]
    near: list[Channel]

    async def settled(self) -> None:
        """Wait until everything said so far was heard: an answer comes after it."""
        for worker in self.workers:
            await worker.claim(("settled", str(id(worker))), "f")
            worker.settle(("settled", str(id(worker))), None)


@asynccontextmanager
async def host(
    count: int = 2, *, keep: float = 60.0, limit: int = 100, size: int = 1_000_000
) -> AsyncIterator[Host]:
    """So many workers."""
    ours = Host(0.0, ClaimKeeper(lambda: ours.now, keep=keep, limit=limit, size=size), [], [])
    far: list[Channel] = []

    async def keeping(channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            ours.keeper.hear(channel, message)
        ours.keeper.hear(channel, GONE)

    async def hearing(channel: Channel, worker: SharedClaims) -> None:
        while (message := await channel.receive()) is not None:
            worker.hear(message)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            one, other = socket.socketpair()
            ours.near.append(await Channel.over(one))
            far.append(await Channel.over(other))
            ours.workers.append(SharedClaims(far[-1].send))
            group.create_task(keeping(ours.near[-1]))
            group.create_task(hearing(far[-1], ours.workers[-1]))
        yield ours
        for channel in (*ours.near, *far):
            await channel.close()


async def test_the_first_to_claim_does_the_work() -> None:
    """Another worker gets its answer, whatever signs are in it, and never does the work itself."""
    async with host() as ours:
        first, second = ours.workers
        assert await first.claim(NAME, "f") is None
        first.settle(NAME, 'ä"\\'.encode())
        await ours.settled()
        assert await second.claim(NAME, "f") == 'ä"\\'.encode()
        assert await second.claim(("account", "other"), "f") is None
        assert first.fallbacks == second.fallbacks == 0


async def test_who_comes_meanwhile_waits() -> None:
    """However long the work takes, up to a bound."""
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        waiting = asyncio.create_task(second.claim(NAME, "f"))
        await asyncio.sleep(claims.ANSWER_WITHIN * 1.2)
        assert not waiting.done()
        first.settle(NAME, b"1")
        assert await asyncio.wait_for(waiting, 5) == b"1"


async def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody can say what became of it, and the work is not done twice."""
    monkeypatch.setattr(claims, "DONE_WITHIN", 0.05)
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        with pytest.raises(AnswerUnknown):
            await second.claim(NAME, "f")


async def test_who_waited_too_long_is_not_given_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that fails after somebody gave up waiting for it is left to the next request, not to nobody."""
    monkeypatch.setattr(claims, "DONE_WITHIN", 0.05)
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        with pytest.raises(AnswerUnknown):
            await second.claim(NAME, "f")
        await ours.settled()
        first.settle(NAME, None)
        await ours.settled()
        assert NAME not in ours.keeper._held
        assert await second.claim(NAME, "f") is None
        second.settle(NAME, None)


async def test_work_that_comes_to_who_has_just_given_up_goes_on() -> None:
    """The two messages may cross: the key is free again."""
    async with host(1) as ours:
        (near,) = ours.near
        hear = ours.keeper.hear
        hear(near, {"claim": 70, "key": list(NAME), "fingerprint": "f"})
        hear(near, {"claim": 71, "key": list(NAME), "fingerprint": "f"})
        hear(near, {"settle": list(NAME), "state": "failed", "answer": None})
        hear(near, {"forgo": 71, "key": list(NAME)})
        assert len(ours.keeper) == 0


async def test_another_request_under_the_key_is_refused() -> None:
    """While the work is under way, and afterwards."""
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        with pytest.raises(KeyReused):
            await second.claim(NAME, "g")
        first.settle(NAME, b"1")
        await ours.settled()
        with pytest.raises(KeyReused):
            await second.claim(NAME, "g")


async def test_failed_work_goes_to_the_next() -> None:
    """One of those who wait does it, the others go on waiting; with nobody waiting the key is free."""
    async with host(3) as ours:
        first, second, third = ours.workers
        await first.claim(NAME, "f")
        waiting = [asyncio.create_task(one.claim(NAME, "f")) for one in (second, third)]
        await ours.settled()
        first.settle(NAME, None)
        done, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [None]
        holder = second if waiting[0] in done else third
        holder.settle(NAME, b"2")
        assert sorted([await asyncio.wait_for(task, 5) or b"" for task in waiting]) == [b"", b"2"]
        await first.claim(("account", "alone"), "f")
        first.settle(("account", "alone"), None)
        await ours.settled()
        assert await second.claim(("account", "alone"), "f") is None


async def test_a_worker_that_dies_leaves_its_work() -> None:
    """Whoever waits for it may do it, and so may whoever comes later."""
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        await first.claim(("account", "later"), "f")
        waiting = asyncio.create_task(second.claim(NAME, "f"))
        await asyncio.sleep(0.05)
        await ours.near[0].close()
        assert await asyncio.wait_for(waiting, 5) is None
        assert await second.claim(("account", "later"), "f") is None


async def test_an_answer_that_is_too_long_is_not_kept() -> None:
    """The work is known to be done, and is not done again."""
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        first.settle(NAME, b"x" * (claims.MAX_ANSWER + 1))
        await ours.settled()
        with pytest.raises(AnswerUnknown):
            await second.claim(NAME, "f")


async def test_keys_are_kept_for_a_time() -> None:
    """Afterwards the key is new, and what was kept of it is gone."""
    async with host(keep=10.0) as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        first.settle(NAME, b"1")
        await ours.settled()
        ours.now = 9.9
        assert await second.claim(NAME, "f") == b"1"
        ours.now = 10.0
        assert await second.claim(NAME, "g") is None


async def test_what_is_kept_is_bounded_in_number() -> None:
    """An account's oldest keys go; work under way stays, and keeps no younger one from going."""
    async with host(1, limit=8) as ours:
        (worker,) = ours.workers
        await worker.claim(("account", "under way"), "f")
        for number in range(8):
            await worker.claim(("account", str(number)), "f")
            worker.settle(("account", str(number)), b"1")
        assert await worker.claim(("account", "last"), "f") is None
        assert len(ours.keeper) <= 6
        assert await worker.claim(("account", "7"), "f") == b"1"
        assert await worker.claim(("account", "0"), "f") is None
        with pytest.raises(KeyReused):
            await worker.claim(("account", "under way"), "other")


async def test_what_is_kept_is_bounded_in_bytes_and_nobody_pushes_out_others() -> None:
    """An account's oldest answers go, and their work is not done again; another account's stay."""
    async with host(1, size=4_000) as ours:
        (worker,) = ours.workers
        await worker.claim(("other", "k"), "f")
        worker.settle(("other", "k"), b"theirs")
        for number in range(20):
            await worker.claim(("account", str(number)), "f")
            worker.settle(("account", str(number)), b"x" * 500)
        assert await worker.claim(("account", "19"), "f") == b"x" * 500
        with pytest.raises(AnswerUnknown):
            await worker.claim(("account", "0"), "f")
        assert await worker.claim(("other", "k"), "f") == b"theirs"


async def test_a_supervisor_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does the work as if it were alone, and it is counted."""
    monkeypatch.setattr(claims, "ANSWER_WITHIN", 0.02)
    for send in (lambda message: True, lambda message: False):
        worker = SharedClaims(send)
        assert await worker.claim(NAME, "f") is None
        assert worker.fallbacks == 1


async def test_what_was_done_unasked_changes_nothing() -> None:
    """A worker that fell back tells what it did; the keeper believes the one it gave the key to."""
    async with host() as ours:
        first, second = ours.workers
        await first.claim(NAME, "f")
        second.settle(NAME, b"2")
        first.settle(NAME, b"1")
        await ours.settled()
        assert await second.claim(NAME, "f") == b"1"
