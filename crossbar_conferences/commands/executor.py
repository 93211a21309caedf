"""Carries out a plan: publishes its messages and, when asked to, waits for what proves them.

Source: anchors.md 0.4 (commands are fire and forget), 1.6 (confirmed commands).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final

from ..broker.bus import Bus
from ..broker.port import NotTaken
from ..clock import Clock
from ..conference.actions_plan import Plan
from ..conference.confirmation import Confirmation
from ..conference.newcomers import WAITED_OUT
from ..conference.rooms import Room
from ..kapi.messages import Origin, Outgoing
from ..live.feed import EventFeed, Heard
from ..live.port import Live, Sighting
from ..tasks import end
from .resending import Resender

#: Seconds for which what may fail at once must last until it counts as done (real-switch.md A4).
LASTS_SECONDS: Final = 0.25


@dataclass(slots=True)
class Counters:
    """What is counted; read by the metrics."""

    published: int = 0
    confirmed: int = 0
    unconfirmed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan. ``confirmed`` is ``None`` when nobody waited for a proof; ``ended`` when
    whoever waited may not be told how things are any more; ``failed`` says what is known to have failed."""

    confirmed: bool | None = None
    room: Room | None = None
    ended: bool = False
    failed: str | None = None


#: Keeps a right under review for as long as the context lasts, and tells, once, why it ended.
Watch = Callable[[Callable[[str], None]], AbstractAsyncContextManager[object]]


class _Waiter:
    """Waits until every confirmation of one plan was proved by an event."""

    def __init__(self, confirms: Sequence[Confirmation]) -> None:
        self.open = list(confirms)
        self.done = asyncio.Event()
        #: What was undone, in words; and whether something that undoes came before the proof itself: events
        #: of one millisecond come in any order.
        self.failed: str | None = None
        self.is_doubted = False
        self._lasting = [confirm for confirm in confirms if confirm.may_be_undone]

    @property
    def is_proved(self) -> bool:
        """Whether nothing is left to be proved, and nothing speaks against it."""
        return not self.open and self.failed is None and not self.is_doubted

    @property
    def may_be_undone(self) -> bool:
        """Whether what was proved has to last for a moment."""
        return bool(self._lasting) and self.is_proved

    def hear(self, heard: Heard) -> None:
        """An event came."""
        event = heard.event
        member = event.participant.participant_id if event.participant else None
        for confirm in self._lasting:
            if confirm.is_undone_by(event.kind, event.conference_id):
                if confirm in self.open:
                    self.is_doubted = True
                else:
                    self.failed = confirm.failure
                    self.done.set()
        self.open = [
            confirm
            for confirm in self.open
            if not confirm.is_proved_by(event.kind, event.conference_id, member)
        ]
        if not self.open:
            self.done.set()


