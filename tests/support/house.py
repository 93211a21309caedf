"""A whole house for acceptance tests: sidecar, virtual switch, watched store, everybody's tokens."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Transport
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.kapi import configuration
from crossbar_conferences.kapi.messages import Outgoing
from crossbar_conferences.live.tracker import Tracker
from crossbar_conferences.service import Service
from crossbar_conferences.settings import load
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.port import Document, Store
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from tests.support.answers import Answer, read
from tests.support.brokers import FAST, eventually
from tests.support.watched_store import WatchedStore

NewTransport = Callable[[], Transport]


@dataclass(slots=True, repr=False)
class House:
    """Everything that runs, and what was asked and said."""

    service: Service
    store: WatchedStore
    cluster: Cluster
    data: DataSet
    tokens: Mapping[str, str]
    http: aiohttp.ClientSession
    #: Says on the bus what nobody of the house would say.
    stranger: Transport
    #: The broker in memory, to be stopped; ``None`` where it is a real one.
    broker: MemoryBroker | None = None
    sent: list[Outgoing] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The main account's id."""
        return self.data.main.id

    @property
    def database(self) -> str:
        """The main account's database."""
        return account_database(self.account)

    def path(self, *parts: str, account: str | None = None) -> str:
        """A path below an account's conferences."""
        return "/".join((f"/v2/accounts/{account or self.account}/conferences", *parts))

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "boss",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; bytes go out as they are. ``who`` names a user of the data set, or nobody."""
        sent = {name.title(): value for name, value in (headers or {}).items()}
        if who is not None:
            sent.setdefault("X-Auth-Token", self.tokens[who])
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method,
            URL(self.service.base_url + path, encoded=True),
            data=content,
            headers=sent,
            skip_auto_headers=("Content-Type",),
        ) as response:
            return await read(response)

    async def get(self, path: str, **options: Any) -> Answer:
        """A GET."""
        return await self.call("GET", path, **options)

    async def put(self, path: str, data: Any, **options: Any) -> Answer:
        """A PUT of ``data`` in an envelope."""
        return await self.call("PUT", path, {"data": data}, **options)

    async def create(self, **fields: Any) -> str:
        """The id of a new conference with a name of its own."""
        answer = await self.put(self.path(), {"name": f"Room {secrets.token_hex(6)}", **fields})
        assert answer.status == 201, answer.text
        return str(answer.data["id"])

    async def run_room(self, conference_id: str, members: int = 1) -> None:
        """Run a conference on the switch with so many members, until the sidecar shows them."""
        await self.cluster.perform(["create", conference_id, self.account])
        for number in range(1, members + 1):
            await self.cluster.perform(["join", conference_id, f"{conference_id}-{number}@example.com"])

        async def shown() -> bool:
            answer = await self.get(self.path(conference_id, "participants"))
            return len(answer.data) == members

        await eventually(shown)

    async def stored(self, doc_id: str) -> Document:
        """A document of the main account, as it is stored."""
        return await self.store.inner.get(self.database, doc_id)

    async def say_changed(self, event: str, database: str, type_: str, doc_id: str) -> None:
        """Announce a change, as the Erlang node that made it does."""
        body = {
            "Event-Category": "configuration",
            "Event-Name": event,
            "ID": doc_id,
            "Type": type_,
            "Database": encoded(database),
            "App-Name": "datamgr",
            "App-Version": "1.0.0",
            "Node": "kazoo_apps@elsewhere",
            "Msg-ID": secrets.token_hex(8),
        }
        key = f"{event}.{encoded(database)}.{type_}.{encoded(doc_id)}"
        await self.stranger.publish("configuration", key, orjson.dumps(body))

    async def empty(self) -> None:
        """Delete every conference of the main account."""
        listed = await self.get(self.path() + "?paginate=false")
        for item in listed.data:
            await self.call("DELETE", self.path(item["id"]))

    async def meet(self) -> None:
        """Wait until sidecar and switch know each other."""
        ours, nodes = self.service.bus, self.cluster.nodes
        await eventually(lambda: ours.connected and self.stranger.connected)
        await eventually(lambda: all(ours.nodes.get(node.name) for node in nodes))
        await eventually(lambda: all(node.nodes.get(ours.node) for node in nodes))

    async def quiet(self) -> None:
        """Wait until our own notices of changes have come round, then forget what was asked and said.

        One that came later would drop what a test has just warmed."""
        await self.service.owners.settled()
        mark = {"_id": secrets.token_hex(16)}
        self.service.cache.put("marks", mark)
        origin = self.service.bus.origin()
        await self.service.bus.cast(configuration.document_change("edited", "marks", mark, origin))

        async def came() -> bool:
            # There is no such database: once it is not kept any more, nothing is found.
            return await self.service.cache.document("marks", mark["_id"]) is None

        await eventually(came)
        live = self.service.live
        if isinstance(live, Tracker):
            # Nothing is asked any more about what happened before.
            await eventually(lambda: live.open_questions == 0)
        self.forget()

    def forget(self) -> None:
        """Forget what was asked and said so far."""
        self.store.requests.clear()
        self.sent.clear()

    @property
    def spoken(self) -> list[Outgoing]:
        """What was published since, without the heartbeat."""
        return [sent for sent in self.sent if sent.exchange != "nodes"]


@asynccontextmanager
async def house(
    store: Store, transport: NewTransport, *, beside: NewTransport | None = None, nodes: int = 1, **more: str
) -> AsyncIterator[House]:
    """A house on these adapters, once sidecar and switch know each other.

    ``beside``: where the switch's side reaches the broker by another way. ``more``: settings."""
    settings = {
        "http_port": "0",
        "websocket_port": "0",
        "operations_port": "0",
        "node_name": f"crossbar_conferences@{secrets.token_hex(4)}.test",
        "zone": "local",
        **more,
    }
    watched, data = WatchedStore(store), DataSet.fresh()
    media_side, stranger = (beside or transport)(), (beside or transport)()
    cluster = Cluster([ZonePlan("local", media_side, nodes)], host=f"virtual-{secrets.token_hex(3)}")
    async with AsyncExitStack() as stack:
        for each in (media_side, stranger):
            stack.push_async_callback(each.close)
            await each.start()
        stack.push_async_callback(cluster.close)
        await cluster.start()
        service = await stack.enter_async_context(
            Service(load(settings, environ={}, candidates=()), watched, transport())
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await seed(watched, data)
        tokens = await mint_tokens(watched, data)
        ours = House(service, watched, cluster, data, tokens, http, stranger)
        service.bus.recorder = ours.sent.append
        await ours.meet()
        await ours.quiet()
        yield ours


@asynccontextmanager
async def embedded_house(**options: Any) -> AsyncIterator[House]:
    """A house in memory."""
    broker = MemoryBroker()
    async with house(MemoryStore(), lambda: MemoryTransport(broker), **options) as ours:
        ours.broker = broker
        yield ours


@asynccontextmanager
async def real_house(
    couchdb_url: str,
    amqp_url: str,
    *,
    switch_amqp_url: str | None = None,
    store_timeout: float = 5.0,
    **options: Any,
) -> AsyncIterator[House]:
    """A house on real services."""
    async with house(
        CouchStore(couchdb_url, timeout=store_timeout),
        lambda: RabbitTransport([amqp_url], options=FAST),
        beside=lambda: RabbitTransport([switch_amqp_url or amqp_url], options=FAST),
        **options,
    ) as ours:
        yield ours
