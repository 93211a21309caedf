"""Many websocket sessions on one process: is anything lost, how late is it, does memory stay flat?

    python bench/websockets.py --seconds 20

This process runs the sidecar with its store (and, without ``--amqp``, its broker) in memory and
publishes events as the media side does; a second process holds the clients, so that their work is
not in the figures of memory. Every conference has the same number of subscribers, so 1,000
sessions with 10 subscribers each are 100 conferences. Ends with status 1 when an event was lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fanout import percentile
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Transport
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.messages import Origin, Outgoing
from crossbar_conferences.logs import configure
from crossbar_conferences.service import Service
from crossbar_conferences.settings import Settings
from crossbar_conferences.settings import load as load_settings
from crossbar_conferences.sockets.history import DEPTH as HISTORY_DEPTH
from crossbar_conferences.store.memory import MemoryStore

#: Sessions that connect at the same time.
CONNECT_AT_ONCE = 50

#: Seconds for everything to be connected, and for the last frames to come.
SETUP_WITHIN = 120.0
SETTLE_WITHIN = 30.0

_MEDIA_SIDE = Origin("freeswitch", "4.0.0", "ecallmgr@bench.local")


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done; ``rate`` in events a second."""

    sessions: int
    subscribers: int
    rate: int
    seconds: int

    @property
    def rooms(self) -> list[str]:
        """The conferences."""
        return [f"bench{number}" for number in range(self.sessions // self.subscribers)]


@dataclass(slots=True)
class Memory:
    """Resident memory of this process over the run, in MiB."""

    samples: list[float] = field(default_factory=list)

    def now(self) -> float:
        """Resident memory now."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 2**20

    def sample(self) -> None:
        """Take one sample."""
        self.samples.append(self.now())

    def __str__(self) -> str:
        quarter = max(1, len(self.samples) // 4)
        first = sum(self.samples[:quarter]) / quarter
        last = sum(self.samples[-quarter:]) / quarter
        return f"first quarter {first:.1f} MiB, last quarter {last:.1f} MiB, most {max(self.samples):.1f} MiB"


@click.command()
@click.option("--sessions", default=1000, show_default=True, help="Websocket sessions.")
@click.option("--subscribers", default=10, show_default=True, help="Sessions that follow one conference.")
@click.option("--rate", default=100, show_default=True, help="Events a second, in all.")
@click.option("--seconds", default=20, show_default=True, help="How long events are published.")
@click.option("--amqp", metavar="URL", help="A RabbitMQ, instead of a broker in memory.")
@click.option("--clients", hidden=True, help="Be the clients' process.")
def main(
    sessions: int, subscribers: int, rate: int, seconds: int, amqp: str | None, clients: str | None
) -> None:
    """Measure websocket pushes."""
    configure("error", "console")
    if clients is not None:
        asyncio.run(_clients(json.loads(clients)))
        return
    lost = asyncio.run(_measure(Load(sessions, subscribers, rate, seconds), amqp))
    sys.exit(1 if lost else 0)


async def _measure(load: Load, amqp: str | None) -> int:
    data, memory = DataSet.fresh(), Memory()
    async with _sidecar(load, data, amqp) as (service, store, media_side):
        tokens = await mint_tokens(store, data)
        job = {
            "url": service.ws_url,
            "token": tokens["boss"],
            "account": data.main.id,
            "rooms": load.rooms,
            "sessions": load.sessions,
        }
        async with _clients_process(job) as clients:
            connected_memory = memory.now()
            seconds = await _publish(load, data.main.id, media_side, memory)
            expected = load.rate * load.seconds * load.subscribers
            async with asyncio.timeout(SETTLE_WITHIN):
                while service.hub.pushed < expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            found = await _result(clients)
        _tell(load, found, expected, seconds, service)
        print(f"memory      with all sessions {connected_memory:.1f} MiB, {memory}")
    return expected - int(found["received"])


def _tell(load: Load, found: dict[str, Any], expected: int, seconds: float, service: Service) -> None:
    received = int(found["received"])
    print(f"sessions    {load.sessions} on one process, {load.subscribers} to a conference")
    print(
        f"events      {load.rate * load.seconds} in {seconds:.1f} s, each to {load.subscribers} subscribers"
    )
    print(f"frames      {expected} sent, {received} received, {expected - received} lost")
    print(f"in order    {'yes' if not found['disorder'] else str(found['disorder']) + ' were not'}")
    print(f"latency     p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms, most {found['most']:.2f} ms")
    print(f"slow        {service.sockets.dropped_slow} sessions dropped")


@asynccontextmanager
async def _sidecar(
    load: Load, data: DataSet, amqp: str | None
) -> AsyncIterator[tuple[Service, MemoryStore, Transport]]:
    broker, store = MemoryBroker(), MemoryStore()

    def transport() -> Transport:
        return RabbitTransport([amqp]) if amqp else MemoryTransport(broker)

    settings = _settings(load)
    async with AsyncExitStack() as stack:
        media_side = transport()
        stack.push_async_callback(media_side.close)
        await media_side.start()
        service = await stack.enter_async_context(Service(settings, store, transport()))
        await seed(store, data)
        async with asyncio.timeout(SETUP_WITHIN):
            while not (media_side.connected and service.bus.connected):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield service, store, media_side


def _settings(load: Load) -> Settings:
    """Settings under which so many sessions of one address and one account may come."""
    many = str(load.sessions + 10)
    given = {
        "http_port": "0",
        "websocket_port": "0",
        "operations_port": "0",
        "websocket_sessions": many,
        "websocket_sessions_per_ip": many,
        "websocket_sessions_per_account": many,
    }
    return load_settings(given, environ={}, candidates=())


async def _publish(load: Load, account_id: str, media_side: Transport, memory: Memory) -> float:
    """Publish at an even rate; how long it took."""
    events = _events(load, account_id)
    begin = time.monotonic()
    for number in range(load.rate * load.seconds):
        due = begin + number / load.rate
        if (early := due - time.monotonic()) > 0:
            await asyncio.sleep(early)
        outgoing = next(events)
        await media_side.publish(outgoing.exchange, outgoing.routing_key, orjson.dumps(outgoing.body))
        # Until each conference has as many events behind it as are kept for clients that come back,
        # memory grows with every one of them.
        if number % load.rate == 0 and number >= HISTORY_DEPTH * len(load.rooms):
            memory.sample()
    return time.monotonic() - begin


def _events(load: Load, account_id: str) -> Iterator[Outgoing]:
    flags = {"Is-Moderator": False, "Speak": True, "Hear": True, "Talking": True, "Floor": False}
    number = 0
    while True:
        room = load.rooms[number % len(load.rooms)]
        kind = "start-talking" if (number // len(load.rooms)) % 2 else "stop-talking"
        fields = {
            "Event": kind,
            "Account-ID": account_id,
            "Conference-ID": room,
            "Instance-ID": "8d2f6f3c-0000-4000-8000-000000000001",
            "Call-ID": f"{room}-1@bench.local",
            "Participant-ID": 1,
            # Both processes read the same clock of the system.
            "Caller-ID-Name": str(time.monotonic_ns()),
            "Conference-Channel-Vars": flags,
        }
        yield conference.event(fields, _MEDIA_SIDE)
        number += 1


@asynccontextmanager
async def _clients_process(job: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The clients in a process of their own, all connected and subscribed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--clients",
        json.dumps(job),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SETUP_WITHIN):
            if (await process.stdout.readline()).strip() != b"ready":
                raise click.ClickException("the clients did not connect")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _result(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    async with asyncio.timeout(SETTLE_WITHIN):
        found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


@dataclass(slots=True)
class Counted:
    """What all clients of the process received. ``late`` in nanoseconds."""

    late: list[int] = field(default_factory=list)
    disorder: int = 0


async def _clients(job: dict[str, Any]) -> None:
    counted = Counted()
    gate = asyncio.Semaphore(CONNECT_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, AsyncExitStack() as stack:

        async def connect(number: int) -> asyncio.Task[None]:
            room = job["rooms"][number % len(job["rooms"])]
            async with gate:
                socket = await stack.enter_async_context(http.ws_connect(job["url"]))
                data = {"account_id": job["account"], "binding": f"conference.event.*.{room}.*"}
                await socket.send_json({"action": "subscribe", "auth_token": job["token"], "data": data})
                reply = await socket.receive_json()
                if reply["status"] != "success":
                    raise click.ClickException(str(reply["data"]))
            return asyncio.create_task(_listen(socket, counted))

        tasks = await asyncio.gather(*(connect(number) for number in range(job["sessions"])))
        print("ready", flush=True)
        # The other process closes our input when everything is sent.
        await asyncio.to_thread(sys.stdin.read)
        await _quiet(counted)
        found = {
            "received": len(counted.late),
            "disorder": counted.disorder,
            "p50": percentile(counted.late, 50) / 1e6,
            "p99": percentile(counted.late, 99) / 1e6,
            "most": percentile(counted.late, 100) / 1e6,
        }
        print(json.dumps(found), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(socket: aiohttp.ClientWebSocketResponse, counted: Counted) -> None:
    last = 0
    async for message in socket:
        now = time.monotonic_ns()
        frame = orjson.loads(message.data)
        counted.late.append(now - int(frame["data"]["caller_id_name"]))
        if last and frame["seq"] != last + 1:
            counted.disorder += 1
        last = frame["seq"]


async def _quiet(counted: Counted) -> None:
    """Until nothing more comes."""
    before = -1
    while before != len(counted.late):
        before = len(counted.late)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    main()
