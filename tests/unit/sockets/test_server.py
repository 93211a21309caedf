"""The websocket endpoint (``sockets/server.py``) and the event streams (``sockets/stream.py``),
with real clients and a hub on a broker in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from crossbar_conferences.addresses import TrustedProxies
from crossbar_conferences.conference import presentation
from crossbar_conferences.conference.rooms import Room
from crossbar_conferences.sockets.bindings import parse
from crossbar_conferences.sockets.places import PlaceRefused, Places
from crossbar_conferences.sockets.rights import right_to
from crossbar_conferences.sockets.server import ServerLimits, SocketServer
from crossbar_conferences.sockets.session import Session
from crossbar_conferences.sockets.stream import EventStreams, StreamLimits, Viewer
from tests.support.sockets import ACCOUNT, PATIENCE, Client, HubWorld, hub_world

EVENTS = "conference.event.*.room.*"


@dataclass
class Endpoint:
    """A server on a port of its own, and clients of it."""

    world: HubWorld
    server: SocketServer
    streams: EventStreams
    url: str
    http: aiohttp.ClientSession
    #: A client that nobody refers to is closed.
    clients: list[Client] = field(default_factory=list)

    async def connect(self, token: str | None = "good", **options: object) -> Client:
        """One more client."""
        opened = await self.http.ws_connect(self.url, **options)  # type: ignore[arg-type]
        self.clients.append(Client(opened, token))
        return self.clients[-1]

    async def leave(self) -> None:
        """Close every client."""
        await asyncio.gather(*(client.socket.close() for client in self.clients))

    async def refused(self, **options: object) -> int:
        """The status with which an upgrade is refused."""
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await self.http.ws_connect(self.url, **options)  # type: ignore[arg-type]
        return caught.value.status

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that nobody announces."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., object]]:
    """`await start(limits…)` gives an endpoint."""
    async with AsyncExitStack() as stack:

        async def make(
            trusted: str = "",
            queue: int = 1000,
            send_buffer: int | None = None,
            total: int = 0,
            per_address: int = 0,
            per_account: int = 0,
            per_token: int = 0,
            **limits: float,
        ) -> Endpoint:
            world = await stack.enter_async_context(hub_world())
            places = Places(total, per_address, per_account, per_token)
            commons = world.commons(queue=queue)
            server = SocketServer(
                lambda *names: Session(*names, commons),
                replace(ServerLimits(), **limits),  # type: ignore[arg-type]
                places,
                trusted=TrustedProxies([trusted] if trusted else []),
            )
            streams = EventStreams(
                world.hub,
                lambda: 0.0,
                presentation.metadata,
                StreamLimits(queue=queue, keep_alive=0.05),
                places,
                world.waiting,
            )
            subscription = parse(EVENTS, ACCOUNT)

            async def stream(request: web.Request) -> web.StreamResponse:
                token = request.headers.get("X-Auth-Token", "good")
                viewer = Viewer(ACCOUNT, request.remote or "", token)
                right = right_to(token, viewer.address, subscription)

                def watch(on_end: Callable[[str], None]) -> AbstractAsyncContextManager[object]:
                    return world.reviews.holding(right, partial(world.guard.rule, right), on_end)

                try:
                    place = streams.enter(viewer)
                except PlaceRefused as refusal:
                    raise web.HTTPTooManyRequests(text=refusal.of) from None
                try:
                    return await streams.run(
                        request, subscription, world.guard, {"x-own": "1"}, viewer, watch
                    )
                finally:
                    place.leave()

            app = web.Application()
            app.router.add_get("/events", stream)
            app.router.add_route("*", "/{path:.*}", server.handle)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            stack.push_async_callback(streams.close)
            stack.push_async_callback(server.close)
            listening = socket.create_server(("127.0.0.1", 0))
            if send_buffer is not None:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            await web.SockSite(runner, listening).start()
            http = await stack.enter_async_context(aiohttp.ClientSession())
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            endpoint = Endpoint(world, server, streams, url, http)
            stack.push_async_callback(endpoint.leave)
            return endpoint

        yield make


Start = Callable[..., "asyncio.Future[Endpoint]"]


async def test_any_path_is_the_endpoint_and_only_for_websockets(start: Start) -> None:
    """A plain request is told what to upgrade to; a sub-protocol is refused (X9)."""
    endpoint = await start()
    for path in ("", "/", "/websocket", "/any/thing"):
        opened = await endpoint.http.ws_connect(endpoint.url + path)
        assert (await Client(opened, "good").ask("ping"))["data"] == {"response": "pong"}
    async with endpoint.http.get(endpoint.url) as response:
        assert (response.status, response.headers["upgrade"]) == (426, "websocket")
    assert await endpoint.refused(protocols=["anything"]) == 400


async def test_a_token_in_the_handshake(start: Start) -> None:
    """A good one saves sending it later, a bad one is refused with a 403."""
    endpoint = await start()
    for header in ("good", "Bearer good"):
        client = await endpoint.connect(token=None, headers={"Authorization": header})
        assert (await client.ask("ping"))["status"] == "success"
    assert await endpoint.refused(headers={"Authorization": "Bearer bad"}) == 403
    assert len(endpoint.server.of_account(ACCOUNT)) == 2


async def test_sessions_of_one_address_are_limited(start: Start) -> None:
    """One too many is a 429, and when one goes another may come (W2)."""
    endpoint = await start(per_address=1)
    client = await endpoint.connect()
    assert await endpoint.refused() == 429
    await client.socket.close()
    await endpoint.until(lambda: not endpoint.server.sessions)
    await endpoint.connect()


async def test_the_address_is_what_a_trusted_proxy_says(start: Start) -> None:
    """From a proxy the last address that is not itself trusted; from others their own."""
    endpoint = await start(trusted="127.0.0.1", per_address=1)
    for forwarded in ("192.0.2.1", "198.51.100.7, 192.0.2.2, 127.0.0.1"):
        await endpoint.connect(headers={"X-Forwarded-For": forwarded})
    # What a client writes itself stands further left: it doesn't get a new address each time.
    assert await endpoint.refused(headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.1"}) == 429
    assert sorted(s.source for s in endpoint.server.sessions.values()) == ["192.0.2.1", "192.0.2.2"]
    direct = await start(per_address=1)
    await direct.connect(headers={"X-Forwarded-For": "192.0.2.1"})
    assert [s.source for s in direct.server.sessions.values()] == ["127.0.0.1"]


async def test_sessions_are_limited_in_all(start: Start) -> None:
    """One too many for the process is a 503."""
    endpoint = await start(total=2)
    clients = [await endpoint.connect() for _ in range(2)]
    assert await endpoint.refused() == 503
    assert (await clients[0].ask("ping"))["status"] == "success"


async def test_sessions_of_one_account_are_limited(start: Start) -> None:
    """Who logs in as one too many is closed with 1008, or refused with 429 in the handshake."""
    endpoint = await start(per_account=1)
    first, second, third = [await endpoint.connect() for _ in range(3)]
    await first.ask("ping")
    await second.ask("ping")
    assert await second.close_code() == 1008
    assert await endpoint.refused(headers={"Authorization": "good"}) == 429
    assert (await third.ask("ping", auth_token="other"))["status"] == "success"
    await first.socket.close()
    await endpoint.until(lambda: len(endpoint.server.sessions) == 1)
    assert (await (await endpoint.connect()).ask("ping"))["status"] == "success"


async def test_odd_frames_get_an_error_and_nobody_is_thrown_out(start: Start) -> None:
    """Bad JSON, a number, binary: each is answered, and the session lives on (X11)."""
    endpoint = await start()
    client = await endpoint.connect()
    for text in ("nope", "5", "[]"):
        await client.socket.send_str(text)
        assert (await client.reply())["status"] == "error"
    await client.socket.send_bytes(b"\x00\x01")
    assert (await client.reply())["data"]["errors"] == ["binary frames are not supported"]
    await client.socket.ping(b"there?")
    assert (await client.ask("ping"))["data"] == {"response": "pong"}


async def test_a_frame_that_is_too_long_ends_the_session(start: Start) -> None:
    """Nobody's memory is filled: 1009, as the protocol says."""
    endpoint = await start(frame=1000)
    client = await endpoint.connect()
    await client.socket.send_str("x" * 2000)
    assert await client.close_code() == 1009


