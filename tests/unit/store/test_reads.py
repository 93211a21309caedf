"""Reads that are under way are shared, and forgotten when something overtakes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from crossbar_conferences.store.reads import SharedReads

Reads = SharedReads[str, str]
A, KEY = "a", "key"


class Source:
    """What is read: each read waits until it is let go, and says whether it was overtaken."""

    def __init__(self) -> None:
        self.reads: Reads = SharedReads("test_read")
        self.begun = 0
        self.current: list[bool] = []
        self.go = asyncio.Event()

    async def read(self) -> str:
        """The number of the read, as text."""
        self.begun += 1
        mine = str(self.begun)
        await self.go.wait()
        self.current.append(self.reads.is_current(A, KEY))
        return mine

    def join(self) -> asyncio.Task[str]:
        """Somebody who wants to know."""
        return asyncio.create_task(self.reads.join(A, KEY, self.read))


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_shared() -> None:
    """All who ask meanwhile get one read's answer, also when the first of them is cancelled; who asks later
    gets a new one."""
    source = Source()
    asked = [source.join() for _ in range(3)]
    await _turns()
    asked[0].cancel()
    await _turns()
    source.go.set()
    assert await asyncio.gather(*asked[1:]) == ["1", "1"]
    assert source.current == [True]
    assert await source.join() == "2"


FORGETS: dict[str, Callable[[Reads], object]] = {
    "key": lambda reads: reads.forget(A, KEY),
    "database": lambda reads: reads.forget_database(A),
    "all": lambda reads: reads.clear(),
}


@pytest.mark.parametrize("how", FORGETS)
async def test_overtaken(how: str) -> None:
    """Nobody joins it any more, those who wait get its answer, and it knows; the next one is current."""
    source = Source()
    before = source.join()
    await _turns()
    FORGETS[how](source.reads)
    after = source.join()
    await _turns()
    source.go.set()
    assert (await before, await after) == ("1", "2")
    assert source.current == [False, True]
    assert source.reads.forget_database(A) is False


async def test_others_go_on() -> None:
    """What is forgotten of one database or key is not forgotten of others."""
    source = Source()
    asked = source.join()
    await _turns()
    source.reads.forget(A, "other")
    source.reads.forget("b", KEY)
    assert source.reads.forget_database("b") is False
    source.go.set()
    assert await asked == "1"
    assert source.current == [True]


async def test_errors_and_the_end() -> None:
    """An error is everybody's and not remembered; closing ends what is under way."""
    source = Source()

    async def fails() -> str:
        raise ValueError("gone")

    for _ in range(2):
        with pytest.raises(ValueError, match="gone"):
            await source.reads.join(A, KEY, fails)
    asked = source.join()
    await _turns()
    await source.reads.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert source.current == []
