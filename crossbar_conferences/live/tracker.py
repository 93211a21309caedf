"""Live state by following: events keep it current, searches seed and check it.

An account is *tracked* from its first read on: its events are bound first, then one search seeds
it, so that nothing falls between. Reads of a tracked account cost no round trip. What makes the
state doubtful makes it untracked again: the broker went away, events passed unheard, the log of
events heard during a search overflowed. Reconciliation by search runs on a timer and when the
media nodes change; what it finds different is counted as drift and logged. An account that nobody
reads is let go.

Source: design decision "real-time data", amqp.md 5.6, 7.3.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError
from ..clock import Clock
from ..conference import live
from ..conference.rooms import Room
from ..tasks import end
from .feed import EventFeed, Heard
from .port import Sighting
from .search import SearchLive
from .tracked import LOG_LIMIT, TrackedAccount

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counters:
    """What the tracker counts; read by the metrics."""

    events: int = 0
    searches: int = 0
    drift: int = 0


class Tracker:
    """`Live` by events. Times in seconds; at most ``limit`` accounts are followed at once.

    One more, and the account that was least recently asked for is let go."""

    def __init__(
        self,
        bus: Bus,
        feed: EventFeed,
        search: SearchLive,
        clock: Clock,
        *,
        reconcile_every: float = 60.0,
        idle_after: float = 600.0,
        watch_every: float = 1.0,
        bind_within: float = 2.0,
        limit: int = 10_000,
    ) -> None:
        self.counters = Counters()
        self._bus = bus
        self._feed = feed
        self._search = search
        self._clock = clock
        self._reconcile_every = reconcile_every
        self._idle_after = idle_after
        self._watch_every = watch_every
        self._bind_within = bind_within
        self._limit = limit
        #: Grows with everything that makes what was heard so far doubtful.
        self._doubts = 0
        self._trusted = True
        #: In the order of their last use, so that nobody goes through all of them to find the idle.
        self._accounts: OrderedDict[str, TrackedAccount] = OrderedDict()
        self._watch: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin following, in the background."""
        self._feed.on_event(self._on_event)
        self._feed.on_gap(self._on_gap)
        self._bus.on_state(self._on_broker)
        self._watch = asyncio.create_task(self._watching(), name="tracker")

    async def close(self) -> None:
        """Stop following; every task of ours is over afterwards."""
        await end(self._watch, *self._chores, *(account.seeding for account in self._accounts.values()))
        self._accounts.clear()

    def trust_events(self, trusted: bool) -> None:
        """Whether the events tell everything; when not, every read asks."""
        self._trusted = trusted

    async def conference(self, account_id: str, conference_id: str, *, fresh: bool = False) -> Sighting:
        """One conference of an account."""
        if fresh or not self._trusted:
            return await self._complete(account_id, conference_id)
        account = await self._current(account_id)
        room = account.rooms.get(conference_id) if account.seeded else None
        if room is not None and room.partial:
            return await self._complete(account_id, conference_id)
        return account.sighting({conference_id: room} if room else {}, "events")

    def peek(self, account_id: str, conference_id: str) -> Sighting | None:
        """What is known of a conference of a followed account."""
        account = self._accounts.get(account_id)
        if account is None or not account.seeded or not self._trusted:
            return None
        room = account.rooms.get(conference_id)
        if room is not None and room.partial:
            return None
        self._touch(account_id, account)
        return account.sighting({conference_id: room} if room else {}, "events")

    async def lookup(self, conference_id: str) -> Sighting:
        """A conference of whatever account, by asking."""
        self.counters.searches += 1
        return await self._search.lookup(conference_id)

    async def account(self, account_id: str, *, fresh: bool = False) -> Sighting:
        """Everything that runs for an account."""
        fresh = fresh or not self._trusted
        account = await self._current(account_id, fresh=fresh)
        return account.sighting(account.snapshot(), "search" if fresh else "events")

    async def _current(self, account_id: str, *, fresh: bool = False) -> TrackedAccount:
        """An account that is followed, and asked for if need be: if its state is not known, or to be new."""
        account = await self._used(account_id)
        if fresh or not account.seeded:
            await self._seed(account_id, account)
        return account

    async def _used(self, account_id: str) -> TrackedAccount:
        account = self._accounts.get(account_id) or await self._track(account_id)
        self._touch(account_id, account)
        return account

    def _touch(self, account_id: str, account: TrackedAccount) -> None:
        account.last_used = self._clock()
        # While it was bound, it may have been let go again for others.
        if account_id in self._accounts:
            self._accounts.move_to_end(account_id)

    async def _track(self, account_id: str) -> TrackedAccount:
        while len(self._accounts) >= self._limit:
            self._unfollow(next(iter(self._accounts)))
        account = TrackedAccount(last_used=self._clock())
        self._accounts[account_id] = account
        account.held = self._chore(self._feed.hold(account_id))
        # A broker that hangs takes long to bind; whoever reads need not wait for that.
        await asyncio.wait((account.held,), timeout=self._bind_within)
        return account

    async def _seed(self, account_id: str, account: TrackedAccount) -> None:
        # Readers that come meanwhile share the search; one that is cancelled does not end it.
        if account.seeding is None or account.seeding.done():
            account.seeding = asyncio.create_task(self._ask(account_id, account), name="tracker_seed")
        await asyncio.shield(account.seeding)

    async def _ask(self, account_id: str, account: TrackedAccount) -> None:
        with account.logging() as heard:
            self.counters.searches += 1
            is_held, doubts = account.held is None or account.held.done(), self._doubts
            sighting = await self._search.account(account_id)
        account.nodes_expected, account.nodes_heard = sighting.nodes_expected, sighting.nodes_heard
        is_whole = is_held and doubts == self._doubts and len(heard) <= LOG_LIMIT
        if not sighting.known or not is_whole:
            account.seeded = False
            return
        rooms = live.reconcile(sighting.rooms.values(), heard, account.rooms)
        if account.seeded:
            # Rooms of others, in which the account has a leg, are no part of the answer.
            own = {key: room for key, room in account.rooms.items() if room.account_id == account_id}
            drifted = live.drift(own, rooms)
            if drifted:
                self.counters.drift += drifted
                log.warning("tracker_drift", account_id=account_id, rooms=drifted)
        account.seed(rooms, sighting.as_of)

    async def _complete(self, account_id: str, conference_id: str, *, confirm: bool = False) -> Sighting:
        """Ask for one room and fold the answer into the account's state.

        The answer does not say whose it is. Where events did not either, it stays unknown, or with
        ``confirm`` a search for the account says it."""
        account = await self._used(account_id)
        with account.logging() as heard:
            sighting = await self.lookup(conference_id)
            known, asked = account.rooms.get(conference_id), sighting.room(conference_id)
            is_told = known is not None and known.account_id is not None
            if confirm and asked is not None and asked.account_id is None and not is_told:
                sighting = replace(sighting, rooms=await self._listed(account_id, asked))
        if not sighting.known:
            return sighting
        found = [room for room in sighting.rooms.values() if room.account_id in (None, account_id)]
        since = [event for event in heard if event.conference_id == conference_id]
        rooms = live.reconcile(found, since, account.rooms)
        if account.seeded and len(heard) <= LOG_LIMIT:
            account.put(conference_id, rooms.get(conference_id), sighting.as_of)
        return replace(sighting, rooms=rooms)

    async def _listed(self, account_id: str, room: Room) -> live.Rooms:
        """A room, as the account's if the media side lists it as such."""
        self.counters.searches += 1
        listed = (await self._search.account(account_id)).room(room.conference_id)
        is_listed = listed is not None and listed.instance_id == room.instance_id
        return {room.conference_id: replace(room, account_id=account_id) if is_listed else room}

    def _on_event(self, heard: Heard) -> None:
        account = self._accounts.get(heard.account_id)
        if account is None:
            return
        event = heard.event
        self.counters.events += 1
        account.log(event)
        if account.seeded:
            room = account.enter(event)
            is_new = room is not None and room.partial and event.kind in live.BEGINNINGS
            # Of people who come in one after the other while we ask, the answer or the log tells.
            if is_new and event.conference_id not in account.completing:
                account.completing.add(event.conference_id)
                self._chore(self._completed(account, heard.account_id, event.conference_id))

    async def _completed(self, account: TrackedAccount, account_id: str, conference_id: str) -> None:
        try:
            await self._complete(account_id, conference_id, confirm=True)
        finally:
            account.completing.discard(conference_id)

    def _on_broker(self, connected: bool) -> None:
        # What happened while we could not hear is unknown: every account is asked for again.
        self._doubts += 1
        for account in self._accounts.values():
            account.seeded = False
        if connected:
            self._chore(self._reconcile_all())

    def _on_gap(self) -> None:
        self._on_broker(self._bus.connected)

    async def _watching(self) -> None:
        nodes = self._nodes()
        next_round = self._clock() + self._reconcile_every
        while True:
            await asyncio.sleep(self._watch_every)
            self._let_go()
            now_there = self._nodes()
            if self._clock() >= next_round:
                next_round = self._clock() + self._reconcile_every
                await self._reconcile_all()
            elif now_there != nodes:
                # Who has just been asked, while they were all there, need not be asked again.
                await self._reconcile_all(but=now_there)
            nodes = now_there

    def _nodes(self) -> frozenset[str]:
        return frozenset(node.name for node in self._bus.nodes.all("ecallmgr"))

    async def _reconcile_all(self, *, but: frozenset[str] | None = None) -> None:
        """Ask again for every account, ``but`` not for those whose answer came from just these nodes."""
        for account_id, account in list(self._accounts.items()):
            is_current = account.seeded and frozenset(account.nodes_heard) == but
            if self._bus.connected and not is_current:
                await self._seed(account_id, account)

    def _let_go(self) -> None:
        idle_since = self._clock() - self._idle_after
        while self._accounts:
            account_id = next(iter(self._accounts))
            if self._accounts[account_id].last_used >= idle_since:
                return
            self._unfollow(account_id)

    def _unfollow(self, account_id: str) -> None:
        del self._accounts[account_id]
        self._chore(self._feed.release(account_id))

    def _chore(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._quietly(work), name="tracker_chore")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        # One that is cancelled before it begins would never have been waited for.
        task.add_done_callback(lambda _: work.close())
        return task

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BrokerError as error:
            log.warning("tracker_chore_failed", reason=str(error))