async def test_an_idle_session_is_closed(start: Start) -> None:
    """Without a frame and without a subscription; whoever listens may be silent."""
    endpoint = await start(idle=0.15, heartbeat=0.1)
    listener, idle = await endpoint.connect(), await endpoint.connect()
    await listener.subscribe(ACCOUNT, EVENTS)
    # Answering pings takes a reader.
    receiving = asyncio.create_task(listener.receive())
    assert await idle.close_code() == 1000
    await asyncio.sleep(0.3)
    await endpoint.world.event()
    assert (await receiving)["action"] == "event"


async def test_a_client_that_is_gone_without_a_word_is_noticed(start: Start) -> None:
    """It does not answer the ping, and its session ends."""
    endpoint = await start(heartbeat=0.1)
    _, writer = await raw_client(endpoint)
    await endpoint.until(lambda: len(endpoint.server.sessions) == 1)
    await endpoint.until(lambda: not endpoint.server.sessions)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_shutdown_tells_everybody(start: Start) -> None:
    """1001 to those who are there, 503 to those who come, and nothing is left."""
    endpoint = await start()
    clients = [await endpoint.connect() for _ in range(5)]
    for client in clients:
        await client.subscribe(ACCOUNT, EVENTS)
    closing = asyncio.create_task(endpoint.server.close())
    assert [await client.close_code() for client in clients] == [1001] * 5
    await closing
    assert await endpoint.refused() == 503
    assert not endpoint.server.sessions and not endpoint.world.hub._index


