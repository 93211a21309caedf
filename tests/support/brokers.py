"""Brokers and buses for tests, in memory and real, under one hand."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aio_pika

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.links import RabbitOptions
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Delivery, Transport
from crossbar_conferences.broker.rabbit import RabbitTransport

#: Long enough for a slow machine; no test that passes waits for it.
PATIENCE = 10.0

#: Kazoo's ladder of pauses would make tests wait.
FAST = RabbitOptions(own_ladder=(0.05,), other_ladder=(0.05,), retry=0.05)

#: Publishes a body exactly as it stands: (exchange, routing key, body, content type).
RawPublish = Callable[[str, str, bytes, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bench:
    """A broker under test. ``transport`` makes one more client of it, not yet started."""

    transport: Callable[[], Transport]
    publish_raw: RawPublish


async def connected(transport: Transport) -> None:
    """Wait until a transport that was started is connected."""
    up = asyncio.Event()
    transport.on_state(lambda state: up.set() if state else None)
    if not transport.connected:
        async with asyncio.timeout(PATIENCE):
            await up.wait()


@asynccontextmanager
async def running(*transports: Transport) -> AsyncIterator[None]:
    """Transports that are started and connected, and closed afterwards."""
    try:
        for transport in transports:
            await transport.start()
        for transport in transports:
            await connected(transport)
        yield
    finally:
        for transport in transports:
            await transport.close()


@asynccontextmanager
async def on_bus(*buses: Bus) -> AsyncIterator[None]:
    """Buses that are started one after the other, each once the last is connected, and closed afterwards."""
    try:
        for bus in buses:
            await bus.start()
            await connected(bus.transport)
        yield
    finally:
        for bus in buses:
            await bus.close()


class Inbox:
    """A handler that keeps what came, and lets a test wait for it."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._came = asyncio.Event()

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._came.set()

    @property
    def bodies(self) -> list[bytes]:
        """What came, in order."""
        return [delivery.body for delivery in self.deliveries]

    async def wait(self, count: int) -> list[bytes]:
        """The bodies, once there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.deliveries) < count:
                self._came.clear()
                await self._came.wait()
        return self.bodies


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something is so that no event tells of."""
    async with asyncio.timeout(PATIENCE):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.01)


def unique(prefix: str = "t") -> str:
    """A token that no other test uses: real brokers are shared."""
    return f"{prefix}{secrets.token_hex(6)}"


@asynccontextmanager
async def memory_bench() -> AsyncIterator[Bench]:
    """A broker in memory."""
    broker = MemoryBroker()

    async def publish_raw(exchange: str, routing_key: str, body: bytes, content_type: str | None) -> None:
        broker.inject(Delivery(exchange, routing_key, body, content_type))

    yield Bench(lambda: MemoryTransport(broker), publish_raw)


@asynccontextmanager
async def rabbit_bench(url: str) -> AsyncIterator[Bench]:
    """A real broker, with a stock client beside ours for what ours would never send."""
    connection = await aio_pika.connect(url)
    try:
        channel = await connection.channel()

        async def publish_raw(exchange: str, routing_key: str, body: bytes, content_type: str | None) -> None:
            target = await channel.get_exchange(exchange, ensure=False)
            await target.publish(aio_pika.Message(body, content_type=content_type), routing_key)

        yield Bench(lambda: RabbitTransport([url], options=FAST), publish_raw)
    finally:
        await connection.close()
