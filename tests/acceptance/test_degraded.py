"""What still works, and how long it takes, while the broker, the store or the media side does not.

Source: issue "the resource runs end to end", what it must show; http.md 3.8.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs
from yarl import URL

from crossbar_conferences.broker.port import Delivery
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from tests.support.answers import Answer
from tests.support.brokers import RawPublish, eventually, rabbit_bench
from tests.support.house import House, embedded_house, real_house
from tests.support.proxy import TcpProxy

#: Kazoo waits so long for its media nodes (http.md 3.8).
SEARCH_SECONDS = 2.0
#: What a slow machine may need besides.
MARGIN = 1.5


def proxy_to(url: str) -> tuple[TcpProxy, Callable[[], str]]:
    """A proxy in front of a service, and the service's URL through it once it is started."""
    target = URL(url)
    assert target.host is not None and target.port is not None
    proxy = TcpProxy(target.host, target.port)
    return proxy, lambda: str(target.with_host("127.0.0.1").with_port(proxy.port))


@dataclass(frozen=True, slots=True)
class Breakable:
    """A house whose broker or store can be taken away."""

    house: House
    take: Callable[[], None]
    give_back: Callable[[], None]


@pytest.fixture(params=["embedded", "real"])
async def without_broker(request: pytest.FixtureRequest) -> AsyncIterator[Breakable]:
    """A house whose broker can be taken from the sidecar."""
    if request.param == "embedded":
        async with embedded_house() as house:
            assert house.broker is not None
            yield Breakable(house, house.broker.stop, house.broker.start)
        return
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    proxy, through = proxy_to(amqp_url)
    async with proxy, real_house(couchdb_url, through(), switch_amqp_url=amqp_url) as house:
        yield Breakable(house, proxy.refuse, proxy.resume)


