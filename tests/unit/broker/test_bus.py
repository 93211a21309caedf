"""How the bus reads its replies (``broker/bus.py``); what it does with them is in the integration tests."""

from __future__ import annotations

from typing import Any

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Consumer, Queue


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
