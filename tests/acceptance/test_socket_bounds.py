"""What a websocket session or an event stream may not take from the others: memory, places, work.

Each bound is set low here; the client that goes beyond it is told so, and its neighbour goes on.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import aiohttp
import pytest

from crossbar_conferences.auth.mint import mint
from crossbar_conferences.auth.port import StoreDocuments
from tests.support.brokers import eventually
from tests.support.sidecar import Sidecar, sidecar_in_memory
from tests.support.sockets import PATIENCE, Client

LIMITS = {
    "reverse_proxies": "127.0.0.1",
    "websocket_token_seconds": "0.3",
    "websocket_queue_bytes": "100000",
    "websocket_memory_bytes": "1000000",
    "websocket_bindings_per_account": "30",
    "websocket_sessions_per_ip": "6",
    "websocket_sessions_per_account": "10",
    "event_streams_per_token": "3",
}


def limited(**more: str) -> AbstractAsyncContextManager[Sidecar]:
    """A sidecar in memory with low limits."""
    return sidecar_in_memory(**{**LIMITS, **more})


@pytest.fixture
async def sidecar() -> AsyncIterator[Sidecar]:
    """The same for every test that sets nothing else."""
    async with limited() as sidecar:
        yield sidecar


async def connect(
    sidecar: Sidecar, token: str | None = "", address: str = "192.0.2.1", **options: Any
) -> Client:
    """One more client, from an address."""
    headers = {"X-Forwarded-For": address, **options.pop("headers", {})}
    opened = await sidecar.http.ws_connect(sidecar.service.ws_url, headers=headers, **options)
    return Client(opened, sidecar.token if token == "" else token)


async def token_of(sidecar: Sidecar, user: str = "boss") -> str:
    """One more token of a user."""
    owner = sidecar.data.users[user]
    reads = StoreDocuments(sidecar.service.store)
    return await mint(reads, owner.account.id, owner.id, claims={"nonce": secrets.token_hex(8)})


async def refused(sidecar: Sidecar, address: str = "192.0.2.1", **headers: str) -> int:
    """The status with which a handshake is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await sidecar.http.ws_connect(sidecar.service.ws_url, headers={"X-Forwarded-For": address, **headers})
    return caught.value.status


async def test_a_session_without_a_token_is_closed_in_seconds(sidecar: Sidecar) -> None:
    """Also one that keeps talking, and one whose tokens are bad; one with a token stays."""
    silent, talking = await connect(sidecar, None), await connect(sidecar, "bad")
    known = await connect(sidecar)
    assert (await known.ask("ping"))["status"] == "success"

    async def talk() -> None:
        while not talking.socket.closed:
            await talking.socket.send_json({"action": "ping", "auth_token": "bad"})
            await asyncio.sleep(0.05)

    chatter = asyncio.create_task(talk())
    assert await silent.close_code() == 1008
    assert await talking.close_code() == 1008
    chatter.cancel()
    await asyncio.gather(chatter, return_exceptions=True)
    assert (await known.ask("ping"))["status"] == "success"


async def test_sessions_and_streams_have_places(sidecar: Sidecar) -> None:
    """By address, by account and by token; whoever has none is told so, and another account has its own."""
    kept = [await connect(sidecar, address=f"192.0.2.{number % 5}") for number in range(10)]
    for client in kept:
        assert (await client.ask("ping"))["status"] == "success"
    late = await connect(sidecar, address="192.0.2.77")
    await late.ask("ping")
    assert await late.close_code() == 1008
    other = await connect(sidecar, await token_of(sidecar, "other"), address="192.0.2.77")
    assert (await other.ask("ping"))["status"] == "success"
    # Those without a token go soon; before they do, they take the places of their own address only.
    idle = [await connect(sidecar, None, address="192.0.2.200") for _ in range(6)]
    assert await refused(sidecar, "192.0.2.200") == 429
    assert [await client.close_code() for client in idle] == [1008] * 6
    await connect(sidecar, None, address="192.0.2.200")


