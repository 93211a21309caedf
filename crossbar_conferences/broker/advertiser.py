"""Our own heartbeat on the ``nodes`` exchange.

Without it, a dial into a conference that is not yet running never gets an answer (amqp.md 3.4).
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import structlog

from ..clock import gregorian_seconds
from ..kapi.messages import Outgoing
from ..kapi.nodes import App, advertise
from .counters import BusCounters
from .port import BrokerError

#: Milliseconds; each heartbeat names a new random life between these (amqp.md 3.4).
SHORTEST_MS = 5_001
LONGEST_MS = 15_000
#: Published a little before the named life ends.
EARLY = 0.9
#: Seconds between two heartbeats at least, however often we are woken.
SHORTEST_PAUSE = 1.0

_log = structlog.get_logger(__name__)


def new_sidecar_id() -> str:
    """What tells this sidecar from another one of the same node name: host, process and chance."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:80] or "host"
    return f"{host}_{os.getpid()}_{secrets.token_hex(4)}"


class Sender(Protocol):
    """What an advertiser needs of a bus."""

    node: str
    counters: BusCounters

    @property
    def zone(self) -> str:
        """The zone that is advertised."""
        ...

    @property
    def connected(self) -> bool:
        """Whether messages can be published right now."""
        ...

    async def cast(self, outgoing: Outgoing) -> bool:
        """Publish and forget."""
        ...


class Advertiser:
    """Sends a heartbeat at once, again and again, and soon after it is woken."""

    def __init__(
        self, sender: Sender, apps: Iterable[str], version: str | None, sidecar_id: str | None = None
    ) -> None:
        startup = gregorian_seconds()
        self._sender = sender
        self._apps = {app: App(startup=startup) for app in apps}
        self._version = version
        self._sidecar_id = sidecar_id
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="advertise")

    def wake(self) -> None:
        """Send one now: the broker is there again, or a node came that doesn't know us."""
        self._woken.set()

    async def close(self) -> None:
        """Stop; the node expires by itself."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            expires_ms = random.randint(SHORTEST_MS, LONGEST_MS)
            if self._sender.connected and await self._send(expires_ms):
                await asyncio.sleep(SHORTEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(expires_ms / 1000 * EARLY - SHORTEST_PAUSE):
                    await self._woken.wait()

    async def _send(self, expires_ms: int) -> bool:
        heartbeat = advertise(
            self._sender.node,
            zone=self._sender.zone,
            expires_ms=expires_ms,
            apps=self._apps,
            version=self._version,
            sidecar_id=self._sidecar_id,
        )
        try:
            await self._sender.cast(heartbeat)
        except BrokerError as error:
            _log.info("heartbeat_not_sent", error=type(error).__name__)
            return False
        self._sender.counters.advertised += 1
        return True
