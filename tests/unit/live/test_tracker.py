"""Following conferences (``live/tracker.py``), with the virtual switch on an in-memory broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.live.feed import EventFeed
from crossbar_conferences.live.search import SearchLive
from crossbar_conferences.live.tracker import Tracker
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from crossbar_conferences.switch.node import NodeOptions
from tests.support.brokers import eventually

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
OTHER = "b1b2c3d4e5f60718293a4b5c6d7e8f90"


@dataclass
class World:
    """A tracker and a media side on one broker."""

    broker: MemoryBroker
    bus: Bus
    tracker: Tracker
    cluster: Cluster

    async def settle(self) -> None:
        """Until what was published has been heard: the queues are drained in order."""
        for _ in range(50):
            await asyncio.sleep(0)

    def searches(self) -> int:
        return self.bus.published["conference"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    broker = MemoryBroker()
    media_side = MemoryTransport(broker)
    cluster = Cluster([ZonePlan("local", media_side, nodes=2)])
    bus = Bus(MemoryTransport(broker), "conferences@test.local")
    feed = EventFeed(bus, time.time)
    tracker = Tracker(bus, feed, SearchLive(bus, time.time, 0.3), time.time, idle_after=3600)
    await media_side.start()
    await bus.start()
    await feed.start()
    await tracker.start()
    await cluster.start()
    await asyncio.sleep(0.05)
    try:
        yield World(broker, bus, tracker, cluster)
    finally:
        await tracker.close()
        await feed.close()
        await cluster.close()
        await bus.close()
        await media_side.close()


async def test_the_first_read_searches_and_later_ones_do_not(world: World) -> None:
    """One search seeds an account; joins, mutes and the end come by events alone."""
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.cluster.perform(["join", "room", "a@h", "moderator=true"])
    sighting = await world.tracker.conference(ACCOUNT, "room")
    room = sighting.room("room")
    assert room is not None and len(room.participants) == 1
    assert len(sighting.nodes_heard) == 2
    searches = world.searches()
    await world.cluster.perform(["join", "room", "b@h"])
    await world.cluster.perform(["mute", "room", "2"])
    await world.cluster.perform(["lock", "room"])
    await world.settle()
    sighting = await world.tracker.conference(ACCOUNT, "room")
    room = sighting.room("room")
    assert room is not None and room.locked
    assert [member.speak for member in room.participants] == [True, False]
    assert sighting.source == "events"
    await world.cluster.perform(["destroy", "room"])
    await world.settle()
    assert (await world.tracker.conference(ACCOUNT, "room")).room("room") is None
    assert world.searches() == searches


async def test_a_room_known_from_events_is_completed_by_one_search(world: World) -> None:
    """A conference that begins while followed is asked for once, so that nothing is missing."""
    await world.tracker.account(ACCOUNT)
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.cluster.perform(["join", "room", "a@h"])
    await world.settle()
    await asyncio.sleep(0.05)
    sighting = await world.tracker.conference(ACCOUNT, "room")
    room = sighting.room("room")
    assert room is not None and not room.partial and room.switch_hostname and room.extra.get("Switch-URL")
    assert room.participants[0].join_time


async def test_people_who_come_while_we_ask_cost_no_further_search(world: World) -> None:
    """A conference that begins with ten people at once is asked for once."""
    await world.tracker.account(ACCOUNT)
    searches = world.tracker.counters.searches
    await world.cluster.perform(["create", "room", ACCOUNT])
    for number in range(10):
        await world.cluster.perform(["join", "room", f"{number}@h"])
    tracked = world.tracker._accounts[ACCOUNT]
    await eventually(lambda: "room" in tracked.rooms and not tracked.completing)
    room = (await world.tracker.conference(ACCOUNT, "room")).room("room")
    assert room is not None and not room.partial and len(room.participants) == 10
    assert world.tracker.counters.searches == searches + 1


async def test_what_was_handed_out_does_not_change(world: World) -> None:
    """A reader's sightings stay as they were while events go on; readers without a change share one."""
    for room in ("one", "two"):
        await world.cluster.perform(["create", room, ACCOUNT])
    whole = await world.tracker.account(ACCOUNT)
    single = await world.tracker.conference(ACCOUNT, "one")
    assert (await world.tracker.account(ACCOUNT)).rooms is whole.rooms
    one, two = whole.rooms["one"], whole.rooms["two"]
    await world.cluster.perform(["lock", "one"])
    await world.cluster.perform(["destroy", "two"])
    await world.settle()
    now = (await world.tracker.account(ACCOUNT)).rooms
    assert set(now) == {"one"} and now["one"].locked
    assert dict(whole.rooms) == {"one": one, "two": two} and not one.locked
    assert single.rooms["one"] is one
    with pytest.raises(TypeError):
        whole.rooms["three"] = one  # type: ignore[index]


