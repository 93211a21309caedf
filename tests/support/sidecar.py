"""A sidecar on services that a test may spoil, and a client of its API: for faults, zones and limits."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiohttp
import orjson
from yarl import URL

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Transport
from crossbar_conferences.clock import Clock
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.service import Service
from crossbar_conferences.settings import load
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import Document, Store
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from tests.support.answers import Answer, read
from tests.support.brokers import connected, eventually


@dataclass(slots=True)
class Sidecar:
    """What runs, and requests to it as the administrator of the main account."""

    service: Service
    cluster: Cluster
    data: DataSet
    token: str
    http: aiohttp.ClientSession

    @property
    def account(self) -> str:
        """The account's id."""
        return self.data.main.id

    def path(self, *parts: str) -> str:
        """A path below the account's conferences."""
        return "/".join((f"/v2/accounts/{self.account}/conferences", *parts))

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; bytes are sent as they are."""
        sent = {"X-Auth-Token": self.token, "Content-Type": "application/json", **headers}
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        url = URL(self.service.base_url + path, encoded=True)
        async with self.http.request(method, url, data=content, headers=sent) as response:
            return await read(response)

    async def get(self, *parts: str, query: str = "") -> Answer:
        """Read one conference, or the list."""
        return await self.call("GET", self.path(*parts) + query)

    async def create(self, **fields: Any) -> Answer:
        """Make a conference with a name of its own."""
        name = f"Room {secrets.token_hex(6)}"
        return await self.call("PUT", self.path(), {"data": {"name": name, **fields}})

    async def created(self, **fields: Any) -> str:
        """The id of a new conference."""
        answer = await self.create(**fields)
        assert answer.status == 201, answer.body
        return str(answer.data["id"])

    async def rename(self, conference_id: str, name: str) -> Answer:
        """Change a document."""
        return await self.call("PATCH", self.path(conference_id), {"data": {"name": name}})

    async def lock(self, conference_id: str, action: str = "lock") -> Answer:
        """A command."""
        return await self.call("PUT", self.path(conference_id), {"data": {"action": action}})

    async def invite(self, conference_id: str) -> Answer:
        """An invitation."""
        data = {"guests": ["ann@example.com"], "invite_message": "Come!"}
        return await self.call("PUT", self.path(conference_id, "email_invite"), {"data": data})

    async def ready(self) -> Answer:
        """What ``/readyz`` says."""
        async with self.http.get(self.service.operations_url + "/readyz") as response:
            return await read(response)

    async def run_room(self, conference_id: str, members: int = 1, zone: str = "local") -> None:
        """Run a conference on the switch."""
        await self.cluster.perform(["create", conference_id, self.account, f"zone={zone}"])
        for number in range(1, members + 1):
            await self.cluster.perform(["join", conference_id, f"{conference_id}-{number}@example.com"])

    async def stored(self, store: Store, doc_id: str) -> Document:
        """A document of the account, from a store of the test's own."""
        return await store.get(account_database(self.account), doc_id)

    def forget(self) -> None:
        """Make the sidecar read everything anew."""
        self.service.changes.set_feed(self.service.bus.connected)


@asynccontextmanager
async def running_sidecar(
    store: Store,
    transport: Transport,
    zones: Mapping[str, Transport],
    *,
    clock: Clock = time.time,
    settings: Mapping[str, str] = MappingProxyType({}),
    nodes: int = 1,
) -> AsyncIterator[Sidecar]:
    """A sidecar that is ready. ``zones``: the transport of the media side of each zone, with so many
    ``nodes``; the first is the sidecar's own. Waits until sidecar and media side know each other."""
    given = {
        "http_port": "0",
        "websocket_port": "0",
        "operations_port": "0",
        "node_name": f"crossbar_conferences@{secrets.token_hex(4)}.test",
        "zone": next(iter(zones)),
        "search_timeout_ms": "1000",
        **settings,
    }
    data = DataSet.fresh()
    plans = [ZonePlan(name, beside, nodes) for name, beside in zones.items()]
    cluster = Cluster(plans, host=f"virtual-{secrets.token_hex(3)}")
    service = Service(load(given, environ={}, candidates=()), store, transport, clock=clock)
    try:
        for beside in zones.values():
            await beside.start()
        for beside in zones.values():
            await connected(beside)
        await cluster.start()
        async with service, aiohttp.ClientSession() as http:
            await seed(store, data)
            tokens = await mint_tokens(store, data)
            await eventually(lambda: service.bus.nodes.count("ecallmgr") >= nodes * len(plans))
            await eventually(lambda: all(node.nodes.get(service.bus.node) for node in cluster.nodes))
            yield Sidecar(service, cluster, data, tokens["boss"], http)
    finally:
        await cluster.close()
        for beside in zones.values():
            await beside.close()


@asynccontextmanager
async def sidecar_in_memory(**settings: str) -> AsyncIterator[Sidecar]:
    """The same on the adapters in memory, with settings of the test's own."""
    broker = MemoryBroker()
    own, beside = MemoryTransport(broker), MemoryTransport(broker)
    async with running_sidecar(MemoryStore(), own, {"local": beside}, settings=settings) as sidecar:
        yield sidecar
