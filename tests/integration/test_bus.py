"""The bus on both transports: asking, answering, counting nodes, and what comes when the broker goes."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from yarl import URL

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, BrokerUnavailable, CallTimeout, Delivery
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.kapi import conference, origins
from crossbar_conferences.kapi.messages import MessageInvalid, Outgoing
from tests.support.brokers import (
    FAST,
    PATIENCE,
    Bench,
    Inbox,
    eventually,
    on_bus,
    rabbit_bench,
    running,
    unique,
)
from tests.support.proxy import TcpProxy


class Media:
    """A stand-in for ecallmgr: answers searches for one conference id, or stays silent."""

    def __init__(self, bench: Bench, conference_id: str, *, app: str, answers: int = 1) -> None:
        self.bus = Bus(bench.transport(), f"{unique('ecallmgr')}@e1", apps=[app])
        self.asked: list[dict[str, Any]] = []
        self._conference_id = conference_id
        self._answers = answers
        self._defer = False

    async def listen(self, *, defer: bool = False) -> None:
        """Begin hearing searches."""
        self._defer = defer
        await self.bus.listen(self._on_search, [Binding("conference", conference.DISCOVERY_KEY)])

    async def _on_search(self, body: dict[str, Any], _: Delivery) -> None:
        if body.get("Conference-ID") != self._conference_id:
            return
        self.asked.append(body)
        origin = self.bus.origin(*origins.ECALLMGR)
        for _number in range(self._answers):
            fields = {"Conference-ID": self._conference_id}
            answer = conference.search_response(fields, origin, body["Msg-ID"])
            if self._defer:
                await self.bus.reply(body, {**answer, "Defer-Response": True})
            await self.bus.reply(body, answer)


def search(bus: Bus, conference_id: str, **fields: Any) -> Outgoing:
    """A search for one conference."""
    outgoing = conference.search_request(bus.origin(), conference_id=conference_id)
    return Outgoing(outgoing.exchange, outgoing.routing_key, {**outgoing.body, **fields})


async def known(bus: Bus, app: str, count: int) -> None:
    """Wait until a bus has heard of so many nodes of an app."""
    await eventually(lambda: bus.nodes.count(app) == count)


async def test_collect_from_every_node(bench: Bench) -> None:
    """With all nodes answering, collect ends at the last answer and knows who gave it."""
    app, room = unique("app"), unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), [Media(bench, room, app=app) for _ in range(2)]
    async with on_bus(bus, *(one.bus for one in media)):
        for one in media:
            await one.listen()
        await known(bus, app, 2)
        async with asyncio.timeout(PATIENCE):
            collected = await bus.collect(search(bus, room), app=app, timeout=60)
    assert collected.complete
    assert collected.expected == 2
    assert set(collected.heard) == {one.bus.node for one in media}
    assert [reply["Conference-ID"] for reply in collected.replies] == [room, room]


async def test_a_node_that_answers_twice(bench: Bench) -> None:
    """Two answers of one node do not stand for those of two; what came is given after the timeout."""
    app, room = unique("app"), unique("room")
    bus = Bus(bench.transport(), f"{unique()}@h")
    twice, silent = Media(bench, room, app=app, answers=2), Media(bench, room, app=app)
    async with on_bus(bus, twice.bus, silent.bus):
        await twice.listen()
        await known(bus, app, 2)
        collected = await bus.collect(search(bus, room), app=app, timeout=0.3)
    assert not collected.complete
    assert not collected.interrupted
    assert len(collected.replies) == 2
    assert collected.heard == (twice.bus.node,)
    assert bus.counters.timeouts == 1


async def test_collect_without_nodes(bench: Bench) -> None:
    """Nothing is published for nobody, as in Kazoo; a bus that just started may ask anyway."""
    app, room = unique("app"), unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=f"{app}-other")
    async with on_bus(bus, media.bus):
        await media.listen()
        async with asyncio.timeout(PATIENCE):
            nothing = await bus.collect(search(bus, room), app=app, timeout=60)
        assert (nothing.expected, nothing.replies, nothing.complete) == (0, (), True)
        assert bus.published["conference"] == 0
        assert bus.settling
        something = await bus.collect(search(bus, room), app=app, timeout=0.3, ask_anyway=True)
        assert len(something.replies) == 1
        assert something.expected == 0
        assert not something.complete
        assert len(media.asked) == 1


async def test_nobody_waits_long_for_nodes_that_nobody_knows(bench: Bench) -> None:
    """While no node is known, a collect ends soon after the first answer, not after its whole time."""
    app, room = unique("app"), unique("room")
    bus = Bus(bench.transport(), f"{unique()}@h")
    first, second = (Media(bench, room, app=f"{app}-other") for _ in range(2))
    async with on_bus(bus, first.bus, second.bus):
        await first.listen()
        await second.listen()
        async with asyncio.timeout(PATIENCE):
            collected = await bus.collect(search(bus, room), app=app, timeout=60, ask_anyway=True)
    assert len(collected.heard) == 2
    assert (collected.expected, collected.complete) == (0, False)


async def test_collect_until(bench: Bench) -> None:
    """With a validator the first reply that passes ends the wait, though no node is known."""
    room = unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=unique("app"))
    async with on_bus(bus, media.bus):
        await media.listen()
        async with asyncio.timeout(PATIENCE):
            collected = await bus.collect(
                search(bus, room), app=unique("app"), until=conference.is_search_response, timeout=60
            )
    assert collected.complete
    assert len(collected.replies) == 1


async def test_request_headers(bench: Bench) -> None:
    """Server-ID, Msg-ID and System-Log-ID are set as a worker of Kazoo's sets them (amqp.md 3.2)."""
    app, room = unique("app"), unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=app)
    seen: list[Outgoing] = []
    bus.recorder = seen.append
    async with on_bus(bus, media.bus):
        await media.listen()
        for fields in ({}, {"Call-ID": "call"}, {"System-Log-ID": "log", "Server-ID": "asker"}):
            await bus.call(search(bus, room, **fields), conference.is_search_response, PATIENCE)
    plain, by_call, by_log = media.asked
    assert plain["System-Log-ID"] == plain["Msg-ID"]
    assert "Server-Queue-ID" not in plain
    assert by_call["System-Log-ID"] == "call"
    assert (by_log["System-Log-ID"], by_log["Server-Queue-ID"]) == ("log", "asker")
    assert by_log["Server-ID"] == plain["Server-ID"] != "asker"
    asked = [outgoing.body for outgoing in seen if outgoing.exchange == "conference"]
    assert asked == media.asked
    assert bus.published["conference"] == 3


