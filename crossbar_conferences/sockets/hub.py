"""Who is subscribed to what, and the pushing of what was heard to them.

The hub knows subscribers by a small port: anything with a `push`. Events come through the shared
feed, commands and document changes through one queue of the hub's own whose bindings are counted.

Source: realtime-ui-tests.md A.8, A.9.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from ..broker.bus import Bus
from ..broker.port import Binding, BrokerError, Consumer, Delivery
from ..clock import Clock
from ..live.feed import EventFeed, Heard
from . import protocol
from .bindings import Subscription
from .history import History, Numbered

log = structlog.get_logger(__name__)

#: Seconds for which an account is heard after its last subscriber left, so that one who
#: reconnects can resume.
LINGER = 60.0


class Subscriber(Protocol):
    """Somebody who is pushed to."""

    def push(self, frame: bytes) -> None:
        """Take a frame, without blocking; a subscriber that cannot is its own problem."""


@dataclass(slots=True)
class _Listeners:
    """The subscriptions with one index key, with whose they are."""

    pairs: list[tuple[Subscriber, Subscription]] = field(default_factory=list)


class Hub:
    """Pushes events, commands and document changes to subscribers."""

    def __init__(self, bus: Bus, feed: EventFeed, clock: Clock, *, linger: float = LINGER) -> None:
        self.pushed = 0
        self.history = History()
        self._bus = bus
        self._feed = feed
        self._clock = clock
        self._linger = linger
        self._index: dict[tuple[str, str, str], _Listeners] = {}
        self._accounts: Counter[str] = Counter()
        self._bound: Counter[Binding] = Counter()
        self._consumer: Consumer | None = None
        self._releases: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the queue for commands and document changes."""
        self._feed.on_event(self._on_event)
        self._consumer = await self._bus.listen(self._on_message, (), federate=True)

    async def close(self) -> None:
        """Stop pushing."""
        for task in list(self._releases):
            task.cancel()
        await asyncio.gather(*self._releases, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.close()
        self._index.clear()

    async def subscribe(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Push what matches from now on."""
        listeners = self._index.setdefault(_index_key(subscription), _Listeners())
        listeners.pairs.append((subscriber, subscription))
        if subscription.kind == "event":
            self._accounts[subscription.account_id] += 1
            if self._accounts[subscription.account_id] == 1:
                await self._feed.hold(subscription.account_id)
            return
        for binding in subscription.bindings:
            self._bound[binding] += 1
            if self._bound[binding] == 1 and self._consumer is not None:
                await self._quietly(self._consumer.bind(binding))

    async def unsubscribe(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Push no more of it."""
        key = _index_key(subscription)
        listeners = self._index.get(key)
        if listeners is None:
            return
        kept = [pair for pair in listeners.pairs if not (pair[0] is subscriber and pair[1] == subscription)]
        if len(kept) == len(listeners.pairs):
            return
        listeners.pairs = kept
        if not kept:
            del self._index[key]
        if subscription.kind == "event":
            self._let_go_later(subscription.account_id)
            return
        for binding in subscription.bindings:
            self._bound[binding] -= 1
            if not self._bound[binding]:
                del self._bound[binding]
                if self._consumer is not None:
                    await self._quietly(self._consumer.unbind(binding))

    def replay(self, subscription: Subscription, since: int) -> list[bytes] | None:
        """The frames that a subscriber of one conference missed; ``None``: there is a gap."""
        missed = self.history.since(subscription.account_id, subscription.conference_id, since)
        if missed is None:
            return None
        return [
            protocol.dumps(protocol.event(subscription, event.body, event.routing_key, event.sequence))
            for event in missed
            if subscription.matches(event.routing_key)
        ]

    def _on_event(self, heard: Heard) -> None:
        if heard.account_id not in self._accounts:
            return
        conference_id = heard.event.conference_id
        numbered = self.history.add(
            heard.account_id, conference_id, heard.body, heard.routing_key, self._clock()
        )
        for wanted in (conference_id, "*"):
            self._push(("event", heard.account_id, wanted), numbered)

    def _on_message(self, body: Mapping[str, Any], delivery: Delivery) -> None:
        numbered = Numbered(0, body, delivery.routing_key)
        if delivery.exchange == "conference":
            conference_id = delivery.routing_key.removeprefix("conference.command.")
            self._push(("command", "", conference_id), numbered)
        else:
            account_id = body.get("Account-ID")
            self._push(("object", account_id if isinstance(account_id, str) else "", ""), numbered)

    def _push(self, key: tuple[str, str, str], numbered: Numbered) -> None:
        listeners = self._index.get(key)
        if listeners is None:
            return
        # Most subscribers of a conference use the same binding: its frame is made once.
        frames: dict[str, bytes] = {}
        for subscriber, subscription in listeners.pairs:
            if not subscription.matches(numbered.routing_key):
                continue
            frame = frames.get(subscription.text)
            if frame is None:
                sequence = numbered.sequence or None
                frame = frames[subscription.text] = protocol.dumps(
                    protocol.event(subscription, numbered.body, numbered.routing_key, sequence)
                )
            self.pushed += 1
            subscriber.push(frame)

    def _let_go_later(self, account_id: str) -> None:
        task = asyncio.create_task(self._let_go(account_id), name="hub_release")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _let_go(self, account_id: str) -> None:
        if self._accounts[account_id] == 1:
            await asyncio.sleep(self._linger)
        self._accounts[account_id] -= 1
        if self._accounts[account_id] <= 0:
            del self._accounts[account_id]
            self.history.forget(account_id)
            await self._feed.release(account_id)

    async def _quietly(self, work: Any) -> None:
        try:
            await work
        except BrokerError as error:
            # The consumer remembers its bindings and makes them when the broker is back.
            log.warning("hub_binding_failed", reason=str(error))


def _index_key(subscription: Subscription) -> tuple[str, str, str]:
    if subscription.kind == "command":
        # The same for every account: who may follow which conference was decided before.
        return ("command", "", subscription.conference_id)
    if subscription.kind == "object":
        return ("object", subscription.account_id, "")
    return ("event", subscription.account_id, subscription.conference_id)
