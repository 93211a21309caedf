"""The message broker as the rest of the house sees it: a port, its values and its errors.

Two adapters fill it: ``broker/rabbit.py`` (aio-pika) and ``broker/memory.py`` (public, for
embedded mode and users' own tests). One contract suite runs against both. What Kazoo does with
a broker (reply queue, call, collect, nodes) is in ``broker/bus.py``, on this port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import CrossbarConferencesError
from .counters import TransportCounters
from .faults import Fault, Repair


class BrokerError(CrossbarConferencesError):
    """The message broker did not do what was asked."""


class BrokerUnavailable(BrokerError):
    """There is no connection to a message broker."""


class NotTaken(BrokerError):
    """The broker is there, and nobody listens for the message."""


class CallTimeout(BrokerError):
    """Nobody answered in time."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A topic on an exchange: ``Binding("conference", "conference.event.*.ACCOUNT.#")``."""

    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Queue:
    """How a queue is declared (amqp.md 3.1). An empty name means a fresh private one.

    Flags are Kazoo's: not durable, auto-delete, bounded in length and age."""

    name: str = ""
    shared: bool = False
    max_length: int = 100
    message_ttl_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came. ``body`` is the raw payload; ``broker_zone`` is ``None`` on a broker
    of our own zone, else the zone of the broker it was read from (amqp.md 1.3). ``readable``: whether
    the message's properties could be read; if not, there are none."""

    exchange: str
    routing_key: str
    body: bytes
    content_type: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    timestamp: int | None = None
    broker_zone: str | None = None
    content_encoding: str | None = None
    readable: bool = True


#: Called for every delivery, in order. It must not block; an exception is logged and counted.
Handler = Callable[[Delivery], Awaitable[None] | None]

#: Called with ``True`` when the broker came (back) and ``False`` when it went.
StateListener = Callable[[bool], None]


#: Called when messages of a queue may have passed unheard although the primary broker was there the
#: whole time: the queue was deleted, an inbox was full, another zone's broker came back. It comes in
#: its place among the deliveries; more than one loss may be told at once. It must not block.
GapListener = Callable[[], None]


class Consumer(Protocol):
    """A queue that is being read. It survives reconnects with its bindings."""

    @property
    def queue(self) -> str:
        """The queue's name."""
        ...

    async def bind(self, binding: Binding) -> None:
        """Hear one more topic."""

    async def unbind(self, binding: Binding) -> None:
        """Hear one topic less."""

    async def close(self) -> None:
        """Stop reading; the queue goes away."""


class Transport(Protocol):
    """Kazoo's brokers: publish on the primary one, read from it, or from every zone's."""

    @property
    def zone(self) -> str:
        """Our own zone."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the primary broker can be published to right now."""
        ...

    @property
    def counters(self) -> TransportCounters:
        """What was counted so far."""
        ...

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the brokers right now."""
        ...

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """What was wrong with the brokers and was made good in the last minutes."""
        ...

    @property
    def backlog(self) -> int:
        """How many deliveries came and wait for their handler."""
        ...

    async def start(self) -> None:
        """Begin connecting, in the background; returns soon even when no broker is there."""

    async def close(self) -> None:
        """Leave; every queue of ours is gone afterwards."""

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
        """Publish as Kazoo does (amqp.md 1.4: JSON, timestamp in microseconds since year 0).

        Returns whether it was routed, as far as is known (always ``True`` without
        ``mandatory``). ``broker_zone``: on that zone's broker instead of ours, which is right for
        nothing but answering a request that was read there (amqp.md 1.3). Raises
        `BrokerUnavailable` within a bound, `BrokerError` for an exchange that nobody declares or a
        key that is too long."""
        ...

    async def consume(
        self,
        handler: Handler,
        bindings: Iterable[Binding] = (),
        *,
        queue: Queue = Queue(),
        federate: bool = False,
        on_gap: GapListener | None = None,
    ) -> Consumer:
        """Read a queue with these bindings; with ``federate`` on every zone's broker.

        Works while no broker is there: the queue is made as soon as there is one."""
        ...

    def on_state(self, listener: StateListener) -> None:
        """Be told when the primary broker comes and goes."""