async def test_streams_are_counted_by_token_address_and_account(sidecar: Sidecar) -> None:
    """What one token held, 2,716 of them, is not there to be held."""
    conference_id = (await sidecar.create()).data["id"]
    url = sidecar.service.base_url + sidecar.path(conference_id, "events")
    async with AsyncExitStack() as stack:

        async def opened(token: str, address: str) -> int:
            headers = {"X-Auth-Token": token, "X-Forwarded-For": address}
            response = await stack.enter_async_context(sidecar.http.get(url, headers=headers))
            return response.status

        one = [await opened(sidecar.token, f"192.0.2.{number}") for number in range(4)]
        assert one == [200, 200, 200, 429]
        tokens = [await token_of(sidecar) for _ in range(9)]
        same_address = [await opened(token, "198.51.100.1") for token in tokens[:7]]
        assert same_address == [200] * 6 + [429]
        assert await opened(tokens[7], "198.51.100.2") == 200
        # Ten of one account, wherever they come from.
        assert await opened(tokens[8], "198.51.100.3") == 429
    await eventually(lambda: len(sidecar.service.streams) == 0)
    assert await opened_again(sidecar, url) == 200


async def opened_again(sidecar: Sidecar, url: str) -> int:
    """The status of one more stream, which is closed again."""
    async with sidecar.http.get(url, headers={"X-Auth-Token": sidecar.token}) as response:
        return response.status


async def test_a_client_that_does_not_read_takes_no_memory(sidecar: Sidecar) -> None:
    """Replies wait in the same queue as events, and are counted in bytes: 75 MB were kept for one."""
    connector = aiohttp.TCPConnector(socket_factory=_small_window)
    async with aiohttp.ClientSession(connector=connector) as http:
        address = {"X-Forwarded-For": "192.0.2.9"}
        slow = Client(await http.ws_connect(sidecar.service.ws_url, headers=address), sidecar.token)
        assert (await slow.ask("ping"))["status"] == "success"
        (session,) = sidecar.service.sockets.sessions.values()
        slow.socket._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        quick, most = await connect(sidecar), 0
        await quick.ask("ping")
        # The reply repeats the token, whatever it is.
        frame = {"action": "subscribe", "auth_token": "t" * 60_000}
        async with asyncio.timeout(3 * PATIENCE):
            while not session.over.is_set():
                await slow.socket.send_json(frame)
                await asyncio.sleep(0.005)
                most = max(most, session.outgoing.size)
        assert session.reason == "too_slow"
        assert 50_000 < most <= 100_000
        assert (await quick.ask("ping"))["status"] == "success"
    await eventually(lambda: sidecar.service.room.waiting.held() == 0)


async def test_subscriptions_are_counted_by_account(sidecar: Sidecar) -> None:
    """Over all sessions; what is let go may be taken again."""
    first, second = await connect(sidecar), await connect(sidecar)
    await first.subscribe(sidecar.account, *(f"conference.event.*.a{number}.*" for number in range(20)))
    asked = {"bindings": [f"conference.event.*.b{number}.*" for number in range(11)]}
    assert await second.errors("subscribe", asked) == ["too many subscriptions"]
    await first.ask("unsubscribe", {"binding": "conference.event.*.a0.*"})
    assert (await second.ask("subscribe", asked))["status"] == "success"
    await second.socket.close()
    await eventually(lambda: sidecar.service.room.bindings.held(sidecar.account) == 19)


