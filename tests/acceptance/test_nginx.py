"""Debian's nginx before the sidecar: as it comes, with gzip for everything, and with our configuration."""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio
from yarl import URL

from scripts.daemons import free_port
from tests.support.house import House
from tests.support.nginx import nginx, shipped
from tests.support.sides import CROSSBARS, SPELLINGS, A, Side, Sides, is_for_conferences, random_spellings

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Long enough for an event, and much shorter than what a proxy that waits for more would wait.
AT_ONCE = 3.0
WAITING = aiohttp.ClientTimeout(sock_connect=AT_ONCE, sock_read=AT_ONCE)

PLAIN = "{gzip} server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{sidecar}; }} }}"
GZIP = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0; gzip_http_version 1.0;"


def configured(name: str, port: int, house: House) -> str:
    """The http block of a way to have nginx before a sidecar."""
    sidecar = str(URL(house.service.base_url).authority)
    if name == "ours":
        return shipped(port, sidecar, "127.0.0.1:9")
    # Debian's own nginx.conf has gzip on, for HTML alone.
    given = {"as it comes": "", "Debian's": "gzip on;", "gzip": GZIP}[name]
    return PLAIN.format(gzip=given, port=port, sidecar=sidecar)


class Stream:
    """A stream of events that is read as its bytes come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        packed = answer.headers.get("Content-Encoding") == "gzip"
        self._unpack = zlib.decompressobj(31).decompress if packed else bytes
        self._text = b""

    async def until(self, name: str) -> None:
        """Wait until an event of this name has come."""
        async with asyncio.timeout(AT_ONCE):
            while b"event: %b\n" % name.encode() not in self._text:
                chunk = await self._answer.content.readany()
                assert chunk, self._text
                self._text += self._unpack(chunk)


@pytest.mark.parametrize("name", ["as it comes", "Debian's", "gzip", "ours"])
@pytest.mark.parametrize("codings", ["gzip, deflate, br", "identity"], ids=["packed", "plain"])
async def test_events_come_at_once(house: House, name: str, codings: str, tmp_path: Path) -> None:
    """The stream says that nothing of it may be kept back: each event passes when it happens."""
    made, port = await house.create(), free_port()
    await house.run_room(made, 1)
    headers = {"X-Auth-Token": house.tokens["boss"], "Accept-Encoding": codings}
    url = f"http://127.0.0.1:{port}{house.path(made, 'events')}"
    async with (
        nginx(port, configured(name, port, house), tmp_path),
        aiohttp.ClientSession(auto_decompress=False, timeout=WAITING) as http,
        http.get(url, headers=headers) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store, no-transform"
        stream = Stream(answer)
        await stream.until("snapshot")
        for action in ("mute", "unmute"):
            await house.put(house.path(made, "participants", "1"), {"action": action})
            await stream.until(f"{action}-member")


async def test_the_stream_says_so_itself(house: House) -> None:
    """For proxies of any make."""
    url = house.service.base_url + house.path(await house.create(), "events")
    async with house.http.get(url, headers={"X-Auth-Token": house.tokens["boss"]}) as answer:
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store, no-transform"


@pytest_asyncio.fixture(loop_scope="module")
async def through(house: House, tmp_path: Path) -> AsyncIterator[str]:
    """The address of nginx with our configuration before a sidecar, websockets included."""
    port = free_port()
    sidecar = str(URL(house.service.base_url).authority)
    async with nginx(port, shipped(port, sidecar, "127.0.0.1:9", websockets=True), tmp_path):
        yield f"http://127.0.0.1:{port}"


async def test_requests_pass(house: House, through: str) -> None:
    """Reads, long writes, letters beyond ASCII, errors and websockets, as without nginx."""
    headers = {"X-Auth-Token": house.tokens["boss"]}
    url = through + house.path()
    # Longer than nginx takes by itself.
    long = io.BytesIO(orjson.dumps({"data": {"name": "Büro"}}) + b" " * 3_000_000)
    typed = {**headers, "Content-Type": "application/json"}
    async with house.http.put(url, data=long, headers=typed) as answer:
        assert answer.status == 201, await answer.text()
        made = (await answer.json())["data"]["id"]
    async with house.http.get(f"{url}?filter_name=Büro&fields=[%22id%22]", headers=headers) as answer:
        assert [one["id"] for one in (await answer.json())["data"]] == [made]
    async with house.http.put(f"{url}/{made}", json={"data": {"action": "dance"}}, headers=headers) as answer:
        assert (answer.status, (await answer.json())["message"]) == (400, "validation error")
    async with house.http.delete(f"{url}/{made}", headers=headers) as answer:
        assert answer.status == 200
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(through).port)
    target = f"{house.path()}?filter_name=Büro"
    writer.write(f"GET {target} HTTP/1.0\r\nX-Auth-Token: {house.tokens['boss']}\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    async with house.http.ws_connect(f"{through}/websocket") as socket:
        await socket.send_json({"action": "ping", "auth_token": house.tokens["boss"]})
        assert (await socket.receive_json(timeout=AT_ONCE))["data"] == {"response": "pong"}


@asynccontextmanager
async def two_sides(folder: Path, sidecar: Side, crossbar: Side) -> AsyncIterator[Sides]:
    """nginx with all of our configuration before two servers that keep what they are asked."""
    bind = free_port()
    servers = [await asyncio.start_server(side.serve, "127.0.0.1", 0) for side in (sidecar, crossbar)]
    at = [f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    try:
        async with nginx(bind, shipped(bind, at[0], at[1], websockets=True), folder):
            yield Sides(bind, sidecar, crossbar)
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


@pytest_asyncio.fixture(loop_scope="module")
async def sides(tmp_path: Path) -> AsyncIterator[Sides]:
    """Both answer."""
    async with two_sides(tmp_path, Side("sidecar"), Side("crossbar")) as made:
        yield made


async def test_no_spelling_brings_a_conference_to_crossbar(sides: Sides) -> None:
    """Whatever crossbar might take for a path of conferences reaches the sidecar, or is a 400; also paths
    that are put together at random."""
    for target in SPELLINGS:
        assert await sides.ask(target) in ("sidecar", "400"), target
    assert sides.crossbar.asked == []
    plain = (f"/v2/accounts/{A}/conferences", f"//v2/accounts/{A}/%63onferences/x", "/v2/conference_auth?x=1")
    for target in plain:
        assert await sides.ask(target) == "sidecar", target
        assert sides.sidecar.asked[-1][0].decode() == target
    for target in random_spellings(300):
        by = await sides.ask(target)
        assert by in (
            ("sidecar", "400") if is_for_conferences(target.encode()) else ("sidecar", "crossbar", "400")
        )
    assert len(sides.crossbar.asked) > 20
    assert [target for target, _ in sides.crossbar.asked if is_for_conferences(target)] == []


async def test_everything_else_reaches_crossbar(sides: Sides) -> None:
    """With its path as the client spelled it, whatever the method."""
    for target in CROSSBARS:
        for method in ("GET", "PUT"):
            assert await sides.ask(target, method=method) == "crossbar", target
    seen = [target.decode("latin-1") for target, _ in sides.crossbar.asked]
    assert seen[::2] == seen[1::2] == [target.removeprefix("http://kazoo") for target in CROSSBARS]


async def test_what_clients_say_of_themselves_is_not_passed_on(sides: Sides) -> None:
    """One address, which nginx has seen; and no other protocol."""
    more = (
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-For: 5.6.7.8",
        "Forwarded: for=1.2.3.4",
        "X-Real-IP: 1.2.3.4",
    )
    upgrade = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")
    for method, target in (("GET", "/v2/conferences"), ("PUT", "/v2/conferences"), ("GET", "/websocket")):
        assert await sides.ask(target, *more, *upgrade, method=method) == "sidecar"
        headers = sides.sidecar.asked[-1][1]
        assert headers.count(b"x-forwarded-for: 127.0.0.1\r\n") == headers.count(b"x-forwarded-for") == 1
        assert not any(one in headers for one in (b"1.2.3.4", b"5.6.7.8", b"\r\nforwarded:", b"h2c"))


class Dying(Side):
    """A sidecar that dies over every request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take it, and go."""
        line, _, headers = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        self.asked.append((line.split(b" ")[1], headers))
        writer.transport.abort()


@pytest.mark.parametrize(
    ("method", "by"),
    [("GET", "crossbar"), ("PUT", "502"), ("POST", "502"), ("PATCH", "502"), ("DELETE", "502")],
)
async def test_a_write_is_not_done_twice(method: str, by: str, tmp_path: Path) -> None:
    """What a sidecar died over is asked of crossbar if it only reads; else nobody knows whether it was done.
    From then on crossbar answers everything."""
    async with two_sides(tmp_path, Dying("sidecar"), Side("crossbar")) as sides:
        target = f"/v2/accounts/{A}/conferences"
        assert await sides.ask(target, method=method) == by
        assert len(sides.sidecar.asked) == 1
        assert len(sides.crossbar.asked) == (by == "crossbar")
        for again in ("GET", "PUT", "DELETE"):
            assert await sides.ask(target, method=again) == "crossbar"
        assert len(sides.sidecar.asked) == 1
