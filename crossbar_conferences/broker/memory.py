"""A message broker in memory: for embedded mode, and for users' own tests.

`MemoryBroker` routes as RabbitMQ does (direct, fanout and topic exchanges, work queues, bounded
queues); any number of `MemoryTransport` may share one, as processes share a broker. It can be
stopped and started again, as a broker is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import structlog

from ..clock import gregorian_microseconds
from .counters import TransportCounters
from .dispatch import Dispatcher
from .faults import UNREACHABLE, Fault, Repair
from .memory_broker import MemoryBroker, Reader
from .names import check_exchange, check_routing_key, federated_queue_name, private_queue_name
from .port import (
    Binding,
    BrokerError,
    BrokerUnavailable,
    Consumer,
    Delivery,
    GapListener,
    Handler,
    Queue,
    StateListener,
)

__all__ = ["MemoryBroker", "MemoryTransport"]

_log = structlog.get_logger(__name__)


class _MemoryConsumer:
    """A queue that is being read, on our own broker or, federated, on every zone's."""

    def __init__(
        self,
        transport: MemoryTransport,
        handler: Handler,
        queue: Queue,
        federate: bool,
        on_gap: GapListener | None,
    ) -> None:
        self._transport = transport
        self._spec = queue
        self._name = queue.name or private_queue_name()
        self._bindings: dict[Binding, None] = {}
        self._dispatcher = Dispatcher(handler, transport.counters, on_gap=on_gap)
        self._readers = [Reader(transport.broker, None, self._name, self._dispatcher)]
        if federate:
            name = federated_queue_name(self._name, transport.zone)
            for zone, broker in transport.other_zones.items():
                self._readers.append(Reader(broker, zone, name, self._dispatcher))

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def backlog(self) -> int:
        """How many deliveries wait for the handler."""
        return len(self._dispatcher)

    async def bind(self, binding: Binding) -> None:
        """Hear one more topic."""
        check_exchange(binding.exchange, self._transport.broker.exchanges)
        check_routing_key(binding.routing_key)
        self._bindings[binding] = None
        for reader in self._readers:
            reader.broker.bind(reader.name, binding)

    async def unbind(self, binding: Binding) -> None:
        """Hear one topic less."""
        self._bindings.pop(binding, None)
        for reader in self._readers:
            reader.broker.unbind(reader.name, binding)

    async def close(self) -> None:
        """Stop reading; the queue goes away."""
        self._transport.forget(self)
        for reader in self._readers:
            reader.broker.detach(reader)
        await self._dispatcher.close()

    def attach(self, broker: MemoryBroker) -> None:
        """Make the queue on a broker that is there (again)."""
        for reader in self._readers:
            if reader.broker is broker and broker.running:
                is_new = not broker.has_queue(reader.name)
                broker.attach(reader, self._spec, self._bindings)
                # Of our own zone's broker everybody is told when it goes and comes (`on_state`).
                if is_new and reader.was_attached and (reader.is_remote or self._transport.is_told):
                    self._dispatcher.gap()
                reader.was_attached = True


class MemoryTransport:
    """The port of ``broker/port.py`` on memory brokers; one more for each other zone."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        zone: str = "local",
        other_zones: Mapping[str, MemoryBroker] = MappingProxyType({}),
    ) -> None:
        self.broker = broker
        self.other_zones = MappingProxyType(dict(other_zones))
        self._counters = TransportCounters()
        self._zone = zone
        self._started = False
        self._consumers: list[_MemoryConsumer] = []
        self._listeners: list[StateListener] = []
        self._told = False

    @property
    def zone(self) -> str:
        """Our own zone."""
        return self._zone

    @property
    def connected(self) -> bool:
        """Whether the broker is running and we are started."""
        return self._started and self.broker.running

    @property
    def is_told(self) -> bool:
        """Whether everybody knows that the broker is there."""
        return self._told

    @property
    def counters(self) -> TransportCounters:
        """What was counted so far."""
        return self._counters

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong now: brokers that are stopped."""
        brokers = {self._zone: self.broker, **self.other_zones}
        return tuple(
            Fault(UNREACHABLE, f"memory:{zone}") for zone, broker in brokers.items() if not broker.running
        )

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """See `Transport`: nothing of it is ever deleted."""
        return ()

    @property
    def backlog(self) -> int:
        """How many deliveries came and wait for their handler."""
        return sum(consumer.backlog for consumer in self._consumers)

    async def start(self) -> None:
        """Begin; consumers made before have their queues from now on."""
        if self._started:
            return
        self._started = True
        for broker in (self.broker, *self.other_zones.values()):
            broker.watch(self._on_broker)
            self._on_broker(broker)

    async def close(self) -> None:
        """Leave; every queue of ours is gone afterwards."""
        for consumer in list(self._consumers):
            await consumer.close()
        for broker in (self.broker, *self.other_zones.values()):
            broker.unwatch(self._on_broker)
        self._started = False
        self._tell()

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
        """Publish; raises `BrokerUnavailable` while the broker is stopped."""
        broker = self.broker if broker_zone is None else self.other_zones.get(broker_zone)
        if broker is None or not broker.running or not self._started:
            raise BrokerUnavailable
        check_exchange(exchange, broker.exchanges)
        check_routing_key(routing_key)
        self.counters.published += 1
        message = Delivery(
            exchange=exchange,
            routing_key=routing_key,
            body=body,
            content_type="application/json",
            headers=MappingProxyType(dict(headers or {})),
            timestamp=gregorian_microseconds(),
        )
        return broker.inject(message) or not mandatory

    async def consume(
        self,
        handler: Handler,
        bindings: Iterable[Binding] = (),
        *,
        queue: Queue = Queue(),  # noqa: B008 (a frozen value)
        federate: bool = False,
        on_gap: GapListener | None = None,
    ) -> Consumer:
        """Read a queue; it is made as soon as the broker runs."""
        consumer = _MemoryConsumer(self, handler, queue, federate, on_gap)
        self._consumers.append(consumer)
        try:
            for binding in bindings:
                await consumer.bind(binding)
            if self._started:
                for broker in (self.broker, *self.other_zones.values()):
                    consumer.attach(broker)
        except BrokerError:
            await consumer.close()
            raise
        return consumer

    def on_state(self, listener: StateListener) -> None:
        """Be told when the broker comes and goes."""
        self._listeners.append(listener)

    def forget(self, consumer: _MemoryConsumer) -> None:
        """A consumer closed itself."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def _on_broker(self, broker: MemoryBroker) -> None:
        if broker.running:
            for consumer in self._consumers:
                try:
                    consumer.attach(broker)
                except BrokerError as error:
                    _log.error("consumer_refused", queue=consumer.queue, error=str(error))
        self._tell()

    def _tell(self) -> None:
        if self.connected == self._told:
            return
        self._told = self.connected
        if self._told:
            self.counters.connected += 1
        else:
            self.counters.lost += 1
        for listener in self._listeners:
            listener(self._told)
