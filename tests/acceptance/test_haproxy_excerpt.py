"""The excerpt that docs/drop-in.md says to copy, in the real HAProxy: as it lies, and in others' files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.daemons import free_port
from tests.support.certificates import make_authority
from tests.support.haproxy import (
    DEBIAN,
    EXCERPT,
    PATIENCE,
    WHOLE,
    addressed,
    backend,
    checked,
    for_a_test,
    haproxy,
    in_an_operators_frontend,
    lines_between,
)
from tests.support.sides import A, Side, Sides

TEXT = EXCERPT.read_text("utf-8")
#: Debian's own file, where nobody has deleted it.
INSTALLED = [path for path in (Path("/etc/haproxy/haproxy.cfg"),) if path.is_file()]
#: What each commented line of the excerpt is, without the sign that switches it off.
SWITCHED_OFF = re.compile(r"(?m)^( *)#(?=(?:bind|option|use_backend|balance|server) )")


def _saved(folder: Path, text: str, name: str = "haproxy.cfg") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


async def _passes(*configs: Path) -> None:
    status, said = await checked(*configs)
    assert (status, "WARNING" in said) == (0, False), said


async def test_it_passes_as_it_lies() -> None:
    """The shipped file alone is a valid configuration, without a warning."""
    await _passes(EXCERPT)


async def test_it_passes_with_debians_file(tmp_path: Path) -> None:
    """Beside Debian's file, and appended to it; the file of this machine too, where there is one."""
    theirs = _saved(tmp_path, DEBIAN, "debian.cfg")
    await _passes(theirs, EXCERPT)
    await _passes(_saved(tmp_path, DEBIAN + TEXT))
    for installed in INSTALLED:
        await _passes(installed, EXCERPT)


async def test_it_passes_in_a_frontend_that_is_there(tmp_path: Path) -> None:
    """The lines between BEGIN and END, and the backend, in an operator's own file."""
    await _passes(_saved(tmp_path, in_an_operators_frontend(TEXT)))


async def test_every_switched_off_line_passes(tmp_path: Path) -> None:
    """What an operator may switch on: TLS, websockets, a second sidecar and crossbar, one host a client."""
    made = make_authority(tmp_path)
    text, count = SWITCHED_OFF.subn(r"\1", TEXT)
    assert count == 8
    text = text.replace("/etc/haproxy/certs/kazoo.pem", str(made.server))
    # Not an address of this machine.
    text = text.replace("bind 10.0.0.5:8443", f"bind 127.0.0.1:{free_port()}")
    for words in ("balance source", "server sidecar2", "server crossbar2", "option allbackups", " ssl crt "):
        assert words in text
    await _passes(_saved(tmp_path, DEBIAN + text))


def test_a_missing_address_would_be_seen(tmp_path: Path) -> None:
    """The check fails where it failed for the operator: an address that is a variable of nobody."""
    status, said = asyncio.run(
        checked(_saved(tmp_path, DEBIAN + TEXT.replace("10.0.0.21:8000", '"${SIDECAR}"')))
    )
    assert status != 0 and "server" in said


def test_its_lines_are_those_of_the_whole_configuration() -> None:
    """One set of rules in two files: every rule of ``haproxy.cfg`` is in the excerpt, in the same order."""
    whole = WHOLE.read_text("utf-8")
    front = whole[whole.index("http-request del-header X-Forwarded-For") : whole.index("{ env(WEBSOCKETS)")]
    back = whole[whole.index("    option httpchk") : whole.index("\nbackend crossbar\n")]
    for variable, address in (
        ('"${SIDECAR_CHECKS}"', "10.0.0.21:9100"),
        ('"${SIDECAR}"', "10.0.0.21:8000"),
        ('"${CROSSBAR}"', "10.0.0.11:8000"),
    ):
        back = back.replace(variable, address)

    def rules(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines() if re.match(r" *[a-z]", line)]

    own = rules(lines_between(TEXT))
    wanted = [
        rule for rule in rules(front) if not rule.startswith("use_backend crossbar_conferences if { path")
    ]
    assert [rule for rule in own if not rule.startswith(("mode", "timeout"))] == wanted
    assert rules(backend(TEXT))[-len(rules(back)) :] == rules(back)


