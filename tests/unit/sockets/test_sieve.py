"""What a wildcard shows of the conferences that it means (``sockets/sieve.py``)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crossbar_conferences.sockets.reviews import Hold, Reviews, Ruling, Unauthorized
from crossbar_conferences.sockets.sieve import Sieve
from crossbar_conferences.store.port import StoreUnreachable


class Desk:
    """A sieve, what it let through, and how often something was lost."""

    def __init__(self, hold: Hold) -> None:
        self.pushed: list[bytes] = []
        self.lost = 0
        self.asked: list[str] = []
        self.hidden: set[str] = set()
        self.failure: Exception | None = None
        self.go_on = asyncio.Event()
        self.sieve = Sieve(hold, self.may_show, self.pushed.append, self.lose)

    async def may_show(self, conference_id: str) -> None:
        """Not what is hidden."""
        self.asked.append(conference_id)
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        if conference_id in self.hidden:
            raise Unauthorized("hidden")

    def lose(self) -> None:
        """Count."""
        self.lost += 1

    async def settle(self) -> None:
        """Until what was asked is answered."""
        self.go_on.set()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def desk() -> Desk:
    """A sieve on a wildcard that is allowed."""

    async def allowed() -> Ruling:
        return Ruling()

    return Desk(await Reviews(lambda: 0.0).hold("key", allowed, lambda reason: None))


async def test_each_conference_is_asked_about_once_and_order_is_kept(desk: Desk) -> None:
    """What comes meanwhile waits; what is hidden never comes."""
    desk.hidden = {"b"}
    for number, conference_id in enumerate("abab"):
        desk.sieve.tell(f"{conference_id}{number}".encode(), conference_id)
    assert desk.pushed == []
    await desk.settle()
    desk.sieve.tell(b"a4", "a")
    desk.sieve.tell(b"b5", "b")
    assert desk.pushed == [b"a0", b"a2", b"a4"] and desk.asked == ["a", "b"] and desk.lost == 0


async def test_what_waits_is_bounded(desk: Desk) -> None:
    """However many conferences are undecided; what is dropped is told as a gap."""
    for number in range(300):
        desk.sieve.tell(b"x", f"room {number % 100}")
    assert desk.sieve._frames == 256 and desk.lost == 44
    await desk.settle()
    assert len(desk.pushed) == 256 and desk.sieve._frames == 0


async def test_what_cannot_be_told_is_a_gap(desk: Desk) -> None:
    """The store is away: nothing is shown, and nothing is remembered."""
    desk.failure = StoreUnreachable("away")
    desk.sieve.tell(b"1", "a")
    await desk.settle()
    assert (desk.pushed, desk.lost) == ([], 1)
    desk.failure = None
    desk.sieve.tell(b"2", "a")
    await desk.settle()
    assert desk.pushed == [b"2"]


async def test_a_review_has_it_asked_anew(desk: Desk, monkeypatch: Any) -> None:
    """What may be shown may have changed with what was reviewed; a second passes at least."""
    await desk.settle()
    desk.sieve.tell(b"1", "a")
    await desk.settle()
    desk.hidden = {"a"}
    desk.sieve._hold._matter.ruling = Ruling()
    desk.sieve._since -= 2.0
    desk.sieve.tell(b"2", "a")
    await desk.settle()
    assert desk.pushed == [b"1"] and desk.asked == ["a", "a"]


async def test_a_closed_one_says_nothing(desk: Desk) -> None:
    """The binding is gone, whatever is decided afterwards."""
    desk.sieve.tell(b"1", "a")
    desk.sieve.close()
    await desk.settle()
    assert (desk.pushed, desk.lost) == ([], 0)
