"""The message broker is gone, mute, refuses us, was set up otherwise, or deletes what is ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aio_pika
import orjson
import pytest
from structlog.testing import capture_logs

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.faults import CREDENTIALS_REFUSED, EXCHANGE_DELETED, EXCHANGE_FLAGS
from crossbar_conferences.broker.port import Binding
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.kapi import configuration
from crossbar_conferences.kapi.routing import EXCHANGES
from crossbar_conferences.store.names import account_database
from scripts.daemons import RabbitMQ
from tests.faults.conftest import OPTIONS, House, Watch, back, open_house
from tests.support.brokers import Inbox, eventually, on_bus, running
from tests.support.proxy import TcpProxy

#: Shortened; nothing in here depends on how long it is.
A_MINUTE = 2.0


@pytest.fixture
async def stock(broker: RabbitMQ) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """Somebody else on the broker."""
    connection = await aio_pika.connect(broker.url)
    async with connection:
        yield connection


@pytest.mark.fault(
    fault="the broker is gone for a minute",
    sees="documents: as ever; commands: 503 `bus_unavailable` at once; live data: none, said in"
    " `metadata.source`; websockets: a `gap` frame afterwards; `/readyz`: 503",
    keeps="notices of changed documents wait and are sent; invitations are in `pending_notifications`",
    recovers="by itself; queues and bindings are made again, live data is searched anew",
)
async def test_broker_gone(house: House, broker: RabbitMQ, watch: Watch) -> None:
    """Documents are served, commands refused, and what was accepted meanwhile is made good."""
    sidecar, heard = house.sidecar, Inbox()
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    others = RabbitTransport([broker.url], options=OPTIONS)
    async with running(others), sidecar.http.ws_connect(sidecar.service.ws_url) as ws:
        await others.consume(heard, [Binding("configuration", "doc_created.#")])
        binding = f"conference.event.*.{conference_id}.*"
        await ws.send_json({"action": "subscribe", "auth_token": sidecar.token, "data": {"binding": binding}})
        assert (await ws.receive_json(timeout=5))["status"] == "success"
        # A mailer that takes invitations, and says nothing of them.
        await others.consume(Inbox(), [Binding("notifications", "notifications.#")])
        assert (await sidecar.invite(conference_id)).status == 201
        assert await house.pending() == []
        with capture_logs() as lines:
            house.bus.refuse()
            await eventually(lambda: not sidecar.service.bus.connected)
            # This one was under way when the broker went.
            await eventually(lambda: _kept(house, 1))
            made = [str((await watch.ask(sidecar.create())).data["id"]) for _ in range(3)]
            assert (await watch.ask(sidecar.invite(conference_id))).status == 201
            assert len(await house.pending()) == 2
            read = await watch.ask(sidecar.get(conference_id))
            assert read.status == 200 and read.body["metadata"]["source"] == "none"
            command = await watch.ask(sidecar.lock(conference_id))
            assert (command.status, command.message) == (503, "bus_unavailable")
            assert not (await sidecar.ready()).body["checks"]["bus"]["ok"]
            assert sidecar.service.announcer.waiting == 3
            await asyncio.sleep(A_MINUTE)
            assert heard.deliveries == []
            house.bus.resume()
            watch.lifted()
            await back(watch, lambda: sidecar.lock(conference_id), 202)
            await eventually(lambda: _is_locked(house, conference_id))
            bodies = [orjson.loads(body) for body in await heard.wait(3)]
            assert [body["ID"] for body in bodies] == made
            assert (await ws.receive_json(timeout=5))["action"] == "gap"
            assert (await sidecar.ready()).status == 200
    ours = ("broker_not_connected", "broker_connected", "search_failed")
    said = [(line["event"], line.get("reason")) for line in lines if line["event"] in ours]
    assert said == [("broker_not_connected", "unreachable"), ("broker_connected", None)]


async def _kept(house: House, count: int) -> bool:
    return len(await house.pending()) == count


async def _is_locked(house: House, conference_id: str) -> bool:
    shown = await house.sidecar.get(conference_id, query="?fresh=true")
    return bool(shown.data["_read_only"]["is_locked"])


@pytest.mark.fault(
    fault="all connections to the broker are cut, and Kazoo comes back half a minute after the sidecar",
    sees="commands that nobody is bound to take: 503 `command_not_taken`; live data: none, said in"
    " `metadata`, in words too",
    keeps="documents",
    recovers="by itself, with the first heartbeat of an ecallmgr",
)
async def test_broker_cut_and_a_late_kazoo(house: House, watch: Watch) -> None:
    """What was heard before the cut is no sign that anybody takes a command after it."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    assert (await sidecar.lock(conference_id)).status == 202
    await eventually(lambda: _is_locked(house, conference_id))
    bus = sidecar.service.bus
    await sidecar.cluster.close()
    house.bus.cut()
    await eventually(lambda: not bus.connected)
    await eventually(lambda: bus.connected)
    # Its last heartbeat lasts on, as Kazoo's does.
    assert bus.nodes.count("ecallmgr") == 1
    command = await watch.ask(sidecar.lock(conference_id, "unlock"))
    assert (command.status, command.message) == (503, "command_not_taken")
    shown = await watch.ask(sidecar.get(conference_id))
    assert shown.body["metadata"]["source"] == "none"
    assert "could be asked" in json.dumps(shown.body["metadata"])
    watch.lifted()
    await sidecar.cluster.start()
    await back(watch, lambda: sidecar.lock(conference_id, "unlock"), 202)
    await eventually(lambda: _is_unlocked(house, conference_id))


