"""What a request line may name: whole URLs, and bytes beyond ASCII, ask for the same as a plain path does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio

from tests.support.raw import raw
from tests.support.sidecar import Sidecar, sidecar_in_memory

NAME = "Büro „Ωmega“ 会议 🎉"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sidecar() -> AsyncIterator[Sidecar]:
    """In memory, with a conference that has a name in many alphabets, and one more."""
    async with sidecar_in_memory() as sidecar:
        await sidecar.created(name=NAME)
        await sidecar.created(name="plain")
        yield sidecar


def head(sidecar: Sidecar, method: str, target: str | bytes, *lines: str, close: bool = True) -> bytes:
    """A request as its bytes."""
    more = [f"X-Auth-Token: {sidecar.token}", *lines, *(["Connection: close"] if close else [])]
    aimed = target if isinstance(target, bytes) else target.encode()
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (method.encode(), aimed, "\r\n".join(more).encode())


def parts(answer: str) -> tuple[int, Any]:
    """Status, and what was answered without what differs each time."""
    top, _, text = answer.partition("\r\n\r\n")
    body = orjson.loads(text) if text.startswith("{") else text
    shown = {key: body.get(key) for key in ("data", "status", "message")} if isinstance(body, dict) else body
    return int(top.split()[1]), shown


async def ask(sidecar: Sidecar, method: str, target: str | bytes, *pieces: int) -> tuple[int, Any]:
    """The answer to a request that comes whole, or cut at these places."""
    sent = head(sidecar, method, target)
    async with raw(sidecar) as client:
        for begin, end in zip((0, *pieces), (*pieces, len(sent)), strict=True):
            client.say(sent[begin:end])
            await asyncio.sleep(0.01 if pieces else 0)
        return parts(await client.answer())


def paths(sidecar: Sidecar) -> list[tuple[str, str]]:
    """Verbs and paths of all kinds of answers."""
    return [
        ("GET", sidecar.path()),
        ("GET", sidecar.path() + "?page_size=1"),
        ("GET", sidecar.path("none")),
        ("PUT", sidecar.path()),
        ("DELETE", sidecar.path() + "/none"),
        ("GET", "/v1/accounts/x"),
        ("GET", "/v2/accounts/x/conferences"),
        ("PATCH", sidecar.path() + "?x=http://y/z"),
        ("GET", "/"),
        ("GET", "/websocket"),
        ("GET", "/?x=/websocket"),
    ]


@pytest.mark.parametrize(
    "before",
    [
        "http://x",
        "http://other.example:8000",
        "HTTPS://user:secret@other.example",
        "http://[::1]:80",
        "http://bücher.de",
    ],
)
async def test_a_whole_url_asks_for_the_same(sidecar: Sidecar, before: str) -> None:
    """A client that was told of a proxy names scheme and host too (RFC 9112 3.2.2)."""
    for method, path in paths(sidecar):
        by_path = await ask(sidecar, method, path)
        assert await ask(sidecar, method, before + path) == by_path, (method, path)
        assert by_path[0] in (200, 400, 401, 404, 405, 410, 426)


async def test_a_url_without_a_path_is_the_root(sidecar: Sidecar) -> None:
    """The path begins after the host, not at the first slash that there is."""
    greeting = await ask(sidecar, "GET", "/")
    for target in ("http://x", "http://x?y=/v2/accounts", "http://x?y=http://z/v1"):
        assert await ask(sidecar, "GET", target) == greeting, target


async def test_a_fragment_is_left_out(sidecar: Sidecar) -> None:
    """As Kazoo's server does: it is no part of what is asked for."""
    for method, path in paths(sidecar):
        by_path = await ask(sidecar, method, path)
        for more in ("#x", "#", "#/devices?y=1"):
            assert await ask(sidecar, method, path + more) == by_path, path + more


