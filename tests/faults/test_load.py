"""More than anybody reads: events, commands, clients that do not listen; and clocks that jump."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import aiohttp
import orjson
import pytest

from crossbar_conferences.broker.dispatch import MAX_LENGTH
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.messages import Origin
from scripts.daemons import RabbitMQ
from tests.faults.conftest import OPTIONS, House, Watch, open_house
from tests.support.brokers import eventually, running
from tests.support.proxy import TcpProxy
from tests.support.sidecar import Sidecar

EVENTS = 12_000
COMMANDS = 10_000
MEMBERS = 250

DAY = 86_400.0


@pytest.mark.fault(
    fault="a flood of events: 12,000 at once",
    sees="the same answers, in time; a websocket that does not read is closed with 1013",
    keeps="10,000 messages an inbox and 1,000 frames a websocket, at most; what was dropped is searched for",
    recovers="by itself, when the flood is over",
)
async def test_flood_of_events(house: House, broker: RabbitMQ, watch: Watch) -> None:
    """Answers come while the flood runs, memory is bounded, and afterwards the state is the switch's."""
    sidecar, transport = house.sidecar, _transport(house)
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id)
    assert (await sidecar.get(conference_id)).data["_read_only"]["members"] == 1
    longest = 0
    publisher = RabbitTransport([broker.url], options=OPTIONS)
    async with running(publisher), _deaf(sidecar, conference_id):
        (session,) = sidecar.service.sockets.sessions.values()
        flood = asyncio.create_task(_publish(publisher, _event(sidecar.account, conference_id), EVENTS))
        while not flood.done() or transport.backlog:
            assert (await watch.ask(sidecar.get(conference_id))).status == 200
            longest = max(longest, *(consumer.backlog for consumer in transport._consumers))
            await asyncio.sleep(0.01)
        await flood
        await eventually(session.over.is_set)
        await eventually(lambda: not sidecar.service.sockets.sessions)
    assert 0 < longest <= MAX_LENGTH and len(session.outgoing) <= 1000
    assert sidecar.service.sockets.dropped_slow == 1
    watch.lifted()
    await sidecar.cluster.perform(["join", conference_id, "late@example.com"])

    async def is_right() -> bool:
        shown = await watch.ask(sidecar.get(conference_id))
        return bool(shown.data["_read_only"]["members"] == 2)

    await eventually(is_right)
    watch.is_back()
    assert transport.counters.failed == 0


def _transport(house: House) -> RabbitTransport:
    transport = house.sidecar.service.bus.transport
    assert isinstance(transport, RabbitTransport)
    return transport


def _event(account_id: str, conference_id: str) -> tuple[str, bytes]:
    """Something that happens to nobody who is there."""
    fields: dict[str, Any] = {
        "Event": "mute-member",
        "Conference-ID": conference_id,
        "Account-ID": account_id,
        "Instance-ID": secrets.token_hex(16),
        "Call-ID": "nobody@example.com",
        "Participant-ID": 99,
        "Custom-Channel-Vars": {"Padding": "x" * 500},
    }
    message = conference.event(fields, Origin("ecallmgr", "4.0.0", "ecallmgr@flood.test"))
    return message.routing_key, orjson.dumps(message.body)


async def _publish(publisher: RabbitTransport, event: tuple[str, bytes], count: int) -> None:
    for _ in range(count):
        await publisher.publish("conference", *event)


@asynccontextmanager
async def _deaf(sidecar: Sidecar, conference_id: str) -> AsyncIterator[None]:
    """A websocket that subscribes and then reads nothing more."""
    async with aiohttp.ClientSession() as http, http.ws_connect(sidecar.service.ws_url) as ws:
        binding = {"binding": f"conference.event.*.{conference_id}.*"}
        await ws.send_json({"action": "subscribe", "auth_token": sidecar.token, "data": binding})
        assert (await ws.receive_json(timeout=5))["status"] == "success"
        connection = ws._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.pause_reading()
        yield
        connection.transport.abort()


@pytest.mark.fault(
    fault="10,000 commands that no switch takes",
    sees="202 in time; with `?wait=` 202 and `confirmed: false` after the wait",
    keeps="every command that was answered 202 is at the broker, in its order",
    recovers="by itself, when the switch reads again",
)
async def test_queued_commands(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """A switch that hangs holds up nobody else, and commands go on when it is back."""
    async with (
        TcpProxy("127.0.0.1", broker.port) as switch,
        open_house(couchdb_url, broker, switch=switch, live_idle_seconds="3600") as house,
        await aio_pika.connect(broker.url) as connection,
    ):
        sidecar = house.sidecar
        conference_id = await sidecar.created()
        await sidecar.run_room(conference_id, MEMBERS)
        path = sidecar.path(conference_id, "participants")
        assert len((await sidecar.call("GET", path)).data) == MEMBERS
        channel = await connection.channel()
        # What a switch would be given, kept where it can be counted.
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("conference", f"conference.command.{conference_id}")
        switch.deafen()
        for _ in range(COMMANDS // MEMBERS):
            answer = await watch.ask(sidecar.call("PUT", path, {"data": {"action": "mute", "data": {}}}))
            assert answer.status in (201, 202)
        waited = await watch.ask(
            sidecar.call("PUT", sidecar.path(conference_id) + "?wait=200", {"data": {"action": "lock"}})
        )
        assert waited.status == 202 and waited.data["confirmed"] is False

        async def all_there() -> bool:
            found = await channel.declare_queue(queue.name, passive=True)
            return found.declaration_result.message_count == COMMANDS + 1

        assert sidecar.service.executor.counters.published == COMMANDS + 1
        await eventually(all_there)
        assert len(house.sidecar.service.executor._waiters) == 0
        switch.resume()
        switch.cut()
        watch.lifted()

        async def is_locked() -> bool:
            await watch.ask(sidecar.lock(conference_id))
            shown = await watch.ask(sidecar.get(conference_id, query="?fresh=true"))
            return bool(shown.data["_read_only"]["is_locked"])

        await eventually(is_locked)
        watch.is_back()


class _Clock:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.mark.fault(
    fault="the clock jumps: a day back, an hour ahead, and right again",
    sees="the same answers as ever; tokens end by the clock that there is, with 401",
    keeps="everything; what is kept in memory gets no older than it may",
    recovers="by itself, once the clock is right",
)
async def test_clock_jumps(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """Nothing waits for a moment that lies a day ahead, and nothing is kept until then."""
    clock = _Clock()
    async with open_house(couchdb_url, broker, clock=clock, reconcile_seconds="2") as house:
        sidecar = house.sidecar
        conference_id = await sidecar.created()
        await sidecar.run_room(conference_id)
        async with sidecar.http.ws_connect(sidecar.service.ws_url) as ws:
            for offset in (-DAY, DAY / 24, 0.0):
                clock.offset = offset
                watch.lifted()
                assert (await watch.ask(sidecar.create())).status == 201
                assert (await watch.ask(sidecar.get(conference_id))).status == 200
                assert (await watch.ask(sidecar.lock(conference_id))).status == 202
                await ws.send_json({"action": "ping", "auth_token": sidecar.token})
                assert (await ws.receive_json(timeout=5))["status"] == "success"
                searches = sidecar.service.live.counters.searches  # type: ignore[attr-defined]
                await eventually(
                    lambda before=searches: sidecar.service.live.counters.searches > before  # type: ignore
                )
                watch.is_back()
            clock.offset = 365 * DAY
            assert (await watch.ask(sidecar.get(conference_id))).status == 401
            clock.offset = 0.0
            assert (await watch.ask(sidecar.get(conference_id))).status == 200
