"""What becomes of invitations when broker and store fail (``commands/inviter.py``)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.commands.inviter import PENDING_DATABASE, Inviter
from crossbar_conferences.kapi.messages import Outgoing
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import Document, StoreFault
from tests.support.brokers import eventually, on_bus


class Store(MemoryStore):
    """A store whose disk can be full."""

    full = False

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        if self.full:
            raise StoreFault("the disk is full")
        return await super().put(database, document)


@dataclass
class Desk:
    """An inviter and what is around it."""

    broker: MemoryBroker
    store: Store
    inviter: Inviter

    def message(self) -> Outgoing:
        """An invitation."""
        fields = {
            "Account-ID": "a" * 32,
            "Conference-ID": "room",
            "Conference-Numbers": [],
            "Conference-Call-In-Numbers": [],
            "Guests": ["ann@example.com"],
            "Invite-Message": "Come!",
        }
        return self.inviter.message(fields, "request")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    broker, store = MemoryBroker(), Store()
    bus = Bus(MemoryTransport(broker), "conferences@test.local")
    inviter = Inviter(bus, store, time.time, pause=0.01, limit=2)
    async with on_bus(bus):
        yield Desk(broker, store, inviter)
        await inviter.close()


async def test_waits_for_a_store_that_is_full(desk: Desk) -> None:
    """An invitation that was accepted and lost its broker waits until it can be written down."""
    await desk.inviter.send(desk.message())
    desk.store.full = True
    desk.broker.stop()
    await eventually(lambda: desk.inviter.unwritten == 1)
    desk.store.full = False
    await eventually(lambda: desk.inviter.counters.kept == 1)
    assert (desk.inviter.unwritten, desk.inviter.counters.lost) == (0, 0)
    assert await desk.store.database_exists(PENDING_DATABASE)


async def test_refuses_what_it_cannot_keep(desk: Desk) -> None:
    """Without broker and store an invitation is not accepted, and neither is one too many."""
    desk.store.full = True
    for _ in range(2):
        await desk.inviter.send(desk.message())
    with pytest.raises(StoreFault):
        await desk.inviter.send(desk.message())
    desk.broker.stop()
    await eventually(lambda: desk.inviter.unwritten == 2)
    with pytest.raises(StoreFault):
        await desk.inviter.send(desk.message())


async def test_the_last_try_is_at_the_end(desk: Desk) -> None:
    """What waits is written when we go, if that is possible, and else said to be lost."""
    for is_full, lost in ((False, 0), (True, 1)):
        desk.store.full = False
        desk.broker.start()
        await desk.inviter.send(desk.message())
        desk.store.full = True
        desk.broker.stop()
        await eventually(lambda: desk.inviter.unwritten == 1)
        desk.store.full = is_full
        await desk.inviter.close()
        assert (desk.inviter.unwritten, desk.inviter.counters.lost) == (0, lost)
