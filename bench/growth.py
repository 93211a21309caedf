"""What is measured at one size: a sidecar in this process, asked over HTTP, one request at a time.

Times are of the process's CPU, so that other load on the machine counts little; they include the
client, which is the same at every size.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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
_BATCH = 25
#: Seconds for all of them to be heard.
_PATIENCE = 30.0
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
    media_side: MemoryTransport
    transport: MemoryTransport
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
        """Milliseconds of CPU for one of the calls: on the average of a batch, and of the batches the
        median, so that what the machine did besides counts little."""
        batches = []
        for first in range(0, len(calls), _BATCH):
            batch = calls[first : first + _BATCH]
            begun = time.process_time()
            for call in batch:
                await call()
            batches.append((time.process_time() - begun) / len(batch))
        return f"{median(batches) * 1000:.2f}"

    async def heard(self, events: int) -> None:
        """Wait until the sidecar has heard so many events in all. Raises `SiteFailed`."""
        end = time.monotonic() + _PATIENCE
        while self.service.feed.heard < events:
            if time.monotonic() > end:
                raise SiteFailed(f"heard {self.service.feed.heard} events of {events}")
            await asyncio.sleep(0)


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
        transport = MemoryTransport(broker)
        service = await stack.enter_async_context(Service(settings, store, transport))
        await seed(store, data)
        tokens = await mint_tokens(store, data)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(service, store, media_side, transport, cluster, data, tokens, http)


async def accounts(size: int) -> Figures:
    """So many accounts with a conference each, below one whose administrator reads them all."""
    async with house() as here:
        places = [await _account(here) for _ in range(size)]
        before = resident()
        first = await here.timed([get(here, "master", place) for place in places])
        grown = resident() - before
        sample = [random.choice(places[-5_000:]) for _ in range(_SAMPLE)]
        again = await here.timed([get(here, "master", place) for place in sample])
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
            await here.store.put(account_database(account), conference(one, account, f"Room {number}"))
        collection = f"{account}/conferences"
        # The views are made when they are first asked; CouchDB does that while documents come in.
        await here.ask("boss", "GET", f"{collection}?page_size=50")
        await here.ask("boss", "PUT", collection, {"name": "first"})
        before = resident()
        sample = [random.choice(ids) for _ in range(_SAMPLE)]
        cold = await here.timed([get(here, "boss", (account, one)) for one in dict.fromkeys(sample)])
        warm = await here.timed([get(here, "boss", (account, one)) for one in sample])
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


async def _account(here: House) -> tuple[str, str]:
    account, conference_id = secrets.token_hex(16), secrets.token_hex(16)
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
    await here.store.put(database, conference(conference_id, account, "Room"))
    return account, conference_id


def conference(conference_id: str, account: str, name: str) -> dict[str, object]:
    """The document of a conference."""
    now = gregorian_seconds()
    return {
        "_id": conference_id,
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


def get(here: House, who: str, place: tuple[str, str]) -> Callable[[], Awaitable[None]]:
    """The request for a conference, as something to call; ``place``: its account and its id."""
    account, conference_id = place
    return lambda: here.ask(who, "GET", f"{account}/conferences/{conference_id}")


def _ask(here: House, method: str, path: str, data: object = None) -> Callable[[], Awaitable[None]]:
    return lambda: here.ask("boss", method, path, data)


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(stat_fields(Path("/proc/self/stat").read_text())[21]) * 4096


def mebibytes(size: int) -> str:
    """A size as text; what the allocator gave back meanwhile is no less than nothing."""
    return f"{max(0, size) / 2**20:.1f}"
