"""No input from outside breaks a running sidecar: messages, answers, frames, bytes on the port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwt import PyJWS
from yarl import URL

from crossbar_conferences.auth import jwt
from crossbar_conferences.auth.failures import AuthFailure
from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.dataset import SYSTEM_KEY
from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.sockets import bindings
from crossbar_conferences.store.memory import MemoryStore
from tests.support.brokers import eventually
from tests.support.hostile import DEEP, FEW, JSON, KEYS, encoded, messages
from tests.support.sidecar import Sidecar, running_sidecar

#: A heartbeat that would count for ever.
ENDLESS = encoded(
    {
        "Event-Category": "nodes",
        "Event-Name": "advertise",
        "App-Name": "x",
        "App-Version": "1",
        "Msg-ID": "m",
        "Node": "a@b",
        "Expires": 1e308,
        "WhApps": {"ecallmgr": []},
    }
)

#: Headers that the API reads.
NAMES = (
    *(b"Accept", b"If-Match", b"X-Auth-Token", b"Authorization", b"X-Forwarded-For", b"X-Request-ID"),
    *(b"Idempotency-Key", b"X-File-Name", b"Origin", b"Range", b"Content-Encoding", b"Expect"),
)


class Loop:
    """Runs coroutines one after the other in one loop."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.close()


def embedded(check: Callable[[Loop, Sidecar, MemoryBroker], None]) -> None:
    """Run a check on a sidecar in memory."""
    loop, broker = Loop(), MemoryBroker()

    async def transports() -> tuple[MemoryTransport, MemoryTransport]:
        return MemoryTransport(broker), MemoryTransport(broker)

    own, beside = loop(transports())
    more = {"request_timeout_seconds": "2", "search_timeout_ms": "100"}
    world = running_sidecar(MemoryStore(), own, {"local": beside}, settings=more)
    sidecar = loop(world.__aenter__())
    try:
        check(loop, sidecar, broker)
    finally:
        loop(world.__aexit__(None, None, None))
        loop.close()


