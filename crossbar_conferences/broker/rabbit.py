"""The broker's port on RabbitMQ, through aio-pika.

Every broker of our own zone is kept connected; the primary one, the smallest URI of those that
are there, is published to and read (amqp.md 1.2). Brokers of other zones are only read (1.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import structlog

from ..kapi.routing import EXCHANGES
from ..tasks import end
from .attachments import Attachment
from .counters import TransportCounters
from .dispatch import Dispatcher
from .faults import Fault, Faults, Repair
from .leniency import install
from .links import Link, RabbitOptions, Tenure
from .names import check_exchange, check_routing_key, private_queue_name
from .port import (
    Binding,
    BrokerError,
    BrokerUnavailable,
    Consumer,
    GapListener,
    Handler,
    Queue,
    StateListener,
)

install()

_log = structlog.get_logger(__name__)


class RabbitTransport:
    """The port of ``broker/port.py`` on one or more RabbitMQ brokers.

    ``uris``: those of our own zone; ``other_zones``: zone -> URIs. Raises `BrokerError` for a
    malformed URI."""

    def __init__(
        self,
        uris: Iterable[str],
        *,
        zone: str = "local",
        other_zones: Mapping[str, Iterable[str]] = MappingProxyType({}),
        options: RabbitOptions = RabbitOptions(),  # noqa: B008 (a frozen value)
        exchanges: Mapping[str, str] = EXCHANGES,
    ) -> None:
        self._zone = zone
        self._options = options
        self._exchanges = MappingProxyType(dict(exchanges))
        self._counters = TransportCounters()
        self._faults = Faults()
        self._own = [self._link(uri, None) for uri in sorted(set(uris))]
        if not self._own:
            raise BrokerError("there must be a broker of our own zone")
        self._others = [self._link(uri, other) for other, uris in other_zones.items() for uri in set(uris)]
        self._primary: Link | None = None
        self._connected = False
        self._announcers: set[asyncio.Task[None]] = set()
        self._consumers: list[RabbitConsumer] = []
        self._listeners: list[StateListener] = []

    @property
    def zone(self) -> str:
        """Our own zone."""
        return self._zone

    @property
    def connected(self) -> bool:
        """Whether the primary broker is there and our queues on it are being read."""
        return self._connected

    @property
    def primary(self) -> str | None:
        """The broker that is published to, as ``host:port``."""
        return None if self._primary is None else self._primary.name

    @property
    def brokers_up(self) -> frozenset[str]:
        """The brokers that are connected, of whatever zone, as ``host:port``."""
        return frozenset(link.name for link in (*self._own, *self._others) if link.up)

    @property
    def counters(self) -> TransportCounters:
        """What was counted so far."""
        return self._counters

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the brokers right now."""
        return self._faults.list()

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """What was wrong with the brokers and was made good in the last minutes."""
        return self._faults.lately()

    @property
    def backlog(self) -> int:
        """How many deliveries came and wait for their handler."""
        return sum(consumer.backlog for consumer in self._consumers)

    async def start(self) -> None:
        """Begin connecting to every broker, in the background."""
        for link in (*self._own, *self._others):
            link.start()

    async def close(self) -> None:
        """Leave; every queue of ours is gone afterwards."""
        await asyncio.gather(*(consumer.close() for consumer in list(self._consumers)))
        await asyncio.gather(*(link.close() for link in (*self._own, *self._others)))
        await end(*self._announcers)
        self._listeners.clear()

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None = None,
        mandatory: bool = False,
        broker_zone: str | None = None,
    ) -> bool:
        """Publish on the primary broker, or on that of another zone."""
        check_exchange(exchange, self._exchanges)
        check_routing_key(routing_key)
        link = self._link_to(broker_zone)
        routed = await link.publish(exchange, routing_key, body, headers, mandatory)
        self._counters.published += 1
        return routed

    async def consume(
        self,
        handler: Handler,
        bindings: Iterable[Binding] = (),
        *,
        queue: Queue = Queue(),  # noqa: B008 (a frozen value)
        federate: bool = False,
        on_gap: GapListener | None = None,
    ) -> Consumer:
        """Read a queue. Returns once it is read and bound on the brokers that are there."""
        bindings = list(bindings)
        for binding in bindings:
            self.check_binding(binding)
        consumer = RabbitConsumer(self, handler, bindings, queue, on_gap)
        self._consumers.append(consumer)
        links = [*self._own, *(self._others if federate else ())]
        try:
            await consumer.open(links, self._options, self._faults)
        except BaseException:
            await consumer.close()
            raise
        return consumer

    def on_state(self, listener: StateListener) -> None:
        """Be told when the primary broker comes and goes; also when another one takes its place."""
        self._listeners.append(listener)

    def check_binding(self, binding: Binding) -> None:
        """Raise `BrokerError` for a binding that no broker would take."""
        check_exchange(binding.exchange, self._exchanges)
        check_routing_key(binding.routing_key)

    def forget(self, consumer: RabbitConsumer) -> None:
        """A consumer closed itself."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def _link_to(self, zone: str | None) -> Link:
        if zone is None:
            if self._primary is None or not self._connected:
                raise BrokerUnavailable
            return self._primary
        # A zone's own nodes use its smallest URI too, so whoever asked there reads that broker.
        links = sorted((link for link in self._others if link.zone == zone and link.up), key=_uri)
        if not links:
            raise BrokerUnavailable(f"there is no broker of zone {zone}")
        return links[0]

    def _link(self, uri: str, zone: str | None) -> Link:
        return Link(uri, zone, self._exchanges, self._options, self._faults, self._on_link, self._on_unbound)

    def _on_link(self, link: Link) -> None:
        """A broker came or went."""
        if link.up:
            self._counters.connected += 1
        else:
            self._counters.lost += 1
            link.end_tenure()
        if link.zone is None:
            self._elect()
        elif link.up:
            link.begin_tenure(self._attachments(link))

    def _on_unbound(self, link: Link, exchanges: Collection[str]) -> None:
        """These exchanges were deleted and are there again; whatever was bound to them is not any more."""
        for attachment in self._attachments(link):
            attachment.rebind(exchanges)

    def _elect(self) -> None:
        """Choose the primary broker: the smallest URI of those that are there (amqp.md 1.2)."""
        primary = next((link for link in self._own if link.up), None)
        if primary is self._primary and (primary is None or primary.tenure is not None):
            return
        if self._primary is not None:
            self._primary.end_tenure()
        self._tell(False)
        self._primary = primary
        for task in self._announcers:
            task.cancel()
        if primary is not None:
            _log.info("primary_broker", broker=primary.name)
            tenure = primary.begin_tenure(self._attachments(primary))
            task = asyncio.create_task(self._announce(tenure), name="announce broker")
            self._announcers.add(task)
            task.add_done_callback(self._announcers.discard)

    async def _announce(self, tenure: Tenure) -> None:
        """Say that the broker is there once our queues are read, so that no answer is missed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.operate_within):
                await tenure.settled.wait()
        if not tenure.over.done():
            self._tell(True)

    def _attachments(self, link: Link) -> set[Attachment]:
        return {
            attachment
            for consumer in self._consumers
            for attachment in consumer.attachments
            if attachment.link is link
        }

    def _tell(self, connected: bool) -> None:
        if connected == self._connected:
            return
        self._connected = connected
        for listener in self._listeners:
            listener(connected)