async def test_cast_headers(bench: Bench) -> None:
    """A cast gets no header more."""
    token, inbox = unique(), Inbox()
    bus, transport = Bus(bench.transport(), f"{unique()}@h"), bench.transport()
    async with on_bus(bus), running(transport):
        await transport.consume(inbox, [Binding("conference", f"conference.command.{token}")])
        command = conference.command("lock", token, {}, bus.origin(*origins.KAPPS_CONFERENCE))
        assert await bus.cast(command, mandatory=True)
        (body,) = await inbox.wait(1)
    assert orjson.loads(body) == command.body
    assert not {"Server-ID", "System-Log-ID"} & set(command.body)


async def test_call_timeout(bench: Bench) -> None:
    """A call that nobody answers, or only wrongly, times out."""
    room = unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=unique("app"))
    async with on_bus(bus, media.bus):
        with pytest.raises(CallTimeout):
            await bus.call(search(bus, unique()), conference.is_search_response, 0.1)
        await media.listen()
        with pytest.raises(CallTimeout):
            await bus.call(search(bus, room), conference.is_dial_answer, 0.2)


async def test_deferred_reply(bench: Bench) -> None:
    """A deferred reply is kept for the case that no other comes."""
    room = unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=unique("app"))
    async with on_bus(bus, media.bus):
        await media.listen(defer=True)
        reply = await bus.call(search(bus, room), conference.is_search_response, PATIENCE)
        assert "Defer-Response" not in reply
        only_deferred = await bus.call(search(bus, room), lambda body: "Defer-Response" in body, 0.3)
        assert only_deferred["Defer-Response"] is True


