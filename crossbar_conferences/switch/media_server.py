"""A media server of the virtual switch: the rooms it runs, and who watches them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from ..broker.port import BrokerError
from ..clock import Clock, gregorian_seconds
from .commands import Command, Create, Destroy, Join
from .messages import MediaServer
from .rooms import NO_ROOMS, Event, Member, Room, Rooms, apply

log = structlog.get_logger(__name__)

#: Events upon which watchers open and close what they need for a room.
_STRUCTURAL = frozenset({"conference-create", "conference-destroy"})

#: What a media server is like: FreeSWITCH as it was measured (real-switch.md), or the stand-in that the
#: recorded HTTP cases were made with, whose members count from 1 in each room.
Likeness = Literal["stand-in", "freeswitch"]
#: So many rooms that ended are remembered, to begin anew with a join; and as many times of joins.
_REMEMBERED = 10_000

#: Told of every event, in order. A `BrokerError` from it counts the event as lost.
Watcher = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Performed:
    """What a command brought. ``lost``: how often an event could not be told on the bus."""

    events: tuple[Event, ...]
    lost: int = 0


class VirtualMediaServer:
    """Runs rooms; one command at a time, and the next begins when the watchers know of the last."""

    def __init__(
        self, names: MediaServer | None = None, clock: Clock = time.time, like: Likeness = "stand-in"
    ) -> None:
        self.names = names or MediaServer()
        self._clock = clock
        self._like = like
        self._next_member_id = 1
        self._accounts: OrderedDict[str, str | None] = OrderedDict()
        self._joined: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._rooms: Rooms = NO_ROOMS
        self._watchers: list[Watcher] = []
        self._turn = asyncio.Lock()
        #: Whether the switch runs; rooms that it had when it died, and until when ecallmgr tells of them.
        self.serving = True
        self._ghosts: Rooms = NO_ROOMS
        self._ghosts_until = 0.0

    @property
    def told_rooms(self) -> Rooms:
        """The rooms that ecallmgr tells of: those that run, and for a while those of a switch that died."""
        if not self._ghosts:
            return self._rooms
        if self._clock() >= self._ghosts_until:
            self._ghosts = NO_ROOMS
        return {**self._ghosts, **self._rooms}

    def kill(self, seconds: float) -> Rooms:
        """The switch dies without a word; the rooms that it had. Told of for so many seconds more."""
        self._ghosts, self._ghosts_until = self._rooms, self._clock() + seconds
        self._rooms, self.serving = NO_ROOMS, False
        return self._ghosts

    def start(self) -> None:
        """The switch runs again, nobody tells of what it had before, and it counts members from 1."""
        self._ghosts, self.serving, self._next_member_id = NO_ROOMS, True, 1
        self._accounts.clear()

    @property
    def rooms(self) -> Rooms:
        """The running rooms by conference id."""
        return self._rooms

    def now(self) -> int:
        """Gregorian seconds."""
        return gregorian_seconds(self._clock())

    def watch(self, watcher: Watcher) -> None:
        """Be told of every event, after those who came before."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """No longer be told."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def call(self, call_id: str) -> tuple[Room, Member] | None:
        """The room and the member of a call."""
        for room in self._rooms.values():
            member = room.call(call_id)
            if member is not None:
                return room, member
        return None

    def begins_with(self, join: Join) -> bool:
        """Whether this join begins a conference: one that ended with its last member (beside-kazoo.md 10),
        or one whose account the call tells."""
        is_known = join.conference_id in self._accounts or join.account_id is not None
        return join.conference_id not in self._rooms and is_known

    def is_new(self, conference_id: str, member_id: int, milliseconds: int) -> bool:
        """Whether a member joined less than so many milliseconds ago."""
        joined = self._joined.get((conference_id, member_id))
        return joined is not None and self._clock() - joined < milliseconds / 1000

    async def perform(self, command: Command) -> Performed:
        """Do a command; returns when every watcher was told. Raises `SwitchRefuses`. A join begins the
        conference where `begins_with` says so."""
        async with self._turn:
            if isinstance(command, Join) and self.begins_with(command):
                return await self._begin(command)
            return await self._perform(command)

    async def perform_each(self, commands: Sequence[Command]) -> list[Exception | None]:
        """Do several commands, one after the other, and tell what they brought together; for each why it
        could not be done, a `SwitchRefuses` most likely, or ``None``."""
        failures: list[Exception | None] = []
        happened: list[Event] = []
        async with self._turn:
            for command in commands:
                try:
                    happened += self._apply(command)
                    failures.append(None)
                except Exception as error:  # whatever is wrong with one command, the next is done
                    failures.append(error)
            await self._tell_all(happened)
        return failures

    async def dialled(self, join: Join) -> Performed:
        """A dialled call enters; a conference that is not running begins with it (dial.md 6)."""
        async with self._turn:
            running = self._rooms.get(join.conference_id)
            if running is not None and running.call(join.call_id) is not None:
                # Two legs may bear one call id (dial.md 6): then the second one is the first one.
                return Performed(())
            return await self._begin(join) if running is None else await self._perform(join)

    async def _begin(self, join: Join) -> Performed:
        account_id = join.account_id or self._accounts.get(join.conference_id)
        begin = Create(join.conference_id, account_id, str(uuid.uuid4()), self.now(), caller=join)
        begun = await self._perform(begin)
        joined = await self._perform(join)
        return Performed(begun.events + joined.events, begun.lost + joined.lost)

    async def end_all(self) -> Performed:
        """Every conference ends, none is remembered, and members count from 1."""
        events: tuple[Event, ...] = ()
        lost = 0
        async with self._turn:
            for conference_id in tuple(self._rooms):
                ended = await self._perform(Destroy(conference_id))
                events += ended.events
                lost += ended.lost
            self._next_member_id = 1
            self._accounts.clear()
        return Performed(events, lost)

    async def _perform(self, command: Command) -> Performed:
        events = self._apply(command)
        return Performed(events, sum([await self._tell(event) for event in events]))

    def _apply(self, command: Command) -> tuple[Event, ...]:
        if self._like == "freeswitch":
            if isinstance(command, Create):
                command = replace(command, real=True)
            elif isinstance(command, Join) and command.member_id is None:
                # It counts for all rooms, and a call that it refuses gets no number (real-switch.md A10).
                command = replace(command, member_id=self._next_member_id)
        outcome = apply(self._rooms, command)
        # Kazoo's tables are up to date when an event is heard (amqp.md 7.3).
        self._rooms = outcome.rooms
        for event in outcome.events:
            self._remember(event)
        return outcome.events

    def _remember(self, event: Event) -> None:
        conference_id = event.room.conference_id
        if event.name == "add-member" and event.member is not None:
            self._next_member_id = max(self._next_member_id, event.member.member_id + 1)
            self._joined[conference_id, event.member.member_id] = self._clock()
        elif event.name == "del-member" and not event.room.members:
            self._accounts[conference_id] = event.room.account_id
        elif event.name == "conference-create":
            self._accounts.pop(conference_id, None)
        for remembered in (self._accounts, self._joined):
            if len(remembered) > _REMEMBERED:
                remembered.popitem(last=False)

    async def _tell_all(self, events: Sequence[Event]) -> None:
        """Tell events in their order. Between a conference's begin and end, the watchers need not have
        told one when they are told the next."""
        together: list[Event] = []
        for event in events:
            if event.name in _STRUCTURAL:
                await asyncio.gather(*map(self._tell, together))
                together.clear()
                await self._tell(event)
            else:
                together.append(event)
        await asyncio.gather(*map(self._tell, together))

    async def _tell(self, event: Event) -> int:
        """Tell the watchers; how many could not pass it on."""
        lost = 0
        for watcher in tuple(self._watchers):
            try:
                await watcher(event)
            except BrokerError as error:
                lost += 1
                log.warning("switch_event_lost", switch_event=event.name, reason=str(error))
        return lost
