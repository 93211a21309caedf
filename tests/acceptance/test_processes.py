"""Several worker processes on real services: killed, replaced, ended, under traffic."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import PouchDB, RabbitMQ
from tests.support.brokers import FAST, eventually, on_bus
from tests.support.serving import Serving, serving

NODE = "crossbar_conferences@processes.test"
BUCKET = 20


@dataclass(frozen=True, slots=True)
class Services:
    """A broker and a store that only this module uses, and who may ask there."""

    broker: RabbitMQ
    store: PouchDB
    data: DataSet
    tokens: Mapping[str, str]

    def queues(self) -> list[str]:
        """The queues of ours that the broker has."""
        names = self.broker.control("-q", "list_queues", "name", "--no-table-headers").split()
        return [name for name in names if name.startswith("crossbar_conferences")]

    @property
    def list_path(self) -> str:
        """A list of conferences."""
        return f"/v2/accounts/{self.data.main.id}/conferences"

    @property
    def session(self) -> dict[str, str]:
        """Headers with which a websocket session begins: one without a token does not last."""
        return {"Authorization": f"Bearer {self.headers['X-Auth-Token']}"}

    @property
    def headers(self) -> dict[str, str]:
        """Of an administrator."""
        return {"X-Auth-Token": self.tokens["boss"], "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """What only this module uses: its queues are counted, its rate limits are low."""
    folder = tmp_path_factory.mktemp("processes")
    broker, store = RabbitMQ(folder / "rabbitmq"), PouchDB(folder / "pouchdb")
    data = DataSet.fresh()

    async def fill() -> Mapping[str, str]:
        couch = CouchStore(store.url)
        await couch.open()
        try:
            await seed(couch, data)
            limits = {"max_bucket_tokens": BUCKET, "tokens_fill_time": "day"}
            await couch.put("system_config", {"_id": "token_buckets", "default": {"crossbar": limits}})
            await couch.put("system_config", {"_id": "crossbar", "default": {}})
            return await mint_tokens(couch, data)
        finally:
            await couch.close()

    try:
        broker.start()
        store.start()
        yield Services(broker, store, data, asyncio.run(fill()))
    finally:
        store.stop()
        broker.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that opens a connection for every request, as clients that don't know each other do."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@asynccontextmanager
async def workers(
    services: Services, http: aiohttp.ClientSession, *flags: str, modules: Path | None = None
) -> AsyncIterator[Serving]:
    """Two workers, both ready."""
    given = ("--workers", "2", "--node-name", NODE, *flags)
    async with serving(services.broker.url, services.store.url, *given, modules=modules) as served:
        await served.ready_workers(http, 2)
        yield served


@dataclass(slots=True)
class Traffic:
    """Requests that go on until told otherwise, at most so many at a time."""

    outcomes: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    goal: int = 0

    async def run(self, http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        while not self.over.is_set():
            try:
                async with http.get(url, headers=headers) as answer:
                    await answer.read()
                    outcome = str(answer.status)
            except aiohttp.ClientError as error:
                outcome = type(error).__name__
            self.outcomes[outcome] += 1
            if self.outcomes.total() >= self.goal:
                self.enough.set()

    async def more(self, count: int) -> None:
        """Wait for so many requests from now on."""
        self.goal = self.outcomes.total() + count
        self.enough.clear()
        async with asyncio.timeout(60):
            await self.enough.wait()


@asynccontextmanager
async def traffic(services: Services, http: aiohttp.ClientSession, served: Serving) -> AsyncIterator[Traffic]:
    """Four clients that list conferences."""
    made = Traffic()
    url = served.base_url + services.list_path
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(made.run(http, url, services.headers))
        try:
            yield made
        finally:
            made.over.set()


async def test_a_killed_worker_is_followed_and_nobody_is_refused(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """With kill -9 go the requests that the worker had in hand; then there are two again."""
    async with workers(services, http) as served, traffic(services, http, served) as made:
        await made.more(50)
        os.kill(served.pids(1)[-1], signal.SIGKILL)
        await made.more(50)
        await served.until(lambda: len(served.pids(1)) == 2)
        await served.ready_workers(http, 2)
        await made.more(50)
        _, metrics = await served.look(http, "/metrics")
    assert "crossbar_conferences_worker_restarts_total 1.0" in metrics
    lost = made.outcomes.total() - made.outcomes["200"]
    # No more than were in hand, and none of them because nobody listened.
    assert lost <= 4, made.outcomes
    assert not {name for name in made.outcomes if "Connector" in name}, made.outcomes


async def test_a_reload_loses_no_request(services: Services, http: aiohttp.ClientSession) -> None:
    """SIGHUP replaces every worker while all requests are answered; sockets get 1001."""
    async with workers(services, http) as served, traffic(services, http, served) as made:
        await made.more(20)
        sockets = [await http.ws_connect(served.ws_url, headers=services.session) for _ in range(4)]
        served.signal(signal.SIGHUP)
        for socket in sockets:
            message = await socket.receive(timeout=60)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await served.logged("reloaded")
        assert [len(served.pids(index)) for index in range(2)] == [2, 2]
        await made.more(20)
    assert set(made.outcomes) == {"200"}, made.outcomes
    assert not served.events("worker_died")
    # Old and new workers are one sidecar.
    assert not served.events("node_name_taken")


async def test_a_reload_with_a_bad_configuration_changes_nothing(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """A new worker that cannot start is given up; the old ones serve on."""
    config = tmp_path / "config.ini"
    config.write_text("[crossbar_conferences]\nmax_page_size = 10\n")
    async with workers(services, http, "--config-file", str(config)) as served:
        config.write_text("[crossbar_conferences]\nmax_page_size = many\n")
        served.signal(signal.SIGHUP)
        await served.logged("worker_not_replaced")
        async with http.get(served.base_url + services.list_path, headers=services.headers) as answer:
            assert answer.status == 200
        assert not served.events("worker_died")


async def test_sigterm_finishes_what_runs_and_leaves_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """A request in hand is answered, sockets get 1001, the status is 0, the broker has no queue of ours."""
    async with workers(services, http) as served:
        assert services.queues()
        socket = await http.ws_connect(served.ws_url, headers=services.session)
        halfway, go_on = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            body = orjson.dumps({"data": {"name": "Slow to come"}})
            yield body[:10]
            halfway.set()
            await go_on.wait()
            yield body[10:]

        async def create() -> int:
            url = served.base_url + services.list_path
            # The body begins when the server has said that it reads it.
            async with http.put(url, data=slow_body(), headers=services.headers, expect100=True) as answer:
                return answer.status

        creating = asyncio.create_task(create())
        await halfway.wait()
        served.signal(signal.SIGTERM)
        message = await socket.receive(timeout=30)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await socket.close()
        go_on.set()
        assert await creating == 201
        assert await served.ended() == 0
    assert await asyncio.to_thread(services.queues) == []


async def test_shutdown_is_bounded(services: Services, http: aiohttp.ClientSession) -> None:
    """A request that never ends does not keep the process: it is given its time, and no more."""
    async with workers(services, http, "--shutdown-timeout-seconds", "0.5") as served:
        halfway = asyncio.Event()

        async def endless_body() -> AsyncIterator[bytes]:
            yield b"{"
            halfway.set()
            await asyncio.Event().wait()

        async def create() -> None:
            await http.put(served.base_url + services.list_path, data=endless_body(), expect100=True)

        creating = asyncio.create_task(create())
        await halfway.wait()
        served.signal(signal.SIGTERM)
        assert await served.ended() == 0
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)


async def test_workers_leave_when_their_supervisor_is_gone(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """After kill -9 of the supervisor nobody is left behind, neither process nor queue."""
    async with workers(services, http) as served:
        served.signal(signal.SIGKILL)
        # Its output ends when the last of them has closed it.
        assert await served.ended() == -signal.SIGKILL
    assert len(served.events("worker_leaving")) == 2
    assert await asyncio.to_thread(services.queues) == []


async def test_a_host_is_one_node(services: Services, http: aiohttp.ClientSession) -> None:
    """Whatever the number of workers, the others hear one node, started once."""
    starts: list[int] = []
    heard = asyncio.Event()

    def on_node(body: dict[str, Any], delivery: Delivery) -> None:
        if body["Node"] == NODE:
            starts.append(body["WhApps"]["crossbar"]["Startup"])
            heard.set()

    listener = Bus(
        RabbitTransport([services.broker.url], options=FAST), "listener@processes.test", advertise=False
    )
    async with on_bus(listener):
        await listener.listen(on_node, [Binding("nodes", "")])
        async with workers(services, http) as served:
            os.kill(served.pids(1)[-1], signal.SIGKILL)
            await served.until(lambda: len(served.pids(1)) == 2)
            await served.ready_workers(http, 2)
            async with asyncio.timeout(30):
                await heard.wait()
            # The one that came anew would have told of a later start.
            assert len(set(starts)) == 1
            heard.clear()
            os.kill(served.pids(0)[-1], signal.SIGKILL)
            async with asyncio.timeout(30):
                while len(set(starts)) < 2:
                    heard.clear()
                    await heard.wait()


async def test_rate_tokens_hold_across_workers(services: Services, http: aiohttp.ClientSession) -> None:
    """Bad tokens over many connections end in 429 after one bucket, not after one for each worker."""
    async with workers(services, http) as served:
        url = served.base_url + services.list_path

        async def ask() -> int:
            async with http.get(url, headers={"X-Auth-Token": "nonsense"}) as answer:
                return answer.status

        statuses = Counter(await asyncio.gather(*(ask() for _ in range(3 * BUCKET))))
        assert statuses == {401: BUCKET, 429: 2 * BUCKET}
        async with http.get(url, headers=services.headers) as answer:
            assert (await answer.json())["tokens"]["remaining"] == 0
        _, metrics = await served.look(http, "/metrics")
    served_by = re.findall(r'request_seconds_count{.*status="4\d\d".*worker="(\d)"} ', metrics)
    assert set(served_by) == {"0", "1"}
    assert f"crossbar_conferences_rate_charges_total {3 * BUCKET}.0" in metrics


async def test_idempotency_keys_hold_across_workers(services: Services, http: aiohttp.ClientSession) -> None:
    """However many connections a repeated command comes by, it is published once and answered alike."""
    heard: list[str] = []
    listener = Bus(
        RabbitTransport([services.broker.url], options=FAST), "listener@processes.test", advertise=False
    )
    headers = {**services.headers, "Idempotency-Key": "lock it once"}
    async with on_bus(listener), workers(services, http) as served:
        collection = served.base_url + services.list_path
        async with http.put(collection, headers=services.headers, json={"data": {"name": "Once"}}) as answer:
            conference = (await answer.json())["data"]["id"]
        url = f"{collection}/{conference}"
        await listener.listen(
            lambda body, delivery: heard.append(body["Application-Name"]),
            [Binding("conference", f"conference.command.{conference}")],
        )

        async def put(action: str) -> tuple[int, str | None, Any]:
            async with http.put(url, headers=headers, json={"data": {"action": action}}) as answer:
                return (
                    answer.status,
                    answer.headers.get("idempotency-replayed"),
                    (await answer.json())["data"],
                )

        answers = await asyncio.gather(*(put("lock") for _ in range(30)))
        answers += [await put("lock") for _ in range(10)]
        assert Counter(answers) == {(202, None, "ok"): 1, (202, "true", "ok"): 39}
        assert {status for status, _, _ in await asyncio.gather(*(put("unlock") for _ in range(10)))} == {422}
        # What was published comes before this, on the same connection or through the same exchange.
        async with http.put(url, headers=services.headers, json={"data": {"action": "unlock"}}) as answer:
            assert answer.status == 202
        await eventually(lambda: "unlock" in heard)
        assert heard == ["lock", "unlock"]
        _, metrics = await served.look(http, "/metrics")
    served_by = re.findall(r'request_seconds_count{.*status="202".*worker="(\d)"} ', metrics)
    assert set(served_by) == {"0", "1"}


async def test_health_of_the_host(services: Services, http: aiohttp.ClientSession) -> None:
    """One operations port answers for all workers, and says in time that the host is about to go."""
    async with workers(services, http, "--drain-seconds", "2") as served:
        assert (await served.look(http, "/healthz"))[0] == 200
        status, text = await served.look(http, "/readyz")
        assert status == 200
        assert orjson.loads(text)["checks"]["store"]["ok"]
        _, metrics = await served.look(http, "/metrics")
        for index in range(2):
            assert f'crossbar_conferences_bus_connected{{worker="{index}"}} 1.0' in metrics
        for process in ("0", "1", "supervisor"):
            assert re.search(rf'process_resident_memory_bytes{{worker="{process}"}} \d', metrics)
            assert re.search(rf'process_start_time_seconds{{worker="{process}"}} \d', metrics)
            assert re.search(rf'crossbar_conferences_build_info{{[^}}]*worker="{process}"}} 1.0', metrics)
        assert metrics.count("# TYPE process_cpu_seconds_total counter") == 1
        served.signal(signal.SIGTERM)
        await served.logged("leaving")
        status, text = await served.look(http, "/readyz")
        assert (status, orjson.loads(text)["checks"]["process"]["reason"]) == (503, "shutting down")
        # Whoever was not told yet is still served.
        async with http.get(served.base_url + services.list_path, headers=services.headers) as answer:
            assert answer.status == 200
        assert await served.ended() == 0


#: Signals that hold up the loop of a worker for good, as endless work would.
_HOLDS_UP = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
"""
#: Long enough for a machine that is busy with other tests.
IMPATIENT = ("--worker-silence-seconds", "3")