async def _is_unlocked(house: House, conference_id: str) -> bool:
    return not await _is_locked(house, conference_id)


@pytest.mark.fault(
    fault="the broker hangs: connections stay open, nothing passes",
    sees="202 for up to three heartbeats, as with Kazoo; then as if the broker was gone",
    keeps="documents; invitations, each written down before its answer",
    recovers="by itself, as soon as the broker answers",
)
async def test_broker_mute(house: House, watch: Watch) -> None:
    """A broker that says nothing is given up after its heartbeats, and taken up again."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    house.bus.freeze()
    # The broker does not confirm it: it is written down before it is accepted.
    assert (await watch.ask(sidecar.invite(conference_id))).status == 201
    assert len(await house.pending()) == 1
    assert (await watch.ask(sidecar.get(conference_id, query="?fresh=true"))).status == 200
    await eventually(lambda: not sidecar.service.bus.connected)
    assert (await watch.ask(sidecar.lock(conference_id))).status == 503
    house.bus.resume()
    house.bus.cut()
    watch.lifted()
    await back(watch, lambda: sidecar.lock(conference_id), 202)
    await eventually(lambda: _is_locked(house, conference_id))


@pytest.mark.fault(
    fault="the broker is short of memory or disk, and takes no messages",
    sees="202 for the one command that finds it out, which is carried out afterwards; then 503"
    " `bus_unavailable` at once; documents and what is known of live data: as ever; `/readyz`: 503",
    keeps="notices of changed documents wait and are sent; invitations are in `pending_notifications`",
    recovers="by itself, with the next message",
)
async def test_broker_blocked(house: House, broker: RabbitMQ, watch: Watch) -> None:
    """Nothing is handed to a broker that would carry it out whenever it has recovered."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    assert (await sidecar.get(conference_id)).data["_read_only"]["members"] == 1
    await _limit_memory(broker, "0.0000001")
    try:
        await eventually(lambda: _is_refused(house, conference_id))
        command = await watch.ask(sidecar.lock(conference_id))
        assert (command.status, command.message) == (503, "bus_unavailable")
        check = (await sidecar.ready()).body["checks"]["bus"]
        assert not check["ok"] and "short of memory or disk" in check["reason"]
        assert (await watch.ask(sidecar.create())).status == 201
        assert sidecar.service.announcer.waiting == 1
        assert (await watch.ask(sidecar.invite(conference_id))).status == 201
        await eventually(lambda: _kept(house, 1))
        shown = await watch.ask(sidecar.get(conference_id))
        assert shown.data["_read_only"]["members"] == 1
    finally:
        await _limit_memory(broker, "0.6")
    watch.lifted()
    await back(watch, lambda: sidecar.lock(conference_id), 202)
    await eventually(lambda: _is_locked(house, conference_id))
    await eventually(lambda: sidecar.service.announcer.waiting == 0)
    assert (await sidecar.ready()).body["checks"]["bus"]["ok"]


