"""One broker in memory: exchanges, queues and who reads them; see ``memory.py``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ..kapi.routing import EXCHANGES
from .dispatch import Dispatcher
from .memory_routes import Routes
from .port import Binding, BrokerError, Delivery, Queue


class MemoryBroker:
    """One broker: exchanges, queues and who reads them."""

    def __init__(
        self, exchanges: Mapping[str, str] = EXCHANGES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.running = True
        self.exchanges = MappingProxyType(dict(exchanges))
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._routes = Routes(self.exchanges)
        self._watchers: list[Callable[[MemoryBroker], None]] = []

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues there are."""
        return tuple(self._queues)

    def has_queue(self, name: str) -> bool:
        """Whether there is a queue of this name."""
        return name in self._queues

    def stop(self) -> None:
        """The broker goes away: every queue is gone, every transport is told."""
        if self.running:
            self.running = False
            self._queues.clear()
            self._routes.clear()
            self._tell()

    def start(self) -> None:
        """The broker is back; transports make their queues again."""
        if not self.running:
            self.running = True
            self._tell()

    def delete_queue(self, name: str) -> None:
        """Delete a queue under its readers, as an operator might."""
        if self._forget(name) and self.running:
            self._tell()

    def inject(self, delivery: Delivery) -> bool:
        """Publish something as it stands, wrong content type and all; whether a queue heard it."""
        # The exchange without a name knows each queue by its own.
        named = (delivery.routing_key,) if delivery.routing_key in self._queues else ()
        heard = self._routes.heard_by(delivery.exchange, delivery.routing_key) if delivery.exchange else named
        for name in heard:
            self._queues[name].put(delivery)
        return bool(heard)

    def watch(self, watcher: Callable[[MemoryBroker], None]) -> None:
        """Be told when the broker goes or comes, or loses a queue."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[MemoryBroker], None]) -> None:
        """Be told no more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def attach(self, reader: Reader, spec: Queue, bindings: Iterable[Binding]) -> None:
        """Declare a queue, read it, bind it. Raises `BrokerError` when somebody reads it alone."""
        queue = self._queues.get(reader.name)
        if queue is None:
            queue = self._queues[reader.name] = _Queue(spec, self._clock)
        elif not queue.is_read_by(reader) and not (spec.shared and queue.spec.shared):
            raise BrokerError(f"queue {reader.name} is read by somebody else alone")
        for binding in bindings:
            self.bind(reader.name, binding)
        queue.add(reader)

    def detach(self, reader: Reader) -> None:
        """Stop reading; with its last reader a queue goes, as an auto-delete queue does."""
        queue = self._queues.get(reader.name)
        if queue is not None and queue.remove(reader):
            self._forget(reader.name)

    def bind(self, name: str, binding: Binding) -> None:
        """Let a queue hear one more topic."""
        if name in self._queues:
            self._queues[name].bindings[binding] = None
            self._routes.add(name, binding)

    def unbind(self, name: str, binding: Binding) -> None:
        """Let a queue hear one topic less."""
        if name in self._queues:
            self._queues[name].bindings.pop(binding, None)
            self._routes.remove(name, binding)

    def _forget(self, name: str) -> bool:
        queue = self._queues.pop(name, None)
        for binding in queue.bindings if queue is not None else ():
            self._routes.remove(name, binding)
        return queue is not None

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher(self)


class _Queue:
    """A queue: what it hears, who reads it, and what nobody has read yet."""

    def __init__(self, spec: Queue, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.bindings: dict[Binding, None] = {}
        self._clock = clock
        self._readers: deque[Reader] = deque()
        # RabbitMQ drops the oldest message of a full queue; so does a bounded deque.
        self._waiting: deque[tuple[float, Delivery]] = deque(maxlen=spec.max_length)

    def is_read_by(self, reader: Reader) -> bool:
        """Whether this one reads it."""
        return reader in self._readers

    def add(self, reader: Reader) -> None:
        """One more reader; it gets what waited and is not too old."""
        if reader not in self._readers:
            self._readers.append(reader)
        oldest = self._clock() - self.spec.message_ttl_ms / 1000
        while self._waiting:
            since, message = self._waiting.popleft()
            if since >= oldest:
                reader.push(message)

    def remove(self, reader: Reader) -> bool:
        """One reader less; whether that was the last one."""
        if reader in self._readers:
            self._readers.remove(reader)
        return not self._readers

    def put(self, message: Delivery) -> None:
        """Give a message to the next reader, or keep it."""
        if self._readers:
            self._readers[0].push(message)
            self._readers.rotate(-1)
        else:
            self._waiting.append((self._clock(), message))


class Reader:
    """A consumer's place on one broker."""

    def __init__(self, broker: MemoryBroker, zone: str | None, name: str, dispatcher: Dispatcher) -> None:
        self.broker = broker
        self.name = name
        #: Whether it ever read its queue.
        self.was_attached = False
        self._zone = zone
        self._dispatcher = dispatcher

    @property
    def is_remote(self) -> bool:
        """Whether the broker is another zone's."""
        return self._zone is not None

    def push(self, message: Delivery) -> None:
        """Give the consumer a message, marked with the broker's zone."""
        self._dispatcher.push(message if self._zone is None else replace(message, broker_zone=self._zone))