@pytest.fixture(params=["embedded", "real"])
async def without_store(request: pytest.FixtureRequest) -> AsyncIterator[Breakable]:
    """A house whose store can be taken away."""
    if request.param == "embedded":
        async with embedded_house() as house:
            store = house.store.inner
            assert isinstance(store, MemoryStore)
            yield Breakable(
                house, lambda: setattr(store, "reachable", False), lambda: setattr(store, "reachable", True)
            )
        return
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    proxy, through = proxy_to(couchdb_url)
    async with proxy, real_house(through(), amqp_url) as house:
        yield Breakable(house, proxy.refuse, proxy.resume)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done here takes no longer."""
    begun = time.perf_counter()
    yield
    took = time.perf_counter() - begun
    assert took <= seconds, f"{took:.2f} s"


async def test_without_a_broker_documents_are_served_without_live_data(without_broker: Breakable) -> None:
    """The broker goes: the next GET is a 200 that says so; the broker comes back, and so does live data."""
    house = without_broker.house
    made = await house.create()
    await house.run_room(made, 2)
    assert (await house.get(house.path(made))).metadata["source"] == "events"
    without_broker.take()
    await eventually(lambda: not house.service.bus.connected)
    for path in (house.path(made), house.path(made, "participants"), house.path()):
        with within(SEARCH_SECONDS + MARGIN):
            answer = await house.get(path)
        assert (answer.status, answer.metadata["source"]) == (200, "none"), answer.text
        assert answer.metadata["nodes_heard"] == [] and "as_of" not in answer.metadata
    shown = (await house.get(house.path(made))).data["_read_only"]
    assert (shown["members"], shown["participants"]) == (0, [])
    with within(SEARCH_SECONDS + MARGIN):
        refused = await house.put(house.path(made), {"action": "lock"})
    assert (refused.status, refused.body["message"]) == (503, "bus_unavailable")
    without_broker.give_back()
    await _until_shown(house, made, 2)


async def test_documents_are_written_without_a_broker_and_told_later(without_broker: Breakable) -> None:
    """A write needs no broker; the notice that it owes the others goes out when the broker is back."""
    house = without_broker.house
    without_broker.take()
    await eventually(lambda: not house.service.bus.connected)
    house.forget()
    with within(SEARCH_SECONDS + MARGIN):
        made = await house.create()
    assert (await house.stored(made))["_id"] == made
    assert house.service.announcer.waiting == 1 and not house.spoken
    without_broker.give_back()
    await eventually(lambda: house.service.announcer.waiting == 0)
    [notice] = [sent for sent in house.spoken if sent.exchange == "configuration"]
    assert (notice.body["Event-Name"], notice.body["ID"]) == ("doc_created", made)


async def test_a_request_in_flight_ends_when_the_broker_goes(without_broker: Breakable) -> None:
    """Whoever waits for the media side when the broker goes gets an answer at once, not an exception."""
    house = without_broker.house
    made = await house.create()
    await house.get(house.path(made))
    await house.cluster.perform(["fault", "all", "silent", "on"])
    house.forget()
    waiting = asyncio.create_task(house.get(house.path(made) + "?fresh=true"))
    await eventually(lambda: any(sent.body.get("Event-Name") == "search_req" for sent in house.sent))
    without_broker.take()
    with within(MARGIN):
        answer = await waiting
    assert (answer.status, answer.metadata["source"]) == (200, "none")


async def test_nothing_that_was_kept_is_believed_after_the_broker_was_away(without_broker: Breakable) -> None:
    """A change that nobody could tell us of is seen by the next GET and by the next list."""
    house = without_broker.house
    made = await house.create()
    await house.get(house.path(made))
    await house.get(house.path())
    without_broker.take()
    await eventually(lambda: not house.service.bus.connected)
    document = await house.stored(made)
    await house.store.inner.put(house.database, {**document, "name": "Changed elsewhere"})
    for _ in range(2):
        assert (await house.get(house.path(made))).data["name"] == "Changed elsewhere"
        listed = (await house.get(house.path())).data
        assert [item["name"] for item in listed if item["id"] == made] == ["Changed elsewhere"]
        without_broker.give_back()
        await eventually(lambda: house.service.bus.connected)


async def test_without_a_store_writes_are_refused_and_nothing_remains(without_store: Breakable) -> None:
    """Each write is a 503 in the envelope within bounded time; afterwards everything is as it was before."""
    house = without_store.house
    number = str(10_000_000 + secrets.randbelow(89_999_999))
    made = await house.create(custom="as it was")
    document = await house.stored(made)
    fields: dict[str, Any] = {"name": f"Room {number}", "conference_numbers": [number]}
    without_store.take()
    writes: tuple[Callable[[], Awaitable[Answer]], ...] = (
        lambda: house.put(house.path(), fields),
        lambda: house.call("POST", house.path(made), {"data": fields}),
        lambda: house.call("PATCH", house.path(made), {"data": {"custom": "changed"}}),
        lambda: house.call("PATCH", house.path(made), {"data": {"name": "Other"}}),
        lambda: house.call("DELETE", house.path(made)),
    )
    house.forget()
    for write in writes:
        with within(2 * MARGIN):
            answer = await write()
        assert answer.status == 503, answer.text
        assert answer.body["message"] == "datastore_unreachable"
        assert answer.data == {"message": "datastore timeout"}
    assert not house.spoken, "nothing was changed, so nobody is told"
    without_store.give_back()
    assert await house.stored(made) == document
    assert [item["id"] for item in (await house.get(house.path())).data] == [made]
    again = await house.put(house.path(), fields)
    assert again.status == 201, again.text


async def test_a_warm_read_needs_no_store(without_store: Breakable) -> None:
    """What is in memory is served while the store is away; what is not is a 503."""
    house = without_store.house
    made = await house.create()
    for path in (house.path(made), house.path()):
        await house.get(path)
    await house.quiet()
    for path in (house.path(made), house.path()):
        await house.get(path)
    without_store.take()
    for path in (house.path(made), house.path(made, "participants"), house.path()):
        assert (await house.get(path)).status == 200
    for path in (house.path("a" * 32), house.path() + "?page_size=7"):
        with within(2 * MARGIN):
            answer = await house.get(path)
        assert (answer.status, answer.body["message"]) == (503, "datastore_unreachable")


async def test_a_store_that_hangs_is_given_up_on(couchdb_url: str, amqp_url: str) -> None:
    """A store that takes connections and says nothing: every answer is a 503 within a few of its timeouts."""
    proxy, through = proxy_to(couchdb_url)
    async with proxy, real_house(through(), amqp_url, store_timeout=2.0) as house:
        made = await house.create()
        proxy.freeze()
        for answer in (
            house.put(house.path(), {"name": secrets.token_hex(8), "conference_numbers": ["4711"]}),
            house.call("PATCH", house.path(made), {"data": {"custom": 1}}),
            house.get(house.path("b" * 32)),
        ):
            # Twice two seconds: the attempt, and letting go of what may have been reserved.
            with within(4 + 2 * MARGIN):
                assert (await answer).status == 503
        proxy.resume()


async def test_junk_on_the_bus_is_counted_and_dropped(request: pytest.FixtureRequest) -> None:
    """What is no message of Kazoo's stops nobody: each piece is counted, and the next event is heard."""
    async with embedded_house() as house:
        broker = house.broker
        assert broker is not None

        async def publish(exchange: str, key: str, body: bytes, content_type: str | None) -> None:
            broker.inject(Delivery(exchange, key, body, content_type))

        await _throw_junk(house, publish)
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    async with real_house(couchdb_url, amqp_url) as house, rabbit_bench(amqp_url) as bench:
        await _throw_junk(house, bench.publish_raw)


