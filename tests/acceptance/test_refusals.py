"""What is no request, or has a body that is not what it says: an envelope, and one clean line."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
import structlog

from tests.support.raw import raw
from tests.support.sidecar import Sidecar, sidecar_in_memory

SECRET = "s3cr3t-Tok3n"

GOOD = b'{"data": {"name": "x"}}'


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sidecar() -> AsyncIterator[Sidecar]:
    """In memory: nothing of this reaches store or bus."""
    async with sidecar_in_memory(request_timeout_seconds="5", anonymous_body_limit_bytes="2000") as sidecar:
        yield sidecar


def parts(answer: str) -> tuple[int, list[str], Any]:
    """Status, header lines in small letters, and the body as JSON."""
    head, _, text = answer.partition("\r\n\r\n")
    lines = head.lower().splitlines()
    return int(lines[0].split()[1]), lines, orjson.loads(text) if text else None


NO_REQUESTS = {
    "method": f"BREW /v2/x?auth_token={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n",
    "small letters": f"get /v2/x?auth_token={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": f"GET /v2/x HTTP/1.1\r\nX-Auth-Token: {SECRET}\r\n\r\n",
    "two hosts": f"GET /v2/x HTTP/1.1\r\nHost: x\r\nHost: y\r\nX-Auth-Token: {SECRET}\r\n\r\n",
    "blank in a name": f"GET /v2/x HTTP/1.1\r\nHost: x\r\nX Y: {SECRET}\r\n\r\n",
    "no colon": f"GET /v2/x HTTP/1.1\r\nHost: x\r\n{SECRET}\r\n\r\n",
    "folded": f"GET /v2/x HTTP/1.1\r\nHost: x\r\nX-Auth-Token: a\r\n {SECRET}\r\n\r\n",
    "NUL": f"GET /v2/x HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {SECRET}\0\r\n\r\n",
    "one word": f"{SECRET}\r\n\r\n",
    "another version": f"GET /v2/x?auth_token={SECRET} HTTP/7.9\r\nHost: x\r\n\r\n",
    "another protocol": "\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no path": f"GET {SECRET} HTTP/1.1\r\nHost: x\r\n\r\n",
    "URL without a host": f"GET http:///v2?auth_token={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n",
    "long line": f"GET /v2/x?auth_token={SECRET}{'x' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": f"GET /v2/x HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {SECRET}{'x' * 9000}\r\n\r\n",
    "many headers": "GET /v2/x HTTP/1.1\r\nHost: x\r\n" + f"X-Auth-Token: {SECRET}\r\n" * 200 + "\r\n",
    "two lengths": "PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "negative length": "PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length of words": "PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "endless length": f"PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: {2**70}\r\n\r\n",
    "length and chunks": "PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer": "PUT /v2/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nxxx",
    "websocket of old": "GET /websocket HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key1: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_REQUESTS)
@pytest.mark.parametrize("port", ["api", "websocket"])
async def test_what_is_no_request_gets_an_envelope_and_one_line(
    sidecar: Sidecar, name: str, port: str
) -> None:
    """A 400 with a request id that the log knows too; neither shows anything of what was sent."""
    with structlog.testing.capture_logs() as lines:
        async with raw(sidecar, port) as client:
            client.say(NO_REQUESTS[name].encode("latin-1"))
            answer = await client.answer()
    status, head, envelope = parts(answer)
    assert (status, envelope["status"], envelope["message"]) == (400, "error", "bad request")
    assert "content-type: application/json" in head
    [line] = [one for one in lines if one["event"] != "connection_dropped"]
    assert line["event"] == "request_refused" and line["log_level"] == "warning"
    assert set(line) == {"event", "log_level", "reason", "status", "client", "request_id"}
    assert line["request_id"] == envelope["request_id"] and line["reason"] == envelope["data"]["message"]
    assert SECRET not in answer and SECRET not in json.dumps(lines)


def request(sidecar: Sidecar, *lines: str, body: bytes = b"") -> bytes:
    """A PUT of the list with these header lines."""
    head = [f"PUT {sidecar.path()}?auth_token={sidecar.token} HTTP/1.1", "Host: x", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def chunked(*chunks: bytes) -> bytes:
    """A whole chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


BROKEN_BODIES = {
    "a length that is no number": (("Transfer-Encoding: chunked",), b"zz\r\n{}\r\n0\r\n\r\n"),
    "no end of a chunk": (("Transfer-Encoding: chunked",), b"2\r\n{}xx\r\n0\r\n\r\n"),
    "a negative length": (("Transfer-Encoding: chunked",), b"-2\r\n{}\r\n0\r\n\r\n"),
    "an endless length": (("Transfer-Encoding: chunked",), b"f" * 40 + b"\r\n"),
    "a broken second chunk": (("Transfer-Encoding: chunked",), b"2\r\n{}\r\nzz\r\n"),
}


@pytest.mark.parametrize("name", BROKEN_BODIES)
@pytest.mark.parametrize("is_slow", [False, True], ids=["at once", "later"])
async def test_broken_chunks_are_a_400_at_once(sidecar: Sidecar, name: str, is_slow: bool) -> None:
    """Also when the request is in hand already: one answer in the envelope, and the end, no wait for a body
    that cannot come any more."""
    lines, body = BROKEN_BODIES[name]
    async with raw(sidecar) as client:
        client.say(request(sidecar, *lines))
        if is_slow:
            await asyncio.sleep(0.05)
        client.say(body)
        answer = await client.answer(within=3)
    assert answer.count("HTTP/1.") == 1
    status, head, envelope = parts(answer)
    assert (status, envelope["message"]) == (400, "bad request")
    assert "content-type: application/json" in head
    assert sidecar.service.load.running == 0


