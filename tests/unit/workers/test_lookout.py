"""Who is asked for a sign of life, and who is killed for giving none, with pretended workers."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from crossbar_conferences.workers.channel import Channel, Message
from crossbar_conferences.workers.lookout import MOST_PAUSES, Lookout
from crossbar_conferences.workers.slot import Slot
from crossbar_conferences.workers.worker import Pulse


@dataclass(slots=True, eq=False)
class Pretended:
    """A worker that answers, or not."""

    index: int
    answers: bool = True
    is_ready: bool = True
    silence: float = 0.0
    is_condemned: bool = False
    asked: int = 0
    pid: int = 1
    channel: Any = field(init=False)

    def __post_init__(self) -> None:
        self.channel = self

    def send(self, message: Message) -> bool:
        self.asked += 1
        if self.answers:
            self.silence = 0.0
        return True

    def condemn(self) -> None:
        self.is_condemned = True


@dataclass(slots=True, eq=False)
class Place:
    """A slot with a worker in it."""

    worker: Pretended | None


def lookout(*workers: Pretended | None, **options: Any) -> tuple[Lookout, list[Place]]:
    """A lookout over these."""
    places = [Place(worker) for worker in workers]
    return Lookout(cast(list[Slot], places), limit=10.0, start=60.0, **options), places


def pass_time(made: Lookout, seconds: int) -> None:
    """So many pauses of a second."""
    for _ in range(seconds):
        made.look(1.0)


def test_only_the_silent_one_is_killed() -> None:
    """After the limit, not before; and once."""
    silent, fine = Pretended(0, answers=False), Pretended(1)
    made, _ = lookout(silent, fine, None)
    pass_time(made, 9)
    assert not silent.is_condemned and made.is_quiet(silent) and not made.is_quiet(fine)
    pass_time(made, 20)
    assert silent.is_condemned and not fine.is_condemned and made.killed == 1


def test_one_that_starts_has_the_time_of_a_start() -> None:
    """A worker that is not ready may be silent for as long as a start may take."""
    starting = Pretended(0, answers=False, is_ready=False)
    made, _ = lookout(starting)
    pass_time(made, 59)
    assert not starting.is_condemned
    pass_time(made, 1)
    assert starting.is_condemned


def test_a_worker_that_is_heard_again_begins_anew() -> None:
    """Silence is not added up over a worker's life."""
    worker = Pretended(0, answers=False)
    made, _ = lookout(worker)
    for _ in range(5):
        pass_time(made, 9)
        worker.silence = 0.0
    assert made.killed == 0


def test_all_at_once_are_killed_one_after_the_other() -> None:
    """The next is killed when the last one's successor serves; one that is heard meanwhile lives on."""
    workers = [Pretended(number, answers=False) for number in range(3)]
    made, places = lookout(*workers)
    pass_time(made, 15)
    assert [worker.is_condemned for worker in workers].count(True) == 1
    first = next(place for place in places if place.worker and place.worker.is_condemned)
    first.worker = Pretended(9, is_ready=False)
    pass_time(made, 1)
    assert made.killed == 1
    next(worker for worker in workers if not worker.is_condemned).answers = True
    first.worker.is_ready = True
    pass_time(made, 2)
    assert made.killed == 2
    assert sum(place.worker is not None and not place.worker.is_condemned for place in places) == 2


def test_the_next_does_not_wait_for_ever() -> None:
    """When no successor comes to serve, the others still have their turn."""
    workers = [Pretended(number, answers=False) for number in range(3)]
    made, _ = lookout(*workers)
    pass_time(made, 35)
    assert all(worker.is_condemned for worker in workers)


async def test_time_in_which_we_did_not_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a suspended host, a stopped supervisor or a clock that jumped, nobody is killed."""
    now, passed = [0.0], []
    worker = Pretended(0, answers=False)
    made, _ = lookout(worker, clock=lambda: now[0])
    monkeypatch.setattr(made, "look", passed.append)
    jumps = iter([1.0, 3600.0, -50.0, 1.0])

    async def sleep(_: float) -> None:
        try:
            now[0] += next(jumps)
        except StopIteration:
            raise asyncio.CancelledError from None

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await made.run()
    assert passed == [1.0, MOST_PAUSES * made.pause, 0.0, 1.0]


async def test_a_worker_answers_as_soon_as_its_loop_turns() -> None:
    """What is asked comes back, and nothing else does."""
    near, far = [await Channel.over(end) for end in socket.socketpair()]
    pulse = Pulse(far)
    pulse.hear({"bucket": "a"})
    pulse.hear({"alive": True})
    assert await near.receive() == {"alive": True}
    await near.close()
    await far.close()
