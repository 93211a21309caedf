"""A message broker in memory: for embedded mode, and for users' own tests.

`MemoryBroker` routes as RabbitMQ does (direct, fanout and topic exchanges, work queues, bounded
queues); any number of `MemoryTransport` may share one, as processes share a broker. It can be
stopped and started again, as a broker is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import structlog

from ..clock import gregorian_microseconds
from ..kapi.routing import EXCHANGES
from .counters import TransportCounters
from .dispatch import Dispatcher
from .faults import UNREACHABLE, Fault
from .names import check_exchange, check_routing_key, federated_queue_name, private_queue_name
from .port import Binding, BrokerError, BrokerUnavailable, Consumer, Delivery, Handler, Queue, StateListener
from .topics import hears

_log = structlog.get_logger(__name__)


class MemoryBroker:
    """One broker: exchanges, queues and who reads them."""

    def __init__(
        self, exchanges: Mapping[str, str] = EXCHANGES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.running = True
        self.exchanges = MappingProxyType(dict(exchanges))
        self._clock = clock
        self._queues: dict[str, _MemoryQueue] = {}
        self._watchers: list[Callable[[MemoryBroker], None]] = []

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues there are."""
        return tuple(self._queues)

    def stop(self) -> None:
        """The broker goes away: every queue is gone, every transport is told."""
        if self.running:
            self.running = False
            self._queues.clear()
            self._tell()

    def start(self) -> None:
        """The broker is back; transports make their queues again."""
        if not self.running:
            self.running = True
            self._tell()

    def delete_queue(self, name: str) -> None:
        """Delete a queue under its readers, as an operator might."""
        queue = self._queues.pop(name, None)
        if queue is not None and self.running:
            self._tell()

    def inject(self, delivery: Delivery) -> bool:
        """Publish something as it stands, wrong content type and all; whether a queue heard it."""
        heard = [queue for name, queue in self._queues.items() if self._hears(name, queue, delivery)]
        for queue in heard:
            queue.put(delivery)
        return bool(heard)

    def watch(self, watcher: Callable[[MemoryBroker], None]) -> None:
        """Be told when the broker goes or comes, or loses a queue."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[MemoryBroker], None]) -> None:
        """Be told no more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def attach(self, reader: _Reader, spec: Queue, bindings: Iterable[Binding]) -> None:
        """Declare a queue, read it, bind it. Raises `BrokerError` when somebody reads it alone."""
        queue = self._queues.get(reader.name)
        if queue is None:
            queue = self._queues[reader.name] = _MemoryQueue(spec, self._clock)
        elif not queue.is_read_by(reader) and not (spec.shared and queue.spec.shared):
            raise BrokerError(f"queue {reader.name} is read by somebody else alone")
        queue.bindings.update(dict.fromkeys(bindings))
        queue.add(reader)

    def detach(self, reader: _Reader) -> None:
        """Stop reading; with its last reader a queue goes, as an auto-delete queue does."""
        queue = self._queues.get(reader.name)
        if queue is not None and queue.remove(reader):
            del self._queues[reader.name]

    def bind(self, name: str, binding: Binding) -> None:
        """Let a queue hear one more topic."""
        if name in self._queues:
            self._queues[name].bindings[binding] = None

    def unbind(self, name: str, binding: Binding) -> None:
        """Let a queue hear one topic less."""
        if name in self._queues:
            self._queues[name].bindings.pop(binding, None)

    def _hears(self, name: str, queue: _MemoryQueue, message: Delivery) -> bool:
        if message.exchange == "":
            return name == message.routing_key
        kind = self.exchanges.get(message.exchange)
        return any(
            binding.exchange == message.exchange and hears(kind, binding.routing_key, message.routing_key)
            for binding in queue.bindings
        )

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher(self)


class _MemoryQueue:
    """A queue: what it hears, who reads it, and what nobody has read yet."""

    def __init__(self, spec: Queue, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.bindings: dict[Binding, None] = {}
        self._clock = clock
        self._readers: deque[_Reader] = deque()
        # RabbitMQ drops the oldest message of a full queue; so does a bounded deque.
        self._waiting: deque[tuple[float, Delivery]] = deque(maxlen=spec.max_length)

    def is_read_by(self, reader: _Reader) -> bool:
        return reader in self._readers

    def add(self, reader: _Reader) -> None:
        if reader not in self._readers:
            self._readers.append(reader)
        oldest = self._clock() - self.spec.message_ttl_ms / 1000
        while self._waiting:
            since, message = self._waiting.popleft()
            if since >= oldest:
                reader.push(message)

    def remove(self, reader: _Reader) -> bool:
        """Whether that was the last one."""
        if reader in self._readers:
            self._readers.remove(reader)
        return not self._readers

    def put(self, message: Delivery) -> None:
        if self._readers:
            self._readers[0].push(message)
            self._readers.rotate(-1)
        else:
            self._waiting.append((self._clock(), message))


class _Reader:
    """A consumer's place on one broker."""

    def __init__(self, broker: MemoryBroker, zone: str | None, name: str, dispatcher: Dispatcher) -> None:
        self.broker = broker
        self.name = name
        self._zone = zone
        self._dispatcher = dispatcher

    def push(self, message: Delivery) -> None:
        self._dispatcher.push(message if self._zone is None else replace(message, broker_zone=self._zone))


class _MemoryConsumer:
    """A queue that is being read, on our own broker or, federated, on every zone's."""

    def __init__(self, transport: MemoryTransport, handler: Handler, queue: Queue, federate: bool) -> None:
        self._transport = transport
        self._spec = queue
        self._name = queue.name or private_queue_name()
        self._bindings: dict[Binding, None] = {}
        self._dispatcher = Dispatcher(handler, transport.counters)
        self._readers = [_Reader(transport.broker, None, self._name, self._dispatcher)]
        if federate:
            name = federated_queue_name(self._name, transport.zone)
            for zone, broker in transport.other_zones.items():
                self._readers.append(_Reader(broker, zone, name, self._dispatcher))

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
                broker.attach(reader, self._spec, self._bindings)


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
    ) -> Consumer:
        """Read a queue; it is made as soon as the broker runs."""
        consumer = _MemoryConsumer(self, handler, queue, federate)
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