async def _throw_junk(house: House, publish: RawPublish) -> None:
    made = await house.create()
    await house.run_room(made)
    event = f"conference.event.add-member.{house.account}.{made}.call"
    database = "account%2Faa%2Fbb%2Fcc"
    # A real one whose values are lies: texts where numbers belong, objects where texts do.
    headers = {
        "Event-Category": "conference",
        "Event-Name": "event",
        "Msg-ID": "1",
        "App-Name": "a",
        "App-Version": "1",
        "Node": "ecallmgr@liar",
    }
    lies: tuple[bytes, ...] = (
        orjson.dumps({**headers, "Event": {"a": 1}, "Conference-ID": made}),
        orjson.dumps({**headers, "Event": "add-member", "Conference-ID": [made]}),
        orjson.dumps({**headers, "Event-Name": 5}),
        orjson.dumps({**headers, "Event": "add-member", "Conference-ID": 7, "Participant-ID": {}}),
    )
    nonsense: tuple[bytes, ...] = (b"\xff{", b"", b"[]", b"null", b'{"a":', b"{}", b"[" * 5000)
    counters, feed = house.service.bus.counters, house.service.feed
    before = counters.malformed() + feed.ignored
    thrown = 0
    for body in (*nonsense, *lies):
        await publish("conference", event, body, "application/json")
        thrown += 1
    for content_type in (None, "text/plain"):
        await publish("conference", event, orjson.dumps(headers), content_type)
        thrown += 1
    change = {**headers, "Event-Category": "configuration", "Event-Name": "doc_edited", "ID": made}
    for lie in ({"Database": 5}, {"Database": database, "Type": 1}, {}):
        await publish(
            "configuration",
            f"doc_edited.{database}.conference.{made}",
            orjson.dumps({**change, **lie}),
            "application/json",
        )
        thrown += 1
    for advert in ({"Event-Name": "advertise", "WhApps": "all"}, {"Event-Name": "advertise", "Expires": {}}):
        await publish(
            "nodes", "", orjson.dumps({**headers, "Event-Category": "nodes", **advert}), "application/json"
        )
        thrown += 1

    def counted() -> bool:
        return counters.malformed() + feed.ignored >= before + thrown

    await eventually(counted)
    # Nothing of it shows, nothing of it stopped the listeners.
    assert (await house.get(house.path(made))).data["_read_only"]["members"] == 1
    await house.cluster.perform(["join", made, "next@example.com"])
    await _until_shown(house, made, 2)
    await house.quiet()