@pytest.mark.parametrize(
    "lines", [("Content-Length: 500",), ("Transfer-Encoding: chunked",)], ids=["length", "chunks"]
)
async def test_a_body_that_ends_too_early_is_a_400(sidecar: Sidecar, lines: tuple[str, ...]) -> None:
    """When the client says that nothing more comes, it still hears what was wrong; when it goes, that is no
    fault of ours."""
    with structlog.testing.capture_logs() as logged:
        async with raw(sidecar) as client:
            client.say(request(sidecar, *lines, body=b"3\r\n{  "))
            await asyncio.sleep(0.05)
            client.end()
            status, _, envelope = parts(await client.answer(within=3))
            assert (status, envelope["message"]) == (400, "bad request")
        async with raw(sidecar) as client:
            client.say(request(sidecar, *lines, body=b"3\r\n{  "))
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)
    assert {line["event"] for line in logged} <= {"request"}
    assert sidecar.service.load.running == 0


PACKED = {
    "not packed": ("gzip", GOOD, 400),
    "not deflated": ("deflate", GOOD, 400),
    "another way": ("deflate", gzip.compress(GOOD), 400),
    "the other way": ("gzip", zlib.compress(GOOD), 400),
    "cut off": ("gzip", gzip.compress(GOOD)[:-5], 400),
    "spoilt": ("gzip", gzip.compress(GOOD)[:-8] + b"\0" * 8, 400),
    "more behind it": ("gzip", gzip.compress(GOOD) + b"x", 400),
    "a second one": ("gzip", gzip.compress(GOOD) * 2, 400),
    "brotli": ("br", GOOD, 400),
    "zstd": ("zstd", b"\x28\xb5\x2f\xfd" + GOOD, 400),
    "compress": ("compress", GOOD, 400),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(GOOD)), 400),
    "in capitals": ("GZIP", gzip.compress(GOOD), 201),
    "old name": ("x-gzip", gzip.compress(GOOD), 201),
    "deflate": ("deflate", zlib.compress(GOOD), 201),
    "nothing": ("identity", GOOD, 201),
    "nothing and something": ("identity, gzip", gzip.compress(GOOD), 201),
    "no name": ("", GOOD, 201),
    "no JSON inside": ("gzip", gzip.compress(b"{"), 400),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunks"])
async def test_what_a_body_is_packed_with(sidecar: Sidecar, name: str, in_chunks: bool) -> None:
    """What is true is unpacked; what is not, or is not known here, is a 400 in the envelope that says so, and
    the connection goes on."""
    coding, body, status = PACKED[name]
    listed = await sidecar.get()
    for old in listed.data:
        await sidecar.call("DELETE", sidecar.path(old["id"]))
    lines = (f"Content-Encoding: {coding}", "Content-Type: application/json")
    sent = (
        request(sidecar, *lines, "Transfer-Encoding: chunked", body=chunked(body[:5], body[5:]))
        if in_chunks
        else request(sidecar, *lines, f"Content-Length: {len(body)}", body=body)
    )
    async with raw(sidecar) as client:
        client.say(sent + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        first, _, second = (await client.answer()).partition("HTTP/1.1 200 OK")
    assert second.endswith("/v2/.\n")
    found, head, envelope = parts(first)
    assert found == status, envelope
    assert "content-type: application/json" in head
    if status == 400:
        assert envelope["message"] == "validation error"
        assert set(envelope["data"]) == ({"json"} if name == "no JSON inside" else {"Content-Encoding"})


async def test_order_of_errors_without_a_token(sidecar: Sidecar) -> None:
    """A body that cannot be read is told of before anything else, a short good one is not; a long one is a
    400 with the limit that holds without a token, packed or not."""
    path = sidecar.path()
    long = b'{"data": {"name": "%s"}}' % (b"x" * 3000)
    packed = {"Content-Encoding": "gzip"}
    no_token = {"X-Auth-Token": ""}
    assert (await sidecar.call("PUT", path, b"{", **no_token)).status == 400
    assert (await sidecar.call("PUT", path, GOOD, **no_token)).status == 401
    assert (await sidecar.call("PUT", path, GOOD, **no_token, **packed)).status == 400
    for body, headers in ((long, {}), (gzip.compress(long), packed)):
        answer = await sidecar.call("PUT", path, body, **no_token, **headers)
        assert (answer.status, answer.data["file"]["maxSize"]["target"]) == (400, 2000)
    in_body = orjson.dumps({"data": {"name": "by a token in the body"}, "auth_token": sidecar.token})
    assert (await sidecar.call("PUT", path, in_body, **no_token)).status == 201
    for headers in ({}, {"X-Auth-Token": "", "Authorization": f"Bearer {sidecar.token}"}):
        name = {"data": {"name": f"long {len(headers)}", "note": "x" * 3000}}
        assert (await sidecar.call("PUT", path, name, **headers)).status == 201
    by_query = f"{path}?auth_token={sidecar.token}"
    name = {"data": {"name": "long by query", "note": "x" * 3000}}
    assert (await sidecar.call("PUT", by_query, name, **no_token)).status == 201