async def test_same_message_id_twice(bench: Bench) -> None:
    """Two requests under one id, as a client may bring about, never get each other's replies."""
    rooms = unique("room"), unique("room")
    bus = Bus(bench.transport(), f"{unique()}@h")
    media = [Media(bench, room, app=unique("app")) for room in rooms]
    async with on_bus(bus, *(one.bus for one in media)):
        for one in media:
            await one.listen()
        requests = [search(bus, room, **{"Msg-ID": "same"}) for room in rooms]
        replies = await asyncio.gather(
            *(bus.call(request, conference.is_search_response, PATIENCE) for request in requests)
        )
    assert [reply["Conference-ID"] for reply in replies] == list(rooms)


async def test_reply_addresses(bench: Bench) -> None:
    """Answers find a federated asker and one behind a process id (amqp.md 1.3)."""
    bus, transport, inbox = Bus(bench.transport(), f"{unique()}@h"), bench.transport(), Inbox()
    async with on_bus(bus), running(transport):
        consumer = await transport.consume(inbox)
        await consumer.bind(Binding("targeted", consumer.queue))
        for server_id in (
            consumer.queue,
            f"consumer://<0.1.0>/{consumer.queue}",
            f"pid://<0.2.0>/{consumer.queue}",
            f"consumer://<0.1.0>/pid://<0.2.0>/{consumer.queue}",
        ):
            await bus.reply({"Server-ID": server_id}, {"Msg-ID": "m"})
        await inbox.wait(4)
        with pytest.raises(MessageInvalid):
            await bus.reply({}, {})
    processes = [bytes(delivery.headers.get("Deliver-To-PID", b"")) for delivery in inbox.deliveries]
    assert processes == [b"", b"", b"<0.2.0>", b"<0.2.0>"]


async def test_advertises(bench: Bench) -> None:
    """A bus is known to others from its start on, as crossbar and never as ecallmgr; not to itself."""
    one, two = (Bus(bench.transport(), f"{unique()}@h") for _ in range(2))
    async with on_bus(one, two):
        await eventually(lambda: one.nodes.get(two.node) is not None)
        node = one.nodes.get(two.node)
        assert node is not None
        assert set(node.apps) == {"crossbar"}
        assert node.zone == two.zone
        assert one.nodes.get(one.node) is None
        assert one.nodes.zone_of(one.node) == one.zone
        await eventually(lambda: two.nodes.get(one.node) is not None)


async def test_quiet_bus(bench: Bench) -> None:
    """A bus may leave the heartbeats to another process of its host."""
    bus = Bus(bench.transport(), f"{unique()}@h", advertise=False)
    async with on_bus(bus):
        assert bus.published["nodes"] == 0


MALFORMED = [
    (b"not json", "application/json", "not_json"),
    (b"", "application/json", "not_json"),
    (b"\xff\xfe", "application/json", "not_json"),
    (b"[1]", "application/json", "no_headers"),
    (b'{"Event-Name": "event", "Msg-ID": "m"}', "application/json", "no_headers"),
    (b'{"Event-Category": 7, "Event-Name": "event", "Msg-ID": "m"}', "application/json", "invalid"),
    (b'{"Event-Category": "c", "Event-Name": "event", "Msg-ID": "m"}', "application/json", "invalid"),
    (b"{}", None, "no_content_type"),
    (b"\x83h\x02", "application/erlang", "not_json"),
    (b'{"a":' * 200 + b"1" + b"}" * 200, "application/json", "too_large"),
    (
        b'{"Event-Category": "c", "Event-Name": "e", "Msg-ID": "m", "deep": '
        + b"[" * 100
        + b"]" * 100
        + b"}",
        "application/json",
        "too_large",
    ),
]