async def _is_refused(house: House, conference_id: str) -> bool:
    return (await house.sidecar.lock(conference_id)).status == 503


async def _limit_memory(broker: RabbitMQ, share: str) -> None:
    await asyncio.to_thread(broker.control, "-q", "set_vm_memory_high_watermark", share)


@pytest.mark.fault(
    fault="the connection to the broker breaks the bytes",
    sees="503 `bus_unavailable` until the next connection",
    keeps="documents; invitations that were under way are in `pending_notifications`",
    recovers="by itself, on a new connection",
)
async def test_broker_corrupt(house: House, watch: Watch) -> None:
    """Frames that make no sense end the connection and nothing else."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    lost = sidecar.service.bus.transport.counters.lost
    house.bus.corrupt()
    assert (await watch.ask(sidecar.get(conference_id, query="?fresh=true"))).status == 200
    watch.lifted()
    await eventually(lambda: sidecar.service.bus.transport.counters.lost > lost)
    await back(watch, lambda: sidecar.lock(conference_id), 202)
    await eventually(lambda: _is_locked(house, conference_id))


@pytest.mark.fault(
    fault="the broker refuses our credentials",
    sees="as if the broker was gone; the log names the broker and says `credentials_refused`",
    keeps="as if the broker was gone",
    recovers="by itself, once the broker takes the credentials again",
)
async def test_broker_credentials(house: House, broker: RabbitMQ, watch: Watch) -> None:
    """A password that was changed on the broker is a fault with a name, and not the end."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    try:
        await asyncio.to_thread(broker.control, "change_password", "guest", "other")
        house.bus.cut()
        await eventually(lambda: _faults(house) == {CREDENTIALS_REFUSED})
        assert (await watch.ask(sidecar.create())).status == 201
        assert (await watch.ask(sidecar.lock(conference_id))).status == 503
        assert (await watch.ask(sidecar.ready())).status == 503
    finally:
        await asyncio.to_thread(broker.control, "change_password", "guest", "guest")
    watch.lifted()
    await back(watch, lambda: sidecar.lock(conference_id), 202)
    assert _faults(house) == set()


def _faults(house: House) -> set[str]:
    return {fault.kind for fault in house.sidecar.service.bus.transport.faults}


@pytest.mark.fault(
    fault="somebody declared an exchange with other flags",
    sees="the same answers as ever; the log names the exchange, which keeps every Kazoo node offline",
    keeps="everything",
    recovers="once the exchange is deleted: it is made again as Kazoo makes it",
)
async def test_exchange_flags(
    couchdb_url: str, broker: RabbitMQ, stock: aio_pika.abc.AbstractConnection, watch: Watch
) -> None:
    """The exchange is used as it is, said to be wrong, and made right when it is gone."""
    channel = await stock.channel()
    await channel.exchange_delete("conference")
    await channel.declare_exchange("conference", "topic", durable=True)
    async with (
        TcpProxy("127.0.0.1", broker.port) as switch,
        open_house(couchdb_url, broker, switch=switch) as house,
    ):
        sidecar = house.sidecar
        assert _faults(house) == {EXCHANGE_FLAGS}
        conference_id = await sidecar.created()
        await sidecar.run_room(conference_id)
        assert (await watch.ask(sidecar.lock(conference_id))).status == 202
        await eventually(lambda: _is_locked(house, conference_id))
        await channel.exchange_delete("conference")
        watch.lifted()
        await back(watch, lambda: sidecar.lock(conference_id, "unlock"), 202)
        await eventually(lambda: _faults(house) == set())
        checked = await stock.channel()
        await checked.declare_exchange("conference", "topic", durable=False)


