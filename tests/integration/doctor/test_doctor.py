"""The doctor in environments that are set up right, and wrong in one way each; on real services."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import orjson
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from crossbar_conferences.auth.mint import mint
from crossbar_conferences.auth.port import StoreDocuments
from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.cli import main
from crossbar_conferences.cli.adapters import open_store, open_transport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.doctor.examination import Patient, examine
from crossbar_conferences.doctor.findings import Finding, as_text, exit_status
from crossbar_conferences.kapi.nodes import App, advertise
from crossbar_conferences.settings import load
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.names import ACCOUNTS, account_database
from crossbar_conferences.store.views import design_of
from scripts.daemons import PouchDB, RabbitMQ, free_port
from tests.support.brokers import FAST, on_bus
from tests.support.couch_proxy import CouchProxy, Gate

pytestmark = pytest.mark.usefixtures("quiet_logs")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A broker and a store that are all right, and a token."""

    broker: RabbitMQ
    store: PouchDB
    data: DataSet
    tokens: Mapping[str, str]

    @property
    def flags(self) -> dict[str, str]:
        """Settings with which everything is right."""
        return {
            "amqp_urls": self.broker.url,
            "couchdb_url": self.store.url,
            "node_name": "crossbar_conferences@doctor.test",
            "http_port": "0",
            "websocket_port": "0",
            "operations_port": "0",
            "broker_timeout_seconds": "3",
        }


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[CouchStore]:
    """A store of the test's own."""
    store = CouchStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Services that only this module uses: nobody else is heard there."""
    folder = tmp_path_factory.mktemp("doctor")
    broker, store = RabbitMQ(folder / "rabbitmq"), PouchDB(folder / "pouchdb")
    data = DataSet.fresh()

    async def fill() -> Mapping[str, str]:
        async with opened(store.url) as couch:
            await seed(couch, data)
            for database in (ACCOUNTS, *(account_database(one.id) for one in data.accounts.values())):
                design = design_of(database)
                assert design is not None
                await couch.install(database, design)
            return await mint_tokens(couch, data)

    try:
        broker.start()
        store.start()
        yield Cluster(broker, store, data, asyncio.run(fill()))
    finally:
        store.stop()
        broker.stop()


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    """Logging as it was, after a command has set it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
async def bare_store(tmp_path: Path) -> AsyncIterator[str]:
    """A store of one test's own: databases, but no signing key."""
    server = PouchDB(tmp_path / "pouchdb")
    await asyncio.to_thread(server.start)
    try:
        async with opened(server.url) as couch:
            for name in (ACCOUNTS, "system_config", "system_auth"):
                await couch.create_database(name)
        yield server.url
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def media_side(cluster: Cluster, zone: str = "local") -> AsyncIterator[None]:
    """A node of ecallmgr's that speaks more often than a real one, which tests would wait for."""
    bus = Bus(RabbitTransport([cluster.broker.url], options=FAST), "ecallmgr@media.test", advertise=False)

    async def speak() -> None:
        while True:
            await bus.cast(advertise(bus.node, zone=zone, expires_ms=10_000, apps={"ecallmgr": App()}))
            await asyncio.sleep(0.1)

    async with on_bus(bus):
        speaking = asyncio.create_task(speak())
        try:
            yield
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)


async def found(
    flags: Mapping[str, str],
    *,
    environ: Mapping[str, str] | None = None,
    token: str | None = None,
    listen_for: float = 0.0,
) -> list[Finding]:
    """What the doctor finds."""
    settings = await asyncio.to_thread(load, flags, {}, candidates=())
    patient = Patient(settings, environ or {}, open_store(settings), open_transport(settings), token)
    return await examine(patient, listen_for)


def the_fault(findings: list[Finding], check: str, state: str = "fail") -> Finding:
    """The one finding that is not all right, apart from the missing configuration file."""
    bad = [one for one in findings if one.state != "ok" and not one.text.startswith("no config.ini")]
    assert [(one.check, one.state) for one in bad] == [(check, state)], as_text(findings)
    assert bad[0].advice
    return bad[0]


