"""The heartbeat of a virtual ecallmgr node: others count nodes by it, and wait for their answers.

Source: amqp.md 3.4.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from ..broker.advertiser import EARLY, LONGEST_MS, SHORTEST_MS
from ..broker.port import BrokerError

log = structlog.get_logger(__name__)


class Heartbeat:
    """Calls ``send(expires_ms)`` at once, before each life it named ends, and when woken."""

    def __init__(self, node: str, send: Callable[[int], Awaitable[None]]) -> None:
        self._node = node
        self._send = send
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Send one now: the broker is back, or the node is."""
        self._woken.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._woken.clear()
            expires_ms = random.randint(SHORTEST_MS, LONGEST_MS)
            try:
                await self._send(expires_ms)
            except BrokerError as error:
                log.info("switch_heartbeat_lost", node=self._node, reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(expires_ms / 1000 * EARLY):
                    await self._woken.wait()