class Collector:
    """A subscriber of the hub."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> None:
        """Take a frame."""
        self.frames.append(frame)


def test_messages_on_the_bus() -> None:
    """Whatever is published: nobody fails, and the next good message is heard by everybody."""

    def check(loop: Loop, sidecar: Sidecar, broker: MemoryBroker) -> None:
        transport, account = sidecar.service.bus.transport, sidecar.account
        collector = Collector()
        subscriptions = [
            bindings.parse(text, account)
            for text in ("conference.event.*.*.*", "conference.command.room", "object.*.conference")
        ]

        async def prepare() -> None:
            await sidecar.get()
            for subscription in subscriptions:
                await sidecar.service.hub.hold(subscription)
                sidecar.service.hub.attach(collector, subscription)

        async def deliver(deliveries: list[Delivery]) -> None:
            for delivery in deliveries:
                broker.inject(delivery)
            collector.frames.clear()
            good = conference.event(
                {"Event": "add-member", "Conference-ID": "good", "Instance-ID": "i", "Account-ID": account},
                Origin("ecallmgr", "4", "e@host"),
            )
            broker.inject(
                Delivery("conference", good.routing_key, orjson.dumps(good.body), "application/json")
            )
            await eventually(lambda: any(b'"good"' in frame for frame in collector.frames))
            assert transport.counters.failed == 0

        loop(prepare())
        queue = sidecar.service.bus._replies
        assert queue is not None
        places = st.one_of(
            st.tuples(st.just("conference"), KEYS),
            st.tuples(st.just("conference"), st.just(f"conference.event.add-member.{account}.room.call")),
            st.tuples(st.just("conference"), st.just("conference.command.room")),
            st.tuples(st.just("configuration"), st.just("doc_edited.account%2Fa1%2Fb2%2Fc3.conference.x")),
            st.tuples(st.just("nodes"), st.just("")),
            st.tuples(st.just("targeted"), st.just(queue.queue)),
        )
        bodies = (
            messages().map(lambda body: {**body, "Account-ID": account}).map(encoded)
            | messages().map(encoded)
            | st.binary(max_size=60)
            | JSON.map(encoded)
        )
        types = st.sampled_from(["application/json"] * 5 + [None, "", "text/plain", "application/json; x"])
        deliveries = st.builds(
            lambda place, body, kind: Delivery(place[0], place[1], body, kind), places, bodies, types
        )

        @FEW
        @given(st.lists(deliveries, min_size=1, max_size=8))
        @example([Delivery("conference", "conference.command.room", DEEP.encode(), "application/json")])
        @example([Delivery("nodes", "", ENDLESS, "application/json")])
        def one(sent: list[Delivery]) -> None:
            loop(deliver(sent))

        one()

    embedded(check)


def test_answers_to_a_search() -> None:
    """Whatever comes back for a question, the request has an answer in time."""

    def check(loop: Loop, sidecar: Sidecar, broker: MemoryBroker) -> None:
        async def listen() -> None:
            await sidecar.cluster.perform(["fault", "all", "silent", "on"])
            await bus.start()
            await bus.listen(answer, [Binding("conference", conference.DISCOVERY_KEY)])

        reply: dict[str, Any] = {}

        async def answer(body: dict[str, Any], delivery: Delivery) -> None:
            raw = encoded({**reply, "Msg-ID": body["Msg-ID"]})
            broker.inject(Delivery("targeted", body["Server-ID"], raw, "application/json"))

        async def ask() -> None:
            for path in ((), ("room",), ("room", "participants")):
                got = await sidecar.get(*path, query="?fresh=true")
                assert got.status in (200, 404, 503), got.body

        bus = Bus(MemoryTransport(broker), "fuzz@host", advertise=False)
        loop(listen())

        @settings(FEW, max_examples=20)
        @given(messages())
        def one(body: dict[str, Any]) -> None:
            reply.clear()
            # In the name of the switch, so that nobody waits for another answer.
            reply.update(body, Node=sidecar.cluster.nodes[0].name)
            loop(ask())

        one()
        loop(bus.close())

    embedded(check)


def test_websocket_frames() -> None:
    """Whatever a client sends, it is answered or the session ends, and the next client is served."""

    def check(loop: Loop, sidecar: Sidecar, broker: MemoryBroker) -> None:
        async def say(frames: list[str | bytes]) -> None:
            async with sidecar.http.ws_connect(sidecar.service.ws_url) as ws:
                for frame in frames:
                    with suppress(ConnectionError):
                        await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
                    message = await ws.receive(timeout=5)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    assert orjson.loads(message.data)["status"] in ("success", "error")
                else:
                    await ws.send_json({"action": "ping", "auth_token": sidecar.token})
                    assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT

        action = st.sampled_from(["subscribe", "unsubscribe", "ping", "nonsense"]) | JSON
        data = (
            st.fixed_dictionaries(
                {},
                optional={
                    "binding": JSON | st.just("conference.event.*.room.*"),
                    "bindings": JSON | st.lists(st.just("conference.command.room"), max_size=3),
                    "account_id": JSON | st.just(sidecar.account),
                    "since": JSON,
                    "all": JSON,
                },
            )
            | JSON
        )
        token = st.just(sidecar.token) | JSON
        frames = st.fixed_dictionaries(
            {"action": action},
            optional={"auth_token": token, "data": data, "request_id": JSON, "name": JSON, "metadata": JSON},
        ).map(lambda frame: encoded(frame).decode())
        text = st.text(max_size=50).filter(lambda text: text.isprintable())

        @FEW
        @given(st.lists(frames | text | st.binary(max_size=20), min_size=1, max_size=6))
        @example([DEEP])
        def one(sent: list[str | bytes]) -> None:
            loop(say(sent))

        one()

    embedded(check)


def test_bytes_on_the_port() -> None:
    """Whatever bytes come, the connection is answered or ended, never with a 500, and others are served."""

    def check(loop: Loop, sidecar: Sidecar, broker: MemoryBroker) -> None:
        port = URL(sidecar.service.base_url).port
        assert port is not None
        token = sidecar.token.encode()

        async def send(raw: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(raw)
                writer.write_eof()
                async with asyncio.timeout(5):
                    answer = await reader.read()
            finally:
                writer.transport.abort()
            if answer:
                status = answer.split(b" ", 2)[1]
                assert not status.startswith(b"500"), (raw, answer)
            assert (await sidecar.get()).status == 200

        rough = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
        path = rough.map(lambda raw: raw.replace(b" ", b"%20"))
        base = f"/v2/accounts/{sidecar.account}/conferences".encode()
        requests = st.builds(
            lambda method, tail, query, name, value, body, has_token: b"".join(
                (
                    *(method, b" ", base, b"/", tail, b"?", query, b" HTTP/1.1\r\nHost: x\r\n"),
                    b"X-Auth-Token: " + token + b"\r\n" if has_token else b"",
                    *(name, b": ", value, b"\r\nContent-Type: application/json\r\nContent-Length: "),
                    *(b"%d" % len(body), b"\r\nConnection: close\r\n\r\n", body),
                )
            ),
            st.sampled_from([b"GET", b"PUT", b"POST", b"PATCH", b"DELETE", b"OPTIONS", b"BREW"]),
            path,
            path,
            st.sampled_from(NAMES),
            rough,
            st.binary(max_size=40) | JSON.map(lambda value: encoded({"data": value})),
            st.booleans(),
        )

        @settings(FEW, max_examples=120)
        @given(requests | st.binary(max_size=200))
        @example(b"GET /v2/accounts/\xff\xfe/conferences/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        @example(b"GET " + base + b"/\xff HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + b"\r\n\r\n")
        @example(b"GET " + base + b" HTTP/1.1\r\nHost: x\r\nX-Auth-Token: \xff\xfe.\xff.\xff\r\n\r\n")
        def one(raw: bytes) -> None:
            loop(send(raw))

        one()

    embedded(check)


def test_claims_that_are_signed() -> None:
    """Whatever a token of the cluster's own says, it stands for somebody or is refused."""

    def check(loop: Loop, sidecar: Sidecar, broker: MemoryBroker) -> None:
        auth = sidecar.service.auth
        private = loop(auth._keys.private(SYSTEM_KEY))
        good = jwt.verified_claims(sidecar.token, private.public_key())

        async def authenticate(token: str) -> None:
            with suppress(AuthFailure):
                await auth.authenticate("x-auth-token", token)

        names = st.sampled_from([*good, "as", "exp", "identity_sig", "owner_id", "method", "x"])
        people = st.fixed_dictionaries({}, optional={"account_id": JSON, "owner_id": JSON})
        changes = st.dictionaries(names, JSON | people | st.sampled_from([sidecar.account]), max_size=4)

        @FEW
        @given(changes, st.sets(names, max_size=2))
        @example({"exp": 10**400}, set())
        @example({"exp": "soon"}, set())
        @example({"identity_sig": "\u00e9"}, set())
        def one(changed: dict[str, Any], left_out: set[str]) -> None:
            claims = {key: value for key, value in {**good, **changed}.items() if key not in left_out}
            # Exact beyond 64 bits, which our own encoder is not.
            header = {"alg": "RS256", "kid": SYSTEM_KEY}
            loop(authenticate(PyJWS().encode(encoded(claims), private, "RS256", header)))

        one()

    embedded(check)