async def test_malformed_messages(bench: Bench) -> None:
    """What is no Kazoo message is counted and dropped, and the listener goes on."""
    token = unique()
    bus, heard = Bus(bench.transport(), f"{unique()}@h"), asyncio.Event()

    def handler(body: dict[str, Any], _: Delivery) -> None:
        conference.check_event(body)
        heard.set()

    async with on_bus(bus):
        await bus.listen(handler, [Binding("conference", f"conference.event.#.{token}")])
        for body, content_type, _ in MALFORMED:
            await bench.publish_raw("conference", f"conference.event.{token}", body, content_type)
        fields = {"Event": "lock", "Conference-ID": token, "Instance-ID": "i", "Account-ID": "a"}
        event = conference.event(fields, bus.origin(*origins.FREESWITCH))
        await bench.publish_raw(
            event.exchange, event.routing_key, orjson.dumps(event.body), "application/json"
        )
        async with asyncio.timeout(PATIENCE):
            await heard.wait()
    for kind in {kind for _, _, kind in MALFORMED}:
        assert getattr(bus.counters, kind) == [known for _, _, known in MALFORMED].count(kind)
    assert bus.counters.malformed() == len(MALFORMED)
    assert bus.transport.counters.failed == 0


async def test_malformed_replies_and_heartbeats(bench: Bench) -> None:
    """Nonsense on the reply queue or among heartbeats harms nobody."""
    app, room = unique("app"), unique("room")
    bus, media = Bus(bench.transport(), f"{unique()}@h"), Media(bench, room, app=app)
    async with on_bus(bus, media.bus):
        await media.listen()
        await known(bus, app, 1)
        first = await bus.collect(search(bus, room), app=app, timeout=PATIENCE)
        assert first.complete
        queue = media.asked[0]["Server-ID"]
        for body, content_type, _ in MALFORMED:
            await bench.publish_raw("targeted", queue, body, content_type)
            await bench.publish_raw("nodes", "", body, content_type)
        second = await bus.collect(search(bus, room), app=app, timeout=PATIENCE)
        assert second.complete
        await eventually(lambda: bus.counters.malformed() >= 2 * len(MALFORMED) - 1)


async def test_close_ends_requests(bench: Bench) -> None:
    """Closing a bus ends what waits on it at once."""
    bus = Bus(bench.transport(), f"{unique()}@h")
    async with on_bus(bus):
        call = asyncio.create_task(bus.call(search(bus, unique()), conference.is_search_response, 60))
        await eventually(lambda: bus.published["conference"] == 1)
    with pytest.raises(BrokerUnavailable):
        await call
    with pytest.raises(BrokerUnavailable):
        await bus.call(search(bus, unique()), conference.is_search_response, 60)


async def _ask_in_vain(bus: Bus, room: str, app: str) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """A collect with half its answers in, and a call with none."""
    await known(bus, app, 2)
    collect = asyncio.create_task(bus.collect(search(bus, room), app=app, timeout=60))
    call = asyncio.create_task(bus.call(search(bus, unique()), conference.is_search_response, 60))
    await eventually(lambda: bus.counters.replies == 1 and bus.published["conference"] == 2)
    return collect, call