async def test_replies_do_not_repeat_what_is_too_much() -> None:
    """Up to a hundred bindings are repeated each time, as in Kazoo; beyond that what was asked for is."""
    async with limited(websocket_bindings_per_account="1000") as sidecar:
        client = await connect(sidecar)
        texts = [f"conference.event.*.a{number}.*" for number in range(100)]
        reply = await client.subscribe(sidecar.account, *texts)
        assert reply["subscribed"] == reply["subscriptions"] == texts
        reply = await client.subscribe(sidecar.account, "conference.event.*.more.*")
        assert reply == {"subscribed": ["conference.event.*.more.*"]}
        (session,) = (await sidecar.call("GET", f"/v2/accounts/{sidecar.account}/websockets")).data
        assert session["bindings"] == texts


async def test_odd_frames_are_told_apart_and_harm_nobody(sidecar: Sidecar) -> None:
    """A frame 1,000 levels deep is an error in words, and so is what would be kept of it."""
    client = await connect(sidecar)
    for depth in (101, 300, 1_000, 2_000, 30_000):
        for frame in (
            '{"action":"ping","metadata":' + "[" * depth + "]" * depth + "}",
            '{"a":' * depth + "1" + "}" * depth,
        ):
            if len(frame) <= 65_536:
                await client.socket.send_str(frame)
                (error,) = (await client.reply())["data"]["errors"]
                assert error.endswith("nested too deeply")
    long = await client.ask("ping", name="n" * 10_000, metadata={"m": "m" * 10_000})
    assert long["status"] == "success"
    answer = await sidecar.call("GET", f"/v2/accounts/{sidecar.account}/websockets")
    assert answer.status == 200 and len(json.dumps(answer.body)) < 4_000
    deep: Any = "end"
    for _ in range(90):
        deep = [deep]
    assert (await client.ask("ping", metadata=deep))["status"] == "success"
    assert (await sidecar.call("GET", f"/v2/accounts/{sidecar.account}/websockets")).status == 200


async def test_a_flood_ends_the_session(sidecar: Sidecar) -> None:
    """Refused frames cost too: whoever goes on and on is closed with 1008, also for control frames."""
    flood = await connect(sidecar)
    await flood.ask("ping")
    reading = asyncio.create_task(flood.close_code())
    async with asyncio.timeout(PATIENCE):
        while not reading.done():
            if not flood.socket.closed:
                await flood.socket.ping(b"x")
            await asyncio.sleep(0)
    assert await reading == 1008


async def test_many_subscriptions_at_once_cost_what_they_are_worth() -> None:
    """Each that resumes costs as a frame does, ten that don't cost as one; more than there can be is told."""
    async with limited(websocket_bindings_per_account="5000") as sidecar:
        client = await connect(sidecar)
        texts = [f"conference.event.*.a{number}.*" for number in range(101)]
        asked = {"account_id": sidecar.account, "bindings": texts, "since": 0}
        assert await client.errors("subscribe", asked) == ["too many subscriptions at once"]
        assert (await client.ask("subscribe", {**asked, "bindings": texts[:80]}))["status"] == "success"
        local = client.socket.get_extra_info("sockname")
        assert local is not None
        again = await client.errors("subscribe", {**asked, "bindings": texts[:80]})
        assert again[0].startswith("rate limiting threshold hit")


async def test_frames_are_not_packed(sidecar: Sidecar) -> None:
    """Compression is not agreed to: a short frame cannot become a long one."""
    client = await connect(sidecar, compress=15)
    assert client.socket.compress == 0
    assert (await client.ask("ping"))["status"] == "success"


async def test_headers_that_stay_for_hours_are_short(sidecar: Sidecar) -> None:
    """A connection keeps its request for as long as it lasts."""
    conference_id = (await sidecar.create()).data["id"]
    long = {f"X-Long-{number}": "y" * 8_000 for number in range(3)}
    assert await refused(sidecar, **long) == 431
    answer = await sidecar.call("GET", sidecar.path(conference_id, "events"), **long)
    assert (answer.status, answer.body["message"]) == (431, "request_headers_too_large")


def _small_window(info: tuple[socket.AddressFamily, socket.SocketKind, int, str, object]) -> socket.socket:
    made = socket.socket(info[0], info[1], info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    return made
