"""A demo from beginning to end: what it opens, in which order, and that all of it is closed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.text import Text

from ..broker.memory import MemoryBroker, MemoryTransport
from ..broker.port import Transport
from ..cli.adapters import open_store, open_transport
from ..dataset import DataSet, mint_tokens, seed
from ..service import Service
from ..settings import Settings, load
from ..store.memory import MemoryStore
from ..store.port import Store
from ..switch.cluster import Cluster, ZonePlan
from ..switch.control import ControlServer
from . import story
from .connection import Connection, ConnectionFiles
from .narrator import Narrator
from .private_services import private_services
from .switch_process import switch_process

#: The demo's sidecar: whatever is configured on this machine, it is not meant for a demo.
_SETTINGS = {"http_port": "0", "websocket_port": "0", "operations_port": "0"}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asked for; a port that is ``None`` is any free one."""

    port: int | None = None
    switch_port: int | None = None
    amqp_port: int | None = None
    couchdb_port: int | None = None
    keep: bool = True
    embedded: bool = False
    folder: Path = Path(".demo")


@dataclass(slots=True)
class Stay:
    """Whether the story is over and the demo stays up, and what ends that."""

    begun: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class World:
    """What the sidecar works with; the store and the transport are opened and closed by the sidecar."""

    settings: Settings
    store: Store
    transport: Transport
    switch_url: str
    amqp_url: str | None = None
    couchdb_url: str | None = None


async def run(options: DemoOptions, stay: Stay, console: Console) -> list[str]:
    """Play the demo; what was not as expected. Raises `CrossbarConferencesError`."""
    data, files = DataSet.demo(), ConnectionFiles(options.folder)
    async with AsyncExitStack() as stack:
        opening = _embedded(options) if options.embedded else _real(options, console)
        world = await stack.enter_async_context(opening)
        service = await stack.enter_async_context(Service(world.settings, world.store, world.transport))
        await seed(world.store, data)
        tokens = await mint_tokens(world.store, data)
        connection = Connection(
            base_url=service.base_url,
            ws_url=service.ws_url,
            amqp_url=world.amqp_url,
            couchdb_url=world.couchdb_url,
            switch_url=world.switch_url,
            tokens=tokens,
        )
        stack.callback(files.remove)
        files.write(connection, data)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        token_files = {name: files.token_file(name) for name in tokens}
        for account in data.accounts.values():
            await story.command_switch(http, connection.switch_url, "realm", account.id, account.realm)
        narrator = Narrator(http, console, connection.base_url, token_files)
        await story.tell(narrator, http, connection, data)
        _verdict(console, narrator)
        if options.keep:
            _farewell(console, connection, files)
            stay.begun = True
            await stay.ended.wait()
        return narrator.failures


@asynccontextmanager
async def _embedded(options: DemoOptions) -> AsyncIterator[World]:
    broker = MemoryBroker()
    media_side = MemoryTransport(broker)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(media_side.close)
        await media_side.start()
        cluster = Cluster([ZonePlan("local", media_side)])
        stack.push_async_callback(cluster.close)
        await cluster.start()
        control = ControlServer(cluster, options.switch_port or 0)
        stack.push_async_callback(control.close)
        await control.start()
        yield World(_settings(options), MemoryStore(), MemoryTransport(broker), control.url)


@asynccontextmanager
async def _real(options: DemoOptions, console: Console) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        console.print(Text("Starting a broker and a document store …", style="dim"))
        urls = await stack.enter_async_context(private_services(options.amqp_port, options.couchdb_port))
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        switch_url = await stack.enter_async_context(
            switch_process(urls.amqp_url, options.switch_port, options.folder / "switch.log")
        )
        settings = _settings(options, couchdb_url=urls.couchdb_url, amqp_urls=urls.amqp_url)
        store, transport = open_store(settings), open_transport(settings)
        yield World(settings, store, transport, switch_url, urls.amqp_url, urls.couchdb_url)


def _settings(options: DemoOptions, **more: str) -> Settings:
    port = {"http_port": str(options.port)} if options.port else {}
    return load({**_SETTINGS, **port, **more}, environ={}, candidates=())


def _verdict(console: Console, narrator: Narrator) -> None:
    console.print()
    if not narrator.failures:
        console.print(Text(f"All {narrator.steps} steps gave the expected answers.", style="bold green"))
        return
    console.print(Text("Not as expected:", style="bold red"))
    for failure in narrator.failures:
        console.print(Text(f"  {failure}"), soft_wrap=True)


def _farewell(console: Console, connection: Connection, files: ConnectionFiles) -> None:
    lines = (
        "",
        f"The API stays up at {connection.base_url}, the switch at {connection.switch_url}",
        f"All addresses, ids and tokens: {files.folder / 'connection.json'}",
        "Ctrl-C ends it.",
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
