"""What events cost: the series ``participants`` and ``event-rate``.

The virtual switch makes the events beforehand, so that its own work is not in the figures; then they
are published on the broker in memory, evenly over the time, again and again: people in rooms of twenty
are muted and unmuted, talk and are quiet. The publisher runs in the same process. What it costs is
measured right before and after, at the same rate, with events of an account that nobody follows, and
taken off. Reading from a socket, which RabbitMQ would add, is not in the figures.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.conference.rooms import Room
from crossbar_conferences.live.feed import Heard
from crossbar_conferences.store.names import account_database
from crossbar_conferences.switch.rooms import Room as SwitchRoom

from .fanout import percentile
from .growth import Figures, House, conference, get, house, mebibytes, resident
from .site import SiteFailed

#: People in a room.
CROWD = 20
#: Rooms of the series ``event-rate``, and for how long (seconds) each rate is kept up.
_ROOMS = 100
_SECONDS = 8.0
#: Events a second, and seconds, with which the series ``participants`` measures one.
_STEADY = 4_000
_STEADY_SECONDS = 4.0
#: Events are recorded until there are about so many.
_ROUND = 4_000
#: Requests that are timed.
_SAMPLE = 300
#: Steps that leave things as they were, so that the events can be repeated.
_TURNS = ("mute", "unmute", "talk", "quiet")
#: The publisher waits at least so long (seconds) for more events to be due.
_TICK = 0.001
#: Nothing came for so long (seconds): what was not seen by now is lost.
_QUIET = 1.0
#: Seconds for the switch's events to arrive while they are recorded.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """An event as the switch published it; ``parts`` are its body around the message's id."""

    routing_key: str
    parts: tuple[bytes, bytes]


