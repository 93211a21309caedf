"""``crossbar-conferences serve``: the sidecar itself, in one process or in several."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import IO, Any

import click
import structlog

from ..broker.memory import MemoryBroker, MemoryTransport
from ..broker.port import Transport
from ..errors import CrossbarConferencesError
from ..logs import configure
from ..loop import fast_loop
from ..service import Service, Share
from ..settings import Settings, SettingsError, load_or_error, options
from ..store.memory import MemoryStore
from ..store.port import Store
from ..workers.spec import Spec
from ..workers.supervisor import Supervisor
from ..workers.worker import work
from .adapters import open_store, open_transport

log = structlog.get_logger(__name__)


@click.command()
@click.option("--embedded", is_flag=True, help="Keep documents and messages in memory; no server is needed.")
@click.option("--worker", hidden=True, help="What a supervisor tells its worker.")
@options(read=load_or_error)
def serve(settings: Settings | SettingsError, embedded: bool, worker: str | None) -> None:
    """Serve the conferences API of a Kazoo cluster.

    Kazoo's own config.ini says where the cluster's brokers and its document store are. SIGTERM
    and SIGINT end it once running requests are done; SIGHUP replaces the workers, one after
    another, by new ones with the configuration of now.
    """
    if isinstance(settings, SettingsError):
        # How to log is a setting too; whoever sits at a terminal reads text.
        configure("info", "console" if sys.stderr.isatty() else "json")
        raise BadConfiguration(str(settings))
    configure(settings.log_level, settings.log_format)
    if embedded and settings.workers:
        raise click.UsageError("--embedded keeps everything in one process: it cannot have --workers")
    if worker is not None:
        _run(work(settings, _spec(worker), lambda share: _service(settings, share)), fast_loop())
    elif settings.workers:
        # It starts processes, which asyncio's own loop does with more care.
        _run(_supervise(settings), None)
    else:
        _run(_serve(settings, embedded), fast_loop())


class Failure(click.ClickException):
    """Ends the program with a line of its log."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Called by click."""
        log.error("serve_failed", reason=self.message, status=self.exit_code)


class BadConfiguration(Failure):
    """The same, for a setting that is wrong."""

    exit_code = 2


def _run(main: Coroutine[Any, Any, None], loop: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main)
    except click.ClickException:
        raise
    except (CrossbarConferencesError, OSError) as error:
        # A port that is taken, most likely; the error says which.
        raise Failure(str(error)) from None
    except Exception as error:
        log.exception("serve_crashed")
        raise Failure(type(error).__name__) from None


def _spec(text: str) -> Spec:
    try:
        return Spec.read(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _service(settings: Settings, share: Share | None = None) -> Service:
    return Service(settings, open_store(settings), open_transport(settings), share=share)


async def _serve(settings: Settings, embedded: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # Without a supervisor there is nobody who could take over meanwhile.
    loop.add_signal_handler(signal.SIGHUP, lambda: log.warning("reload_needs_workers"))
    async with _embedded(settings) if embedded else _service(settings) as service:
        _say_serving(service.base_url, service.ws_url)
        await stop.wait()
        service.leaving = True
        await asyncio.sleep(settings.drain_seconds)


def _embedded(settings: Settings) -> Service:
    store: Store = MemoryStore()
    transport: Transport = MemoryTransport(MemoryBroker())
    return Service(settings, store, transport)


async def _supervise(settings: Settings) -> None:
    # As we were started ourselves, with whatever interpreter and flags.
    command = (sys.executable, *sys.orig_argv[1:], "--worker")
    async with Supervisor(settings, command) as supervisor:
        if await supervisor.ready():
            _say_serving(supervisor.urls["api"], supervisor.urls["websocket"].replace("http", "ws", 1))
        await supervisor.run()
    if not supervisor.orderly:
        raise Failure("a worker had to be killed")


def _say_serving(api: str, websocket: str) -> None:
    log.info("serving", api=api, websocket=websocket)
