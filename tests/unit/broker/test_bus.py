"""How the bus reads its replies (``broker/bus.py``); what it does with them is in the integration tests."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Consumer, Queue
from tests.support.brokers import eventually


class Recorded(MemoryTransport):
    """A transport that notes how queues are made."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.queues: list[Queue] = []

    async def consume(self, *arguments: Any, queue: Queue = Queue(), **options: Any) -> Consumer:  # noqa: B008
        self.queues.append(queue)
        return await super().consume(*arguments, queue=queue, **options)


async def test_the_reply_queue_holds_what_150_queues_of_kazoo_would() -> None:
    """Replies to many requests at once are not thrown away by the limit of one Kazoo worker's queue."""
    transport = Recorded(MemoryBroker())
    bus = Bus(transport, "conferences@test.local")
    await bus.start()
    await bus.close()
    assert transport.queues[0] == Queue(max_length=15_000)


async def test_a_second_of_our_name_is_said_once() -> None:
    """Each of two sidecars of one name says so, once; workers of one host are one."""
    broker = MemoryBroker()
    with capture_logs() as logs:
        first = Bus(MemoryTransport(broker), "same@test.local", sidecar_id="one_1_a")
        worker = Bus(MemoryTransport(broker), "same@test.local", advertise=False, sidecar_id="one_1_a")
        await worker.start()
        await first.start()
        await eventually(lambda: first.counters.advertised > 0)
        assert first.nodes.namesake is None and worker.nodes.namesake is None
        second = Bus(MemoryTransport(broker), "same@test.local", sidecar_id="two_2_b")
        await second.start()
        first._advertiser.wake()  # type: ignore[union-attr]
        await eventually(lambda: all(bus.nodes.namesake is not None for bus in (first, worker, second)))
        for bus in (first, worker, second):
            await bus.close()
    said = [one for one in logs if one["event"] == "node_name_taken"]
    assert sorted(one["by"] for one in said) == ["one", "two", "two"]
    assert {one["node"] for one in said} == {"same@test.local"}
