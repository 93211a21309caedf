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
from dataclasses import replace
from typing import Any

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError
from ..clock import Clock
from ..complaints import Complaints, place_of
from ..conference import live
from ..conference.rooms import Room
from ..conference.sightings import is_askable
from ..shares import ShareExceeded, Shares
from ..tasks import end
from .feed import EventFeed, Heard
from .port import Sighting
from .rechecks import Rechecks
from .search import SearchLive
from .tracked import COMPLETING, COMPLETING_EACH, LOG_LIMIT, Asking, Counters, TrackedAccount
from .unlisted import unlisted

log = structlog.get_logger(__name__)

#: Seconds that a read waits for the answer about a conference that its account's answer does not list.
BY_ID_WITHIN = 0.25

#: After a media server went: how long, and how often (seconds), accounts with rooms are asked for.
#: Its ecallmgr tells of a dead server's rooms for 17 to 23 s (real-switch.md D.2).
SUSPECT_SECONDS = 45.0
LOOK_EVERY = 5.0


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
        recheck_after: float = 0.3,
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
        self._completions = Shares(COMPLETING, COMPLETING_EACH)
        self._complaints = Complaints()
        self._rechecks = Rechecks(self._complete, delay=recheck_after)
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
        await self._rechecks.close()
        await end(self._watch, *self._chores, *(account.seeding for account in self._accounts.values()))
        self._accounts.clear()

    @property
    def open_questions(self) -> int:
        """Questions about single conferences that are due or under way, since events left something open."""
        return len(self._rechecks) + sum(len(account.completing) for account in self._accounts.values())

    def trust_events(self, trusted: bool) -> None:
        """Whether the events tell everything; when not, every read asks."""
        self._trusted = trusted

    async def conference(
        self, account_id: str, conference_id: str, *, fresh: bool = False, own: bool = False
    ) -> Sighting:
        """One conference of an account."""
        if fresh or not self._trusted:
            return await self._complete(account_id, conference_id, own=own)
        account = await self._used(account_id)
        told = None if account.seeded else await self._seed(account_id, account)
        if told is not None and not account.seeded:
            # Answered, but not to be followed from here on: it is the answer to who waited for it.
            one = told.only(conference_id)
            if one.rooms or not (own and told.heard):
                return one
            return await self._complete(account_id, conference_id, own=own)
        room = account.rooms.get(conference_id)
        if room is None and own:
            await self._ask_by_id(account, conference_id)
            room = account.rooms.get(conference_id)
        if room is not None and room.doubts:
            return await self._complete(account_id, conference_id, own=own)
        return account.sighting({conference_id: room} if room else {}, "events")

    async def _ask_by_id(self, account: TrackedAccount, conference_id: str) -> None:
        """Ask once for a conference that the account's answer does not list: it may run all the same.

        Nobody waits long for that: a node that is silent would hold up every first read."""
        if conference_id in account.asked:
            account.note(conference_id)
            return
        if (asking := self._completing(account, conference_id, own=True)) is None:
            await self._complete(account.account_id, conference_id, own=True)
            return
        left = asking.begun + BY_ID_WITHIN - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.wait((asking.task,), timeout=left)

    def peek(self, account_id: str, conference_id: str) -> Sighting | None:
        """What is known of a conference of a followed account."""
        account = self._accounts.get(account_id)
        if account is None or not account.seeded or not self._trusted:
            return None
        room = account.rooms.get(conference_id)
        if room is None and conference_id not in account.asked:
            return None
        if room is not None and room.doubts:
            return None
        self._touch(account_id, account)
        if room is None:
            account.note(conference_id)
        return account.sighting({conference_id: room} if room else {}, "events")

    async def lookup(self, conference_id: str) -> Sighting:
        """A conference of whatever account, by asking."""
        self.counters.searches += 1
        return await self._search.lookup(conference_id)

    async def account(self, account_id: str, *, fresh: bool = False) -> Sighting:
        """Everything that runs for an account."""
        fresh = fresh or not self._trusted
        account = await self._used(account_id)
        told = await self._seed(account_id, account) if fresh or not account.seeded else None
        if told is not None and not account.seeded:
            return told
        return account.whole("search" if fresh else "events")

    async def _used(self, account_id: str) -> TrackedAccount:
        account = self._accounts.get(account_id) or self._track(account_id)
        if account.held is not None and not account.held.done():
            # Everybody waits, also who comes second: a search that is asked before the events are
            # bound seeds nothing. A broker that hangs takes long to bind; nobody waits for that.
            await asyncio.wait((account.held,), timeout=self._bind_within)
        self._touch(account_id, account)
        return account

    def _touch(self, account_id: str, account: TrackedAccount) -> None:
        account.last_used = self._clock()
        # While it was bound, it may have been let go again for others.
        if self._accounts.get(account_id) is account:
            self._accounts.move_to_end(account_id)

    def _track(self, account_id: str) -> TrackedAccount:
        while len(self._accounts) >= self._limit:
            self._unfollow(next(iter(self._accounts)))
        account = TrackedAccount(account_id, last_used=self._clock())
        self._accounts[account_id] = account
        account.held = self._chore(self._feed.hold(account_id))
        return account

    async def _seed(self, account_id: str, account: TrackedAccount) -> Sighting:
        """Ask for an account. Readers that come meanwhile share the question and its answer; one that
        is cancelled does not end it."""
        if account.seeding is None or account.seeding.done():
            account.seeding = asyncio.create_task(self._ask(account_id, account), name="tracker_seed")
        return await asyncio.shield(account.seeding)

    async def _ask(self, account_id: str, account: TrackedAccount) -> Sighting:
        """What a search tells, with the events since it was sent; followed from then on if it can be."""
        with account.logging() as heard:
            self.counters.searches += 1
            is_held, doubts = account.held is None or account.held.done(), self._doubts
            since = account.last_round
            account.last_round = self._clock()
            sighting = await self._search.account(account_id)
            found = [*sighting.rooms.values()]
            if sighting.heard:
                found += await unlisted(account, sighting, since, self.lookup)
        account.nodes_expected, account.nodes_heard = sighting.nodes_expected, sighting.nodes_heard
        if not sighting.heard:
            account.seeded = False
            return sighting
        rooms = live.reconcile(found, heard[:LOG_LIMIT], account.rooms)
        is_followed = self._accounts.get(account_id) is account
        if not (is_held and is_followed and doubts == self._doubts and len(heard) <= LOG_LIMIT):
            account.seeded = False
            return sighting.with_rooms(rooms)
        if account.seeded:
            # Rooms of others, in which the account has a leg, are no part of the answer.
            own = {key: room for key, room in account.rooms.items() if room.account_id == account_id}
            drifted = live.drift(own, rooms)
            if drifted:
                self.counters.drift += drifted
                log.warning("tracker_drift", account_id=account_id, rooms=drifted)
        account.seed(rooms, sighting.as_of)
        return account.whole("search")

    async def _complete(
        self, account_id: str, conference_id: str, *, own: bool = False, confirm: bool = False
    ) -> Sighting:
        """Ask for one room and fold the answer into the account's state.

        The answer does not say whose it is. Where events did not either, it stays unknown, or with
        ``confirm`` a search for the account says it. ``own``: the account has a document of the id, so
        that a room of which nobody says whose it is may be the account's."""
        account = await self._used(account_id)
        with account.logging() as heard:
            sighting = await self.lookup(conference_id)
            told = sighting.room(conference_id)
            known = account.rooms.get(conference_id)
            is_told = known is not None and known.account_id is not None
            if confirm and told is not None and told.account_id is None and not is_told:
                told = await self._listed(account_id, told)
        if not sighting.heard:
            return sighting
        found = told if told is not None and told.account_id in (None, account_id) else None
        since = [event for event in heard[:LOG_LIMIT] if event.conference_id == conference_id]
        if found is not None and account.seeded and not since:
            # No event told of it, and the account's answer did not list it.
            found = replace(found, unlisted=own if known is None else known.unlisted)
        rooms = live.reconcile([found] if found else [], since, account.rooms)
        room = rooms.get(conference_id)
        if account.seeded and len(heard) <= LOG_LIMIT:
            if room is None:
                account.note(conference_id)
            account.put(conference_id, room, sighting.as_of)
        return sighting.with_rooms(rooms)

    async def _listed(self, account_id: str, room: Room) -> Room:
        """A room, as the account's if the media side lists it as such."""
        self.counters.searches += 1
        listed = (await self._search.account(account_id)).room(room.conference_id)
        is_listed = listed is not None and listed.instance_id == room.instance_id
        return replace(room, account_id=account_id) if is_listed else room

    def _on_event(self, heard: Heard) -> None:
        account = self._accounts.get(heard.account_id)
        if account is None:
            return
        event = heard.event
        self.counters.events += 1
        if not is_askable(event.conference_id):
            return  # Nobody can be asked for it, and no command can reach it.
        account.log(event)
        if not account.seeded:
            return
        before = account.rooms.get(event.conference_id)
        room = account.enter(event)
        if room is None:
            return
        if room.unlisted:
            room = replace(room, unlisted=False)
            account.put(event.conference_id, room, event.at)
        is_new = room.partial and event.kind in live.BEGINNINGS
        if is_new:
            # Of people who come in one after the other while we ask, the answer or the log tells.
            self._completing(account, event.conference_id)
        elif live.is_doubtful(before, event) or (event.kind == "add-member" and event.lacks_vars):
            self._rechecks.soon(heard.account_id, event.conference_id)

    def _completing(self, account: TrackedAccount, conference_id: str, *, own: bool = False) -> Asking | None:
        """One question for a conference at a time, in the background; ``None`` when there are too many:
        what is not asked now is asked by who reads it, and by the next round."""
        asking = account.completing.get(conference_id)
        if asking is None:
            account_id = account.account_id
            try:
                self._completions.take(account_id)
            except ShareExceeded:
                return None
            task = self._chore(self._completed(account, conference_id, own=own))
            task.add_done_callback(lambda _: self._completions.give(account_id))
            asking = Asking(task, asyncio.get_running_loop().time())
            account.completing[conference_id] = asking
        return asking

    async def _completed(self, account: TrackedAccount, conference_id: str, *, own: bool) -> None:
        try:
            await self._complete(account.account_id, conference_id, own=own, confirm=not own)
        finally:
            account.completing.pop(conference_id, None)

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
        nodes, losses = self._nodes(), self._bus.nodes.losses
        next_round = self._clock() + self._reconcile_every
        suspect_until = next_look = self._clock()
        while True:
            await asyncio.sleep(self._watch_every)
            self._let_go()
            now_there, now = self._nodes(), self._clock()
            lost = self._bus.nodes.losses
            if lost != losses:
                # The rooms of a media server that is gone end without an event, and its ecallmgr tells
                # of them for some time still.
                suspect_until, next_look = now + SUSPECT_SECONDS, now
            if now >= next_round:
                next_round = now + self._reconcile_every
                await self._reconcile_all()
            elif now_there != nodes:
                # Who has just been asked, while they were all there, need not be asked again.
                await self._reconcile_all(but=now_there)
            elif next_look <= now < suspect_until:
                next_look = now + LOOK_EVERY
                await self._reconcile_all(running=True)
            nodes, losses = now_there, lost

    def _nodes(self) -> frozenset[str]:
        return frozenset(node.name for node in self._bus.nodes.all("ecallmgr"))

    async def _reconcile_all(self, *, but: frozenset[str] | None = None, running: bool = False) -> None:
        """Ask again for every account, ``but`` not for those whose answer came from just these nodes;
        ``running``: only for those that have a room."""
        for account_id, account in list(self._accounts.items()):
            is_current = account.seeded and frozenset(account.nodes_heard) == but
            if self._bus.connected and (account.rooms or not running) and not is_current:
                await self._reseed(account_id, account)

    async def _reseed(self, account_id: str, account: TrackedAccount) -> None:
        try:
            await self._seed(account_id, account)
        except Exception as error:  # whatever one account's answer does, the others are looked after
            account.seeded = False
            log.error("tracker_round_failed", error=type(error).__name__, at=place_of(error))

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
            self._complaints.complain("tracker_chore_failed", type(error).__name__)
