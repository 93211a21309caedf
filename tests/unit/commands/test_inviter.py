"""What becomes of invitations when broker and store fail (``commands/inviter.py``)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.commands.inviter import PENDING_DATABASE, Inviter
from crossbar_conferences.kapi import notifications
from crossbar_conferences.kapi.messages import Outgoing
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import Document, StoreFault
from tests.support.brokers import eventually, on_bus


class Store(MemoryStore):
    """A store whose disk can be full."""

    full = False

    def __init__(self) -> None:
        super().__init__()
        self.put_ids: list[str] = []

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        if self.full:
            raise StoreFault("the disk is full")
        rev = await super().put(database, document)
        self.put_ids.append(document["_id"])
        return rev


@dataclass
class Desk:
    """An inviter and what is around it. ``taken``: what came into the mailer's queue."""

    broker: MemoryBroker
    store: Store
    bus: Bus
    inviter: Inviter
    taken: list[dict[str, Any]] = field(default_factory=list)

    def message(self, account: str = "a" * 32) -> Outgoing:
        """An invitation."""
        fields = {
            "Account-ID": account,
            "Conference-ID": "room",
            "Conference-Numbers": [],
            "Conference-Call-In-Numbers": [],
            "Guests": ["ann@example.com"],
            "Invite-Message": "Come!",
        }
        return self.inviter.message(fields, "request")

    async def mailer(self, *statuses: str, failure: str | None = None) -> None:
        """Somebody who takes invitations and says what becomes of them, or nothing."""

        async def take(body: dict[str, Any], delivery: Delivery) -> None:
            self.taken.append(body)
            for status in statuses:
                fields = {"Status": status, "Failure-Message": failure}
                update = notifications.notify_update(fields, self.bus.origin(), body["Msg-ID"])
                await self.bus.reply(body, update)

        await self.bus.listen(take, [Binding("notifications", notifications.EMAIL_INVITE_KEY)])

    async def written(self) -> list[Document]:
        """What is written down."""
        if not await self.store.database_exists(PENDING_DATABASE):
            return []
        return [await self.store.get(PENDING_DATABASE, doc_id) for doc_id in self.store.put_ids]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    broker, store = MemoryBroker(), Store()
    bus = Bus(MemoryTransport(broker), "conferences@test.local")
    inviter = Inviter(bus, store, time.time, pause=0.01, limit=8, grace=0.01)
    async with on_bus(bus):
        yield Desk(broker, store, bus, inviter)
        await inviter.close()


async def test_what_nobody_takes_is_written_down_first(desk: Desk) -> None:
    """No queue takes it: when `send` returns it is in the store."""
    await desk.inviter.send(desk.message())
    assert [document["failure_reason"] for document in await desk.written()] == ["nobody listens"]


async def test_what_is_taken_is_not_written_down(desk: Desk) -> None:
    """In a queue it is safe, and guests get one mail: also when it ends well, or for good."""
    for account, statuses, failure in (
        ("a" * 32, (), None),
        ("b" * 32, ("pending", "completed"), None),
        ("c" * 32, ("failed",), "missing_data:x"),
    ):
        await desk.mailer(*statuses, failure=failure)
        await desk.inviter.send(desk.message(account))
    await desk.inviter.close()
    assert (await desk.written(), desk.inviter.counters.lost) == ([], 0)
    assert desk.inviter.counters.sent == 3


async def test_what_failed_for_now_is_written_down(desk: Desk) -> None:
    """The mailer says so: Kazoo's retry gets it."""
    await desk.mailer("pending", "failed", failure="smtp server away")
    await desk.inviter.send(desk.message())
    await eventually(lambda: desk.inviter.counters.kept == 1)
    assert [document["failure_reason"] for document in await desk.written()] == ["smtp server away"]


async def test_waits_for_a_store_that_is_full(desk: Desk) -> None:
    """An invitation that was accepted and lost its broker waits until it can be written down."""
    await desk.mailer()
    await desk.inviter.send(desk.message())
    desk.store.full = True
    desk.broker.stop()
    await eventually(lambda: desk.inviter.unwritten == 1)
    desk.store.full = False
    await eventually(lambda: desk.inviter.counters.kept == 1)
    assert (desk.inviter.unwritten, desk.inviter.counters.lost) == (0, 0)
    assert len(await desk.written()) == 1


async def test_refuses_what_it_cannot_keep(desk: Desk) -> None:
    """Without a queue that takes it and without a store an invitation is not accepted."""
    desk.store.full = True
    with pytest.raises(StoreFault):
        await desk.inviter.send(desk.message())
    await desk.mailer()
    await desk.inviter.send(desk.message())
    desk.broker.stop()
    await eventually(lambda: desk.inviter.unwritten == 1)
    with pytest.raises(StoreFault):
        await desk.inviter.send(desk.message())


async def test_one_account_does_not_take_the_places_of_all(desk: Desk) -> None:
    """Beyond an account's share its invitations are written down; another one's are followed."""
    await desk.mailer()
    for _ in range(5):
        await desk.inviter.send(desk.message())
    await desk.inviter.send(desk.message("b" * 32))
    assert [body["Account-ID"][0] for body in desk.taken] == ["a", "a", "b"]
    assert len(await desk.written()) == 3
    # Places are given back, also by what waited for the store.
    desk.store.full = True
    desk.broker.stop()
    await eventually(lambda: desk.inviter.unwritten == 3)
    desk.store.full = False
    await eventually(lambda: desk.inviter.counters.kept == 6)
    desk.broker.start()
    await eventually(lambda: desk.bus.connected)
    for _ in range(2):
        await desk.inviter.send(desk.message())
    assert desk.inviter.counters.kept == 6


async def test_the_last_try_is_at_the_end(desk: Desk) -> None:
    """What waits is written when we go, if that is possible, and else said to be lost."""
    await desk.mailer()
    for is_full, lost in ((False, 0), (True, 1)):
        desk.store.full = False
        desk.broker.start()
        await eventually(lambda: desk.bus.connected)
        await desk.inviter.send(desk.message())
        desk.store.full = True
        desk.broker.stop()
        await eventually(lambda: desk.inviter.unwritten == 1)
        desk.store.full = is_full
        await desk.inviter.close()
        assert (desk.inviter.unwritten, desk.inviter.counters.lost) == (0, lost)
