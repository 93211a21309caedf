"""A running sidecar beside a virtual switch, and who uses it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from yarl import URL

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Consumer, Delivery, Transport
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.kapi.messages import Outgoing
from crossbar_conferences.service import Service
from crossbar_conferences.settings import Settings, load
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import DocumentMissing, Store
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from crossbar_conferences.switch.rooms import Room
from tests.support.answers import Answer, read

PATIENCE_SECONDS = 10.0
WAIT_LIMIT_MS = 1500

#: Questions that the sidecar may ask whenever it likes, and its heartbeat.
_QUESTIONS = frozenset({"search_req", "query_channels_req", "advertise"})


@dataclass(slots=True)
class World:
    """The sidecar, the switch, and everything that was published."""

    service: Service
    cluster: Cluster
    store: Store
    data: DataSet
    tokens: Mapping[str, str]
    http: aiohttp.ClientSession
    #: A connection of our own to the broker: what we hear, others hear.
    ears: Transport
    #: Makes one more transport to the broker, and one more connection to the store.
    new_transport: Callable[[], Transport]
    new_store: Callable[[], Store]
    #: Stops and starts the broker; ``None`` where it is not ours to stop.
    broker: MemoryBroker | None
    sent: list[Outgoing] = field(default_factory=list)
    #: What was asked of the store: the names of its operations.
    operations: list[str] = field(default_factory=list)
    #: Ids of the notifications that were kept for a retry.
    kept_notifications: list[str] = field(default_factory=list)
    #: Those who hear all commands; while one of them does, every command is in somebody's queue.
    listening: list[Heard] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The main account's id."""
        return self.data.main.id

    @property
    def other(self) -> str:
        """The unrelated account's id."""
        return self.data.other.id

    def path(self, *parts: str, account: str | None = None) -> str:
        """A path below an account's conferences."""
        quoted = "".join(f"/{quote(part, safe='')}" for part in parts)
        return f"/v2/accounts/{account or self.account}/conferences{quoted}"

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "boss",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """One request; ``who`` names a user of the data set, or nobody."""
        sent = {"accept": "application/json", **(headers or {})}
        if who is not None:
            sent["x-auth-token"] = self.tokens.get(who, who)
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        url = URL(self.service.base_url + path, encoded=True).update_query(query)
        async with self.http.request(method, url, data=content, headers=sent) as response:
            return await read(response)

    async def put(self, path: str, body: Any, **options: Any) -> Answer:
        """PUT a body as it stands."""
        return await self.call("PUT", path, body, **options)

    async def act(
        self, conference_id: str, action: str, data: Any = None, *parts: str, **options: Any
    ) -> Answer:
        """An action in the seed's form: on the conference, or (``parts``) on participants."""
        given = {} if data is None else data
        body = {"data": {"action": action, "data": given}} if parts else {"action": action, "data": given}
        account = options.pop("account", None)
        return await self.put(self.path(conference_id, *parts, account=account), body, **options)

    async def act_at(self, path: str, action: str, data: Any = None, **options: Any) -> Answer:
        """An action on a conference at a path that stands as it is."""
        return await self.put(path, {"action": action, "data": {} if data is None else data}, **options)

    async def create(self, *, account: str | None = None, who: str = "boss", **fields: Any) -> str:
        """The id of a new stored conference; nothing of making it stays in the record."""
        body = {"data": {"name": f"Room {secrets.token_hex(6)}", **fields}}
        answer = await self.put(self.path(account=account), body, who=who)
        assert answer.status == 201, answer.text
        self.sent.clear()
        return str(answer.data["id"])

    async def start_room(
        self, conference_id: str, *members: str, account: str | None = None, known: bool = True
    ) -> Room:
        """Run a conference on the switch; each member is said as ``moderator=true name=Ann``.

        ``known``: until the sidecar shows it."""
        account = account or self.account
        await self.cluster.perform(["create", conference_id, account])
        for number, member in enumerate(members, 1):
            call_id = f"{conference_id}-{number}@example.com"
            await self.cluster.perform(["join", conference_id, call_id, *member.split()])
        if known:
            await self.eventually(lambda: self._is_shown(account, conference_id, len(members)))
        return self.room(conference_id)

    def _is_shown(self, account: str, conference_id: str, members: int) -> bool:
        accounts = getattr(self.service.live, "_accounts", {})
        tracked = accounts.get(account)
        if tracked is None or not tracked.seeded:
            return True
        room = tracked.rooms.get(conference_id)
        return room is not None and len(room.participants) == members and not room.partial

    def room(self, conference_id: str) -> Room:
        """A running conference as the switch has it."""
        found = self.cluster.room(conference_id)
        assert found is not None
        return found

    @property
    def published(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What the sidecar published: exchange, routing key and body, without its questions."""
        return [
            (sent.exchange, sent.routing_key, dict(sent.body))
            for sent in self.sent
            if sent.body.get("Event-Name") not in _QUESTIONS
        ]

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The commands among it, without what every message has."""
        own = ("App-Name", "App-Version", "Event-Category", "Event-Name", "Msg-ID", "Node", "Server-ID")
        return [
            {key: value for key, value in body.items() if key not in own}
            for exchange, _, body in self.published
            if exchange == "conference"
        ]

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that nobody announces."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def told(self, conference_id: str) -> list[str]:
        """What became of the commands and dials that the switch heard for a conference."""
        return [
            heard.outcome
            for heard in self.cluster.told.heard
            if heard.body.get("Conference-ID") == conference_id
        ]

    async def done(self, conference_id: str, count: int = 1) -> None:
        """Wait until the switch has dealt with so many commands and dials for a conference."""
        await self.eventually(lambda: len(self.told(conference_id)) >= count)

    async def write(self, database: str, document: Mapping[str, Any]) -> None:
        """Store a document over what is there, and have the sidecar read it anew."""
        try:
            stored = await self.store.get(database, document["_id"])
        except DocumentMissing:
            stored = {}
        revision = {"_rev": stored["_rev"]} if stored else {}
        fields = {key: value for key, value in document.items() if key != "_rev"}
        await self.store.put(database, {**fields, **revision})
        self._forget(database, document["_id"])

    async def erase(self, database: str, document_id: str) -> None:
        """Remove a document, and have the sidecar miss it."""
        stored = await self.store.get(database, document_id)
        await self.store.delete(database, document_id, str(stored["_rev"]))
        self._forget(database, document_id)

    def _forget(self, database: str, document_id: str) -> None:
        self.service.cache.flush(database, document_id)
        self.service.auth.flush(database, document_id)

    async def publish(self, exchange: str, routing_key: str, body: Mapping[str, Any]) -> None:
        """Say something on the bus, as another app would."""
        await self.ears.publish(exchange, routing_key, orjson.dumps(body))

    async def until_shown(self, conference_id: str, members: int, account: str | None = None) -> None:
        """Wait until the sidecar shows so many participants of a conference."""
        path = self.path(conference_id, "participants", account=account)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len((await self.call("GET", path)).data) != members:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def start(self, answering: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Have a request under way; the test awaits it."""
        return asyncio.create_task(answering)

    async def document(self, conference_id: str, account: str | None = None) -> dict[str, Any]:
        """A document as it is stored."""
        return dict(await self.store.get(account_database(account or self.account), conference_id))

    async def add(self, *documents: Mapping[str, Any], account: str | None = None) -> None:
        """Store documents as they stand, as another Kazoo app would."""
        for document in documents:
            await self.store.put(account_database(account or self.account), document)


class Heard:
    """What comes over the bus from now on, from whomever."""

    def __init__(self, ears: Transport, consumer: Consumer, marks: asyncio.Queue[str]) -> None:
        self.deliveries: list[Delivery] = []
        self._ears = ears
        self._consumer = consumer
        self._marks = marks

    async def close(self) -> None:
        """Hear no more: nothing that is published is taken by us."""
        await self._consumer.close()

    async def all(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything so far: a message of ours goes last, and when it is here all others are."""
        mark = secrets.token_hex(8)
        await self._ears.publish("conference", "conference.command.mark", orjson.dumps({"mark": mark}))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._marks.get() != mark:
                pass
        return [(delivery.routing_key, orjson.loads(delivery.body)) for delivery in self.deliveries]


async def listen(world: World, *bindings: Binding) -> Heard:
    """Hear commands, notifications and changes of documents, and what else is bound."""
    marks: asyncio.Queue[str] = asyncio.Queue()
    heard: Heard | None = None

    def hear(delivery: Delivery) -> None:
        body = orjson.loads(delivery.body)
        if "mark" in body:
            marks.put_nowait(body["mark"])
        elif heard is not None:
            heard.deliveries.append(delivery)

    everything = (
        Binding("conference", "conference.command.#"),
        Binding("notifications", "#"),
        Binding("configuration", "doc_created.#"),
        Binding("configuration", "doc_edited.#"),
        Binding("configuration", "doc_deleted.#"),
        *bindings,
    )
    consumer = await world.ears.consume(hear, everything)
    heard = Heard(world.ears, consumer, marks)
    world.listening.append(heard)
    return heard


def settings(**more: str) -> Settings:
    """Settings of a sidecar under test."""
    given = {
        "http_port": "0",
        "websocket_port": "0",
        "operations_port": "0",
        "wait_limit_ms": str(WAIT_LIMIT_MS),
        "search_timeout_ms": "1000",
        # Guests are told apart by what a proxy says of them.
        "reverse_proxies": "127.0.0.1",
        "node_name": f"crossbar_conferences@{secrets.token_hex(4)}.test",
        "zone": "local",
        **more,
    }
    return load(given, environ={}, candidates=())


async def open_world(
    stack: AsyncExitStack,
    new_store: Callable[[], Store],
    new_transport: Callable[[], Transport],
    broker: MemoryBroker | None = None,
) -> World:
    """A sidecar and its switch, ready: each knows the other."""
    data = DataSet.fresh()
    media_side, ears = new_transport(), new_transport()
    for each in (media_side, ears):
        stack.push_async_callback(each.close)
        await each.start()
    cluster = Cluster([ZonePlan("local", media_side)])
    stack.push_async_callback(cluster.close)
    await cluster.start()
    store = new_store()
    service = await stack.enter_async_context(Service(settings(), store, new_transport()))
    await seed(store, data)
    tokens = await mint_tokens(store, data)
    http = await stack.enter_async_context(aiohttp.ClientSession())
    world = World(service, cluster, store, data, tokens, http, ears, new_transport, new_store, broker)
    await _watch(world)
    return world


@asynccontextmanager
async def either_world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """In memory, or on RabbitMQ and CouchDB: as the fixture's parameter says."""
    async with AsyncExitStack() as stack:
        if request.param == "embedded":
            broker, memory = MemoryBroker(), MemoryStore()

            def connection() -> MemoryStore:
                # Each sidecar's own, so that what one asks is not taken for another's.
                store = MemoryStore()
                store._databases = memory._databases
                return store

            yield await open_world(stack, connection, lambda: MemoryTransport(broker), broker)
        else:
            couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
            yield await open_world(
                stack, lambda: CouchStore(couchdb_url), lambda: RabbitTransport([amqp_url])
            )


def sip_device(**more: Any) -> dict[str, Any]:
    """The document of a telephone that nobody owns."""
    return {
        "_id": secrets.token_hex(16),
        "pvt_type": "device",
        "name": "phone",
        "device_type": "sip_device",
        "enabled": True,
        "sip": {"username": secrets.token_hex(4), "password": "x", "realm": "r.example"},
        **more,
    }


@asynccontextmanager
async def beside(world: World, **more: str) -> AsyncIterator[World]:
    """One more sidecar in the same world, with other settings and a record of its own."""
    store = world.new_store()
    async with Service(settings(**more), store, world.new_transport()) as service:
        other = replace(world, service=service, store=store, sent=[], operations=[], kept_notifications=[])
        await _watch(other)
        yield other


async def _watch(world: World) -> None:
    """Record what the sidecar publishes and asks of the store, and wait until it is known."""
    service = world.service
    service.bus.recorder = world.sent.append
    watched: Any = world.store
    counted = watched.observer

    def observe(operation: str, seconds: float, failed: bool) -> None:
        world.operations.append(operation)
        counted(operation, seconds, failed)

    watched.observer = observe
    put = watched.put

    async def noted_put(database: str, document: Mapping[str, Any]) -> str:
        rev: str = await put(database, document)
        if database == "pending_notifications":
            world.kept_notifications.append(document["_id"])
        return rev

    watched.put = noted_put
    await world.eventually(lambda: world.ears.connected and service.bus.nodes.count("ecallmgr") > 0)
    node = world.cluster.nodes[0]
    await world.eventually(lambda: node.nodes.get(service.bus.node) is not None)