@dataclass(slots=True)
class Watch:
    """When events were published, and how long (seconds) after that the state showed them."""

    published: dict[str, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    last: float = 0.0

    def __call__(self, heard: Heard) -> None:
        """An event was heard. Listeners are told in turn: the tracker, which came first, has it already."""
        begun = self.published.pop(heard.event.message_id or "", None)
        if begun is not None:
            self.last = time.perf_counter()
            self.late.append(self.last - begun)

    async def ended(self) -> None:
        """Return when everything was seen, or nothing more comes."""
        self.last = time.perf_counter()
        while self.published:
            if time.perf_counter() - self.last > _QUIET:
                return
            await asyncio.sleep(_TICK)


@dataclass(frozen=True, slots=True)
class Spent:
    """What it took: seconds until the last was published, and of CPU, until the last was seen."""

    events: int
    seconds: float
    cpu: float

    @property
    def each(self) -> float:
        """Seconds of CPU for one."""
        return self.cpu / self.events


@dataclass(frozen=True, slots=True)
class Flood:
    """What the sidecar did with a flood. ``cpu``: seconds for one event, without the publisher's."""

    spent: Spent
    cpu: float
    late: Sequence[float]
    dropped: int
    grown: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """A sidecar with people in rooms of one account. ``memory``: bytes that they made it grow."""

    here: House
    account: str
    rooms: Sequence[str]
    memory: int

    async def shown_wrong(self) -> int:
        """How many rooms the sidecar shows otherwise than the switch has them."""
        seen = (await self.here.service.live.account(self.account)).rooms
        return sum(_shown(seen.get(room)) != _running(self.here.cluster.room(room)) for room in self.rooms)


async def participants(size: int) -> Figures:
    """So many people in rooms of twenty, all of one account, followed by their events."""
    async with people(size, follow=False) as crowd:
        switch_alone = crowd.memory
    async with people(size, follow=True) as crowd:
        here, rooms = crowd.here, crowd.rooms
        wrong = await crowd.shown_wrong()
        one = get(here, "boss", (crowd.account, rooms[-1]))
        # Once before it counts; always the same room, since an answer is rendered once in a second.
        await one()
        asked = await here.timed([one] * _SAMPLE)
        flood = await flooded(crowd, _STEADY, _STEADY_SECONDS)
        wrong += await crowd.shown_wrong()
    return {
        "rooms": f"{len(rooms):,}",
        "warm GET of one room, CPU ms": asked,
        "event, CPU ms": f"{flood.cpu * 1000:.3f}",
        "events/s of one CPU": f"{1 / max(1e-6, flood.cpu):,.0f}",
        "memory, MiB": mebibytes(crowd.memory - switch_alone),
        "rooms shown wrong": str(wrong),
    }


async def event_rate(rate: int) -> Figures:
    """So many events a second, about two thousand people in a hundred rooms."""
    async with people(_ROOMS * CROWD, follow=True) as crowd:
        flood = await flooded(crowd, rate, _SECONDS)
        wrong = await crowd.shown_wrong()
    seconds = flood.spent.seconds
    return {
        "published/s": f"{flood.spent.events / seconds:,.0f}",
        "seen/s": f"{len(flood.late) / seconds:,.0f}",
        "CPU of the sidecar": f"{flood.cpu * flood.spent.events / seconds:.0%}",
        "event, CPU ms": f"{flood.cpu * 1000:.3f}",
        "lag p50, ms": f"{percentile(flood.late, 50) * 1000:.2f}",
        "lag p99, ms": f"{percentile(flood.late, 99) * 1000:.2f}",
        "dropped": f"{flood.dropped:,}",
        "memory, MiB": mebibytes(flood.grown),
        "rooms shown wrong": str(wrong),
    }


@asynccontextmanager
async def people(size: int, *, follow: bool) -> AsyncIterator[Crowd]:
    """So many people in rooms of one account; ``follow``: that the sidecar was asked for before."""
    async with house() as here:
        account = here.data.main.id
        rooms = [secrets.token_hex(16) for _ in range(max(1, size // CROWD))]
        for room in rooms:
            await here.store.put(account_database(account), conference(room, account, room))
        if follow:
            await get(here, "boss", (account, rooms[0]))()
        before = resident()
        told = 0
        for room in rooms:
            told += await _fill(here, room, account, min(CROWD, size))
            # Never so many on their way that the sidecar's inbox is full.
            await here.heard(told if follow else 0)
        yield Crowd(here, account, rooms, resident() - before)


async def _fill(here: House, room: str, account: str, people: int) -> int:
    made = len((await here.cluster.perform(["create", room, account])).events)
    for number in range(people):
        joined = await here.cluster.perform(["join", room, f"{room}-{number}", f"name=Caller {number}"])
        made += len(joined.events)
    return made


async def flooded(crowd: Crowd, rate: int, seconds: float) -> Flood:
    """Send a crowd's events at a rate (a second), for about so many seconds."""
    here, nobody = crowd.here, secrets.token_hex(16)
    messages = await record(crowd)
    elsewhere = [Message(one.routing_key.replace(crowd.account, nobody), one.parts) for one in messages]
    back = len(_TURNS) * len(crowd.rooms)
    total = max(1, round(rate * seconds / back)) * back
    alone = await publish(here, elsewhere, rate, total, Watch(), seen=False)
    watch = Watch()
    here.service.feed.on_event(watch)
    before, dropped = resident(), here.transport.counters.dropped
    spent = await publish(here, messages, rate, total, watch, seen=True)
    grown = resident() - before
    again = await publish(here, elsewhere, rate, total, Watch(), seen=False)
    cpu = max(0.0, spent.each - (alone.each + again.each) / 2)
    lost = max(total - len(watch.late), here.transport.counters.dropped - dropped)
    return Flood(spent, cpu, watch.late, lost, grown)


async def record(crowd: Crowd) -> list[Message]:
    """A round of events: one after the other is muted and unmuted, talks and is quiet, in every room."""
    here, found = crowd.here, list[Delivery]()
    consumer = await here.media_side.consume(found.append, [Binding("conference", "conference.event.#")])
    made = 0
    for number in range(1, CROWD + 1):
        for turn in _TURNS:
            for room in crowd.rooms:
                made += len((await here.cluster.perform([turn, room, str(number)])).events)
                await _until(found, made)
        if made >= _ROUND:
            break
    await consumer.close()
    return [message_of(delivery) for delivery in found]


async def _until(found: Sequence[Delivery], length: int) -> None:
    end = time.monotonic() + _PATIENCE
    while len(found) < length:
        if time.monotonic() > end:
            raise SiteFailed(f"the switch published {len(found)} events of {length}")
        await asyncio.sleep(0)


def message_of(delivery: Delivery) -> Message:
    """A recorded event, ready to be published with other ids."""
    before, mark, rest = delivery.body.partition(b'"Msg-ID":"')
    return Message(delivery.routing_key, (before + mark, rest[rest.index(b'"') :]))


async def publish(
    here: House, messages: Sequence[Message], rate: int, total: int, watch: Watch, *, seen: bool
) -> Spent:
    """Publish so many in all, round after round, evenly at a rate (a second).

    ``seen``: and wait until the sidecar has seen the last of them."""
    begun, used = time.perf_counter(), time.process_time()
    done = 0
    while done < total:
        due = min(total, int((time.perf_counter() - begun) * rate))
        for number in range(done, due):
            message, msg_id = messages[number % len(messages)], f"{number:032x}"
            watch.published[msg_id] = time.perf_counter()
            body = msg_id.encode().join(message.parts)
            await here.media_side.publish("conference", message.routing_key, body)
        done = due
        await asyncio.sleep(max(_TICK, begun + (done + 1) / rate - time.perf_counter()))
    seconds = time.perf_counter() - begun
    if seen:
        await watch.ended()
    return Spent(done, seconds, time.process_time() - used)


def _shown(room: Room | None) -> object:
    if room is None:
        return None
    people = {
        (one.participant_id, one.is_moderator, one.speak, one.hear, one.talking) for one in room.participants
    }
    return room.instance_id, bool(room.locked), people


def _running(room: SwitchRoom | None) -> object:
    if room is None:
        return None
    people = {(one.member_id, one.moderator, one.speak, one.hear, one.talking) for one in room.members}
    return room.instance_id, room.locked, people
