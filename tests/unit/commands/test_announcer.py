"""Notices of changed documents (``commands/announcer.py``): none is lost, and they keep their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.port import BrokerUnavailable
from crossbar_conferences.commands.announcer import Announcer
from crossbar_conferences.kapi.messages import Origin, Outgoing
from tests.support.brokers import eventually


class FakeBus:
    """A bus that takes messages or does not, whatever it says of itself."""

    def __init__(self) -> None:
        self.takes = True
        self.sent: list[str] = []
        self._listeners: list[Callable[[bool], None]] = []

    def origin(self) -> Origin:
        return Origin("crossbar", "5.0.0", "node@host")

    def on_state(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    def come(self) -> None:
        self.takes = True
        for listener in self._listeners:
            listener(True)

    async def cast(self, outgoing: Outgoing) -> bool:
        await asyncio.sleep(0)
        if not self.takes:
            raise BrokerUnavailable
        self.sent.append(outgoing.body["Rev"])
        return True


@pytest.fixture
def bus() -> FakeBus:
    """A bus that takes messages."""
    return FakeBus()


@pytest.fixture
async def announcer(bus: FakeBus) -> AsyncIterator[Announcer]:
    """One that would wait for ever for a broker that does not come."""
    made = Announcer(cast(Bus, bus), limit=6, pause=60.0)
    yield made
    await made.close()


async def tell(announcer: Announcer, *revisions: str, database: str = "cc") -> None:
    for revision in revisions:
        document: dict[str, Any] = {"_id": "a", "_rev": revision, "pvt_type": "conference"}
        await announcer.announce("edited", f"account%2Faa%2Fbb%2F{database}", document)


async def test_told_at_once(bus: FakeBus, announcer: Announcer) -> None:
    """While the broker takes messages nothing waits."""
    await tell(announcer, "1-a", "2-b")
    assert (bus.sent, announcer.waiting) == (["1-a", "2-b"], 0)


async def test_told_when_the_broker_comes(bus: FakeBus, announcer: Announcer) -> None:
    """In the order of the changes, those that came after it first."""
    bus.takes = False
    await tell(announcer, "1-a", "2-b")
    assert announcer.waiting == 2
    bus.come()
    await tell(announcer, "3-c")
    await eventually(lambda: announcer.waiting == 0)
    assert bus.sent == ["1-a", "2-b", "3-c"]


async def test_tried_again_without_a_word_of_the_broker(bus: FakeBus) -> None:
    """A broker that is connected and takes nothing for a while does not say when that is over."""
    announcer = Announcer(cast(Bus, bus), pause=0.01)
    bus.takes = False
    await tell(announcer, "1-a")
    await asyncio.sleep(0.05)
    assert (bus.sent, announcer.waiting) == ([], 1)
    bus.takes = True
    await eventually(lambda: bus.sent == ["1-a"])
    assert announcer.waiting == 0
    await announcer.close()


async def test_the_oldest_of_too_many_are_dropped(bus: FakeBus, announcer: Announcer) -> None:
    """And counted."""
    bus.takes = False
    await tell(announcer, *"12345")
    assert (announcer.waiting, announcer.dropped) == (3, 2)
    bus.come()
    await eventually(lambda: announcer.waiting == 0)
    assert bus.sent == ["3", "4", "5"]


async def test_an_account_does_not_push_out_what_others_have_to_tell(
    bus: FakeBus, announcer: Announcer
) -> None:
    """Whoever changes very much while the broker is away loses its own oldest; the order stays."""
    bus.takes = False
    await tell(announcer, "other-1", "other-2", database="dd")
    await tell(announcer, *"123456789")
    await tell(announcer, "other-3", database="dd")
    assert (announcer.waiting, announcer.dropped) == (6, 6)
    bus.come()
    await eventually(lambda: announcer.waiting == 0)
    assert bus.sent == ["other-1", "other-2", "7", "8", "9", "other-3"]