async def test_accounts_are_kept_apart(world: World) -> None:
    """An account sees only its own rooms; whose a room is, only its account's own list tells."""
    await world.cluster.perform(["create", "theirs", OTHER])
    await world.cluster.perform(["join", "theirs", "x@h"])
    assert (await world.tracker.account(ACCOUNT)).rooms == {}
    found = (await world.tracker.lookup("theirs")).room("theirs")
    assert found is not None
    assert (found.account_id, found.legs_account_id) == (None, OTHER)
    assert (await world.tracker.account(OTHER)).rooms["theirs"].account_id == OTHER


async def test_a_broker_that_went_and_came_leaves_no_stale_state(world: World) -> None:
    """While the broker is away nothing is known; afterwards the state is the switch's again."""
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.tracker.account(ACCOUNT)
    world.broker.stop()
    gone = await world.tracker.account(ACCOUNT)
    assert (gone.source, dict(gone.rooms)) == ("none", {})
    world.broker.start()
    await asyncio.sleep(0.1)
    await world.cluster.perform(["join", "room", "a@h"])
    await world.settle()
    back = await world.tracker.account(ACCOUNT, fresh=True)
    room = back.room("room")
    assert room is not None and len(room.participants) == 1


async def test_lost_events_are_found_by_reconciliation_and_counted(world: World) -> None:
    """What the events did not tell, a fresh search does; the difference is drift."""
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.tracker.account(ACCOUNT)
    await world.cluster.perform(["fault", "all", "drop-events", "on"])
    await world.cluster.perform(["join", "room", "a@h"])
    await world.settle()
    stale = (await world.tracker.account(ACCOUNT)).room("room")
    assert stale is not None and not stale.participants
    fresh = (await world.tracker.account(ACCOUNT, fresh=True)).room("room")
    assert fresh is not None and len(fresh.participants) == 1
    assert world.tracker.counters.drift == 1


async def test_readers_at_once_share_one_search(world: World) -> None:
    """Many first reads of one account cost one search, and a cancelled one does not end it."""
    before = world.searches()
    readers = [asyncio.create_task(world.tracker.account(ACCOUNT)) for _ in range(10)]
    await asyncio.sleep(0)
    readers[0].cancel()
    done = await asyncio.gather(*readers, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in done) == 9
    assert world.searches() - before == 1


async def test_a_silent_media_side_is_no_error(world: World) -> None:
    """When nobody answers in time, nothing is known, and that is said."""
    await world.cluster.perform(["fault", "all", "silent", "on"])
    sighting = await world.tracker.account(ACCOUNT)
    assert not sighting.known
    assert sighting.stamp()["source"] == "none"
    assert sighting.nodes_expected == 2


async def test_events_that_passed_unheard(world: World) -> None:
    """A queue that is deleted takes events with it: the account is asked for again, without a read."""
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.tracker.account(ACCOUNT)
    searches = world.searches()
    for queue in world.broker.queues:
        world.broker.delete_queue(queue)
    await eventually(lambda: world.searches() > searches)
    await eventually(lambda: world.tracker._accounts[ACCOUNT].seeded)
    assert "room" in (await world.tracker.account(ACCOUNT)).rooms


