"""Who is subscribed to what, and the pushing of what was heard to them.

The hub knows subscribers by a small port: anything with a `push`. Events come through the shared
feed, commands and document changes through one queue of the hub's own whose bindings are counted.
Subscribing has two halves: `hold` makes the messages come and may wait for the broker, `attach`
lets them through and does not wait, so that a subscriber can be given what it missed first.

Source: realtime-ui-tests.md A.8, A.9.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from ..broker.bus import Bus
from ..broker.holds import HeldBindings
from ..broker.port import Consumer, Delivery, Queue
from ..clock import Clock
from ..kapi.routing import ALL_ACCOUNTS
from ..live.feed import EventFeed, Heard
from ..tasks import end
from . import protocol
from .bindings import Subscription
from .history import History, Numbered

#: Seconds for which an account is heard after its last subscriber left, so that one who
#: reconnects can resume.
LINGER = 60.0

#: Documents may be changed in bulk; the broker keeps this many messages for us.
_QUEUE = Queue(max_length=20_000)


class Subscriber(Protocol):
    """Somebody who is pushed to."""

    def push(self, frame: bytes) -> None:
        """Take a frame, without blocking; a subscriber that cannot is its own problem."""


#: Takes a frame about an account's conference in place of a subscriber, who may not be shown all of them.
Tell = Callable[[bytes, str, str], None]

#: Of one index key: who wants it, by subscriber and subscription.
_Listeners = dict[tuple[int, str, str], tuple[Subscriber, Subscription, Tell | None]]


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
        self._bindings: HeldBindings | None = None
        self._consumer: Consumer | None = None
        self._releases: set[asyncio.Task[None]] = set()
        self._lost = False

    async def start(self) -> None:
        """Make the queue for commands and document changes."""
        self._feed.on_event(self._on_event)
        self._feed.on_gap(self._on_gap)
        self._bus.on_state(self._on_broker)
        self._consumer = await self._bus.listen(self._on_message, (), queue=_QUEUE, federate=True)
        self._bindings = HeldBindings(self._consumer)

    async def close(self) -> None:
        """Stop pushing."""
        await end(*self._releases)
        if self._consumer is not None:
            await self._consumer.close()
        self._index.clear()

    def let_go(self, subscription: Subscription) -> None:
        """`release` in the background, for those who cannot wait."""
        self._later(self.release(subscription))

    async def hold(self, subscription: Subscription) -> None:
        """Make the messages of a subscription come; returns when they do, if there is a broker.

        Counts before it waits: a caller that is cancelled meanwhile has still to release."""
        if subscription.kind == "event":
            self._accounts[subscription.account_id] += 1
            await self._feed.hold(subscription.account_id)
        elif self._bindings is not None:
            for binding in subscription.bindings:
                await self._bindings.hold(binding)

    async def release(self, subscription: Subscription) -> None:
        """Undo one `hold`."""
        if subscription.kind == "event":
            self._let_go_later(subscription.account_id)
        elif self._bindings is not None:
            for binding in subscription.bindings:
                await self._bindings.release(binding)

    def attach(self, subscriber: Subscriber, subscription: Subscription, tell: Tell | None = None) -> None:
        """Push what matches from now on, through ``tell`` if that is given; it must be held."""
        listeners = self._index.setdefault(_index_key(subscription), {})
        listeners[_listener_key(subscriber, subscription)] = (subscriber, subscription, tell)

    def detach(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Push no more of it."""
        key = _index_key(subscription)
        listeners = self._index.get(key)
        if listeners is not None:
            listeners.pop(_listener_key(subscriber, subscription), None)
            if not listeners:
                del self._index[key]

    def mark(self, account_id: str, conference_id: str) -> int:
        """The number of a conference's newest event."""
        return self.history.mark(account_id, conference_id, self._clock())

    def begin(self, account_id: str, conference_id: str) -> int:
        """The number before a conference's first event that was heard."""
        return self.history.begin(account_id, conference_id, self._clock())

    def replay(self, subscription: Subscription, conference_id: str, since: int) -> list[bytes] | None:
        """The frames of one conference after a number; ``None``: some are lost."""
        missed = self.history.since(subscription.account_id, conference_id, since)
        if missed is None:
            return None
        return [
            protocol.dumps(protocol.event(subscription, event.body, event.routing_key, event.sequence))
            for event in missed
            if subscription.matches(event.routing_key)
        ]

    def _on_event(self, heard: Heard) -> None:
        account_id, conference_id = heard.account_id, heard.event.conference_id
        if account_id in self._accounts:
            numbered = self.history.add(
                account_id, conference_id, heard.body, heard.routing_key, self._clock()
            )
            for wanted in (conference_id, "*"):
                self._push(("event", account_id, wanted), numbered, account_id, conference_id)
        if ALL_ACCOUNTS in self._accounts:
            # Without a number: nobody resumes where all accounts were heard.
            plain = Numbered(0, heard.body, heard.routing_key)
            for wanted in (conference_id, "*"):
                self._push(("event", ALL_ACCOUNTS, wanted), plain, account_id, conference_id)

    def _on_message(self, body: Mapping[str, Any], delivery: Delivery) -> None:
        numbered = Numbered(0, body, delivery.routing_key)
        if delivery.exchange == "conference":
            conference_id = delivery.routing_key.removeprefix("conference.command.")
            self._push(("command", "", conference_id), numbered, "", conference_id)
        else:
            account_id, doc_id = (
                text if isinstance(text, str) else "" for text in (body.get("Account-ID"), body.get("ID"))
            )
            self._push(("object", account_id, ""), numbered, account_id, doc_id)

    def _push(
        self, key: tuple[str, str, str], numbered: Numbered, account_id: str, conference_id: str
    ) -> None:
        # Most subscribers of a conference use the same binding: its frame is made once.
        frames: dict[str, bytes] = {}
        for subscriber, subscription, tell in self._index.get(key, {}).values():
            if not subscription.matches(numbered.routing_key):
                continue
            frame = frames.get(subscription.text)
            if frame is None:
                sequence = numbered.sequence or None
                frame = frames[subscription.text] = protocol.dumps(
                    protocol.event(subscription, numbered.body, numbered.routing_key, sequence)
                )
            self.pushed += 1
            if tell is None:
                subscriber.push(frame)
            else:
                tell(frame, account_id, conference_id)

    def _on_broker(self, connected: bool) -> None:
        # What was published while the broker was away went unheard: no number covers it.
        if not connected:
            self.history.clear()
            self._lost = True
        elif self._lost:
            self._lost = False
            self._tell_gap()

    def _on_gap(self) -> None:
        self.history.clear()
        self._tell_gap()

    def _tell_gap(self) -> None:
        for key, listeners in self._index.items():
            if key[0] == "event":
                for subscriber, subscription, _ in listeners.values():
                    subscriber.push(protocol.dumps(protocol.gap(subscription)))

    def _let_go_later(self, account_id: str) -> None:
        self._later(self._let_go(account_id))

    def _later(self, release: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(release, name="hub_release")
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


def _listener_key(subscriber: Subscriber, subscription: Subscription) -> tuple[int, str, str]:
    return (id(subscriber), subscription.account_id, subscription.text)


def _index_key(subscription: Subscription) -> tuple[str, str, str]:
    if subscription.kind == "command":
        # The same for every account: who may follow which conference was decided before.
        return ("command", "", subscription.conference_id)
    if subscription.kind == "object":
        return ("object", subscription.account_id, "")
    return ("event", subscription.account_id, subscription.conference_id)
