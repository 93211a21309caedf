"""``crossbar-conferences serve``: the sidecar itself."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import click

from ..broker.memory import MemoryBroker, MemoryTransport
from ..broker.port import Transport
from ..errors import CrossbarConferencesError
from ..logs import configure
from ..service import Service
from ..settings import Settings, options
from ..store.memory import MemoryStore
from ..store.port import Store
from .adapters import open_store, open_transport


@click.command()
@click.option("--embedded", is_flag=True, help="Keep documents and messages in memory; no server is needed.")
@options()
def serve(settings: Settings, embedded: bool) -> None:
    """Serve the conferences API of a Kazoo cluster.

    Kazoo's own config.ini says where the cluster's brokers and its document store are.
    """
    configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings, embedded))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        # A port that is taken, most likely; the error says which.
        raise click.ClickException(str(error)) from None


async def _serve(settings: Settings, embedded: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        store: Store = MemoryStore() if embedded else open_store(settings)
        transport: Transport = MemoryTransport(MemoryBroker()) if embedded else open_transport(settings)
        service = await stack.enter_async_context(Service(settings, store, transport))
        click.echo(f"serving {service.base_url}, websocket {service.ws_url}", err=True)
        await stop.wait()