class Slow(Side):
    """A sidecar that takes its time over a request, as one with ``?wait=``."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer later than the timeouts of the test's defaults, but health checks at once."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"GET /readyz"):
            await asyncio.sleep(1.0)
        again = asyncio.StreamReader()
        again.feed_data(head)
        again.feed_eof()
        await super().serve(again, writer)


@asynccontextmanager
async def sides(folder: Path, config: str, sidecar: Side) -> AsyncIterator[Sides]:
    """HAProxy with this configuration before a sidecar and a crossbar that keep what they are asked."""
    crossbar, bind = Side("crossbar"), free_port()
    servers = [await asyncio.start_server(side.serve, "127.0.0.1", 0) for side in (sidecar, crossbar)]
    ours, theirs = (f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    addresses = {
        "127.0.0.1:8080": f"127.0.0.1:{bind}",
        "10.0.0.21:8000": ours,
        "10.0.0.21:9100": ours,
        "10.0.0.11:8000": theirs,
    }
    try:
        path = _saved(folder, for_a_test(addressed(config, addresses)))
        async with haproxy(path, bind), asyncio.timeout(PATIENCE):
            made = Sides(bind, sidecar, crossbar)
            while True:
                if await made.ask("/v2/conferences") == "sidecar":
                    break
                # HAProxy tells nobody when its checks have found somebody.
                await asyncio.sleep(0.05)
            sidecar.asked.clear()
            yield made
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


@pytest.mark.parametrize("place", ["appended", "in a frontend"])
async def test_it_works(place: str, tmp_path: Path) -> None:
    """Conferences go to the sidecar with the client's address alone; all else goes to crossbar; long requests
    outlive the timeouts of the operator's own defaults."""
    config = DEBIAN + TEXT if place == "appended" else in_an_operators_frontend(TEXT)
    config = re.sub(r"timeout (client|server)\s+50000", r"timeout \1 300", config)
    async with sides(tmp_path, config, Slow("sidecar")) as made:
        for target in (f"/v2/accounts/{A}/conferences", f"/v2/accounts/{A}/%63onferences"):
            assert await made.ask(target, "X-Forwarded-For: 1.2.3.4") == "sidecar", target
        for _, headers in made.sidecar.asked:
            assert headers.count(b"x-forwarded-for: 127.0.0.1\r\n") == headers.count(b"x-forwarded-for") == 1
        for target in ("/websocket", f"/v2/accounts/{A}/devices", f"/v2/accounts/{A}/websockets"):
            assert await made.ask(target) == "crossbar", target
        assert await made.ask("/v2/conferences/%00") == "400"


async def test_websockets_where_the_line_is_switched_on(tmp_path: Path) -> None:
    """With it ``/websocket`` is the sidecar's; what only looks like one stays with crossbar."""
    text = TEXT.replace("#use_backend", "use_backend")
    async with sides(tmp_path, DEBIAN + text, Side("sidecar")) as made:
        assert await made.ask("/websocket") == await made.ask("/websocket?x=1") == "sidecar"
        assert await made.ask("/websockets") == "crossbar"


async def test_several_crossbars_take_over(tmp_path: Path) -> None:
    """While no sidecar is there, both crossbars answer, and not only the first."""
    config = DEBIAN + TEXT.replace("#server crossbar2", "server crossbar2").replace(
        "#option all", "option all"
    )
    first, second, bind, nobody = Side("first"), Side("second"), free_port(), free_port()
    servers = [await asyncio.start_server(side.serve, "127.0.0.1", 0) for side in (first, second)]
    at = [f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    addresses = {
        "127.0.0.1:8080": f"127.0.0.1:{bind}",
        "10.0.0.21:8000": f"127.0.0.1:{nobody}",
        "10.0.0.21:9100": f"127.0.0.1:{nobody}",
        "10.0.0.11:8000": at[0],
        "10.0.0.12:8000": at[1],
    }
    path = _saved(tmp_path, for_a_test(addressed(config, addresses)))
    async with haproxy(path, bind), asyncio.timeout(PATIENCE):
        asked = {await Sides(bind, first, second).ask("/v2/conferences") for _ in range(8)}
    for server in servers:
        server.close()
        await server.wait_closed()
    assert asked == {"first", "second"}