async def test_nothing_is_wrong(cluster: Cluster, tmp_path: Path) -> None:
    """With Kazoo's own configuration file and everything up, all is well and the status is 0."""
    config = tmp_path / "config.ini"
    config.write_text(
        f"""
        [zone]
        name = "local"
        amqp_uri = "{cluster.broker.url}"
        [bigcouch]
        ip = "127.0.0.1"
        port = {cluster.store.port}
        [crossbar_conferences]
        node_name = crossbar_conferences@doctor.test
        http_port = 0
        websocket_port = 0
        operations_port = 0
        """
    )
    async with media_side(cluster):
        findings = await found({"config_file": str(config)}, token=cluster.tokens["boss"], listen_for=16.0)
    assert exit_status(findings) == 0, as_text(findings)
    checks = {one.check for one in findings}
    assert checks >= {"config", "ports", "store", "clock", "views", "key", "token", "broker", "nodes"}


async def test_a_queue_of_the_doctors_is_gone_afterwards(cluster: Cluster) -> None:
    """Examining leaves nothing on the broker."""
    await found(cluster.flags)
    queues = await asyncio.to_thread(
        cluster.broker.control, "-q", "list_queues", "name", "--no-table-headers"
    )
    assert not queues.strip()


def test_a_line_that_cannot_be_read(tmp_path: Path) -> None:
    """1: a broken config.ini is named with its line, and the status is 2."""
    config = tmp_path / "config.ini"
    config.write_text("[bigcouch]\nip = 127.0.0.1\nport = many\n")
    told = CliRunner().invoke(main, ["doctor", "--config-file", str(config)])
    assert told.exit_code == 2
    assert f"fail  config  {config}:3: port must be an integer" in told.output
    assert "->" in told.output


async def test_a_misspelt_variable(cluster: Cluster) -> None:
    """2: a variable that is no setting."""
    environ = {"CROSSBAR_CONFERENCES_HTTP_PROT": "1"}
    fault = the_fault(await found(cluster.flags, environ=environ), "settings", "warn")
    assert "CROSSBAR_CONFERENCES_HTTP_PROT" in fault.text


async def test_no_store_there(cluster: Cluster) -> None:
    """3: nobody listens where CouchDB should be."""
    url = f"http://127.0.0.1:{free_port()}/"
    fault = the_fault(await found({**cluster.flags, "couchdb_url": url}), "store")
    assert "nobody listens at that port" in fault.text
    assert "within" not in fault.text
    assert "--couchdb-url" in fault.advice


async def test_a_store_that_keeps_us_waiting(cluster: Cluster) -> None:
    """3: somebody listens there, and says nothing: only that is told as slowness."""
    async with silent() as port:
        flags = {**cluster.flags, "couchdb_url": f"http://127.0.0.1:{port}/", "store_timeout_seconds": "0.5"}
        fault = the_fault(await found(flags), "store")
    assert "it does not answer within 0.5 s" in fault.text


async def test_a_host_that_nobody_knows(cluster: Cluster) -> None:
    """3: a misspelt host is told as such, for both services."""
    flags = {
        "couchdb_url": "http://nowhere.invalid:5984/",
        "amqp_urls": "amqp://guest:guest@nowhere.invalid/",
    }
    for name, url in flags.items():
        check = "store" if name == "couchdb_url" else "broker"
        fault = the_fault(await found({**cluster.flags, name: url}), check)
        assert "nobody knows a host of that name" in fault.text


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says anything."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_another_password_at_the_store(cluster: Cluster) -> None:
    """4: CouchDB refuses our credentials; the password is not shown."""
    flags = {**cluster.flags, "couchdb_user": "kazoo", "couchdb_password": "hunter2"}
    findings = await found(flags)
    assert "refuses our credentials" in the_fault(findings, "store").text
    assert "hunter2" not in as_text(findings)