async def test_a_broker_that_does_not_bind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read waits for the binding for a bounded time, gets the answer of its search, and believes no
    event until the binding is there."""
    bound = asyncio.Event()

    async def hold(account_id: str) -> None:
        await bound.wait()

    monkeypatch.setattr(world.tracker._feed, "hold", hold)
    monkeypatch.setattr(world.tracker, "_bind_within", 0.01)
    async with asyncio.timeout(2):
        assert (await world.tracker.account(ACCOUNT)).source == "search"
        assert not world.tracker._accounts[ACCOUNT].seeded
        bound.set()
        await eventually(lambda: world.tracker._accounts[ACCOUNT].held.done())  # type: ignore[union-attr]
        await world.tracker.account(ACCOUNT)
        assert (await world.tracker.account(ACCOUNT)).source == "events"


async def test_an_older_media_side_is_asked_for_the_participants_it_leaves_out() -> None:
    """Kazoo master's ecallmgr only counts participants in an account's answer; they are all seen."""
    broker = MemoryBroker()
    media_side, ours = MemoryTransport(broker), MemoryTransport(broker)
    cluster = Cluster([ZonePlan("local", media_side, nodes=2)], options=NodeOptions(core="master"))
    bus = Bus(ours, "conferences@test.local")
    await media_side.start()
    await bus.start()
    await cluster.start()
    try:
        for step in (
            ["create", "room", ACCOUNT],
            ["join", "room", "a@h", "moderator=true"],
            ["lock", "room"],
        ):
            await cluster.perform(step)
        sighting = await SearchLive(bus, time.time, 0.3).account(ACCOUNT)
    finally:
        await cluster.close()
        await bus.close()
        await media_side.close()
    room = sighting.room("room")
    assert room is not None and room.locked and not room.partial
    assert room.account_id == ACCOUNT
    assert [(member.call_id, member.is_moderator) for member in room.participants] == [("a@h", True)]


async def test_an_answer_of_odd_types_is_no_answer_lost(world: World) -> None:
    """Of an answer whose figures are texts and whose list is none, everything else is still used."""
    media_side = MemoryTransport(world.broker)
    await media_side.start()

    async def answer(delivery: Delivery) -> None:
        request = orjson.loads(delivery.body)
        body = {
            "Event-Category": "conference",
            "Event-Name": "search_resp",
            "App-Name": "ecallmgr",
            "App-Version": "5.0.0",
            "Node": "ecallmgr@odd",
            "Msg-ID": request["Msg-ID"],
            "Conference-ID": "odd",
            "UUID": "instance",
            "Run-Time": "90",
            "Locked": "true",
            "Zone": None,
            "Participants": [None, {"Conference-Channel-Vars": {"Member-ID": "4", "Speak": "false"}}],
        }
        await media_side.publish("targeted", request["Server-ID"], orjson.dumps(body))

    await media_side.consume(answer, [Binding("conference", "conference.discovery")])
    room = (await world.tracker.lookup("odd")).room("odd")
    await media_side.close()
    assert room is not None
    assert (room.run_time, room.locked, room.zone) == (90, True, None)
    assert [(member.participant_id, member.speak) for member in room.participants] == [(4, False)]


async def test_a_change_of_nodes_asks_only_where_it_may_matter(world: World) -> None:
    """Whom just these nodes have answered is not asked about again; everybody else is."""
    search = SearchLive(world.bus, time.time, 0.3)
    quick = Tracker(world.bus, EventFeed(world.bus, time.time), search, time.time, watch_every=0.2)
    more = MemoryTransport(world.broker)
    newcomers = Cluster([ZonePlan("local", more)], host="late")
    await quick.start()
    try:
        await quick.account(OTHER)
        await more.start()
        await newcomers.start()
        await eventually(lambda: world.bus.nodes.count("ecallmgr") == 3)
        assert len((await quick.account(ACCOUNT)).nodes_heard) == 3
        assert quick.counters.searches == 2
        await eventually(lambda: quick.counters.searches == 3)
        # Several more looks at the nodes, none of which shows others.
        await asyncio.sleep(0.5)
        assert quick.counters.searches == 3
        assert len((await quick.account(OTHER)).nodes_heard) == 3
    finally:
        await quick.close()
        await newcomers.close()
        await more.close()


async def test_the_number_of_followed_accounts_is_bounded(world: World) -> None:
    """One account more than may be followed, and the one that nobody asked for longest is asked for anew."""
    search = SearchLive(world.bus, time.time, 0.3)
    feed = EventFeed(world.bus, time.time)
    await feed.start()
    small = Tracker(world.bus, feed, search, time.monotonic, limit=2)
    await small.start()
    third = "c1b2c3d4e5f60718293a4b5c6d7e8f90"
    try:
        for account_id in (ACCOUNT, OTHER, ACCOUNT, third):
            await small.account(account_id)
        before = world.searches()
        await small.account(ACCOUNT)
        assert world.searches() == before
        await small.account(OTHER)
        assert world.searches() == before + 1
    finally:
        await small.close()
        await feed.close()


async def test_an_account_that_nobody_reads_is_let_go(world: World) -> None:
    """Of two accounts the one that was read in time is followed on, though it came first."""
    now = 1_000.0
    feed = EventFeed(world.bus, time.time)
    await feed.start()
    search = SearchLive(world.bus, time.time, 0.3)
    tracker = Tracker(world.bus, feed, search, lambda: now, idle_after=60, watch_every=0.01)
    await tracker.start()
    try:
        await tracker.account(ACCOUNT)
        await tracker.account(OTHER)
        now += 50
        await tracker.account(ACCOUNT)
        now += 20
        await eventually(lambda: list(tracker._accounts) == [ACCOUNT])
        now += 50
        await eventually(lambda: not tracker._accounts)
    finally:
        await tracker.close()
        await feed.close()
