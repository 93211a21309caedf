"""What is measured at one size: a sidecar in this process, asked over HTTP, one request at a time.

Times are of the process's CPU, so that other load on the machine counts little; they include the
client, which is the same at every size.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.service import Service
from crossbar_conferences.settings import load
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.switch.cluster import Cluster, ZonePlan

from .processes import stat_fields
from .site import SiteFailed

#: One row's cells by the names of their columns.
Figures = dict[str, str]

_SAMPLE = 300
_ROOM = 20
#: Nothing is compared, and no account let go, while a step runs.
_SETTINGS = {
    "http_port": "0",
    "websocket_port": "0",
    "operations_port": "0",
    "reconcile_seconds": "3600",
    "live_idle_seconds": "3600",
    "log_level": "warning",
}


@dataclass(frozen=True, slots=True)
class House:
    """A sidecar and everything around it, in this process."""

    service: Service
    store: MemoryStore
    cluster: Cluster
    data: DataSet
    tokens: dict[str, str]
    http: aiohttp.ClientSession

    async def ask(self, who: str, method: str, path: str, data: object = None) -> None:
        """One request that must succeed. Raises `SiteFailed`."""
        body = None if data is None else {"data": data}
        headers = {"X-Auth-Token": self.tokens[who]}
        url = f"{self.service.base_url}/v2/accounts/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise SiteFailed(f"{method} {path} gave {answer.status}: {text[:300]!r}")

    async def timed(self, calls: Sequence[Callable[[], Awaitable[None]]]) -> str:
        """Milliseconds of CPU for one of the calls, on the average."""
        begun = time.process_time()
        for call in calls:
            await call()
        return f"{(time.process_time() - begun) / len(calls) * 1000:.2f}"


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Open one. Its log says only what is wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    broker, store, data = MemoryBroker(), MemoryStore(), DataSet.fresh()
    async with AsyncExitStack() as stack:
        media_side = MemoryTransport(broker)
        stack.push_async_callback(media_side.close)
        await media_side.start()
        cluster = Cluster([ZonePlan("local", media_side)])
        stack.push_async_callback(cluster.close)
        await cluster.start()
        settings = load(_SETTINGS, environ={}, candidates=())
        service = await stack.enter_async_context(Service(settings, store, MemoryTransport(broker)))
        await seed(store, data)
        tokens = await mint_tokens(store, data)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(service, store, cluster, data, tokens, http)


async def accounts(size: int) -> Figures:
    """So many accounts with a conference each, below one whose administrator reads them all."""
    async with house() as here:
        places = [await _account(here) for _ in range(size)]
        before = resident()
        first = await here.timed([_get(here, "master", place) for place in places])
        grown = resident() - before
        sample = [random.choice(places[-5_000:]) for _ in range(_SAMPLE)]
        again = await here.timed([_get(here, "master", place) for place in sample])
        kept = len(here.service.cache)
    return {
        "first GET, CPU ms": first,
        "warm GET, CPU ms": again,
        "documents kept": f"{kept:,}",
        "memory, MiB": mebibytes(grown),
    }


async def conferences(size: int) -> Figures:
    """So many conferences in one account."""
    async with house() as here:
        account = here.data.main.id
        ids = [secrets.token_hex(16) for _ in range(size)]
        for number, one in enumerate(ids):
            await here.store.put(account_database(account), _conference(one, account, f"Room {number}"))
        collection = f"{account}/conferences"
        # The views are made when they are first asked; CouchDB does that while documents come in.
        await here.ask("boss", "GET", f"{collection}?page_size=50")
        await here.ask("boss", "PUT", collection, {"name": "first"})
        before = resident()
        sample = [random.choice(ids) for _ in range(_SAMPLE)]
        cold = await here.timed([_get(here, "boss", (account, one)) for one in dict.fromkeys(sample)])
        warm = await here.timed([_get(here, "boss", (account, one)) for one in sample])
        starts = [random.choice(ids) for _ in range(100)]
        pages = await here.timed(
            [_ask(here, "GET", f"{collection}?page_size=50&start_key={start}") for start in starts]
        )
        creates = await here.timed(
            [_ask(here, "PUT", collection, {"name": f"New {number}"}) for number in range(50)]
        )
        grown = resident() - before
    return {
        "first GET, CPU ms": cold,
        "warm GET, CPU ms": warm,
        "page of 50, CPU ms": pages,
        "create, CPU ms": creates,
        "memory, MiB": mebibytes(grown),
    }


async def participants(size: int) -> Figures:
    """So many people in rooms of twenty, all of one account, followed by their events."""
    followed = await _people(size, follow=True)
    switch_alone = await _people(size, follow=False)
    return {
        "GET of a room of 20, CPU ms": followed.get,
        "event, CPU ms": f"{(followed.event - switch_alone.event) * 1000:.3f}",
        "of it with the switch": f"{followed.event * 1000:.3f}",
        "events/s of one CPU": f"{1 / max(1e-6, followed.event - switch_alone.event):,.0f}",
        "memory, MiB": mebibytes(followed.memory - switch_alone.memory),
        "drift": str(followed.drift),
    }


@dataclass(frozen=True, slots=True)
class _People:
    get: str
    event: float
    memory: int
    drift: int


async def _people(size: int, *, follow: bool) -> _People:
    async with house() as here:
        account = here.data.main.id
        rooms = [secrets.token_hex(16) for _ in range(max(1, size // _ROOM))]
        for room in rooms:
            await here.store.put(account_database(account), _conference(room, account, room))
        calls = [_get(here, "boss", (account, room)) for room in rooms[:_SAMPLE]]
        if follow:
            await calls[0]()
        before = resident()
        for room in rooms:
            await here.cluster.perform(["create", room, account])
            for number in range(min(_ROOM, size)):
                await here.cluster.perform(["join", room, f"{room}-{number}", f"name=Caller {number}"])
        await _heard(here, follow)
        memory = resident() - before
        get = await here.timed(calls) if follow else ""
        steps = [["mute" if turn % 2 == 0 else "unmute", random.choice(rooms), "1"] for turn in range(2_000)]
        begun = time.process_time()
        for step in steps:
            await here.cluster.perform(step)
        await _heard(here, follow)
        event = (time.process_time() - begun) / len(steps)
        drift = 0
        if follow:
            await here.service.live.account(account, fresh=True)
            drift = getattr(getattr(here.service.live, "counters", None), "drift", 0)
    return _People(get, event, memory, drift)


async def _heard(here: House, follow: bool) -> None:
    """Wait until every event that was published has been heard."""
    if not follow:
        return
    last = -1
    while here.service.feed.heard != last:
        last = here.service.feed.heard
        # A request goes through the same loop, after what waits in it.
        for _ in range(3):
            await here.ask("boss", "GET", f"{here.data.main.id}/conferences?page_size=1")


async def _account(here: House) -> tuple[str, str]:
    account, conference = secrets.token_hex(16), secrets.token_hex(16)
    database = account_database(account)
    await here.store.create_database(database)
    document = {
        "_id": account,
        "name": account,
        "realm": f"{account}.example",
        "enabled": True,
        "pvt_tree": [here.data.parent.id],
        "pvt_enabled": True,
        "pvt_type": "account",
    }
    await here.store.put(database, document)
    await here.store.put(database, _conference(conference, account, "Room"))
    return account, conference


def _conference(conference: str, account: str, name: str) -> dict[str, object]:
    now = gregorian_seconds()
    return {
        "_id": conference,
        "name": name,
        "conference_numbers": [],
        "member": {"join_muted": False, "join_deaf": False, "pins": []},
        "moderator": {"join_muted": False, "join_deaf": False, "pins": []},
        "play_name": False,
        "pvt_type": "conference",
        "pvt_account_id": account,
        "pvt_created": now,
        "pvt_modified": now,
    }


def _get(here: House, who: str, place: tuple[str, str]) -> Callable[[], Awaitable[None]]:
    account, conference = place
    return lambda: here.ask(who, "GET", f"{account}/conferences/{conference}")


def _ask(here: House, method: str, path: str, data: object = None) -> Callable[[], Awaitable[None]]:
    return lambda: here.ask("boss", method, path, data)


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(stat_fields(Path("/proc/self/stat").read_text())[21]) * 4096


def mebibytes(size: int) -> str:
    """A size as text; what the allocator gave back meanwhile is no less than nothing."""
    return f"{max(0, size) / 2**20:.1f}"
