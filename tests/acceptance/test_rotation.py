"""New credentials for CouchDB and RabbitMQ without a failed request, as docs/rotate-credentials.md says.

RabbitMQ is a real one with users of its own. The store is the tests' CouchDB-compatible server behind a
proxy that asks for Basic credentials and answers like CouchDB 3.5.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import RabbitMQ, free_port
from tests.support.brokers import eventually
from tests.support.couch_proxy import LOCKS_AFTER, CouchProxy, Gate
from tests.support.serving import PATIENCE, Serving, serving


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A broker whose users these tests make and drop."""
    broker = RabbitMQ(tmp_path_factory.mktemp("rotation"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@dataclass(slots=True)
class Site:
    """What a host has: its configuration, the services behind it, and clients that go on asking."""

    config: Path
    couch: CouchProxy
    gate: Gate
    broker: RabbitMQ
    data: DataSet
    token: str
    http: aiohttp.ClientSession
    outcomes: Counter[str] = field(default_factory=Counter)

    def configure(self, store: tuple[str, str], bus: tuple[str, str]) -> None:
        """Write the file that a reload reads: user and password of each."""
        url = URL(self.couch.url)
        lines = [
            "[crossbar_conferences]",
            f"couchdb_url = http://127.0.0.1:{url.port}",
            f"couchdb_user = {store[0]}",
            f"couchdb_password = {store[1]}",
            f"amqp_urls = amqp://{bus[0]}:{bus[1]}@127.0.0.1:{self.broker.port}",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    async def add_user(self, name: str, password: str) -> None:
        """As an operator does."""
        await asyncio.to_thread(self.broker.control, "add_user", name, password)
        await asyncio.to_thread(self.broker.control, "set_permissions", "-p", "/", name, ".*", ".*", ".*")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Serving]:
        """Two workers with this configuration."""
        flags = ("--workers", "2", "--config-file", str(self.config))
        async with serving(None, None, *flags) as served:
            await served.ready_workers(self.http, 2)
            yield served

    @asynccontextmanager
    async def load(self, served: Serving) -> AsyncIterator[None]:
        """Four clients that list, create and delete until the end."""
        over = asyncio.Event()
        url = f"{served.base_url}/v2/accounts/{self.data.main.id}/conferences"

        async def ask(method: str, where: str, body: Any = None) -> Any:
            headers = {"X-Auth-Token": self.token}
            try:
                async with self.http.request(method, where, headers=headers, json=body) as answer:
                    told = await answer.json()
                    self.outcomes[str(answer.status)] += 1
                    return told.get("data")
            except aiohttp.ClientError as error:
                self.outcomes[type(error).__name__] += 1
                return None

        async def client(number: int) -> None:
            for count in itertools.count():
                if over.is_set():
                    return
                await ask("GET", url)
                made = await ask("PUT", url, {"data": {"name": f"Rotation {number} {count}"}})
                if made:
                    await ask("DELETE", f"{url}/{made['id']}")
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(client(number))
            try:
                yield
            finally:
                over.set()

    async def more(self, count: int) -> None:
        """Wait for so many answers from now on."""
        goal = self.outcomes.total() + count
        await eventually(lambda: self.outcomes.total() >= goal)


@pytest.fixture
async def site(couchdb_url: str, broker: RabbitMQ, tmp_path: Path) -> AsyncIterator[Site]:
    """A host whose sidecar comes in as ``a`` everywhere."""
    data = DataSet.fresh()
    store = CouchStore(couchdb_url)
    await store.open()
    try:
        await seed(store, data)
        tokens = await mint_tokens(store, data)
    finally:
        await store.close()
    gate = Gate({"a": "one"})
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with (
        CouchProxy(couchdb_url, gate) as couch,
        aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as http,
    ):
        site = Site(tmp_path / "config.ini", couch, gate, broker, data, tokens["boss"], http)
        await site.add_user("a", "one")
        site.configure(("a", "one"), ("a", "one"))
        try:
            yield site
        finally:
            await asyncio.to_thread(_drop_users, broker)


def _drop_users(broker: RabbitMQ) -> None:
    for line in broker.control("-q", "list_users", "--no-table-headers").splitlines():
        name = line.split()[0] if line.split() else "guest"
        if name != "guest":
            broker.control("delete_user", name)


def _users(broker: RabbitMQ) -> set[str]:
    """Whose connections the broker has."""
    return set(broker.control("-q", "list_connections", "user", "--no-table-headers").split())


async def test_new_users_without_a_failed_request(site: Site) -> None:
    """Second users, a reload, the first ones dropped: every request in between is answered as ever."""
    async with site.served() as served, site.load(served):
        await site.more(20)
        site.gate.users["b"] = "two"
        await site.add_user("b", "two")
        site.configure(("b", "two"), ("b", "two"))
        served.signal(signal.SIGHUP)
        await served.logged("reloaded")
        assert await asyncio.to_thread(_users, site.broker) == {"b"}
        del site.gate.users["a"]
        await asyncio.to_thread(site.broker.control, "delete_user", "a")
        await site.more(40)
        status, text = await served.look(site.http, "/readyz")
        assert status == 200, text
    assert set(site.outcomes) <= {"200", "201"}, site.outcomes
    assert site.gate.wrong.total() == 0


@pytest.mark.parametrize(
    ("store", "bus", "named"),
    [(("b", "misspelt"), ("a", "one"), "CouchDB"), (("a", "one"), ("a", "misspelt"), "RabbitMQ")],
)
async def test_a_reload_with_a_wrong_password_changes_nothing(
    site: Site, store: tuple[str, str], bus: tuple[str, str], named: str
) -> None:
    """Workers that are not let in take nobody's place, the log says why, and nobody is locked out."""
    site.gate.users["b"] = "two"
    async with site.served() as served, site.load(served):
        await site.more(10)
        site.configure(store, bus)
        served.signal(signal.SIGHUP)
        [line] = await served.logged("worker_not_replaced")
        assert named in line["reason"] and "misspelt" not in "".join(served.output)
        await site.more(20)
    assert set(site.outcomes) <= {"200", "201"}, site.outcomes
    assert site.gate.wrong.total() < LOCKS_AFTER


async def test_workers_share_what_one_of_them_finds(site: Site) -> None:
    """Of a password that was changed one worker says it, the other is told, and CouchDB is left in peace."""
    async with site.served() as served:
        url = f"{served.base_url}/v2/accounts/{site.data.main.id}/conferences"
        site.gate.users["a"] = "changed"
        statuses = Counter[int]()
        retry_after = set()
        for number in range(40):
            headers = {"X-Auth-Token": site.token}
            async with site.http.get(f"{url}/{number:032x}", headers=headers) as answer:
                statuses[answer.status] += 1
                retry_after.add(answer.headers.get("Retry-After"))
        assert set(statuses) == {503} and None not in retry_after
        assert site.gate.wrong["a"] < LOCKS_AFTER
        [line] = served.events("store_unavailable")
        assert (line["reason"], line["level"]) == ("credentials_refused", "warning")
        failed = served.events("request")
        assert {(one["reason"], one["level"]) for one in failed} == {("store_unreachable", "warning")}
        _, text = await served.look(site.http, "/readyz")
        check = orjson.loads(text)["checks"]["store"]
        assert (check["ok"], check["kind"]) == (False, "credentials_refused")
        assert "Name or password is incorrect." in check["reason"]


@pytest.mark.parametrize("is_store_away", [False, True])
async def test_a_start_says_what_it_waits_for(site: Site, is_store_away: bool) -> None:
    """With several workers too /readyz names the broker that is away, and the store, while they start."""
    site.configure(("a", "one"), ("a", "one"))
    text = site.config.read_text().replace(f":{site.broker.port}", f":{free_port()}")
    if is_store_away:
        text = text.replace(f":{URL(site.couch.url).port}", f":{free_port()}")
    site.config.write_text(text)
    flags = ("--workers", "2", "--config-file", str(site.config), "--broker-timeout-seconds", "4")
    async with serving(None, None, *flags, wait=False) as served:
        checks: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE):
            while "bus" not in checks:
                await asyncio.sleep(0.1)
                try:
                    status, answer = await served.look(site.http, "/readyz")
                except aiohttp.ClientError:
                    continue
                checks = orjson.loads(answer)["checks"]
        assert status == 503
        assert checks["process"]["reason"] == "the workers are starting"
        assert checks["bus"]["reason"] == "no message broker is connected"
        await served.started()
        status, answer = await served.look(site.http, "/readyz")
        checks = orjson.loads(answer)["checks"]
        assert (
            status == 503
            and not checks["bus"]["ok"]
            and list(checks["bus"]["brokers"].values()) == ["unreachable"]
        )
        assert checks["store"]["ok"] is not is_store_away
        if is_store_away:
            assert served.events("store_unavailable")
        assert len(served.events("broker_not_connected")) == 2


async def test_every_line_is_json(site: Site) -> None:
    """From the first to the last, whatever becomes of it: a start, an end, a port that is taken."""
    async with site.served() as served:
        port = URL(served.base_url).port
        flags = ("--config-file", str(site.config), "--http-port", str(port))
        async with serving(None, None, *flags, wait=False) as second:
            assert await second.ended() == 1
        [line] = second.events("serve_failed")
        assert "in use" in line["reason"]
        site.config.write_text("[crossbar_conferences]\nmax_page_size = many\n")
        async with serving(None, None, "--config-file", str(site.config), wait=False) as third:
            assert await third.ended() == 2
        [line] = third.events("serve_failed")
        assert line["reason"].startswith(f"{site.config}:2: ")
        served.signal(signal.SIGTERM)
        assert await served.ended() == 0
    assert served.events("serving")
    for one in (served, second, third):
        assert one.output and all(orjson.loads(text) for text in one.output)
