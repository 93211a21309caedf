"""Two servers behind a proxy, and the spellings of paths by which somebody might choose between them."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

PATIENCE = 60.0


@dataclass(slots=True)
class Side:
    """A server that answers everything, and keeps what it was asked: request line and headers."""

    name: str
    asked: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request. Read by hand: a library would have its own idea of an odd path."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            line, _, headers = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            if not line.startswith(b"GET /readyz"):
                self.asked.append((line.split(b" ")[1], headers.lower()))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n")
            writer.write(b"X-Served-By: %b\r\n\r\n" % self.name.encode())
            await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True)
class Sides:
    """A proxy before two such servers."""

    port: int
    sidecar: Side
    crossbar: Side

    async def ask(self, target: str | bytes, *more: str, method: str = "GET") -> str:
        """Who answers a request for this target, sent as it is: ``sidecar``, ``crossbar``, or a status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            raw = target if isinstance(target, bytes) else target.encode("latin-1")
            writer.write(b"%b %b HTTP/1.1\r\nHost: kazoo\r\n" % (method.encode(), raw))
            writer.write("".join(f"{line}\r\n" for line in more).encode() + b"Connection: close\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read()
        finally:
            writer.close()
        served = re.search(rb"(?im)^x-served-by: (\w+)", answer)
        return served[1].decode() if served else answer.split(b" ")[1].decode()


def read_by_crossbar(target: bytes, times: int) -> list[bytes]:
    """The parts of a path as crossbar and cowboy see them: split, then each decoded (http.md 1.2).

    ``times``: 1 for every version that is maintained, 2 for older ones."""
    without_host = re.sub(rb"^[hH][tT][tT][pP][sS]?://[^/?#]*", b"", target)
    parts = re.split(rb"[?#]", without_host)[0].split(b"/")
    for _ in range(times):
        parts = [unquote_to_bytes(part) for part in parts]
    return parts


def is_for_conferences(target: bytes) -> bool:
    """Whether some version of crossbar could take a path for one of conferences."""
    seen = read_by_crossbar(target, 1) + read_by_crossbar(target, 2)
    return b"conferences" in seen or b"conference_auth" in seen


A, C, D = "a" * 32, "c" * 32, "d" * 32

#: Spellings of paths that crossbar takes, or might take, for those of conferences.
SPELLINGS = (
    f"/v2/accounts/{A}/conferences",
    f"/v2/accounts/{A}/conferences?x=/devices",
    f"/v2/accounts/{A}/conferences/{C}/participants//",
    f"/v2/accounts/{A}/%63onferences",
    f"/v2/accounts/{A}/c%6Fnferences/{C}",
    f"/v2/accounts/{A}/c%6fnference%73",
    f"/v2/accounts/{A}/%63%6f%6e%66%65%72%65%6e%63%65%73",
    f"/v2/accounts/{A}/%2563onferences",
    f"/v2/accounts/{A}/%25%36%33onferences",
    f"/v2/accounts/{A}/%%36%33onferences",
    f"/v2/accounts/{A}/%252563onferences",
    f"/%762/accounts/{A}/conferences",
    f"/v%32/%61ccounts/{A}/conferences",
    f"/v+2/accounts/{A}/conferences",
    f"/v02/accounts/{A}/conferences",
    f"/V2/accounts/{A}/conferences",
    f"//v2/accounts/{A}/conferences",
    f"///v2//accounts///{A}//conferences//{C}",
    f"/./v2/accounts/{A}/conferences",
    f"/v2/./accounts/./{A}/./conferences",
    f"/v2/%2e/accounts/{A}/%2E%2e/{A}/conferences",
    f"/v2/x/../accounts/{A}/conferences",
    f"/v2/accounts/{A}/conferences/.",
    f"/v2/accounts/{A}/conferences/..",
    f"/v2/accounts/{A}/conferences/../devices",
    f"/v2/accounts/{A}/devices/{D}/conferences",
    f"/v2/accounts/{A}/devices/{D}/conferences/{C}",
    f"/v2/accounts/{A}/devices/conferences",
    f"/v2/accounts/{A}/users/{D}/conferences/{C}/participants",
    f"/v2/accounts/{A}/users/{D}/devices/{D}/callflows/{D}/conferences",
    f"/v2/users/{D}/conferences",
    f"/v2/conferences/{C}",
    f"/v2/accounts/{A};x=y/conferences",
    f"/v2;x/accounts/{A}/conferences",
    f"/v2/accounts/{A}/conferences#",
    f"/v2/accounts/{A}/conferences#/devices",
    f"/v2/accounts/{A}/conferences/%00",
    f"/v2/accounts/{A}/%00/%63onferences",
    f"/v2/accounts/{A}/x%zz/conferences",
    f"/v2/accounts/{A}/%/conferences",
    f"/v2/accounts/{A}/conferences/%",
    f"/v2/accounts/{A}/conferences/\xff",
    f"http://kazoo/v2/accounts/{A}/conferences",
    f"HTTP://kazoo:8000/v2/accounts/{A}/%63onferences/{C}",
    f"https://user@kazoo/v2/accounts/{A}/devices/{D}/conferences",
    f"http:///v2/accounts/{A}/conferences",
    f"/v2/accounts/{A}/conference_auth/{C}",
    f"/v2/accounts/{A}/conference%5fauth/{C}",
    f"/v2/accounts/{A}/conference%5Fauth/{C}",
    "/v2/%63onference_auth",
    "/v2/users/conference_auth",
)

#: Paths of crossbar's own, some with odd but harmless parts; ``%2F`` is part of a name there.
CROSSBARS = (
    "/",
    "/v2",
    "/v2/accounts",
    "/v2/user_auth",
    f"/v2/accounts/{A}",
    f"/v2/accounts/{A}/devices/{D}",
    f"/v2/accounts/{A}/devices?filter_name=conferences",
    f"/v2/accounts/{A}/devices?x=/conferences/",
    f"/v2/accounts/{A}/media/{D}/raw",
    f"/v2/accounts/{A}/callflows?filter_numbers=%2B14155550100",
    f"/v2/accounts/{A}/phone_numbers/%2B14155550100",
    f"/v2/accounts/{A}/vmboxes/{D}/messages/202511-{D}",
    f"/v2/accounts/{A}/media/a%20b%2Fc",
    f"/v2/accounts/{A}/media/100%25",
    f"/v2/accounts/{A}/Conferences",
    f"/v2/accounts/{A}/conferencesx",
    f"/v2/accounts/{A}/xconferences",
    f"/v2/accounts/{A}/conference",
    f"/v2/accounts/{A}/conference_authx",
    f"/v2/accounts/{A}/websockets",
    f"/v2/accounts/{A}/media/%C3%A4",
    f"http://kazoo/v2/accounts/{A}/devices?x=1",
)


def random_spellings(number: int) -> Iterator[str]:
    """Paths put together at random of parts that matter, spelled in odd ways; the same ones each time."""
    draw = random.Random(20261128)
    words = [
        "conferences",
        "conference_auth",
        "devices",
        "accounts",
        "users",
        A,
        C,
        "",
        ".",
        "..",
        "x;y=z",
        "+",
    ]

    def spelled(character: str) -> str:
        code = f"{ord(character):02{draw.choice('xX')}}"
        hidden = "".join(f"%{ord(digit):02x}" for digit in code)
        forms = (character, f"%{code}", f"%25{code}", f"%25{hidden}", f"%2525{code}", f"%{hidden}")
        return draw.choices(forms, (30, 6, 3, 2, 1, 1))[0]

    def odd() -> str:
        return draw.choices(("/", "//", "/%2f/", "/%2F", "#/", "/?/", "/%00/"), (60, 6, 2, 2, 1, 1, 1))[0]

    for _ in range(number):
        parts = ["v2", *(draw.choice(words) for _ in range(draw.randrange(1, 6)))]
        prefix = draw.choices(("", "http://kazoo"), (9, 1))[0]
        path = "".join(odd() + "".join(map(spelled, part)) for part in parts)
        # One that begins with a fragment or query is no path at all.
        yield prefix + "/" + path.lstrip("/#?")