class Executor:
    """Publishes commands. One that cannot be published raises `BrokerUnavailable`, one that is known to be
    taken by nobody `NotTaken`."""

    def __init__(self, bus: Bus, feed: EventFeed, live: Live, clock: Clock) -> None:
        self.counters = Counters()
        self._bus = bus
        self._feed = feed
        self._live = live
        self._clock = clock
        self.resender = Resender(bus, feed, clock)
        #: By account: nobody waits for another's events, however many wait.
        self._waiters: dict[str, dict[_Waiter, None]] = {}
        #: Who speaks in the commands that are planned here.
        self.origin: Origin = bus.origin()
        feed.on_event(self._on_event)

    async def carry_out(
        self,
        plan: Plan,
        account_id: str,
        conference_id: str,
        *,
        wait: float | None = None,
        watch: Watch | None = None,
    ) -> Outcome:
        """Publish a plan's messages in order; with ``wait`` (seconds) also see them take effect.

        ``watch`` keeps the right of whoever waits under review: when that ends, the wait does, and
        how things are is not told any more."""
        self.resender.supersede(account_id, plan.confirms)
        if wait is None:
            repeating = self.resender.begin(account_id, plan.newcomers)
            try:
                await self._publish(plan, account_id, conference_id)
            except BaseException:
                await end(repeating)
                raise
            return Outcome()
        if not plan.confirms:
            # Nobody was to be changed: that is done at once. What no event proves stays unproved.
            await self._publish(plan, account_id, conference_id)
            sighting = await self._live.conference(account_id, conference_id)
            settled = not plan.messages and plan.reaches_all
            return self._counted(Outcome(settled, sighting.room(conference_id)))
        try:
            # Counted before it waits: one that is cancelled meanwhile has to be released.
            await self._feed.hold(account_id)
            with self._waiting(account_id, plan.confirms) as waiter:
                seen = await self._wait(plan, waiter, wait, watch, (account_id, conference_id))
            confirmed = waiter.is_proved
        finally:
            await self._feed.release(account_id)
        if seen is None:
            return self._counted(Outcome(confirmed and plan.reaches_all, None, ended=True))
        room = seen.room(conference_id)
        # What is known in part, or not at all, proves nothing.
        if not confirmed and waiter.failed is None and not waiter.is_doubted and seen.known:
            # The event may be among those that the operator does not publish: look at the state.
            confirmed = all(confirm.holds(room) is True for confirm in waiter.open)
        return self._counted(Outcome(confirmed and plan.reaches_all, room, failed=waiter.failed))

    async def _wait(
        self, plan: Plan, waiter: _Waiter, seconds: float, watch: Watch | None, where: tuple[str, str]
    ) -> Sighting | None:
        """Publish and wait for the proof; how things are then in a conference (``where``: its account and
        id), ``None`` when the right to know that has ended."""
        ended = asyncio.Event()

        def stop(reason: str) -> None:
            ended.set()
            waiter.done.set()

        async with watch(stop) if watch is not None else nullcontext():
            repeating = self.resender.begin(where[0], plan.newcomers)
            try:
                await self._publish(plan, *where)
                await _within(seconds, waiter)
            finally:
                # Whoever has waited is told how things are: nothing is to change after that.
                await end(repeating)
            if waiter.may_be_undone and not ended.is_set():
                waiter.done.clear()
                await _within(LASTS_SECONDS, waiter)
            if ended.is_set():
                return None
            # To look takes its time too, in which the right may end.
            sighting = await self._live.conference(*where, fresh=not waiter.is_proved)
            return None if ended.is_set() else sighting

    async def _publish(self, plan: Plan, account_id: str, conference_id: str) -> None:
        # What no event can prove cannot be repeated until it took effect: it has to wait.
        unproved = {id(one.message): one.joined_at for one in plan.newcomers if one.confirmation is None}
        # All go to one place: whether the first is heard tells it for the others. To ask costs a round trip
        # to the broker, so nobody asks while a media node is there that has told all of the conference.
        asks = self._is_doubtful(account_id, conference_id)
        for message in plan.messages:
            joined_at = unproved.get(id(message))
            if joined_at is not None:
                await asyncio.sleep(max(0.0, joined_at + WAITED_OUT - self._clock()))
            heard = await self._bus.cast(message, mandatory=asks)
            self.counters.published += 1
            if not heard and not await self._is_idle(account_id, conference_id):
                raise NotTaken("no media node takes commands to this conference")
            asks = False

    def _is_doubtful(self, account_id: str, conference_id: str) -> bool:
        if not self._bus.hears("ecallmgr"):
            return True
        sighting = self._live.peek(account_id, conference_id)
        room = None if sighting is None else sighting.room(conference_id)
        return room is not None and bool(room.doubts)

    async def _is_idle(self, account_id: str, conference_id: str) -> bool:
        """Whether the conference is known not to run: then a command is for nobody, as in Kazoo."""
        sighting = await self._live.conference(account_id, conference_id)
        return sighting.known and sighting.room(conference_id) is None

    def _counted(self, outcome: Outcome) -> Outcome:
        if outcome.confirmed:
            self.counters.confirmed += 1
        else:
            self.counters.unconfirmed += 1
        return outcome

    def _on_event(self, heard: Heard) -> None:
        for waiter in self._waiters.get(heard.account_id, ()):
            waiter.hear(heard)

    @contextmanager
    def _waiting(self, account_id: str, confirms: Sequence[Confirmation]) -> Iterator[_Waiter]:
        waiter = _Waiter(confirms)
        own = self._waiters.setdefault(account_id, {})
        own[waiter] = None
        try:
            yield waiter
        finally:
            del own[waiter]
            if not own:
                del self._waiters[account_id]


def shown(messages: Iterable[Outgoing]) -> list[dict[str, Any]]:
    """Messages as a dry run shows them."""
    return [
        {"exchange": sent.exchange, "routing_key": sent.routing_key, "body": dict(sent.body)}
        for sent in messages
    ]


async def _within(seconds: float, waiter: _Waiter) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiter.done.wait()