async def test_a_worker_that_gives_no_sign_of_life_is_replaced(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """One that was stopped and one whose loop is held up are killed and followed, and /readyz says so."""
    (tmp_path / "sitecustomize.py").write_text(_HOLDS_UP)
    async with workers(services, http, *IMPATIENT, "--drain-seconds", "2", modules=tmp_path) as served:
        _, text = await served.look(http, "/readyz")
        check = orjson.loads(text)["checks"]["workers"]
        assert check == {"ok": True, "ready": 2, "wanted": 2, "killed": 0}
        for count, number in enumerate((signal.SIGSTOP, signal.SIGUSR1), start=1):
            silent = served.pids(1)[-1]
            os.kill(silent, number)
            seen = await _silence(served, http)
            assert "no sign of life of worker 1" in str(seen["reason"]) and seen["ready"] == 1
            lines = await served.logged("worker_silent", count)
            assert (lines[-1]["index"], lines[-1]["pid"]) == (1, silent)
            await served.until(lambda wanted=count + 1: len(served.pids(1)) == wanted)
            await served.ready_workers(http, 2)
        _, text = await served.look(http, "/readyz")
        assert orjson.loads(text)["checks"]["workers"] == {"ok": True, "ready": 2, "wanted": 2, "killed": 2}
        _, metrics = await served.look(http, "/metrics")
        assert "crossbar_conferences_worker_silences_total 2.0" in metrics
        # Who drains is alive.
        served.signal(signal.SIGTERM)
        assert await served.ended() == 0
        assert len(served.events("worker_silent")) == 2


async def _silence(served: Serving, http: aiohttp.ClientSession) -> Mapping[str, Any]:
    """What /readyz says of the workers, once one of them is silent; the other one answers."""
    async with asyncio.timeout(30):
        while True:
            status, text = await served.look(http, "/readyz")
            check: Mapping[str, Any] = orjson.loads(text)["checks"]["workers"]
            assert status == 200
            if "reason" in check:
                return check
            await asyncio.sleep(0.02)


async def test_workers_that_are_all_silent_are_replaced_one_after_the_other(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """/readyz is 503 while no worker is alive; then each is followed by one that serves."""
    async with workers(services, http, *IMPATIENT) as served:
        stopped = {served.pids(index)[-1] for index in range(2)}
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

        async def is_unready() -> bool:
            status, text = await served.look(http, "/readyz")
            return status == 503 and "no worker gives a sign of life" in text

        await eventually(is_unready)
        assert {line["pid"] for line in await served.logged("worker_silent", 2)} == stopped
        await served.until(lambda: all(len(served.pids(index)) == 2 for index in range(2)))
        await served.ready_workers(http, 2)
        async with http.get(served.base_url + services.list_path, headers=services.headers) as answer:
            assert answer.status == 200
        first, second = served.events("worker_silent")
        assert first["timestamp"] < second["timestamp"]


async def test_a_host_that_was_suspended_kills_nobody(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """Supervisor and workers stop for longer than a worker may be silent, and all of them go on."""
    async with workers(services, http, *IMPATIENT) as served:
        everybody = [served.pid, *(served.pids(index)[-1] for index in range(2))]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(4)
        # The supervisor first: it finds that everybody was silent.
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        for _ in range(3):
            await served.ready_workers(http, 2)
            assert (await served.look(http, "/readyz"))[0] in (200, 503)
            await asyncio.sleep(0.5)
        assert not served.events("worker_silent") and not served.events("worker_died")
