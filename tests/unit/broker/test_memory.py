from __future__ import annotations

import asyncio

import pytest

from crossbar_conferences.broker.faults import UNREACHABLE
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, BrokerError, BrokerUnavailable, Queue
from tests.support.brokers import PATIENCE, Inbox, running


async def test_stop_and_start() -> None:
    """A stopped broker loses its queues; they are made again with every binding when it returns."""
    broker, inbox = MemoryBroker(), Inbox()
    transport = MemoryTransport(broker)
    states: list[bool] = []
    transport.on_state(states.append)
    async with running(transport):
        consumer = await transport.consume(inbox, [Binding("conference", "a")])
        broker.stop()
        broker.stop()
        assert broker.queues == ()
        assert [fault.kind for fault in transport.faults] == [UNREACHABLE]
        with pytest.raises(BrokerUnavailable):
            await transport.publish("conference", "a", b"")
        await consumer.bind(Binding("conference", "b"))
        await transport.consume(inbox, [Binding("conference", "c")])
        broker.start()
        assert transport.faults == ()
        for key in "abc":
            await transport.publish("conference", key, key.encode())
        assert sorted(await inbox.wait(3)) == [b"a", b"b", b"c"]
    assert states == [True, False, True, False]
    assert broker.queues == ()


async def test_deleted_queue_is_made_again() -> None:
    """A queue that an operator deletes comes back, as on a real broker."""
    broker, inbox = MemoryBroker(), Inbox()
    transport, gap = MemoryTransport(broker), asyncio.Event()
    async with running(transport):
        consumer = await transport.consume(inbox, [Binding("conference", "a")], on_gap=gap.set)
        assert not gap.is_set()
        broker.delete_queue(consumer.queue)
        await asyncio.wait_for(gap.wait(), PATIENCE)
        await transport.publish("conference", "a", b"1")
        assert await inbox.wait(1) == [b"1"]


async def test_private_queue_has_one_reader() -> None:
    """Nobody else can read a private queue; a shared one stays as long as somebody reads it."""
    broker = MemoryBroker()
    one, two = MemoryTransport(broker), MemoryTransport(broker)
    async with running(one, two):
        private = await one.consume(Inbox())
        with pytest.raises(BrokerError):
            await two.consume(Inbox(), queue=Queue(private.queue))
        first = await one.consume(Inbox(), queue=Queue("work", shared=True))
        await two.consume(Inbox(), queue=Queue("work", shared=True))
        await first.close()
        await private.close()
        assert broker.queues == ("work",)


async def test_zones() -> None:
    """A federated consumer hears every zone's broker, marked with the zone, and a plain one its own."""
    east, west = MemoryBroker(), MemoryBroker()
    here = MemoryTransport(east, zone="east", other_zones={"west": west})
    there = MemoryTransport(west, zone="west")
    federated, plain = Inbox(), Inbox()
    async with running(here, there):
        await here.consume(federated, [Binding("conference", "a")], federate=True, queue=Queue("q"))
        await here.consume(plain, [Binding("conference", "a")])
        await there.publish("conference", "a", b"west")
        await here.publish("conference", "a", b"east")
        await federated.wait(2)
        assert await plain.wait(1) == [b"east"]
        zones = {delivery.body: delivery.broker_zone for delivery in federated.deliveries}
        assert zones == {b"east": None, b"west": "west"}
        assert west.queues == ("q-east",)
        west.stop()
        assert here.connected
        west.start()
        assert west.queues == ("q-east",)