@pytest.mark.fault(
    fault="our reply queue is deleted under us",
    sees="answers without live data of the moment, in time",
    keeps="everything",
    recovers="by itself: the queue is made again with its bindings",
)
async def test_reply_queue_deleted(
    house: House, stock: aio_pika.abc.AbstractConnection, watch: Watch
) -> None:
    """Searches are answered again without a reconnect."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    replies = sidecar.service.bus._replies
    assert replies is not None
    channel = await stock.channel()
    await channel.queue_delete(replies.queue)
    watch.lifted()
    assert (await watch.ask(sidecar.get(conference_id, query="?fresh=true"))).status == 200

    async def is_seen() -> bool:
        shown = await watch.ask(sidecar.get(conference_id, query="?fresh=true"))
        return bool(shown.body["metadata"]["nodes_heard"])

    await eventually(is_seen)
    watch.is_back()

    async def is_whole() -> bool:
        # A search that began without the queue may still be under way, and is shared.
        shown = await sidecar.get(conference_id)
        return bool(shown.data["_read_only"]["members"] == 1)

    await eventually(is_whole)


@pytest.mark.fault(
    fault="every queue of ours is deleted under us",
    sees="the same answers as ever, at most one search later",
    keeps="everything",
    recovers="by itself: the queues are made again with their bindings",
)
async def test_event_queue_deleted(
    house: House, stock: aio_pika.abc.AbstractConnection, watch: Watch
) -> None:
    """Events that passed unheard while the queue was gone are made good by a search."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    shown = await sidecar.get(conference_id)
    assert shown.data["_read_only"]["members"] == 1, (shown.body["metadata"], shown.data)
    transport = sidecar.service.bus.transport
    assert isinstance(transport, RabbitTransport)
    channel = await stock.channel()
    for consumer in transport._consumers:
        await channel.queue_delete(consumer.queue)
    await sidecar.cluster.perform(["join", conference_id, "late@example.com"])
    watch.lifted()

    async def is_seen() -> bool:
        shown = await watch.ask(sidecar.get(conference_id))
        return bool(shown.data["_read_only"]["members"] == 2)

    await eventually(is_seen)
    watch.is_back()


@pytest.mark.parametrize("again", [True, False], ids=["made again", "left away"])
@pytest.mark.fault(
    fault="Kazoo's exchanges are deleted, and made again by somebody or not",
    sees="the same answers as ever; commands and events of up to five seconds may be lost; `/readyz` and the"
    " log name the exchanges",
    keeps="everything",
    recovers="by itself: exchanges, queues and bindings are made again; live data is searched anew, documents"
    " are read anew",
)
async def test_exchanges_deleted(
    house: House, broker: RabbitMQ, stock: aio_pika.abc.AbstractConnection, watch: Watch, again: bool
) -> None:
    """Events, replies, commands and notices of changes are all heard again, without a reconnect."""
    sidecar, transport = house.sidecar, house.sidecar.service.bus.transport
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    assert (await sidecar.get(conference_id)).data["_read_only"]["members"] == 1
    others = Bus(RabbitTransport([broker.url], options=OPTIONS), "crossbar@elsewhere.test", advertise=False)
    channel = await stock.channel()
    for name, kind in EXCHANGES.items():
        await channel.exchange_delete(name)
        if again:
            await channel.declare_exchange(name, kind, durable=False)
    watch.lifted()

    def repaired() -> set[str]:
        return {one.fault.subject for one in transport.repairs if one.fault.kind == EXCHANGE_DELETED}

    # Where nobody makes them again, a heartbeat may find it out before the next look does.
    await eventually(lambda: repaired() == set(EXCHANGES) if again else bool(repaired()))
    await eventually(lambda: transport.connected and _faults(house) == set())
    # Of events: who joins now is shown, without being searched for.
    await sidecar.cluster.perform(["join", conference_id, "late@example.com"])

    async def is_seen() -> bool:
        shown = await watch.ask(sidecar.get(conference_id))
        return bool(shown.data["_read_only"]["members"] == 2)

    await eventually(is_seen)
    await back(watch, lambda: sidecar.lock(conference_id), 202)
    await eventually(lambda: _is_locked(house, conference_id))
    async with on_bus(others):
        database = account_database(sidecar.account)
        document = dict(await house.eyes.get(database, conference_id))
        document["name"] = "Edited elsewhere"
        document["_rev"] = await house.eyes.put(database, document)
        await others.cast(configuration.document_change("edited", database, document, others.origin()))

        async def is_read_anew() -> bool:
            return bool((await sidecar.get(conference_id)).data["name"] == "Edited elsewhere")

        await eventually(is_read_anew)
    watch.is_back()
    check = (await sidecar.ready()).body["checks"]["bus"]
    assert check["ok"]
    assert {one["subject"] for one in check["repaired"] if one["found"] == EXCHANGE_DELETED} == repaired()
    assert transport.counters.lost == 0 or not again
