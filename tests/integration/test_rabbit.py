"""What only a real broker shows: Kazoo's stamps and properties, flags, loss and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aio_pika
import aiormq.abc
import aiormq.exceptions
import pytest
from yarl import URL

from crossbar_conferences.broker.faults import (
    CONSUMER_REFUSED,
    CREDENTIALS_REFUSED,
    EXCHANGE_FLAGS,
    UNREACHABLE,
)
from crossbar_conferences.broker.port import Binding, BrokerError, BrokerUnavailable, Queue
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.clock import GREGORIAN_OFFSET
from crossbar_conferences.kapi.routing import EXCHANGES
from tests.support.brokers import FAST, PATIENCE, Inbox, connected, eventually, running, unique
from tests.support.proxy import TcpProxy

KAZOO_STAMP = 63_962_552_909_091_136


class States:
    """A state listener that a test can wait on."""

    def __init__(self, transport: RabbitTransport) -> None:
        self.seen: list[bool] = []
        self._changed = asyncio.Event()
        transport.on_state(self._hear)

    def _hear(self, state: bool) -> None:
        self.seen.append(state)
        self._changed.set()

    async def until(self, *expected: bool) -> None:
        """Wait until exactly these states were seen."""
        async with asyncio.timeout(PATIENCE):
            while self.seen != list(expected):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def stock(amqp_url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of a stock aio-pika client: somebody else on the broker."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        yield await connection.channel()


@pytest.fixture
async def proxied(amqp_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """The broker behind a proxy, and its URI."""
    async with proxy_of(amqp_url) as proxy:
        yield proxy, through(amqp_url, proxy)


def proxy_of(amqp_url: str) -> TcpProxy:
    """A proxy in front of a broker."""
    url = URL(amqp_url)
    return TcpProxy(url.host or "127.0.0.1", url.port or 5672)


def through(amqp_url: str, proxy: TcpProxy) -> str:
    """The broker's URI by way of a proxy."""
    return str(URL(amqp_url).with_host("127.0.0.1").with_port(proxy.port))


