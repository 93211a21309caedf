"""A place for one worker, with pretended workers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.workers.process import Worker
from crossbar_conferences.workers.slot import Pace, Slot

PACE = Pace(stop=5.0, start=5.0, back_off=(0.0,))


@dataclass(slots=True, eq=False)
class Pretended:
    """A worker that does what a test says."""

    pid: int
    age: float = 0.0
    is_good: bool = True
    over: asyncio.Event = field(default_factory=asyncio.Event)
    fate: str = "runs"
    unfit: str | None = None

    async def ready(self, within: float) -> bool:
        return self.is_good

    async def ended(self) -> int:
        await self.over.wait()
        return 0

    async def stop(self, within: float) -> bool:
        self.fate = "stopped"
        self.over.set()
        return True

    async def kill(self) -> None:
        self.fate = "killed"
        self.over.set()


class Start:
    """Starts pretended workers, and lets a test wait for them."""

    def __init__(self) -> None:
        self.started: list[Pretended] = []
        self.is_good = True
        self.unfit: str | None = None
        self.failures = 0
        self._came = asyncio.Event()

    async def __call__(self, index: int) -> Worker:
        if self.failures:
            self.failures -= 1
            raise OSError("no memory")
        self.started.append(Pretended(len(self.started), is_good=self.is_good, unfit=self.unfit))
        self._came.set()
        return cast(Worker, self.started[-1])

    async def wait(self, count: int) -> Pretended:
        """The last one, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.started) < count:
                self._came.clear()
                await self._came.wait()
        return self.started[-1]


async def test_a_dead_worker_is_followed() -> None:
    """Whenever a worker ends by itself another one takes its place, also when that fails at first."""
    start = Start()
    slot = Slot(0, start, PACE)
    await slot.open()
    start.failures = 2
    for count in (2, 3):
        start.started[-1].over.set()
        last = await start.wait(count)
    assert slot.restarts == 2
    await slot.close()
    assert last.fate == "stopped"


async def test_a_replacement_waits_until_the_new_one_is_ready() -> None:
    """The old worker is asked to leave once the new one serves, and that is no restart."""
    start = Start()
    slot = Slot(0, start, PACE)
    await slot.open()
    assert await slot.replace()
    assert [worker.fate for worker in start.started] == ["stopped", "runs"]
    assert slot.restarts == 0
    # The new one is watched like the first.
    start.started[1].over.set()
    await start.wait(3)
    await slot.close()


async def test_the_old_one_stays_when_the_new_one_is_bad() -> None:
    """A worker that does not become ready is ended, and the old one goes on."""
    start = Start()
    slot = Slot(0, start, PACE)
    await slot.open()
    start.is_good = False
    assert not await slot.replace()
    start.failures = 1
    assert not await slot.replace()
    assert [worker.fate for worker in start.started] == ["runs", "killed"]
    await slot.close()


async def test_one_that_dies_early_is_followed_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses grow while workers die early; one that lived long is followed at once."""
    pauses: list[float] = []

    async def sleep(seconds: float, *_: Any) -> None:
        pauses.append(seconds)
        await real(0)

    real = asyncio.sleep
    start = Start()
    slot = Slot(0, start, Pace(stop=1.0, healthy=10.0, back_off=(0.1, 0.5, 1.0)))
    await slot.open()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    for count in range(2, 7):
        start.started[-1].age = 60.0 if count == 6 else 1.0
        start.started[-1].over.set()
        await start.wait(count)
    await slot.close()
    assert pauses == [0.1, 0.5, 1.0, 1.0, 0]


async def test_a_worker_that_is_not_let_in_takes_nobodys_place() -> None:
    """One whose password is refused would serve nothing; the old one still has what it came in with."""
    start = Start()
    slot = Slot(0, start, PACE)
    await slot.open()
    start.unfit = "CouchDB refuses our user name and password"
    with capture_logs() as lines:
        assert not await slot.replace()
    assert [one.fate for one in start.started] == ["runs", "killed"]
    assert (lines[0]["event"], lines[0]["reason"]) == ("worker_not_replaced", start.unfit)
    start.unfit = None
    assert await slot.replace()
    await slot.close()