async def _check_broken(bus: Bus, collect: asyncio.Task[Any], call: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        collected = await collect
        with pytest.raises(BrokerUnavailable):
            await call
    assert collected.interrupted
    assert not collected.complete
    assert (len(collected.replies), collected.expected) == (1, 2)
    assert bus.counters.interrupted == 2
    with pytest.raises(BrokerUnavailable):
        await bus.collect(search(bus, unique()), until=conference.is_search_response, timeout=60)


async def test_broker_stops_in_memory() -> None:
    """Requests in flight end at once with what they have; when the broker is back all is as before."""
    broker, app, room = MemoryBroker(), unique("app"), unique("room")
    bench = Bench(lambda: MemoryTransport(broker), lambda *_: asyncio.sleep(0))
    bus = Bus(bench.transport(), f"{unique()}@h")
    answering, silent = Media(bench, room, app=app), Media(bench, room, app=app)
    async with on_bus(bus, answering.bus, silent.bus):
        await answering.listen()
        collect, call = await _ask_in_vain(bus, room, app)
        advertised = bus.counters.advertised
        broker.stop()
        await _check_broken(bus, collect, call)
        broker.start()
        await silent.listen()
        collected = await bus.collect(search(bus, room), app=app, timeout=PATIENCE)
        assert collected.complete
        await eventually(lambda: bus.counters.advertised > advertised)


async def test_broker_goes_and_returns(amqp_url: str) -> None:
    """The same on a real broker, cut off and back: no restart, a new heartbeat, replies arrive."""
    app, room = unique("app"), unique("room")
    url = URL(amqp_url)
    async with TcpProxy(url.host or "127.0.0.1", url.port or 5672) as proxy, rabbit_bench(amqp_url) as bench:
        uri = str(url.with_host("127.0.0.1").with_port(proxy.port))
        bus = Bus(RabbitTransport([uri], options=FAST), f"{unique()}@h")
        answering, silent = Media(bench, room, app=app), Media(bench, room, app=app)
        async with on_bus(bus, answering.bus, silent.bus):
            await answering.listen()
            collect, call = await _ask_in_vain(bus, room, app)
            advertised = bus.counters.advertised
            proxy.refuse()
            await _check_broken(bus, collect, call)
            assert not bus.connected
            proxy.resume()
            await eventually(lambda: bus.connected)
            await silent.listen()
            collected = await bus.collect(search(bus, room), app=app, timeout=PATIENCE)
            assert collected.complete
            await eventually(lambda: bus.counters.advertised > advertised)


async def test_zones_in_memory() -> None:
    """Nodes of other zones are counted in all zones, and not in our own."""
    east, west, app = MemoryBroker(), MemoryBroker(), unique("app")
    bus = Bus(MemoryTransport(east, zone="east", other_zones={"west": west}), "a@h")
    near = Bus(MemoryTransport(east, zone="east"), "near@h", apps=[app])
    far = Bus(MemoryTransport(west, zone="west"), "far@h", apps=[app])
    async with on_bus(bus, near, far):
        await known(bus, app, 2)
        assert bus.nodes.count(app, "east") == 1
        assert bus.nodes.zone_of("far@h") == "west"
        collected = await bus.collect(search(bus, unique()), app=app, scope="own", timeout=0.05)
        assert collected.expected == 1


async def test_answers_in_another_zone() -> None:
    """A request heard on another zone's broker is answered there, where the asker reads."""
    east, west, room = MemoryBroker(), MemoryBroker(), unique("room")
    bus = Bus(MemoryTransport(east, zone="east"), "a@h")
    far = Bus(MemoryTransport(west, zone="west", other_zones={"east": east}), "far@h")

    async def answer(body: dict[str, Any], delivery: Delivery) -> None:
        assert delivery.broker_zone == "east"
        response = conference.search_response({"Conference-ID": room}, far.origin(), body["Msg-ID"])
        await far.reply(body, response)

    async with on_bus(bus, far):
        await far.listen(answer, [Binding("conference", conference.DISCOVERY_KEY)], federate=True)
        assert await bus.call(search(bus, room), conference.is_search_response, PATIENCE)
        east.stop()
        with pytest.raises(BrokerUnavailable):
            await far.reply({"Server-ID": "q", "AMQP-Broker-Zone": "east"}, {})


async def test_collect_without_broker() -> None:
    """Without a broker the answer is not that nothing runs."""
    bus = Bus(MemoryTransport(MemoryBroker()), "a@h")
    with pytest.raises(BrokerUnavailable):
        await bus.collect(search(bus, unique()))


def test_node_name() -> None:
    """A node that is not name@host is refused."""
    with pytest.raises(ValueError, match="name@host"):
        Bus(MemoryTransport(MemoryBroker()), "apps1")