async def test_receives_kazoo_stamps(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """Microseconds since year 0 come through as a number, times as unix seconds, and none as none."""
    token, transport, inbox = unique(), RabbitTransport([amqp_url], options=FAST), Inbox()
    underlay = await stock.get_underlay_channel()
    async with running(transport):
        await transport.consume(inbox, [Binding("conference", token)])
        for stamp in (KAZOO_STAMP, 2**64 - 1, 1_700_000_000, None):
            properties = aiormq.spec.Basic.Properties(timestamp=stamp)  # type: ignore[arg-type]
            await underlay.basic_publish(
                b"{}", exchange="conference", routing_key=token, properties=properties
            )
        await inbox.wait(4)
    stamps = [delivery.timestamp for delivery in inbox.deliveries]
    assert stamps == [KAZOO_STAMP, 2**64 - 1, 1_700_000_000, None]


async def test_sends_kazoo_properties(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """Content type and stamp, and no other property, as a node of Kazoo's sends (amqp.md 1.4)."""
    token, transport = unique(), RabbitTransport([amqp_url], options=FAST)
    came: asyncio.Future[aiormq.abc.DeliveredMessage] = asyncio.get_running_loop().create_future()

    async def keep(message: aiormq.abc.DeliveredMessage) -> None:
        came.set_result(message)

    async with running(transport):
        underlay = await stock.get_underlay_channel()
        queue = await stock.declare_queue(exclusive=True)
        await queue.bind("conference", token)
        await underlay.basic_consume(queue.name, keep, no_ack=True)
        await transport.publish("conference", token, b"{}")
        async with asyncio.timeout(PATIENCE):
            message = await came
    properties = dict(message.header.properties)
    stamp = properties.pop("timestamp")
    assert properties.pop("content_type") == "application/json"
    assert {value for value in properties.values() if value is not None} <= {""}
    assert isinstance(stamp, int)
    assert abs(stamp / 1_000_000 - GREGORIAN_OFFSET - 1.8e9) < 1e9


async def test_stock_client_survives_kazoo_stamps(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """In this process a plain aio-pika consumer can read Kazoo's messages too."""
    token, transport = unique(), RabbitTransport([amqp_url], options=FAST)
    async with running(transport):
        queue = await stock.declare_queue(exclusive=True)
        await queue.bind("conference", token)
        await transport.publish("conference", token, b"{}")
        async with queue.iterator(no_ack=True, timeout=PATIENCE) as messages:
            message = await anext(messages)
    assert message.timestamp is not None


async def test_declares_kazoo_flags(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """Somebody who declares the exchanges and a queue with Kazoo's flags is not refused."""
    transport = RabbitTransport([amqp_url], options=FAST)
    async with running(transport):
        consumer = await transport.consume(Inbox())
        for name, kind in EXCHANGES.items():
            await stock.declare_exchange(name, kind, durable=False, auto_delete=False, internal=False)
        arguments: dict[str, Any] = {"x-max-length": 100, "x-message-ttl": 60_000}
        await stock.declare_queue(consumer.queue, durable=False, auto_delete=True, arguments=arguments)
        with pytest.raises(aiormq.exceptions.AMQPError):
            await stock.declare_queue(consumer.queue, durable=False, auto_delete=True)


async def test_foreign_exchange_flags(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """An exchange that somebody declared otherwise is a fault that is told; the rest works."""
    name = unique("exchange")
    foreign = await stock.declare_exchange(name, "topic", durable=True)
    transport = RabbitTransport([amqp_url], options=FAST, exchanges={name: "topic", **EXCHANGES})
    inbox = Inbox()
    try:
        async with running(transport):
            (fault,) = transport.faults
            assert (fault.kind, fault.subject) == (EXCHANGE_FLAGS, name)
            await transport.consume(inbox, [Binding(name, "a"), Binding("conference", name)])
            await transport.publish(name, "a", b"1")
            await transport.publish("conference", name, b"2")
            assert await inbox.wait(2) == [b"1", b"2"]
    finally:
        await foreign.delete()


async def test_refused_credentials(amqp_url: str) -> None:
    """Wrong credentials are a fault of their own, tried again without end, and never shown."""
    uri = str(URL(amqp_url).with_user("guest").with_password("verysecret"))
    transport = RabbitTransport([uri], options=FAST)
    await transport.start()
    try:
        await eventually(lambda: bool(transport.faults))
        (fault,) = transport.faults
        assert fault.kind == CREDENTIALS_REFUSED
        assert "verysecret" not in repr(transport.faults)
        with pytest.raises(BrokerUnavailable):
            await transport.publish("conference", "k", b"")
    finally:
        await transport.close()


async def test_unreachable_broker() -> None:
    """Without a broker a start returns at once, and so does a close."""
    transport = RabbitTransport(["amqp://guest:guest@127.0.0.1:1"], options=FAST)
    async with asyncio.timeout(1):
        await transport.start()
        await transport.consume(Inbox(), [Binding("conference", "k")])
    await eventually(lambda: bool(transport.faults))
    assert transport.faults[0].kind == UNREACHABLE
    async with asyncio.timeout(1):
        await transport.close()


@pytest.mark.parametrize("uri", ["http://host", "amqp://", "amqp://host:port", "rabbit"])
def test_malformed_uri(uri: str) -> None:
    """A URI that names no broker is said at once."""
    with pytest.raises(BrokerError):
        RabbitTransport([uri])


async def test_reconnects(amqp_url: str, proxied: tuple[TcpProxy, str]) -> None:
    """After a cut, consumers come back with their queue's name and every binding."""
    proxy, uri = proxied
    token, transport, inbox = unique(), RabbitTransport([uri], options=FAST), Inbox()
    states = States(transport)
    async with running(transport):
        consumer = await transport.consume(inbox, [Binding("conference", f"{token}.first")])
        await consumer.bind(Binding("conference", f"{token}.later"))
        await consumer.bind(Binding("conference", f"{token}.gone"))
        await consumer.unbind(Binding("conference", f"{token}.gone"))
        name = consumer.queue
        proxy.cut()
        await states.until(True, False, True)
        await consumer.bind(Binding("conference", f"{token}.after"))
        for key in ("first", "gone", "later", "after"):
            await transport.publish("conference", f"{token}.{key}", key.encode())
        assert await inbox.wait(3) == [b"first", b"later", b"after"]
        assert consumer.queue == name
        assert transport.counters.lost == 1
        assert transport.faults == ()


async def test_changes_while_away(proxied: tuple[TcpProxy, str]) -> None:
    """Topics bound and queues asked for while the broker is gone are there when it is back."""
    proxy, uri = proxied
    token, transport, inbox = unique(), RabbitTransport([uri], options=FAST), Inbox()
    states = States(transport)
    async with running(transport):
        consumer = await transport.consume(inbox)
        proxy.refuse()
        await states.until(True, False)
        with pytest.raises(BrokerUnavailable):
            await transport.publish("conference", token, b"")
        await consumer.bind(Binding("conference", f"{token}.one"))
        await transport.consume(inbox, [Binding("conference", f"{token}.two")])
        proxy.resume()
        await states.until(True, False, True)
        await transport.publish("conference", f"{token}.one", b"1")
        await transport.publish("conference", f"{token}.two", b"2")
        assert sorted(await inbox.wait(2)) == [b"1", b"2"]


async def test_frozen_broker(proxied: tuple[TcpProxy, str]) -> None:
    """A broker that hangs neither holds a publish nor a close for longer than a bound."""
    proxy, uri = proxied
    transport = RabbitTransport([uri], options=replace(FAST, publish_within=0.2))
    async with running(transport):
        await transport.consume(Inbox())
        proxy.freeze()
        with pytest.raises(BrokerUnavailable):
            await transport.publish("conference", unique(), b"x", mandatory=True)
        async with asyncio.timeout(5):
            await transport.close()


async def test_frozen_at_the_door(proxied: tuple[TcpProxy, str]) -> None:
    """A broker that accepts and then says nothing is given up, and used once it speaks."""
    proxy, uri = proxied
    proxy.freeze()
    transport = RabbitTransport([uri], options=replace(FAST, connect_within=0.2))
    await transport.start()
    try:
        await eventually(lambda: bool(transport.faults))
        proxy.resume()
        await connected(transport)
    finally:
        await transport.close()


async def test_nonsense_from_the_broker(proxied: tuple[TcpProxy, str]) -> None:
    """Bytes that are no AMQP end the connection, and the next one works."""
    proxy, uri = proxied
    token, transport, inbox = unique(), RabbitTransport([uri], options=FAST), Inbox()
    states = States(transport)
    async with running(transport):
        await transport.consume(inbox, [Binding("conference", token)])
        proxy.corrupt()
        await transport.publish("conference", token, b"lost")
        await states.until(True, False, True)
        await transport.publish("conference", token, b"found")
        assert (await inbox.wait(1))[-1] == b"found"


async def test_queue_deleted_under_us(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """A queue that somebody deletes is made again, with its bindings."""
    token, transport, inbox = unique(), RabbitTransport([amqp_url], options=FAST), Inbox()
    gap = asyncio.Event()
    async with running(transport):
        consumer = await transport.consume(inbox, [Binding("conference", token)], on_gap=gap.set)
        assert not gap.is_set()
        await stock.queue_delete(consumer.queue)
        await asyncio.wait_for(gap.wait(), PATIENCE)
        await eventually(lambda: transport.publish("conference", token, b"1", mandatory=True))
        assert await inbox.wait(1) == [b"1"]


async def test_queue_in_use(amqp_url: str) -> None:
    """A private queue that somebody else reads is a fault, until it is free."""
    token, inbox = unique(), Inbox()
    one, two = (RabbitTransport([amqp_url], options=FAST) for _ in range(2))
    async with running(one, two):
        first = await one.consume(Inbox())
        await two.consume(inbox, [Binding("conference", token)], queue=Queue(first.queue))
        assert [fault.kind for fault in two.faults] == [CONSUMER_REFUSED]
        await first.close()
        await eventually(lambda: not two.faults)
        await two.publish("conference", token, b"1")
        assert await inbox.wait(1) == [b"1"]


async def test_primary_broker(amqp_url: str) -> None:
    """The smallest URI that is there is used; on its loss the next, and it again when it returns."""
    token, inbox = unique(), Inbox()
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(proxy_of(amqp_url)) for _ in range(2)]
        proxies.sort(key=lambda proxy: through(amqp_url, proxy))
        first, second = proxies
        transport = RabbitTransport([through(amqp_url, second), through(amqp_url, first)], options=FAST)
        states = States(transport)
        async with running(transport):
            await transport.consume(inbox, [Binding("conference", token)])
            await eventually(lambda: transport.primary == f"127.0.0.1:{first.port}" and transport.connected)
            del states.seen[:]
            first.refuse()
            await states.until(False, True)
            assert transport.primary == f"127.0.0.1:{second.port}"
            await transport.publish("conference", token, b"by the second")
            await inbox.wait(1)
            first.resume()
            await states.until(False, True, False, True)
            assert transport.primary == f"127.0.0.1:{first.port}"
            await transport.publish("conference", token, b"by the first")
            assert await inbox.wait(2) == [b"by the second", b"by the first"]


async def test_other_zones(amqp_url: str) -> None:
    """A federated consumer reads other zones' brokers too, under a name with our zone; others don't."""
    token, federated, plain = unique(), Inbox(), Inbox()
    async with proxy_of(amqp_url) as proxy:
        zones = {"west": [through(amqp_url, proxy)]}
        transport = RabbitTransport([amqp_url], zone="east", other_zones=zones, options=FAST)
        async with running(transport):
            await eventually(lambda: transport.counters.connected == 2)
            consumer = await transport.consume(federated, [Binding("conference", token)], federate=True)
            await transport.consume(plain, [Binding("conference", token)])
            await transport.publish("conference", token, b"x")
            await federated.wait(2)
            assert {delivery.broker_zone for delivery in federated.deliveries} == {None, "west"}
            assert await plain.wait(1) == [b"x"]
            name = f"{consumer.queue}-east"
            assert await transport.publish("", name, b"y", mandatory=True)
            assert await transport.publish("", name, b"y", mandatory=True, broker_zone="west")
            with pytest.raises(BrokerUnavailable):
                await transport.publish("", name, b"y", broker_zone="north")
            # Loss of another zone's broker is no loss of ours, and its queue comes back.
            proxy.cut()
            await eventually(lambda: transport.counters.connected == 3)
            assert transport.connected
            await eventually(lambda: transport.publish("", name, b"z", mandatory=True))


async def test_cancelled_bind(amqp_url: str) -> None:
    """A caller who gives up in the middle of a bind does not make the consumer deaf."""
    token, transport, inbox = unique(), RabbitTransport([amqp_url], options=FAST), Inbox()
    async with running(transport):
        consumer = await transport.consume(inbox, [Binding("conference", token)])
        for number in range(5):
            task = asyncio.create_task(consumer.bind(Binding("conference", f"{token}.{number}")))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for number in range(5):
            await consumer.bind(Binding("conference", f"{token}.{number}"))
        assert await transport.publish("conference", token, b"1", mandatory=True)
        assert await transport.publish("conference", f"{token}.4", b"2", mandatory=True)
        assert await inbox.wait(2) == [b"1", b"2"]
