"""Every bound on what a client may do, each set low here: what it sees, and that others go on."""

from __future__ import annotations

import asyncio
import gzip
import resource
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import aiohttp
import orjson
import pytest

from tests.support.brokers import eventually
from tests.support.raw import raw
from tests.support.sidecar import Answer, Sidecar, sidecar_in_memory

BROKEN = {"json": {"invalid": {"message": "decoder_exit around 0", "target": "body"}}}

LIMITS = {
    "header_limit_bytes": "1024",
    "header_limit_count": "20",
    "body_limit_bytes": "200000",
    "json_depth": "10",
    "json_values": "1000",
    "concurrent_requests": "3",
    "request_timeout_seconds": "0.5",
    "header_timeout_seconds": "0.4",
    "send_timeout_seconds": "0.5",
    "idle_timeout_seconds": "1",
    "websocket_frame_bytes": "2048",
}


def limited(**more: str) -> AbstractAsyncContextManager[Sidecar]:
    """A sidecar in memory with low limits."""
    return sidecar_in_memory(**{**LIMITS, **more})


@pytest.fixture
async def sidecar() -> AsyncIterator[Sidecar]:
    """The same for every test that sets nothing else."""
    async with limited() as sidecar:
        yield sidecar


def head(sidecar: Sidecar, method: str = "GET", *more: str, path: str | None = None) -> bytes:
    """A request's line and headers, without the empty line at the end."""
    lines = [
        f"{method} {path or sidecar.path()} HTTP/1.1",
        "Host: x",
        f"X-Auth-Token: {sidecar.token}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


async def fine(sidecar: Sidecar) -> None:
    """Somebody else is served."""
    async with asyncio.timeout(5):
        assert (await sidecar.get()).status == 200


async def test_request_line_and_headers(sidecar: Sidecar) -> None:
    """A line, a header or a number of headers beyond the limit is a 400 in the envelope, and the end."""
    many = [f"X-{number}: x" for number in range(40)]
    for request in (
        head(sidecar, path="/v2/" + "x" * 2000),
        head(sidecar, "GET", "X-Long: " + "x" * 2000),
        head(sidecar, "GET", *many),
    ):
        async with raw(sidecar) as client:
            client.say(request + b"\r\n")
            _is_refused(await client.answer())
    await fine(sidecar)


@pytest.mark.parametrize(
    "request_",
    [
        b"BREW /v2/about HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/about HTTP/1.1\r\n\r\n",
        b"GET /v2/about HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
        b"GET\r\n\r\n",
    ],
)
async def test_what_is_no_request(sidecar: Sidecar, request_: bytes) -> None:
    """What the HTTP server cannot read is a 400 in the envelope, and the connection ends."""
    async with raw(sidecar) as client:
        client.say(request_)
        _is_refused(await client.answer())
    await fine(sidecar)


def _is_refused(answer: str) -> None:
    head, _, text = answer.partition("\r\n\r\n")
    lines = head.lower().splitlines()
    assert lines[0] == "http/1.0 400 bad request" and "content-type: application/json" in lines
    envelope = orjson.loads(text)
    assert (envelope["status"], envelope["error"], envelope["message"]) == ("error", "400", "bad request")
    assert f"x-request-id: {envelope['request_id']}" in lines


async def test_body_size(sidecar: Sidecar) -> None:
    """Said, found out while reading, or packed: a body beyond the limit is a 400 in the envelope."""
    large = orjson.dumps({"data": {"name": "x" * 300_000}})
    refused = [
        await sidecar.call("PUT", sidecar.path(), large),
        await sidecar.call("PUT", sidecar.path(), gzip.compress(large), **{"Content-Encoding": "gzip"}),
    ]
    for answer in refused:
        assert answer.status == 400 and "maxSize" in answer.data["file"], answer.body
    async with raw(sidecar) as client:
        client.say(head(sidecar, "PUT", "Transfer-Encoding: chunked") + b"\r\n")
        for _ in range(5):
            client.say(b"ea60\r\n" + b"x" * 60_000 + b"\r\n")
        assert await client.status() == 400
    await fine(sidecar)


async def test_packed_body_that_is_a_bomb(sidecar: Sidecar) -> None:
    """A hundred kilobytes that stand for a hundred megabytes are refused before they are unpacked."""
    bomb = gzip.compress(b" " * 100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await sidecar.call("PUT", sidecar.path(), bomb, **{"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
    await fine(sidecar)


async def test_depth_and_length_of_json(sidecar: Sidecar) -> None:
    """Too deep and too many are answered like JSON that is broken."""
    deep = b'{"data":' + b'{"a":' * 20 + b"1" + b"}" * 21
    wide = orjson.dumps({"data": {"name": "x", "list": list(range(2000))}})
    for body in (deep, wide, b"[" * 100_000):
        answer = await sidecar.call("PUT", sidecar.path(), body)
        assert (answer.status, answer.data) == (400, BROKEN)
    fields = b"&".join(b"f%d=1" % number for number in range(2000))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await sidecar.call("PUT", sidecar.path(), fields, **form)).status == 400
    assert (await sidecar.create(list=list(range(900)))).status == 201


async def test_concurrent_requests() -> None:
    """More at once than the limit are told to come back, and the others are served."""
    async with limited(request_timeout_seconds="30", search_timeout_ms="500") as sidecar:
        conference_id = await sidecar.created()
        await sidecar.cluster.perform(["fault", "all", "silent", "on"])
        answers = await asyncio.gather(*(sidecar.get(conference_id, query="?fresh=true") for _ in range(10)))
        shed = [answer for answer in answers if answer.status == 503]
        assert len(shed) == 7 and sum(answer.status == 200 for answer in answers) == 3
        for answer in shed:
            assert answer.message == "overloaded" and answer.headers["Retry-After"] == "1"
        await fine(sidecar)


async def test_slow_headers(sidecar: Sidecar) -> None:
    """Who sends its headers byte by byte, or none, is gone in time."""
    async with raw(sidecar) as silent, raw(sidecar) as dripping:

        async def drip() -> None:
            for byte in head(sidecar):
                dripping.say(bytes([byte]))
                await asyncio.sleep(0.02)

        task = asyncio.create_task(drip())
        assert await silent.ended() < 2 and await dripping.ended() < 2
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await fine(sidecar)


async def test_slow_body(sidecar: Sidecar) -> None:
    """A body that comes byte by byte is a 408 in the envelope, and the connection ends."""
    async with raw(sidecar) as client:
        client.say(head(sidecar, "PUT", "Content-Length: 1000", "Content-Type: application/json") + b"\r\n")

        async def drip() -> None:
            while True:
                client.say(b" ")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(drip())
        assert await client.status(2) == 408
        await client.ended()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sidecar.service.load.running == 0
    await fine(sidecar)


async def test_idle_connections(sidecar: Sidecar) -> None:
    """A connection on which nothing more comes is ended, also in the middle of the next headers."""
    for more in (b"", head(sidecar)):
        async with raw(sidecar) as client:
            client.say(head(sidecar) + b"\r\n")
            assert await client.status() == 200
            client.say(more)
            assert await client.ended() < 3
    await fine(sidecar)


async def test_answer_that_is_not_taken(sidecar: Sidecar) -> None:
    """A client that asks and does not read is dropped, with what waits for it."""
    conference_id = await sidecar.created(list=["x" * 190] * 900)
    async with raw(sidecar, reads=False) as client:
        client.say((head(sidecar, path=sidecar.path(conference_id)) + b"\r\n") * 100)
        await eventually(lambda: _dropped(sidecar) == 1)
    await fine(sidecar)


async def test_answers_that_nobody_takes_are_bounded_in_bytes() -> None:
    """Many clients that ask and do not read, each for less long than it may: the first of them are dropped
    when all together leave too much, and others are served."""
    async with limited(unsent_bytes="1000000", send_timeout_seconds="60") as sidecar:
        conference_id = await sidecar.created(list=["x" * 190] * 900)
        ask = (head(sidecar, path=sidecar.path(conference_id)) + b"\r\n") * 32
        async with AsyncExitStack() as clients:
            for _ in range(12):
                client = await clients.enter_async_context(raw(sidecar, reads=False))
                client.say(ask)
            await eventually(lambda: 0 < _dropped(sidecar) < 12)
            await fine(sidecar)


def _dropped(sidecar: Sidecar) -> int:
    return sidecar.service.listeners.dropped


async def test_websocket_frames(sidecar: Sidecar) -> None:
    """A frame beyond the limit closes the session with 1009; one below it is answered."""
    async with aiohttp.ClientSession() as http, http.ws_connect(sidecar.service.ws_url) as ws:
        await ws.send_json({"action": "ping", "auth_token": sidecar.token, "padding": "x" * 200})
        assert (await ws.receive_json(timeout=5))["status"] == "success"
        await ws.send_str("x" * 5000)
        assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await fine(sidecar)


async def test_largest_accepted_body_does_not_hold_up_others() -> None:
    """With the default limits the dearest body that is taken leaves the loop free again soon."""
    async with limited(json_values="20000", body_limit_bytes="8000000", concurrent_requests="100") as sidecar:
        longest = 0.0
        done = asyncio.Event()

        async def beat() -> None:
            nonlocal longest
            while not done.is_set():
                begun = time.perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, time.perf_counter() - begun)

        task = asyncio.create_task(beat())
        answers: list[Answer] = []
        for numbers in (
            [secrets.token_hex(4) for _ in range(19_000)],
            list(range(19_000)),
        ):
            answers.append(await sidecar.create(conference_numbers=numbers))
        done.set()
        await task
        assert [answer.status for answer in answers][1] == 400
        assert longest < 5
