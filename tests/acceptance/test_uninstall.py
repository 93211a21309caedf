"""After `uninstall` store and broker are byte for byte as before the sidecar came; on services of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result
from yarl import URL

from crossbar_conferences.auth.guest_keys import GuestKeys
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.cli import main
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.service import Service
from crossbar_conferences.settings import load
from crossbar_conferences.store import own
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.names import ACCOUNTS, OWN_DESIGN_DOCUMENT, account_database, encoded
from crossbar_conferences.store.port import ViewQuery
from crossbar_conferences.store.reservations import Claim
from crossbar_conferences.store.views import ACCOUNTS_BY_NAME
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from scripts.daemons import PouchDB, RabbitMQ
from tests.support.brokers import FAST, eventually

NODE = "sidecar@uninstall.test"


@dataclass(frozen=True, slots=True)
class Place:
    """A broker and a store that nobody else uses."""

    broker: RabbitMQ
    store: PouchDB

    def run(self, *words: str) -> Result:
        """One of our commands, with this cluster's settings."""
        services = ("--couchdb-url", self.store.url, "--amqp-urls", self.broker.url, "--node-name", NODE)
        if words[0] == "views":
            services = services[:2]
        return CliRunner().invoke(main, [*words, *services])

    async def _databases(self) -> list[str]:
        store = CouchStore(self.store.url)
        await store.open()
        try:
            return sorted(await store.databases())
        finally:
            await store.close()

    async def everything(self) -> dict[str, Any]:
        """All databases with all documents in their revisions; all exchanges, queues and bindings."""
        found: dict[str, Any] = {}
        server = self.store.url.rstrip("/")
        async with aiohttp.ClientSession(headers={"Accept": "application/json"}) as http:
            for name in await self._databases():
                url = f"{server}/{encoded(name)}/_all_docs?include_docs=true&conflicts=true"
                async with http.get(URL(url, encoded=True)) as answer:
                    found[name] = (await answer.json())["rows"]
        assert all(found[name] for name in found if name.startswith("account"))
        for what, columns in (
            ("exchanges", "name type durable auto_delete internal arguments"),
            ("queues", "name durable auto_delete exclusive arguments"),
            ("bindings", "source_name destination_name destination_kind routing_key arguments"),
            ("connections", "name state"),
        ):
            listed = await asyncio.to_thread(self.broker.control, "-q", f"list_{what}", *columns.split())
            found[f"broker: {what}"] = sorted(listed.splitlines())
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Services of this module's own, since everything on them is compared."""
    folder: Path = tmp_path_factory.mktemp("uninstall")
    broker, store = RabbitMQ(folder / "rabbitmq"), PouchDB(folder / "pouchdb")
    try:
        broker.start()
        store.start()
        yield Place(broker, store)
    finally:
        store.stop()
        broker.stop()


async def used(place: Place, service: Service, data: DataSet, conference_id: str) -> None:
    """Everything that makes the sidecar write something of its own."""
    store = service.store
    tokens = await mint_tokens(store, data)
    headers = {"X-Auth-Token": tokens["boss"]}
    url = f"{service.base_url}/v2/accounts/{data.main.id}/conferences"
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(url) as answer:
            assert answer.status == 200
        record = {"action": "record", "data": {"action": "start"}}
        async with http.put(f"{url}/{conference_id}", json={"data": record}) as answer:
            assert answer.status == 202, await answer.text()
    await service.owners.settled()
    await GuestKeys(store).signing()
    assert not await service.reservations.reserve(Claim(data.main.id, conference_id, ("1",), "n"))
    meetings = {"_id": "meetings-x", "pvt_type": "meetings", "account_id": data.main.id}
    await own.put(store, {**meetings, "conference_id": conference_id})
    assert await store.query(ACCOUNTS, ACCOUNTS_BY_NAME, ViewQuery())


