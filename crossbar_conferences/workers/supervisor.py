"""Keeps the workers of a host: starts, restarts, replaces and ends them.

SIGTERM and SIGINT end them all after the drain; SIGHUP replaces one after the other, so that new
code and a new configuration are taken up without a refused request. The ports stay those of the
start. The supervisor touches neither CouchDB nor RabbitMQ and no request of the API.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import structlog

from ..api.listeners import BACKLOG
from ..auth.buckets import TokenBuckets
from ..broker.advertiser import new_sidecar_id
from ..settings import Settings
from ..tasks import end
from .channel import Message
from .charging import BucketKeeper
from .claims import ClaimKeeper
from .front import Front
from .lookout import Lookout
from .process import Worker
from .slot import Pace, Slot

log = structlog.get_logger(__name__)

#: Seconds beyond the time for running requests that a worker has to leave broker and store.
FAREWELL = 10.0


class Supervisor:
    """``async with Supervisor(settings, command) as supervisor: await supervisor.run()``.

    ``command`` starts a worker; its description is appended. Raises `OSError` when a port is taken.
    """

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self.leaving = False
        self.keeper: BucketKeeper = BucketKeeper(TokenBuckets(limit=settings.rate_buckets))
        self.claims: ClaimKeeper = ClaimKeeper(
            time.monotonic,
            keep=settings.idempotency_seconds,
            limit=settings.idempotency_entries,
            size=settings.idempotency_bytes,
        )
        self.sockets: dict[str, socket.socket] = {}
        #: Whether every worker that was asked to leave did so by itself.
        self.orderly = True
        self._settings = settings
        self._sidecar_id = new_sidecar_id()
        self._command = tuple(command)
        pace = Pace(stop=settings.shutdown_timeout_seconds + FAREWELL)
        self.slots: tuple[Slot, ...] = tuple(
            Slot(index, self._start, pace) for index in range(settings.workers)
        )
        self.lookout: Lookout = Lookout(self.slots, limit=settings.worker_silence_seconds, start=pace.start)
        self._front = Front(self)
        self._stack = AsyncExitStack()
        self._end = asyncio.Event()
        self._reload = asyncio.Event()
        #: Set once there was a worker that served.
        self._serving = asyncio.Event()

    @property
    def workers(self) -> Mapping[int, Worker]:
        """The workers that serve, by index."""
        return {slot.index: slot.worker for slot in self.slots if slot.worker and slot.worker.is_ready}

    @property
    def restarts(self) -> int:
        """How many workers died and were followed by another one."""
        return sum(slot.restarts for slot in self.slots)

    @property
    def urls(self) -> Mapping[str, str]:
        """Where things are served, by name: ``api``, ``websocket``, ``operations``."""
        return {name: f"http://{_shown(one)}" for name, one in self.sockets.items()}

    async def __aenter__(self) -> Supervisor:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, and then until all workers are gone."""
        reloading = asyncio.create_task(self._reload_when_asked(), name="reload")
        try:
            await self._end.wait()
            self.leaving = True
            log.info("leaving", drain_seconds=self._settings.drain_seconds)
            await asyncio.sleep(self._settings.drain_seconds)
        finally:
            await end(reloading)

    async def ready(self) -> bool:
        """Wait until a worker serves, or until the end is asked for; whether one does."""
        waits = [asyncio.create_task(self._serving.wait()), asyncio.create_task(self._end.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*waits)
        return self._serving.is_set()

    async def _open(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._stack.callback(self._close_sockets)
        for name, host, port in (
            ("api", settings.http_host, settings.http_port),
            ("websocket", settings.websocket_host, settings.websocket_port),
            ("operations", settings.operations_host, settings.operations_port),
        ):
            self.sockets[name] = _bind(host, port, settings.reuse_port)
        self._stack.push_async_callback(self._front.close)
        await self._front.open(self.sockets["operations"])
        self._stack.push_async_callback(self._close_slots)
        for slot in self.slots:
            await slot.open()
        watching = asyncio.create_task(self.lookout.run(), name="lookout")
        self._stack.push_async_callback(end, watching)

    async def _start(self, index: int) -> Worker:
        shared = {name: self.sockets[name] for name in ("api", "websocket")}
        return await Worker.start(index, self._command, shared, self._on_message, self._sidecar_id)

    async def _reload_when_asked(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            log.info("reloading")
            for slot in self.slots:
                if not await slot.replace():
                    # What one cannot start with, the others cannot either: they go on as they are.
                    break
            else:
                log.info("reloaded")

    async def _close_slots(self) -> None:
        # Ours first: a port on which nobody accepts any more would let clients wait in vain.
        for name in ("api", "websocket"):
            self.sockets[name].close()
        self.orderly = all(await asyncio.gather(*(slot.close() for slot in self.slots)))

    def _close_sockets(self) -> None:
        for one in self.sockets.values():
            one.close()

    def _on_message(self, worker: Worker, message: Message) -> None:
        if worker.is_ready:
            self._serving.set()
        if "store" in message:
            for slot in self.slots:
                if slot.worker is not None and slot.worker is not worker:
                    slot.worker.channel.send(message)
        elif "charge" in message:
            others = [other.channel for other in self.workers.values() if other is not worker]
            self.keeper.answer(worker.channel, message, others)
        else:
            self.claims.hear(worker.channel, message)


def _bind(host: str, port: int, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    bound.setblocking(False)
    return bound


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
