"""Several real brokers: which one is the primary, failover and return under traffic, other zones.

Two brokers are our own zone's, a third is another zone's. Source: amqp.md 1.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aio_pika
import aiormq.exceptions
import pytest

from crossbar_conferences.broker.links import RabbitOptions
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import RabbitMQ
from tests.support.answers import Answer
from tests.support.sidecar import Sidecar, running_sidecar

OPTIONS = RabbitOptions(own_ladder=(0.1, 0.5), other_ladder=(0.1, 0.5), retry=0.1, heartbeat=2.0)

#: Seconds for a broker to start and everybody to come back to it, on a slow machine.
PATIENCE = 30.0
#: Seconds in which every client has an answer, whatever is killed meanwhile.
BOUND = 8.0


@dataclass(frozen=True, slots=True)
class Brokers:
    """``first`` is the smaller URI of our zone's two."""

    first: RabbitMQ
    second: RabbitMQ
    west: RabbitMQ

    def transport(self, zone: str, options: RabbitOptions = OPTIONS) -> RabbitTransport:
        """A client in a zone, not yet started."""
        own, west = (self.second.url, self.first.url), (self.west.url,)
        if zone == "west":
            return RabbitTransport(west, zone="west", other_zones={"local": own}, options=options)
        return RabbitTransport(own, zone="local", other_zones={"west": west}, options=options)


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Three brokers, started together."""
    made = [RabbitMQ(tmp_path_factory.mktemp("broker")) for _ in range(3)]
    first, second = sorted(made[:2], key=lambda broker: broker.url)
    with ThreadPoolExecutor(3) as pool:
        try:
            list(pool.map(RabbitMQ.start, made))
            yield Brokers(first, second, made[2])
        finally:
            list(pool.map(RabbitMQ.stop, made))


@asynccontextmanager
async def sidecar_on(brokers: Brokers, couchdb_url: str, *zones: str) -> AsyncIterator[Sidecar]:
    """A sidecar in our zone, and a media side in each of these."""
    # The switches answer from their own broker only; what they hear of other zones is in the cluster.
    sides = {
        zone: RabbitTransport(
            (brokers.west.url,) if zone == "west" else (brokers.first.url, brokers.second.url),
            zone=zone,
            options=OPTIONS,
        )
        for zone in zones
    }
    own = brokers.transport("local")
    if "west" not in zones:
        own = RabbitTransport((brokers.second.url, brokers.first.url), options=OPTIONS)
    async with running_sidecar(CouchStore(couchdb_url), own, sides) as sidecar:
        yield sidecar


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.05)


def primary(sidecar: Sidecar) -> str | None:
    """The broker that the sidecar publishes to."""
    transport = sidecar.service.bus.transport
    assert isinstance(transport, RabbitTransport)
    return transport.primary


async def has_queue(broker: RabbitMQ, name: str) -> bool:
    """Whether there is a queue of that name on a broker."""
    async with await aio_pika.connect(broker.url) as connection:
        try:
            await (await connection.channel()).declare_queue(name, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        return True


def name_of(broker: RabbitMQ) -> str:
    """As the transport says it."""
    return f"127.0.0.1:{broker.port}"


async def test_the_smallest_uri_is_the_primary(brokers: Brokers, couchdb_url: str) -> None:
    """Both brokers are connected, one is published to and read: where every Kazoo node would be."""
    async with sidecar_on(brokers, couchdb_url, "local") as sidecar:
        assert primary(sidecar) == name_of(brokers.first)
        replies = sidecar.service.bus._replies
        assert replies is not None
        assert await has_queue(brokers.first, replies.queue)
        assert not await has_queue(brokers.second, replies.queue)
        assert sidecar.service.bus.transport.faults == ()


class Traffic:
    """Clients that go on, whatever happens, and what they were answered."""

    def __init__(self, sidecar: Sidecar, conference_id: str) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.created: list[str] = []
        self._sidecar = sidecar
        self._conference_id = conference_id
        self._tasks = [asyncio.create_task(each()) for each in (self._documents, self._reads, self._commands)]

    async def stop(self) -> None:
        """End; what a client could not bear is raised here."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _ask(self, kind: str, answer: Awaitable[Answer]) -> Answer:
        async with asyncio.timeout(BOUND):
            got = await answer
        self.answers[kind, got.status] += 1
        await asyncio.sleep(0.01)
        return got

    async def _documents(self) -> None:
        while True:
            answer = await self._ask("document", self._sidecar.create())
            self.created.append(answer.data["id"])

    async def _reads(self) -> None:
        while True:
            await self._ask("read", self._sidecar.get(self._conference_id, query="?fresh=true"))

    async def _commands(self) -> None:
        while True:
            for action in ("lock", "unlock"):
                await self._ask("command", self._sidecar.lock(self._conference_id, action))


