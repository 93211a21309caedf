"""A virtual media side on each kind of broker, and somebody who talks to it as the API does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Delivery, Transport
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.kapi import conference, nodes
from crossbar_conferences.kapi.messages import Origin, Outgoing
from crossbar_conferences.switch.cluster import Cluster

PATIENCE_SECONDS = 10.0

#: Makes one more transport to the one broker of a test, started and connected, for a zone.
NewTransport = Callable[[str], Awaitable[Transport]]


@pytest.fixture(params=["memory", "rabbit"])
async def new_transport(request: pytest.FixtureRequest) -> AsyncIterator[NewTransport]:
    """Transports to one broker: in memory, and to a real RabbitMQ."""
    is_memory = request.param == "memory"
    broker = MemoryBroker() if is_memory else None
    url = "" if is_memory else request.getfixturevalue("amqp_url")
    async with AsyncExitStack() as opened:

        async def make(zone: str) -> Transport:
            transport: Transport = (
                RabbitTransport([url], zone=zone) if broker is None else MemoryTransport(broker, zone=zone)
            )
            opened.push_async_callback(transport.close)
            connected = asyncio.Event()
            transport.on_state(lambda state: connected.set() if state else None)
            await transport.start()
            async with asyncio.timeout(PATIENCE_SECONDS):
                if not transport.connected:
                    await connected.wait()
            return transport

        yield make


class Api:
    """The API's side of the bus: asks, commands, hears events."""

    def __init__(self, bus: Bus, transport: Transport) -> None:
        self.bus = bus
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._transport = transport

    async def hear_events(self, account_id: str) -> None:
        """Hear the events of an account from now on."""

        def heard(delivery: Delivery) -> None:
            self.events.put_nowait((delivery.routing_key, orjson.loads(delivery.body)))

        binding = Binding("conference", f"conference.event.*.{account_id}.*.*")
        await self._transport.consume(heard, [binding])

    async def event(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.events.get())[1]

    async def names(self, count: int) -> list[str]:
        """The next events, in short: ``mute-member:2``."""
        return [short(await self.event()) for _ in range(count)]

    async def command(self, name: str, conference_id: str, **fields: Any) -> None:
        """Publish a command to a conference."""
        headers = {key.replace("_", "-"): value for key, value in fields.items()}
        origin = self.bus.origin("kapps_conference", "1.0.0")
        await self.bus.cast(conference.command(name, conference_id, headers, origin))

    async def search(self, seconds: float = PATIENCE_SECONDS, **about: str) -> list[dict[str, Any]]:
        """Ask every node; the answers of all of them, or those that came in time."""
        outgoing = conference.search_request(self.origin, **about)
        return list((await self.bus.collect(outgoing, timeout=seconds)).replies)

    async def dial(self, zone: str, **fields: Any) -> dict[str, Any]:
        """Dial; the answer or refusal."""
        headers = {key.replace("_", "-"): value for key, value in fields.items()}
        outgoing = conference.dial(zone, headers, self.origin)
        return await self.bus.call(outgoing, conference.is_dial_answer, PATIENCE_SECONDS)

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish anything, also what our own bus would keep back."""
        await self._transport.publish(outgoing.exchange, outgoing.routing_key, orjson.dumps(outgoing.body))

    async def advertise(self, cluster: Cluster) -> None:
        """Say that we are there, as heartbeats do, and wait until every node has heard it."""
        heartbeat = nodes.advertise(self.bus.node, zone=self.bus.zone, expires_ms=15_000, apps={})
        await self.publish(heartbeat)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(node.nodes.get(self.bus.node) for node in cluster.nodes):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def knows_nodes(self, count: int) -> None:
        """Wait until so many ecallmgr nodes have been heard of."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.bus.nodes.count("ecallmgr") < count:  # noqa: ASYNC110 - the table tells nobody
                await asyncio.sleep(0.01)

    @property
    def origin(self) -> Origin:
        """Who the API says it is."""
        return self.bus.origin()


def short(body: dict[str, Any]) -> str:
    """An event in short."""
    return body["Event"] + (f":{body['Participant-ID']}" if "Participant-ID" in body else "")


@pytest.fixture
async def api(new_transport: NewTransport) -> AsyncIterator[Api]:
    """The API's side, on the same broker; advertises like one."""
    transport = await new_transport("local")
    bus = Bus(transport, f"crossbar-{uuid.uuid4().hex[:8]}@test")
    await bus.start()
    yield Api(bus, transport)
    await bus.close()


@pytest.fixture
def account_id() -> str:
    """An account that nobody else uses."""
    return uuid.uuid4().hex


@pytest.fixture
def room() -> str:
    """A conference id that nobody else uses."""
    return uuid.uuid4().hex