async def test_nothing_is_left(place: Place) -> None:
    """Listed first; refused while a sidecar is heard; then all that was there is there as it was."""
    data, conference_id = DataSet.fresh(), secrets.token_hex(16)
    store = CouchStore(place.store.url)
    await store.open()
    switch = RabbitTransport([place.broker.url], options=FAST)
    cluster = Cluster([ZonePlan("local", switch)])
    try:
        await seed(store, data)
        document = {"_id": conference_id, "pvt_type": "conference", "name": "n"}
        await store.put(account_database(data.main.id), document)
        await switch.start()
        await cluster.start()
        await cluster.perform(["create", conference_id, data.main.id])
        before = await place.everything()
        flags = {
            "couchdb_url": place.store.url,
            "node_name": NODE,
            "http_port": "0",
            "websocket_port": "0",
            "operations_port": "0",
        }
        settings = load(flags, environ={}, candidates=())
        transport = RabbitTransport([place.broker.url], options=FAST)
        async with Service(settings, CouchStore(place.store.url), transport) as service:
            await eventually(lambda: service.bus.nodes.count("ecallmgr") > 0)
            await used(place, service, data, conference_id)
            during = await place.everything()
            assert {one["id"] for one in during[own.DATABASE]} >= {"guest_key", "meetings-x"}
            assert during != before
            told = await asyncio.to_thread(place.run, "uninstall", "--yes")
            assert told.exit_code == 1, told.output
            assert f"a sidecar runs: {NODE}" in told.output
            without = [each for each in await place.everything() if not each.startswith("broker")]
            assert without == [each for each in during if not each.startswith("broker")]
        listed = await asyncio.to_thread(place.run, "uninstall")
        assert listed.exit_code == 0, listed.output
        for text in (
            f"{ACCOUNTS}: views",
            f"{account_database(data.main.id)}: views",
            f"{own.DATABASE}: the database",
            "1 key of guests' tokens",
            "add --yes",
        ):
            assert text in listed.output
        assert {name: rows for name, rows in (await place.everything()).items() if "broker" not in name} == {
            name: rows for name, rows in during.items() if "broker" not in name
        }
        done = await asyncio.to_thread(place.run, "uninstall", "--yes", "--listen-for", "2")
        assert done.exit_code == 0, done.output
        assert "Everything was removed." in done.output

        async def as_before() -> bool:
            # Connections that were closed are listed for a moment longer.
            return await place.everything() == before

        await eventually(as_before)
        again = await asyncio.to_thread(place.run, "uninstall", "--yes")
        assert (again.exit_code, "nothing to remove" in again.output) == (0, True)
    finally:
        await cluster.close()
        await switch.close()
        await store.close()


async def test_views_alone(place: Place) -> None:
    """`views remove` says what it would do, does it with --yes, and leaves what is not ours."""
    data = DataSet.fresh()
    store = CouchStore(place.store.url)
    await store.open()
    try:
        await seed(store, data)
        before = await place.everything()
        installed = await asyncio.to_thread(place.run, "views", "install", data.main.id, data.other.id)
        assert installed.exit_code == 0, installed.output
        foreign = {"_id": OWN_DESIGN_DOCUMENT, "language": "javascript", "views": {"mine": {"map": "x"}}}
        child = account_database(data.parent.id)
        await store.put(child, foreign)
        told = await asyncio.to_thread(place.run, "views", "remove")
        assert told.exit_code == 0, told.output
        assert f"{account_database(data.main.id)}: crossbar_conferences would be removed" in told.output
        assert f"{child}: crossbar_conferences is not the sidecar's, and stays" in told.output
        one = await asyncio.to_thread(place.run, "views", "remove", data.main.id, "--yes")
        assert one.exit_code == 0, one.output
        status = await asyncio.to_thread(place.run, "views", "status", data.main.id, data.other.id)
        assert f"{account_database(data.main.id)}: crossbar_conferences missing" in status.output
        assert f"{account_database(data.other.id)}: crossbar_conferences installed" in status.output
        rest = await asyncio.to_thread(place.run, "views", "remove", "--yes")
        assert rest.exit_code == 0, rest.output
        stored = await store.get(child, OWN_DESIGN_DOCUMENT)
        assert stored["views"] == foreign["views"]
        await store.delete(child, OWN_DESIGN_DOCUMENT, str(stored["_rev"]))
        assert await place.everything() == before
    finally:
        await store.close()


async def test_what_stands_in_the_way(place: Place) -> None:
    """Documents of somebody else in our database, and a broker that can't be heard: both need --force."""
    store = CouchStore(place.store.url)
    await store.open()
    try:
        await own.put(store, {"_id": "somebody's"})
        told = await asyncio.to_thread(place.run, "uninstall", "--yes")
        assert (told.exit_code, "did not write" in told.output) == (1, True)
        await store.delete(
            own.DATABASE, "somebody's", str((await store.get(own.DATABASE, "somebody's"))["_rev"])
        )
        deaf = ["uninstall", "--yes", "--couchdb-url", place.store.url, "--node-name", NODE]
        deaf += ["--amqp-urls", "amqp://guest:guest@127.0.0.1:9/", "--broker-timeout-seconds", "1"]
        told = await asyncio.to_thread(CliRunner().invoke, main, deaf)
        assert (told.exit_code, "no broker is connected" in told.output) == (1, True), told.output
        assert await store.database_exists(own.DATABASE)
        told = await asyncio.to_thread(CliRunner().invoke, main, [*deaf, "--force"])
        assert told.exit_code == 0, told.output
        assert not await store.database_exists(own.DATABASE)
    finally:
        await store.close()