async def test_a_user_who_is_locked_out_of_the_store(cluster: Cluster) -> None:
    """4b: the password is right, and refused all the same: nobody is told to change it."""
    gate = Gate({"kazoo": "hunter2"})
    gate.lock("kazoo")
    async with CouchProxy(cluster.store.url, gate) as couch:
        flags = {"couchdb_url": couch.url, "couchdb_user": "kazoo", "couchdb_password": "hunter2"}
        fault = the_fault(await found({**cluster.flags, **flags}), "store")
    assert "has locked our user out: Account is temporarily locked" in fault.text
    assert "leave the password as it is" in fault.advice and "hunter2" not in fault.text
    assert gate.wrong.total() == 0


async def test_a_user_without_a_right_at_the_store(cluster: Cluster) -> None:
    """4c: the user is let in, and may not read what we need: the database is named, the password is right."""

    def no_right(request: web.Request) -> web.Response | None:
        if not request.path.startswith("/system_config"):
            return None
        body = {"error": "forbidden", "reason": "You are not allowed to access this db."}
        return web.json_response(body, status=403)

    async with CouchProxy(cluster.store.url) as couch:
        couch.meddle = no_right
        fault = the_fault(await found({**cluster.flags, "couchdb_url": couch.url}), "store")
    assert "gives it no right to system_config" in fault.text
    assert "server admin" in fault.advice


async def test_a_store_that_is_not_kazoos(cluster: Cluster, tmp_path: Path) -> None:
    """5: a CouchDB without Kazoo's databases."""
    server = PouchDB(tmp_path / "pouchdb")
    await asyncio.to_thread(server.start)
    try:
        fault = the_fault(await found({**cluster.flags, "couchdb_url": server.url}), "store")
    finally:
        await asyncio.to_thread(server.stop)
    assert "has no database accounts, system_config, system_auth" in fault.text


async def test_no_broker_there(cluster: Cluster) -> None:
    """6: nobody listens where RabbitMQ should be."""
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    findings = await found({**cluster.flags, "amqp_urls": url})
    assert "cannot be reached: nobody listens at that port" in the_fault(findings, "broker").text


@pytest.mark.parametrize("has_vhost", [False, True])
async def test_another_virtual_host(cluster: Cluster, has_vhost: bool) -> None:
    """6: RabbitMQ has no virtual host of that name, or our user has no right to it; the broker is there."""
    if has_vhost:
        await asyncio.to_thread(cluster.broker.control, "-q", "add_vhost", "closed")
    url = cluster.broker.url.rstrip("/") + ("/closed" if has_vhost else "/nope")
    fault = the_fault(await found({**cluster.flags, "amqp_urls": url}), "broker")
    assert "refuses the virtual host" in fault.text
    assert ("our user has no right to it" if has_vhost else "it does not exist") in fault.text
    assert "last slash" in fault.advice


async def test_one_of_two_brokers_there(cluster: Cluster) -> None:
    """One broker of several that is away is no more than a warning."""
    port = free_port()
    urls = f"{cluster.broker.url} amqp://guest:guest@127.0.0.1:{port}/"
    fault = the_fault(await found({**cluster.flags, "amqp_urls": urls}), "broker", "warn")
    assert f"127.0.0.1:{port}" in fault.text


async def test_another_password_at_the_broker(cluster: Cluster) -> None:
    """7: RabbitMQ refuses our credentials; the password is not shown."""
    url = cluster.broker.url.replace("guest:guest", "guest:hunter2")
    findings = await found({**cluster.flags, "amqp_urls": url})
    assert "refuses our credentials" in the_fault(findings, "broker").text
    assert "hunter2" not in as_text(findings)


async def test_an_exchange_with_other_flags(cluster: Cluster) -> None:
    """8: somebody declared one of Kazoo's exchanges durable."""
    connection = await aio_pika.connect(cluster.broker.url)
    async with connection:
        channel = await connection.channel()
        await channel.exchange_delete("callevt")
        await channel.declare_exchange("callevt", "topic", durable=True)
        try:
            fault = the_fault(await found(cluster.flags), "exchanges")
        finally:
            await channel.exchange_delete("callevt")
    assert "callevt is not a topic exchange" in fault.text
    assert "delete the exchange callevt" in fault.advice


