"""The real HAProxy with our configuration, before the sidecar and a stand-in for crossbar."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crossbar_conferences.api.routes import ROUTES
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import free_port
from scripts.installing import ensure_haproxy
from tests.support.serving import Serving, serving
from tests.support.sides import CROSSBARS, SPELLINGS, A, Side, Sides, is_for_conferences, random_spellings

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg"
PATIENCE = 60.0

REQUESTS = 10_000
CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Site:
    """HAProxy with both behind it. ``crossbar`` counts what the stand-in was asked."""

    url: str
    http: aiohttp.ClientSession
    crossbar: Counter[str]
    flags: tuple[str, ...]

    async def until(self, served_by: str, path: str) -> None:
        """Wait until HAProxy sends a path there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(aiohttp.ClientError):
                    async with self.http.get(self.url + path) as answer:
                        if answer.headers.get("X-Served-By", "sidecar") == served_by:
                            return
                # HAProxy tells nobody when a check has changed its mind.
                await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def haproxy() -> Path:
    """The program; installed when it is missing."""
    return ensure_haproxy()


@pytest.fixture
async def site(haproxy: Path, tmp_path: Path) -> AsyncIterator[Site]:
    """HAProxy in front of a stand-in crossbar, and of ports where a sidecar may come and go."""
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.method] += 1
        status = 201 if request.method == "PUT" else 200
        return web.json_response({"status": "success"}, status=status, headers={"X-Served-By": "crossbar"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    bind, http_port, operations_port = free_port(), free_port(), free_port()
    async with TestServer(app) as crossbar:
        environment = {
            "BIND": f"127.0.0.1:{bind}",
            "SIDECAR": f"127.0.0.1:{http_port}",
            "SIDECAR_CHECKS": f"127.0.0.1:{operations_port}",
            "CROSSBAR": f"127.0.0.1:{crossbar.port}",
        }
        timeout = aiohttp.ClientTimeout(total=30)
        flags = ("--http-port", str(http_port), "--operations-port", str(operations_port))
        async with (
            running(haproxy, environment, tmp_path / "haproxy.log"),
            aiohttp.ClientSession(timeout=timeout) as http,
        ):
            made = Site(f"http://127.0.0.1:{bind}", http, asked, flags)
            await made.until("crossbar", "/v2/accounts")
            yield made


@asynccontextmanager
async def running(
    haproxy: Path, environment: Mapping[str, str], log: Path, config: Path = CONFIG
) -> AsyncIterator[None]:
    """HAProxy with our configuration; what it says is in a file."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(haproxy), "-db", "-f", str(config)),
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        assert process.returncode is None, f"HAProxy has ended: see {log}"
        process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.fixture
def seeded(couchdb_url: str) -> tuple[DataSet, Mapping[str, str]]:
    """Accounts of our own with tokens."""
    data = DataSet.fresh()

    async def fill() -> Mapping[str, str]:
        store = CouchStore(couchdb_url)
        await store.open()
        try:
            await seed(store, data)
            return await mint_tokens(store, data)
        finally:
            await store.close()

    return data, asyncio.run(fill())


@asynccontextmanager
async def sidecar(site: Site, amqp_url: str, couchdb_url: str) -> AsyncIterator[Serving]:
    """Two workers on the ports that HAProxy knows, and HAProxy aware of them."""
    given = ("--workers", "2", "--node-name", "crossbar_conferences@haproxy.test", "--drain-seconds", "3")
    async with serving(amqp_url, couchdb_url, *given, *site.flags) as served:
        await site.until("sidecar", "/v2/conferences")
        yield served


@dataclass(slots=True)
class Load:
    """Requests of several clients through HAProxy until told to end, each counted by who answered it."""

    writes: bool = False
    begun: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    over: bool = False
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was counted is enough."""
        while not condition():
            self._more.clear()
            await self._more.wait()

    async def run(self, site: Site, path: str, headers: Mapping[str, str]) -> None:
        """One client."""
        while not self.over:
            self.begun += 1
            # Writes are refused by the sidecar's validation: that is an answer too, and leaves nothing.
            method = "PUT" if self.writes and self.begun % 4 == 0 else "GET"
            body = b'{"data": {}}' if method == "PUT" else None
            try:
                async with site.http.request(method, site.url + path, headers=headers, data=body) as answer:
                    text = await answer.text()
            except aiohttp.ClientError as error:
                self.failures[type(error).__name__] += 1
                continue
            by = answer.headers.get("X-Served-By", "sidecar")
            wanted = {"GET": (200,), "PUT": (201, 400)}[method]
            if answer.status in wanted and text.startswith("{"):
                self.answers[by] += 1
            else:
                self.failures[f"{method} {answer.status} {by}"] += 1
            self._more.set()


@asynccontextmanager
async def load(
    site: Site, seeded: tuple[DataSet, Mapping[str, str]], *, writes: bool = False
) -> AsyncIterator[Load]:
    """Load that goes on in the background."""
    data, tokens = seeded
    made = Load(writes)
    path = f"/v2/accounts/{data.main.id}/conferences"
    headers = {"X-Auth-Token": tokens["boss"], "Content-Type": "application/json"}
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(made.run(site, path, headers))
        try:
            yield made
        finally:
            made.over = True


def _kill_all(served: Serving) -> None:
    """As when a host loses its power: nobody has time to say goodbye."""
    for pid in (served.pid, served.pids(0)[-1], served.pids(1)[-1]):
        os.kill(pid, signal.SIGKILL)


async def load_around(
    site: Site,
    services: tuple[str, str],
    seeded: tuple[DataSet, Mapping[str, str]],
    end: Callable[[Serving], None],
    total: int,
    *,
    writes: bool = False,
) -> Load:
    """At least so many requests, in the midst of which the sidecar ends, is away, and is back."""
    async with sidecar(site, *services) as served, load(site, seeded, writes=writes) as made:
        await made.until(lambda: made.answers.total() >= total // 5)
        end(served)
        await served.ended()
        before = made.answers["sidecar"]
        async with sidecar(site, *services):
            await made.until(lambda: made.answers["sidecar"] >= before + total // 5)
            await made.until(lambda: made.answers.total() >= total)
            made.over = True
    return made


@pytest.mark.timeout(240)
async def test_no_request_fails_while_the_sidecar_is_killed_and_comes_back(
    site: Site, amqp_url: str, couchdb_url: str, seeded: tuple[DataSet, Mapping[str, str]]
) -> None:
    """Ten thousand reads, a kill -9 of the whole sidecar and its return: every one is answered."""
    made = await load_around(site, (amqp_url, couchdb_url), seeded, _kill_all, REQUESTS)
    assert not made.failures, (made.failures, made.answers)
    assert made.answers["crossbar"]
    assert made.answers.total() == made.begun >= REQUESTS


@pytest.mark.timeout(240)
async def test_no_write_fails_while_the_sidecar_is_stopped_and_comes_back(
    site: Site, amqp_url: str, couchdb_url: str, seeded: tuple[DataSet, Mapping[str, str]]
) -> None:
    """With an orderly stop, requests that may not be repeated are all answered too."""

    def stop(served: Serving) -> None:
        served.signal(signal.SIGTERM)

    made = await load_around(site, (amqp_url, couchdb_url), seeded, stop, 2_500, writes=True)
    assert not made.failures, (made.failures, made.answers)
    assert site.crossbar["PUT"]


@pytest.mark.timeout(240)
async def test_routes(
    site: Site, amqp_url: str, couchdb_url: str, seeded: tuple[DataSet, Mapping[str, str]]
) -> None:
    """Every path of ours goes to the sidecar, in any version; what only looks alike goes to crossbar."""
    account, user = "a" * 32, "b" * 32
    # The bindings and sessions of websockets stay blackhole's, which has all of Kazoo's.
    templates = [route.template for route in ROUTES if "websockets" not in route.segments]
    ours = {"/" + re.sub(r"{\w+}", account, template) for template in templates}
    ours |= {"/account/conferences", f"/account/users/{user}/conferences", "/accounts/x/conferences/y?z=1"}
    # crossbar takes a part with a resource's name for the resource, whatever it hangs below.
    ours |= {f"/accounts/{account}/devices/{user}/conferences", f"/accounts/{account}/devices/conferences"}
    others = {
        "/accounts",
        f"/accounts/{account}",
        f"/accounts/{account}/conferencesx",
        f"/accounts/{account}/devices/xconferences",
        f"/accounts/{account}/users/{user}",
        f"/accounts/{account}/users/{user}/devices",
        f"/accounts/{account}/websockets",
        "/user_auth",
        "/conference_authx",
    }
    async with sidecar(site, amqp_url, couchdb_url):
        for version in ("v2", "v1", "v22"):
            for paths, wanted in ((ours, "sidecar"), (others, "crossbar")):
                for path in paths:
                    async with site.http.get(f"{site.url}/{version}{path}") as answer:
                        by = answer.headers.get("X-Served-By", "sidecar")
                    assert by == wanted, path


@pytest.fixture
async def sides(request: pytest.FixtureRequest, haproxy: Path, tmp_path: Path) -> AsyncIterator[Sides]:
    """HAProxy with our configuration, and what more of it a parameter says, before two servers that keep
    what they are asked. ``BYTES``: with the line that lets bytes beyond ASCII through."""
    sidecar, crossbar, bind = Side("sidecar"), Side("crossbar"), free_port()
    servers = [await asyncio.start_server(side.serve, "127.0.0.1", 0) for side in (sidecar, crossbar)]
    at = [f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    environment = {
        "BIND": f"127.0.0.1:{bind}",
        "SIDECAR": at[0],
        "SIDECAR_CHECKS": at[0],
        "CROSSBAR": at[1],
        **getattr(request, "param", {}),
    }
    config = tmp_path / "haproxy.cfg"
    text = CONFIG.read_text("utf-8")
    config.write_text(
        text.replace("#option accept", "option accept") if "BYTES" in environment else text, "utf-8"
    )
    async with running(haproxy, environment, tmp_path / "haproxy.log", config), asyncio.timeout(PATIENCE):
        made = Sides(bind, sidecar, crossbar)
        while True:
            with suppress(OSError):
                if await made.ask("/v2/conferences") == "sidecar":
                    break
            await asyncio.sleep(0.05)
        yield made
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("sides", [{}, {"BYTES": "yes"}], indirect=True, ids=["as it is", "bytes"])
async def test_no_spelling_brings_a_conference_to_crossbar(sides: Sides) -> None:
    """Whatever crossbar might take for a path of conferences reaches the sidecar, or is a 400."""
    for target in SPELLINGS:
        by = await sides.ask(target)
        assert by in ("sidecar", "400"), target
        # HAProxy itself refuses bytes beyond ASCII, and a host that is not the header's.
        plain = not re.search(r"[#\x80-\xff]|%(00|25|/|$|z|%)|^http(?!://kazoo/)", target, re.IGNORECASE)
        assert by == "sidecar" or not plain, target
    assert [target for target, _ in sides.crossbar.asked] == []


async def test_everything_else_reaches_crossbar(sides: Sides) -> None:
    """With its path as the client spelled it."""
    for target in CROSSBARS:
        assert await sides.ask(target) == "crossbar", target
    assert await sides.ask("*", method="OPTIONS") == "crossbar"
    seen = [target.decode("latin-1") for target, _ in sides.crossbar.asked]
    assert seen == [*(target.removeprefix("http://kazoo") for target in CROSSBARS), "*"]


@pytest.mark.parametrize(
    ("sides", "by"), [({}, "crossbar"), ({"WEBSOCKETS": "sidecar"}, "sidecar")], indirect=["sides"]
)
async def test_websockets_are_the_sidecars_where_the_operator_says_so(sides: Sides, by: str) -> None:
    """Otherwise they stay where they were; what only looks like one stays there always."""
    for target in ("/websocket", "/websocket/", "/websocket?x=1"):
        assert await sides.ask(target) == by, target
    for target in ("/websockets", "/v2/websocket", f"/v2/accounts/{A}/websockets", "/"):
        assert await sides.ask(target) == "crossbar", target


async def test_random_spellings(sides: Sides) -> None:
    """Of paths put together at random, crossbar gets none that any version of it takes for conferences."""
    for target in random_spellings(500):
        if is_for_conferences(target.encode()):
            assert await sides.ask(target) in ("sidecar", "400"), target
        else:
            assert await sides.ask(target) in ("sidecar", "crossbar", "400"), target
    got = [target for target, _ in sides.crossbar.asked]
    assert len(got) > 20
    assert [target for target in got if is_for_conferences(target)] == []


@pytest.mark.parametrize(
    ("sides", "by"), [({}, ["400", "400"]), ({"BYTES": "yes"}, ["sidecar", "crossbar"])], indirect=["sides"]
)
async def test_bytes_beyond_ascii_where_the_operator_says_so(sides: Sides, by: list[str]) -> None:
    """Refused by HAProxy itself otherwise."""
    paths = [f"/v2/accounts/{A}/{name}?filter_name=B\xc3\xbcro" for name in ("conferences", "devices")]
    assert [await sides.ask(path) for path in paths] == by


@pytest.mark.parametrize("target", ["v2/conferences", "kazoo/v2/conferences", "?x", "#/v2"])
async def test_what_is_no_path_is_refused(sides: Sides, target: str) -> None:
    """A target that does not begin with a slash is a 400, before anybody reads it in a way of his own."""
    assert await sides.ask(target) == "400"


async def test_nobody_is_let_through_to_another_protocol(sides: Sides) -> None:
    """HTTP/2 in clear text would let a client ask crossbar for anything: the upgrade is not passed on."""
    more = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert await sides.ask(f"/v2/accounts/{A}/devices", *more) == "crossbar"
    [(_, headers)] = sides.crossbar.asked
    assert b"h2c" not in headers
    assert b"http2-settings:" not in headers
