"""The conference events of the accounts that somebody cares about: one queue, many listeners.

The tracker and the websocket hub both hold accounts here; an account's events are bound while
anybody holds it. Source: amqp.md 5.6, 7.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..broker.bus import Bus
from ..broker.holds import HeldBindings
from ..broker.port import Binding, Consumer, Delivery, GapListener, Queue
from ..clock import Clock
from ..conference import live
from ..jsontext import size
from ..kapi.routing import ALL_ACCOUNTS

#: Bytes of an event; Kazoo's have some 5,000. What is longer would be kept with its participant.
MAX_EVENT = 262_144

#: Events may come in bursts; the broker keeps this many for us.
_QUEUE = Queue(max_length=20_000)


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as it came: its value, its whole body, where it was published."""

    account_id: str
    event: live.Event
    body: Mapping[str, Any]
    routing_key: str


#: Called for every event of a held account, in order; must not block.
Listener = Callable[[Heard], None]


class EventFeed:
    """Hears the events of held accounts and tells every listener, in the order of their coming."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self.heard = 0
        self.ignored = 0
        self._bus = bus
        self._clock = clock
        self._holds: Counter[str] = Counter()
        self._listeners: list[Listener] = []
        self._gap_listeners: list[GapListener] = []
        self._consumer: Consumer | None = None
        self._bindings: HeldBindings | None = None

    async def start(self) -> None:
        """Make the queue."""
        self._consumer = await self._bus.listen(
            self._on_message, (), queue=_QUEUE, federate=True, on_gap=self._on_gap
        )
        self._bindings = HeldBindings(self._consumer)

    async def close(self) -> None:
        """Let the queue go."""
        if self._consumer is not None:
            await self._consumer.close()
        self._holds.clear()

    def on_event(self, listener: Listener) -> None:
        """Be told about events."""
        self._listeners.append(listener)

    def on_gap(self, listener: GapListener) -> None:
        """Be told when events may have passed unheard while the broker was there."""
        self._gap_listeners.append(listener)

    async def hold(self, account_id: str) -> None:
        """Hear an account's events until they are released as often as they were held.

        Of `ALL_ACCOUNTS` too: then every listener is told of everybody's. Counts before it waits: a
        caller that is cancelled meanwhile has still to release."""
        self._holds[account_id] += 1
        if self._bindings is not None:
            await self._bindings.hold(_binding(account_id))

    async def release(self, account_id: str) -> None:
        """Undo one `hold`."""
        self._holds[account_id] -= 1
        if self._holds[account_id] <= 0:
            del self._holds[account_id]
        if self._bindings is not None:
            await self._bindings.release(_binding(account_id))

    def _on_gap(self) -> None:
        for listener in self._gap_listeners:
            listener()

    def _on_message(self, body: Mapping[str, Any], delivery: Delivery) -> None:
        published_for = _account_of(delivery.routing_key)
        event = live.event_from(body, self._clock(), published_for)
        account_id = published_for or (event.account_id if event else None)
        is_wanted = account_id in self._holds or ALL_ACCOUNTS in self._holds
        if event is None or account_id is None or not is_wanted or _is_long(body, delivery):
            self.ignored += 1
            return
        self.heard += 1
        heard = Heard(account_id, event, body, delivery.routing_key)
        for listener in self._listeners:
            listener(heard)


def _binding(account_id: str) -> Binding:
    return Binding("conference", f"conference.event.*.{account_id}.#")


def _is_long(body: Mapping[str, Any], delivery: Delivery) -> bool:
    # What came packed is longer than it came.
    return (bool(delivery.content_encoding) or len(delivery.body) > MAX_EVENT) and size(body) > MAX_EVENT


def _account_of(routing_key: str) -> str | None:
    # conference.event.{Event}.{Account-ID}.{Conference-ID}.{Call-ID}
    parts = routing_key.split(".")
    return parts[3] if len(parts) >= 5 and parts[1] == "event" else None