async def test_no_media_node(cluster: Cluster) -> None:
    """9: ecallmgr is not heard."""
    fault = the_fault(await found(cluster.flags, listen_for=1.0), "nodes")
    assert "no ecallmgr node is heard" in fault.text


async def test_the_wrong_zone(cluster: Cluster) -> None:
    """10: the media nodes are in another zone than we."""
    async with media_side(cluster, "east"):
        fault = the_fault(await found({**cluster.flags, "zone": "west"}, listen_for=3.0), "zone")
    assert "zone west" in fault.text
    assert "ecallmgr@media.test in east" in fault.text


async def test_quick_does_not_wait_for_nodes(cluster: Cluster) -> None:
    """Without waiting, nothing is said about nodes."""
    assert not {"nodes", "zone"} & {one.check for one in await found(cluster.flags)}


@pytest.mark.parametrize("has_config", [False, True])
async def test_no_signing_key(cluster: Cluster, bare_store: str, has_config: bool) -> None:
    """11: the cluster has no signing key, or the one that it names is missing."""
    if has_config:
        config = {"system_key": "c0ffee", "secret_for_user_signature": "s"}
        async with opened(bare_store) as couch:
            await couch.put("system_config", {"_id": "auth", "default": config})
    findings = await found({**cluster.flags, "couchdb_url": bare_store})
    (fault,) = [one for one in findings if one.state == "fail"]
    assert fault.check == "key"
    assert ("no document c0ffee" if has_config else "no system_key") in fault.text


async def test_a_key_that_is_none(cluster: Cluster, bare_store: str) -> None:
    """A document without the key attached, and an attachment that is no key, are told apart."""
    key_id = "c0ffee00c0ffee00c0ffee00c0ffee00"
    async with opened(bare_store) as couch:
        config = {"system_key": key_id, "secret_for_user_signature": "s"}
        await couch.put("system_config", {"_id": "auth", "default": config})
        rev = await couch.put("system_auth", {"_id": key_id, "pvt_type": "system_key"})
        for text in ("has no private_key.pem", "is no RSA key"):
            findings = await found({**cluster.flags, "couchdb_url": bare_store})
            (fault,) = [one for one in findings if one.state == "fail"]
            assert text in fault.text
            rev = await couch.put_attachment(
                "system_auth", key_id, rev, "private_key.pem", "application/x-pem-file", b"nonsense"
            )


async def test_a_clock_that_is_off(cluster: Cluster) -> None:
    """12: CouchDB's host has another time than we."""

    async def pass_on(request: web.Request) -> web.Response:
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                request.method,
                cluster.store.url.rstrip("/") + request.raw_path,
                data=await request.read(),
                headers={"Accept": "application/json", "Content-Type": "application/json"},
            ) as answer,
        ):
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                headers={
                    "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
                    "Content-Type": answer.headers["Content-Type"],
                },
            )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with TestServer(app) as server:
        fault = the_fault(await found({**cluster.flags, "couchdb_url": str(server.make_url("/"))}), "clock")
    assert "apart" in fault.text


async def test_a_token_that_has_expired(cluster: Cluster) -> None:
    """13: the token given is over."""
    async with opened(cluster.store.url) as couch:
        token = await mint(StoreDocuments(couch), cluster.data.main.id, expires_in=-60)
    fault = the_fault(await found(cluster.flags, token=token), "token")
    assert "it has expired" in fault.text
    assert token not in as_text([fault])


async def test_a_token_of_another_cluster(cluster: Cluster, bare_store: str) -> None:
    """14: the token's key is not this cluster's."""
    findings = await found({**cluster.flags, "couchdb_url": bare_store}, token=cluster.tokens["boss"])
    (fault,) = [one for one in findings if one.check == "token"]
    assert "its key is not in system_auth" in fault.text