async def test_shutdown_does_not_wait_for_the_unwilling(start: Start) -> None:
    """A client that never answers is cut off."""
    endpoint = await start(send=0.1)
    _, writer = await raw_client(endpoint)
    await endpoint.until(lambda: len(endpoint.server.sessions) == 1)
    async with asyncio.timeout(PATIENCE):
        await endpoint.server.close()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_slow_client_is_dropped_and_told_so(start: Start) -> None:
    """Its queue is bounded; the others lose nothing (1013)."""
    endpoint = await start(queue=20, send_buffer=4096)
    # A short window, so that little is on its way while nobody reads.
    connector = aiohttp.TCPConnector(socket_factory=small_window)
    async with aiohttp.ClientSession(connector=connector) as http:
        slow = Client(await http.ws_connect(endpoint.url), "good")
        quick = await endpoint.connect()
        for client in (slow, quick):
            await client.subscribe(ACCOUNT, EVENTS)
        slow.socket._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        seen = 0
        async with asyncio.timeout(PATIENCE):
            while not endpoint.server.dropped_slow:
                await endpoint.world.event(call="c" * 150)
                await quick.event()
                seen += 1
        slow.socket._reader._protocol.resume_reading()  # type: ignore[attr-defined]
        assert await slow.close_code() == 1013
        await quick.socket.close()
        assert seen > 20


async def test_a_client_that_never_reads_is_cut_off(start: Start) -> None:
    """What was not sent to it is not kept for as long as it likes."""
    endpoint = await start(queue=20, send_buffer=4096, send=0.2)
    connector = aiohttp.TCPConnector(socket_factory=small_window)
    async with aiohttp.ClientSession(connector=connector) as http:
        slow = Client(await http.ws_connect(endpoint.url), "good")
        await slow.subscribe(ACCOUNT, EVENTS)
        slow.socket._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while endpoint.server.sessions:
                await endpoint.world.event(call="c" * 150)
        assert endpoint.server.dropped_slow == 1


async def test_a_stream_begins_with_a_snapshot_and_goes_on(start: Start) -> None:
    """Plain HTTP clients get what a websocket would be pushed, with the numbers as event ids."""
    endpoint = await start()
    endpoint.world.guard.running["room"] = Room("room", ACCOUNT)
    async with endpoint.http.get(endpoint.url + "/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-own"] == "1"
        name, number, data = await next_event(response)
        assert name == "snapshot" and b'"conference_id":"room"' in data
        await endpoint.world.event("mute-member")
        assert (await next_event(response))[:2] == ("mute-member", number + 1)
        assert len(endpoint.streams) == 1
    headers = {"Last-Event-ID": str(number)}
    async with endpoint.http.get(endpoint.url + "/events", headers=headers) as response:
        assert (await next_event(response))[:2] == ("mute-member", number + 1)
    await endpoint.until(lambda: len(endpoint.streams) == 0)


@pytest.mark.parametrize("last", ["5", "x", "9" * 30, "-1", "²"])
async def test_a_stream_that_cannot_resume_begins_again(start: Start, last: str) -> None:
    """A number that is not covered, or is none."""
    endpoint = await start()
    async with endpoint.http.get(endpoint.url + "/events", headers={"Last-Event-ID": last}) as response:
        assert (await next_event(response))[0] == "snapshot"


async def test_a_stream_gets_a_snapshot_when_events_went_unheard(start: Start) -> None:
    """After the broker was away, its client need not know how to ask."""
    endpoint = await start()
    async with endpoint.http.get(endpoint.url + "/events") as response:
        first = await next_event(response)
        endpoint.world.broker.stop()
        await endpoint.world.settle()
        await asyncio.sleep(0.002)
        endpoint.world.broker.start()
        second = await next_event(response)
        assert first[0] == second[0] == "snapshot"
        await endpoint.world.event()
        assert (await next_event(response))[:2] == ("add-member", second[1] + 1)


async def test_shutdown_ends_the_streams(start: Start) -> None:
    """Clients come back by themselves; more are not taken."""
    endpoint = await start()
    async with endpoint.http.get(endpoint.url + "/events") as response:
        await next_event(response)
        await endpoint.streams.close()
        async with asyncio.timeout(PATIENCE):
            await response.read()
    async with endpoint.http.get(endpoint.url + "/events") as response:
        assert response.status == 429


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, int, bytes]:
    """Name, number and data of the next event of a stream; comments are passed over."""
    found: dict[bytes, bytes] = {}
    async with asyncio.timeout(PATIENCE):
        while True:
            line = (await response.content.readuntil(b"\n")).rstrip(b"\n")
            if not line and b"data" in found:
                return found[b"event"].decode(), int(found[b"id"]), found[b"data"]
            name, _, value = line.partition(b": ")
            found[name] = value


async def raw_client(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that shakes hands and then does nothing at all, not even answer pings."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(endpoint.url.rpartition(":")[2]))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    return reader, writer


def small_window(info: tuple[socket.AddressFamily, socket.SocketKind, int, str, object]) -> socket.socket:
    """A client's socket that takes little before it is read."""
    made = socket.socket(info[0], info[1], info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    return made
