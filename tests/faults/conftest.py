"""The worlds of the fault suite, with something between the sidecar and each service; and the table.

Every test declares by ``@pytest.mark.fault(fault=…, sees=…, keeps=…, recovers=…)`` what it shows, and
measures with the fixture `watch`. With ``WRITE_RELIABILITY=1`` a run in which every row passed
writes them into ``docs/reliability.md``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from crossbar_conferences.broker.links import RabbitOptions
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.clock import Clock
from crossbar_conferences.commands.inviter import PENDING_DATABASE
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.port import Document
from scripts.daemons import RabbitMQ
from tests.support import reliability
from tests.support.answers import Answer
from tests.support.brokers import eventually
from tests.support.proxy import TcpProxy
from tests.support.sidecar import Sidecar, running_sidecar

#: Kazoo's pauses would make tests wait; a heartbeat of one second finds a mute broker in three.
OPTIONS = RabbitOptions(
    own_ladder=(0.05, 0.2),
    other_ladder=(0.05, 0.2),
    connect_within=2.0,
    retry=0.05,
    verify=0.3,
    heartbeat=1.0,
)
#: Seconds that one request to the store may take.
STORE_TIMEOUT = 1.0
#: No client waits longer than this for any answer, whatever is broken.
BOUND = 5.0

_MEASURED = pytest.StashKey[dict[str, reliability.Measured]]()
_FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "fault(fault, sees, keeps, recovers): a row of docs/reliability.md")
    config.stash[_MEASURED] = {}


class Watch:
    """Takes the times of one test."""

    def __init__(self) -> None:
        self.slowest: float | None = None
        self.back_after: float | None = None
        self._lifted: float | None = None

    async def ask(self, answer: Awaitable[Answer], within: float = BOUND) -> Answer:
        """An answer that must come in time, whatever it is."""
        begun = time.perf_counter()
        async with asyncio.timeout(within):
            got = await answer
        self.slowest = max(self.slowest or 0.0, time.perf_counter() - begun)
        return got

    def lifted(self) -> None:
        """The fault is over as of now."""
        self._lifted = time.perf_counter()

    def is_back(self) -> None:
        """Everything works again as of now."""
        assert self._lifted is not None
        self.back_after = max(self.back_after or 0.0, time.perf_counter() - self._lifted)


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """The watch of a test; what it measured goes into the table."""
    watch = Watch()
    yield watch
    mark = request.node.get_closest_marker("fault")
    assert mark is not None, "a fault test declares its row"
    row = reliability.Row(test=f"{request.path.name}::{request.node.originalname}", **mark.kwargs)
    request.config.stash[_MEASURED][row.test] = reliability.Measured(row, watch.slowest, watch.back_after)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table, when it was asked for and the run is a whole and good one."""
    if os.environ.get("WRITE_RELIABILITY") != "1" or exitstatus != 0:
        return
    measured = session.config.stash[_MEASURED]
    names = [name for name, _ in reliability.declared()]
    if set(names) - set(measured):
        return
    text = reliability.table(measured[name] for name in names)
    reliability.PAGE.write_text(reliability.with_table(reliability.PAGE.read_text(), text))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A broker that these tests may spoil."""
    broker = RabbitMQ(Path(tmp_path_factory.mktemp("broker")))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@dataclass(slots=True)
class House:
    """A sidecar that reaches each service through a proxy; the switch is near its broker."""

    sidecar: Sidecar
    store: TcpProxy
    bus: TcpProxy
    #: The real store, for the test's own eyes.
    eyes: CouchStore

    async def pending(self) -> list[Document]:
        """The invitations of this account that are kept for later."""
        found = await _all_documents(self.eyes, PENDING_DATABASE)
        return [each for each in found if each.get("pvt_account_id") == self.sidecar.account]


async def _all_documents(store: CouchStore, database: str) -> list[Document]:
    if not await store.database_exists(database):
        return []
    async with aiohttp.ClientSession(headers={"Accept": "application/json"}) as http:
        url = f"{store._url}/{database}/_all_docs?include_docs=true"
        async with http.get(url) as response:
            return [row["doc"] for row in (await response.json())["rows"]]


@asynccontextmanager
async def open_house(
    couchdb_url: str,
    broker: RabbitMQ,
    *,
    store_url: str | None = None,
    switch: TcpProxy | None = None,
    clock: Clock = time.time,
    nodes: int = 1,
    **settings: str,
) -> AsyncIterator[House]:
    """A house on real services. ``store_url``: where the sidecar's store is, if elsewhere;
    ``switch``: what stands between the switch and the broker; ``nodes``: its ecallmgrs."""
    async with AsyncExitStack() as stack:
        couch, rabbit = URL(store_url or couchdb_url), URL(broker.url)
        store = await stack.enter_async_context(TcpProxy("127.0.0.1", couch.port or 5984))
        bus = await stack.enter_async_context(TcpProxy("127.0.0.1", rabbit.port or 5672))
        eyes = CouchStore(couchdb_url)
        await eyes.open()
        stack.push_async_callback(eyes.close)
        proxied = str(rabbit.with_port(bus.port))
        near = broker.url if switch is None else str(rabbit.with_port(switch.port))
        sidecar = await stack.enter_async_context(
            running_sidecar(
                CouchStore(str(couch.with_port(store.port)), timeout=STORE_TIMEOUT),
                RabbitTransport([proxied], options=OPTIONS),
                {"local": RabbitTransport([near], options=replace(OPTIONS, heartbeat=60.0))},
                clock=clock,
                settings={"store_timeout_seconds": str(STORE_TIMEOUT), **settings},
                nodes=nodes,
            )
        )
        yield House(sidecar, store, bus, eyes)


@pytest.fixture
async def house(couchdb_url: str, broker: RabbitMQ) -> AsyncIterator[House]:
    """A house on the real store and on a broker of our own."""
    async with open_house(couchdb_url, broker) as house:
        yield house


async def back(watch: Watch, ask: Callable[[], Awaitable[Answer]], status: int) -> Answer:
    """Ask again and again until it works; then everything is back."""
    found: list[Answer] = []

    async def works() -> bool:
        found.append(await watch.ask(ask()))
        return found[-1].status == status

    await eventually(works)
    watch.is_back()
    return found[-1]