async def test_failover_and_return_under_traffic(brokers: Brokers, couchdb_url: str) -> None:
    """The primary is killed and comes back: documents never fail, commands are 202 or 503 and no more,
    and both times everything moves to the broker where Kazoo's nodes go."""
    async with AsyncExitStack() as stack:
        sidecar = await stack.enter_async_context(sidecar_on(brokers, couchdb_url, "local"))
        busy, conference_id = await sidecar.created(), await sidecar.created()
        for each in (busy, conference_id):
            await sidecar.run_room(each)
        traffic = Traffic(sidecar, busy)
        stack.push_async_callback(traffic.stop)
        await until(lambda: _enough(traffic, 10))
        assert set(traffic.answers) == {("document", 201), ("read", 200), ("command", 202)}

        await asyncio.to_thread(brokers.first.kill)
        await until(lambda: _is(primary(sidecar) == name_of(brokers.second)))
        await until(lambda: _follows(sidecar, conference_id))

        await asyncio.to_thread(brokers.first.start)
        await until(lambda: _is(primary(sidecar) == name_of(brokers.first)))
        await until(lambda: _follows(sidecar, conference_id))
        replies = sidecar.service.bus._replies
        assert replies is not None
        assert await has_queue(brokers.first, replies.queue)
        await until(lambda: _is_not(has_queue(brokers.second, replies.queue)))

        await traffic.stop()
        kinds = {
            kind: {status for each, status in traffic.answers if each == kind} for kind, _ in traffic.answers
        }
        assert kinds["document"] == {201} and kinds["read"] == {200} and kinds["command"] <= {202, 503}
        assert sidecar.service.announcer.waiting == sidecar.service.announcer.dropped == 0
        for created in traffic.created[::10]:
            assert (await sidecar.get(created)).status == 200


async def _is(value: bool) -> bool:
    return value


async def _is_not(value: Awaitable[bool]) -> bool:
    return not await value


async def _enough(traffic: Traffic, count: int) -> bool:
    return len(traffic.answers) == 3 and min(traffic.answers.values()) >= count


async def _follows(sidecar: Sidecar, conference_id: str) -> bool:
    """Whether a search is answered and an event is heard: somebody joins, and is shown."""
    shown = await sidecar.get(conference_id, query="?fresh=true")
    if not shown.body["metadata"]["nodes_heard"]:
        return False
    before = shown.data["_read_only"]["members"]
    performed = await sidecar.cluster.perform(["join", conference_id, f"{before}-more@example.com"])
    if performed.lost:
        return False
    for _ in range(20):
        shown = await sidecar.get(conference_id)
        if shown.data["_read_only"]["members"] == before + 1:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_other_zones(brokers: Brokers, couchdb_url: str) -> None:
    """Nodes of all zones count; a conference of another zone is found, followed and commanded."""
    async with sidecar_on(brokers, couchdb_url, "local", "west") as sidecar:
        bus = sidecar.service.bus
        assert (bus.nodes.count("ecallmgr"), bus.nodes.count("ecallmgr", "local")) == (2, 1)
        conference_id = await sidecar.created()
        await sidecar.run_room(conference_id, zone="west")
        shown = await sidecar.get(conference_id)
        assert shown.data["_read_only"]["members"] == 1
        assert shown.body["metadata"]["zone"] == "west"
        assert len(shown.body["metadata"]["nodes_heard"]) == 2
        assert await _follows(sidecar, conference_id)
        assert (await sidecar.lock(conference_id)).status == 202

        async def is_locked() -> bool:
            return bool((await sidecar.get(conference_id)).data["_read_only"]["is_locked"])

        await until(is_locked)


async def test_another_zone_goes_and_comes(brokers: Brokers, couchdb_url: str) -> None:
    """While its broker is away our own zone is served as ever; what happened meanwhile is searched for."""
    async with sidecar_on(brokers, couchdb_url, "local", "west") as sidecar:
        here, there = await sidecar.created(), await sidecar.created()
        await sidecar.run_room(here)
        await sidecar.run_room(there, zone="west")
        assert (await sidecar.get(there)).data["_read_only"]["members"] == 1
        await asyncio.to_thread(brokers.west.kill)
        await until(lambda: _is(bool(sidecar.service.bus.transport.faults)))
        async with asyncio.timeout(BOUND):
            assert (await sidecar.get(here, query="?fresh=true")).data["_read_only"]["members"] == 1
            assert (await sidecar.get(there, query="?fresh=true")).status == 200
            assert (await sidecar.lock(here)).status == 202
        # Nobody can tell of this now.
        await sidecar.cluster.perform(["join", there, "unheard@example.com"])
        await asyncio.to_thread(brokers.west.start)

        async def is_seen() -> bool:
            return bool((await sidecar.get(there)).data["_read_only"]["members"] == 2)

        await until(is_seen)
        await until(lambda: _is(sidecar.service.bus.transport.faults == ()))
        await until(lambda: _follows(sidecar, there))
