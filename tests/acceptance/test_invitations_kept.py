"""An invitation that was answered 201 is not lost with the process: kill -9, on real services."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from yarl import URL

from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.commands.inviter import PENDING_DATABASE
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from tests.support.brokers import FAST, eventually, running
from tests.support.couch_proxy import CouchProxy, disk_full
from tests.support.proxy import TcpProxy
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Invitations that are under way when the process is killed.
CLIENTS = 8


@dataclass(slots=True)
class Place:
    """Real services, each with something between it and the sidecar, and a conference."""

    amqp_url: str
    couchdb_url: str
    data: DataSet
    tokens: Mapping[str, str]
    conference_id: str
    http: aiohttp.ClientSession
    #: The messages of invitations that arrived in somebody's queue, by the guest.
    taken: list[str] = field(default_factory=list)

    async def invite(self, served: Serving, guest: str) -> int:
        """The status of an invitation; the process may go meanwhile."""
        path = f"/v2/accounts/{self.data.main.id}/conferences/{self.conference_id}/email_invite"
        body = orjson.dumps({"data": {"guests": [guest], "invite_message": "Come"}})
        headers = {"X-Auth-Token": self.tokens["boss"], "Content-Type": "application/json"}
        async with self.http.put(served.base_url + path, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def pending(self) -> list[str]:
        """The guests of the invitations to the conference that are written down."""
        url = f"{self.couchdb_url.rstrip('/')}/{PENDING_DATABASE}/_all_docs?include_docs=true"
        async with self.http.get(url, headers={"Accept": "application/json"}) as answer:
            rows = (await answer.json()).get("rows", [])
        payloads = [row["doc"]["payload"] for row in rows if "payload" in row["doc"]]
        return [
            guest
            for payload in payloads
            if payload["Conference-ID"] == self.conference_id
            for guest in payload["Guests"]
        ]

    def take(self, delivery: Delivery) -> None:
        """What a mailer would send. It answers nothing: the sidecar is killed while it waits."""
        body: dict[str, Any] = orjson.loads(delivery.body)
        if body["Conference-ID"] == self.conference_id:
            self.taken.extend(body["Guests"])


@pytest_asyncio.fixture(loop_scope="module")
async def place(amqp_url: str, couchdb_url: str) -> AsyncIterator[Place]:
    """A conference of an account of our own."""
    data, store = DataSet.fresh(), CouchStore(couchdb_url)
    await store.open()
    conference_id = secrets.token_hex(16)
    try:
        await seed(store, data)
        document = {"_id": conference_id, "pvt_type": "conference", "name": "Room"}
        await store.put(f"account/{data.main.id[:2]}/{data.main.id[2:4]}/{data.main.id[4:]}", document)
        tokens = await mint_tokens(store, data)
    finally:
        await store.close()
    async with aiohttp.ClientSession() as http:
        yield Place(amqp_url, couchdb_url, data, tokens, conference_id, http)


async def _answered_until_killed(place: Place, served: Serving) -> set[str]:
    """Invitations by several clients; as soon as one of each is answered, the process is killed."""
    answered: set[str] = set()
    enough = asyncio.Event()

    async def client(number: int) -> None:
        for count in range(1_000):
            guest = f"guest-{number}-{count}@example.com"
            try:
                status = await place.invite(served, guest)
            except (aiohttp.ClientError, OSError):
                return
            assert status == 201
            answered.add(guest)
            if len(answered) >= CLIENTS:
                enough.set()

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    async with asyncio.timeout(30):
        await enough.wait()
    os.kill(served.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        await asyncio.gather(*clients)
    await served.ended()
    return answered


@pytest.mark.parametrize("broker", ["away", "mute", "there"])
async def test_kill_loses_none(place: Place, broker: str) -> None:
    """Whatever the broker does, each answered one is written down or in a queue, and not in both."""
    async with AsyncExitStack() as stack:
        rabbit = URL(place.amqp_url)
        bus = await stack.enter_async_context(TcpProxy("127.0.0.1", rabbit.port or 5672))
        mailer = RabbitTransport([place.amqp_url], options=FAST)
        await stack.enter_async_context(running(mailer))
        binding = Binding("notifications", "notifications.conference.email_invite")
        await mailer.consume(place.take, [binding])
        if broker == "away":
            bus.refuse()
        served = await stack.enter_async_context(serving(str(rabbit.with_port(bus.port)), place.couchdb_url))
        if broker != "away":
            await _until_published(place, served)
        if broker == "mute":
            bus.freeze()
        answered = await _answered_until_killed(place, served)
        pending = set(await place.pending())
        await eventually(lambda: answered <= pending | set(place.taken))
    if broker == "there":
        assert not answered & pending
    else:
        assert answered <= pending


async def _until_published(place: Place, served: Serving) -> None:
    """Wait until the sidecar has its broker."""

    async def is_published() -> bool:
        assert await place.invite(served, "first@example.com") == 201
        return "first@example.com" in place.taken

    await eventually(is_published)


async def test_what_can_neither_be_published_nor_written_is_refused(place: Place) -> None:
    """Without broker and with a full disk: an error in the envelope, and nothing is claimed."""
    async with (
        CouchProxy(place.couchdb_url) as couch,
        serving("amqp://127.0.0.1:9", couch.url) as served,
    ):
        assert await place.invite(served, "kept@example.com") == 201
        couch.meddle = disk_full
        assert await place.invite(served, "refused@example.com") == 500
    assert await place.pending() == ["kept@example.com"]
