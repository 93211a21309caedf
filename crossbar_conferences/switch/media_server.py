"""A media server of the virtual switch: the rooms it runs, and who watches them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from ..broker.port import BrokerError
from ..clock import Clock, gregorian_seconds
from .commands import Command, Create, Destroy, Join
from .messages import MediaServer
from .rooms import NO_ROOMS, Event, Member, Room, Rooms, apply

log = structlog.get_logger(__name__)

#: Events upon which watchers open and close what they need for a room.
_STRUCTURAL = frozenset({"conference-create", "conference-destroy"})

#: Told of every event, in order. A `BrokerError` from it counts the event as lost.
Watcher = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Performed:
    """What a command brought. ``lost``: how often an event could not be told on the bus."""

    events: tuple[Event, ...]
    lost: int = 0


class VirtualMediaServer:
    """Runs rooms; one command at a time, and the next begins when the watchers know of the last."""

    def __init__(self, names: MediaServer | None = None, clock: Clock = time.time) -> None:
        self.names = names or MediaServer()
        self._clock = clock
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
        """The switch runs again, and nobody tells of what it had before."""
        self._ghosts, self.serving = NO_ROOMS, True

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

    def create(self, conference_id: str, account_id: str | None) -> Create:
        """The command that starts a conference now."""
        return Create(conference_id, account_id, str(uuid.uuid4()), self.now())

    async def perform(self, command: Command) -> Performed:
        """Do a command; returns when every watcher was told. Raises `SwitchRefuses`."""
        async with self._turn:
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
            begun = Performed(())
            if join.conference_id not in self._rooms:
                begun = await self._perform(self.create(join.conference_id, join.account_id))
            joined = await self._perform(join)
            return Performed(begun.events + joined.events, begun.lost + joined.lost)

    async def end_all(self) -> Performed:
        """Every conference ends."""
        events: tuple[Event, ...] = ()
        lost = 0
        async with self._turn:
            for conference_id in tuple(self._rooms):
                ended = await self._perform(Destroy(conference_id))
                events += ended.events
                lost += ended.lost
        return Performed(events, lost)

    async def _perform(self, command: Command) -> Performed:
        events = self._apply(command)
        return Performed(events, sum([await self._tell(event) for event in events]))

    def _apply(self, command: Command) -> tuple[Event, ...]:
        outcome = apply(self._rooms, command)
        # Kazoo's tables are up to date when an event is heard (amqp.md 7.3).
        self._rooms = outcome.rooms
        return outcome.events

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