@pytest.fixture(params=["embedded", "real"])
async def three_nodes(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A house with three media nodes."""
    async with _with_nodes(request, 3) as house:
        yield house


@asynccontextmanager
async def _with_nodes(request: pytest.FixtureRequest, nodes: int) -> AsyncIterator[House]:
    if request.param == "embedded":
        async with embedded_house(nodes=nodes) as house:
            yield house
        return
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    async with real_house(couchdb_url, amqp_url, nodes=nodes) as house:
        yield house


async def test_a_silent_media_side_costs_two_seconds_at_most(three_nodes: House) -> None:
    """With no node answering a GET takes Kazoo's two seconds, and says that it heard nobody."""
    house = three_nodes
    made = await house.create()
    await house.cluster.perform(["fault", "all", "silent", "on"])
    for path in (house.path(made), house.path(), house.path(made) + "?fresh=true"):
        with within(SEARCH_SECONDS + MARGIN):
            answer = await house.get(path)
        assert (answer.status, answer.metadata["source"]) == (200, "none")
        assert answer.metadata["nodes_heard"] == [] and answer.metadata["nodes_expected"] >= 3


async def test_with_all_nodes_answering_two_questions_are_asked(three_nodes: House) -> None:
    """A cold GET of a conference that does not run publishes one search for the account, and one for the
    conference, which may run unlisted; it waits for their replies alone, and a warm one asks nothing."""
    house = three_nodes
    made = await house.create()
    await house.quiet()
    replies = house.service.bus.counters.replies
    with within(MARGIN):
        answer = await house.get(house.path(made))
    names = {node.name for node in house.cluster.nodes}
    assert set(answer.metadata["nodes_heard"]) >= names
    asked = [("Account-ID" in sent.body, sent.body.get("Conference-ID")) for sent in house.spoken]
    assert asked == [(True, None), (False, made)]
    assert house.service.bus.counters.replies - replies >= 6
    await house.get(house.path(made))
    assert len(house.spoken) == 2


async def test_one_silent_node_of_three_makes_nobody_wait(three_nodes: House) -> None:
    """A warm GET answers from state in milliseconds, and its metadata names who was heard."""
    house = three_nodes
    made = await house.create()
    silent, *others = [node.name for node in house.cluster.nodes]
    await house.cluster.perform(["fault", silent, "silent", "on"])
    cold = await house.get(house.path(made))
    assert cold.metadata["source"] == "events"
    with within(0.25):
        warm = await house.get(house.path(made))
    heard = warm.metadata["nodes_heard"]
    assert silent not in heard and set(others) <= set(heard)
    assert warm.metadata["nodes_expected"] > len(heard)


async def test_an_operator_who_publishes_too_few_events(couchdb_url: str, amqp_url: str) -> None:
    """Rooms cannot be followed then: the log says so, every read searches, and its answer says that."""
    node = f"narrowed@{secrets.token_hex(4)}.test"
    store = CouchStore(couchdb_url)
    await store.open()
    await store.create_database("system_config")
    held: dict[str, Any] = {
        "_id": "ecallmgr",
        node: {"publish_conference_event": ["add-member", "del-member"]},
    }
    held["_rev"] = await store.put("system_config", held)
    try:
        with capture_logs() as lines:
            async with real_house(couchdb_url, amqp_url, node_name=node) as house:
                made = await house.create()
                await house.run_room(made)
                house.forget()
                for _ in range(2):
                    answer = await house.get(house.path(made))
                    assert (answer.metadata["source"], len(answer.metadata["participants"])) == ("search", 1)
                assert [sent.body["Event-Name"] for sent in house.spoken] == ["search_req"] * 2
        (said,) = [line for line in lines if line["event"] == "events_narrowed"]
        assert "mute-member" in said["missing"] and "add-member" not in said["missing"]
    finally:
        await store.delete("system_config", held["_id"], held["_rev"])
        await store.close()


async def _until_shown(house: House, conference_id: str, members: int) -> None:
    async def shown() -> bool:
        answer = await house.get(house.path(conference_id))
        known = answer.metadata["source"] != "none"
        return known and len(answer.metadata["participants"]) == members

    await eventually(shown)