async def test_letters_beyond_ascii(sidecar: Sidecar) -> None:
    """Raw bytes of a query mean what they mean percent-encoded: the list is that of the name."""
    for prefix in ("", "http://bücher.de"):
        target = f"{prefix}{sidecar.path()}?filter_name="
        status, answer = await ask(sidecar, "GET", target + NAME.replace(" ", "+"))
        assert (status, [one["name"] for one in answer["data"]]) == (200, [NAME])
        assert await ask(sidecar, "GET", target + quote(NAME)) == (status, answer)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"?filter_name=\xff\xfe", b"?filter_name=%FF%FE"),
        (b"?filter_name=\xc3", b"?filter_name=%C3"),
        (b"?\xc3\xbc", b"?%C3%BC"),
        (b"?%C3\xbc=%zz", b"?%C3%BC=%zz"),
        (b"/B\xc3\xbcro", b"/B%C3%BCro"),
        (b"/\xff/participants", b"/%FF/participants"),
        (b"/x\xe2\x80\xa8y?action=\xe2\x80\xa8", b"/x%E2%80%A8y?action=%E2%80%A8"),
    ],
)
async def test_any_bytes(sidecar: Sidecar, sent: bytes, meant: bytes) -> None:
    """Also what is no letter of any alphabet, in the path too."""
    path = sidecar.path().encode()
    for method in ("GET", "PUT", "DELETE"):
        assert await ask(sidecar, method, path + sent) == await ask(sidecar, method, path + meant)


async def test_a_line_that_comes_in_pieces(sidecar: Sidecar) -> None:
    """Wherever the network cuts it, within a letter too."""
    target = f"{sidecar.path()}?filter_name={quote(NAME[:5])}{NAME[5:].replace(' ', '+')}".encode()
    whole = await ask(sidecar, "GET", target)
    assert len(whole[1]["data"]) == 1
    length = len(target)
    for cut in (
        4,
        5,
        30,
        length - 10,
        length - 1,
        length + 3,
        length + 4,
        length + 8,
        length + 12,
        length + 13,
    ):
        assert await ask(sidecar, "GET", target, cut) == whole, cut
    assert await ask(sidecar, "GET", target, *range(5, length + 20, 7)) == whole


async def test_bodies_are_left_alone(sidecar: Sidecar) -> None:
    """What looks like a request line within a body, or a header, comes in as it was sent, and what follows on
    the same connection is read."""
    name = "GET /ü HTTP/1.1"
    body = orjson.dumps({"data": {"name": name}})
    at = body.index(b"GET")
    asked = head(
        sidecar, "GET", f"{sidecar.path()}?filter_name={name.replace(' ', '+')}".replace("+HTTP", "%20HTTP")
    )
    for chunked in (False, True):
        lines = (
            "Content-Type: application/json",
            "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}",
        )
        sent = [body[:at], body[at:]]
        if chunked:
            sent = [b"%x\r\n" % len(body) + sent[0], sent[1] + b"\r\n0\r\n\r\n"]
        async with raw(sidecar) as client:
            for piece in (head(sidecar, "PUT", sidecar.path(), *lines, close=False), *sent):
                client.say(piece)
                await asyncio.sleep(0.02)
            client.say(asked)
            answer = await client.answer()
        created, _, listed = answer.partition("HTTP/1.1 200 OK")
        assert created.startswith("HTTP/1.1 201"), created
        [one] = orjson.loads(listed.partition("\r\n\r\n")[2])["data"]
        assert one["name"] == name
        await sidecar.call("DELETE", sidecar.path(one["id"]))


async def test_a_connection_may_be_used_again(sidecar: Sidecar) -> None:
    """Each request of a connection is read so, not the first alone."""
    target = f"{sidecar.path()}?filter_name={NAME.replace(' ', '+')}&fields=%5B%22id%22%5D"
    async with raw(sidecar) as client:
        for _ in range(3):
            # Some clients of old end a request with an empty line too many.
            client.say(head(sidecar, "GET", target, close=False) + b"\r\n")
            await asyncio.sleep(0.05)
        client.say(head(sidecar, "GET", target))
        answer = await client.answer()
    assert answer.count("HTTP/1.1 200 OK") == answer.count('"page_size":1') == 4


async def test_a_line_that_never_ends_is_too_long(sidecar: Sidecar) -> None:
    """What is waited for is bounded as it was."""
    async with raw(sidecar) as client:
        client.say(b"GET /")
        for _ in range(5):
            client.say(b"\xc3\xbc" * 1000)
            await asyncio.sleep(0.01)
        assert await client.status() == 400