async def test_a_port_that_is_taken(cluster: Cluster) -> None:
    """15: another program has our port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fault = the_fault(await found({**cluster.flags, "http_port": str(port)}), "ports")
    assert f"http: 127.0.0.1:{port} is taken" in fault.text


async def test_one_port_for_two(cluster: Cluster) -> None:
    """16: API and websocket are told to listen on the same port."""
    port = str(free_port())
    findings = await found({**cluster.flags, "http_port": port, "websocket_port": port})
    assert "http_port and websocket_port are both" in the_fault(findings, "ports").text


async def test_an_address_of_another_host(cluster: Cluster) -> None:
    """17: an address that this host does not have."""
    fault = the_fault(await found({**cluster.flags, "http_host": "192.0.2.1", "http_port": "8000"}), "ports")
    assert "EADDRNOTAVAIL" in fault.text


async def test_views_that_are_missing(cluster: Cluster, bare_store: str) -> None:
    """18: without our views the first request will wait; the doctor does not install them."""
    for _ in range(2):
        findings = await found({**cluster.flags, "couchdb_url": bare_store})
        (warning,) = [one for one in findings if one.check == "views"]
        assert (warning.state, "missing" in warning.text) == ("warn", True)
        assert "views install" in warning.advice


async def test_views_of_accounts_that_nobody_read(cluster: Cluster) -> None:
    """18: an account that nobody asked for has none yet: a note, and the status is 0; other ones are a
    warning, since the next request waits until they are built anew."""
    account_id = secrets.token_hex(16)
    database = account_database(account_id)
    async with opened(cluster.store.url) as couch:
        await couch.create_database(database)
        account = {"_id": account_id, "pvt_type": "account", "name": "unread"}
        rev = await couch.put(ACCOUNTS, account)
        try:
            config = tuple(one for one in await found(cluster.flags) if one.check != "config")
            (views,) = [one for one in config if one.check == "views"]
            assert (views.state, "nobody has read them" in views.text) == ("note", True)
            assert exit_status(config) == 0, as_text(config)
            await couch.put(database, {"_id": "_design/crossbar_conferences", "views": {}})
            (views,) = [one for one in await found(cluster.flags) if one.check == "views"]
            assert (views.state, "another version" in views.text) == ("warn", True)
        finally:
            await couch.delete(ACCOUNTS, account_id, rev)


async def test_somebody_else_of_our_name(cluster: Cluster) -> None:
    """20: a sidecar of another host speaks under our node name."""
    other = Bus(
        RabbitTransport([cluster.broker.url], options=FAST), cluster.flags["node_name"], sidecar_id="far_1_a"
    )
    async with on_bus(other), media_side(cluster):
        findings = await found(cluster.flags, listen_for=3.0)
        while not [one for one in findings if one.check == "node_name" and one.state == "warn"]:
            findings = await found(cluster.flags, listen_for=3.0)
    fault = the_fault(findings, "node_name", "warn")
    assert "crossbar_conferences@doctor.test, on far" in fault.text


async def test_a_name_that_is_not_unique(cluster: Cluster) -> None:
    """19: a node named after localhost."""
    flags = {**cluster.flags, "node_name": "crossbar_conferences@localhost"}
    assert "another host may have the same name" in the_fault(await found(flags), "settings", "warn").text


async def test_what_the_sidecar_here_has_noticed(cluster: Cluster) -> None:
    """20: the one that runs on this host says that its name is taken; nobody is listened for."""

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(request: web.Request) -> web.Response:
        bus = {"ok": True, "node_name_taken": "x@h is also the name of another process on far"}
        return web.json_response({"status": "ok", "checks": {"bus": bus}})

    app = web.Application()
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    async with TestServer(app, host="127.0.0.1") as server:
        flags = {**cluster.flags, "operations_host": "127.0.0.1", "operations_port": str(server.port)}
        fault = the_fault(await found(flags), "node_name", "warn")
    assert "another process on far" in fault.text


def test_findings_for_machines(cluster: Cluster) -> None:
    """As JSON: the status, and each finding with its fields; the exit status is the same."""
    flags = [part for name, value in cluster.flags.items() for part in (f"--{name.replace('_', '-')}", value)]
    told = CliRunner().invoke(main, ["doctor", "--quick", "--format", "json", *flags])
    content: dict[str, Any] = orjson.loads(told.stdout)
    assert content["status"] == told.exit_code == 1, told.output
    assert all(set(one) == {"check", "state", "text", "advice"} for one in content["findings"])