def _uri(link: Link) -> str:
    return link.uri


class RabbitConsumer:
    """A queue that is being read, on whichever broker is primary, and on other zones'."""

    def __init__(
        self,
        transport: RabbitTransport,
        handler: Handler,
        bindings: Iterable[Binding],
        queue: Queue,
        on_gap: GapListener | None = None,
    ) -> None:
        self.attachments: list[Attachment] = []
        self._transport = transport
        self._queue = queue
        self._name = queue.name or private_queue_name()
        self._bindings = dict.fromkeys(bindings)
        self._dispatcher = Dispatcher(handler, transport.counters, on_gap=on_gap)

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def backlog(self) -> int:
        """How many deliveries wait for the handler."""
        return len(self._dispatcher)

    async def open(self, links: Iterable[Link], options: RabbitOptions, faults: Faults) -> None:
        """Begin reading; returns once that is so on the brokers that are there, or failed once."""
        self.attachments = [
            Attachment(
                link,
                self._queue,
                self._name,
                self._transport.zone,
                self._bindings,
                self._dispatcher,
                options,
                faults,
            )
            for link in links
        ]
        await asyncio.gather(*(attachment.first_attempt() for attachment in self.attachments))

    async def bind(self, binding: Binding) -> None:
        """Hear one more topic, now and after every reconnect."""
        self._transport.check_binding(binding)
        self._bindings[binding] = None
        await asyncio.gather(*(attachment.bind(binding) for attachment in self.attachments))

    async def unbind(self, binding: Binding) -> None:
        """Hear one topic less."""
        self._bindings.pop(binding, None)
        await asyncio.gather(*(attachment.unbind(binding) for attachment in self.attachments))

    async def close(self) -> None:
        """Stop reading; the queue goes away."""
        self._transport.forget(self)
        await asyncio.gather(*(attachment.close() for attachment in self.attachments))
        await self._dispatcher.close()
