"""Websocket fan-out: one room's events to many sessions, from the switch's step to the client's frame."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from crossbar_conferences.demo.story import command_switch

from .measure import Target
from .processes import usage
from .servers import Server
from .site import SiteFailed

NAME = "fan-out"
COLUMNS = (
    "websocket fan-out",
    "workers",
    "sessions",
    "events/s",
    "frames/s",
    "p50 ms",
    "p99 ms",
    "CPU ms/frame",
    "RSS MiB",
    "missing",
)

#: Events whose frames may be under way: enough that the sidecar is never idle.
_WINDOW = 16
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Fan:
    """A measurement; ``delays`` in seconds, one for each frame that came."""

    workers: int
    sessions: int
    events: int
    seconds: float
    delays: Sequence[float]
    cpu: float
    resident: int

    @property
    def missing(self) -> int:
        """Frames that did not come."""
        return self.events * self.sessions - len(self.delays)

    def cells(self) -> list[str]:
        """The row as text."""
        return [
            "one room's events",
            str(self.workers),
            str(self.sessions),
            f"{self.events / self.seconds:,.0f}",
            f"{len(self.delays) / self.seconds:,.0f}",
            f"{percentile(self.delays, 50) * 1000:.2f}",
            f"{percentile(self.delays, 99) * 1000:.2f}",
            f"{self.cpu / max(1, len(self.delays)) * 1000:.3f}",
            f"{self.resident / 2**20:.0f}",
            str(self.missing),
        ]


class _Audience:
    """The sessions, and when the frames of each event came. Times are of `time.perf_counter`."""

    def __init__(self, sessions: int) -> None:
        self.sent: list[float] = []
        self.delays: list[float] = []
        self._heard = [0] * sessions
        self._moved = asyncio.Event()

    @property
    def slowest(self) -> int:
        """Events that every session has heard."""
        return min(self._heard)

    def hear(self, session: int) -> None:
        """A frame came: events come in the order in which they were made."""
        self.delays.append(time.perf_counter() - self.sent[self._heard[session]])
        self._heard[session] += 1
        self._moved.set()

    async def behind(self, at_most: int) -> bool:
        """Wait until so few events are under way; whether that happened in time."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while len(self.sent) - self.slowest > at_most:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


async def measure(
    server: Server, target: Target, switch_url: str, sessions: int, seconds: float, workers: int
) -> Fan:
    """Have somebody muted and unmuted, as fast as the frames come. Raises `SiteFailed`."""
    audience = _Audience(sessions)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        listening = [
            asyncio.create_task(_listen(await _session(stack, http, target), number, audience))
            for number in range(sessions)
        ]
        used, begun = usage(server.pid), time.perf_counter()
        alive = True
        while alive and time.perf_counter() - begun < seconds:
            verb = "mute" if len(audience.sent) % 2 == 0 else "unmute"
            audience.sent.append(time.perf_counter())
            await command_switch(http, switch_url, verb, target.rooms.crowded, "1")
            alive = await audience.behind(_WINDOW)
        await audience.behind(0)
        took, using = time.perf_counter() - begun, usage(server.pid)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    cpu = using.cpu - used.cpu
    return Fan(workers, sessions, len(audience.sent), took, audience.delays, cpu, using.resident)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def _session(
    stack: AsyncExitStack, http: aiohttp.ClientSession, target: Target
) -> aiohttp.ClientWebSocketResponse:
    socket = await stack.enter_async_context(http.ws_connect(f"{target.site.base_url}/websocket"))
    binding = f"conference.event.*.{target.rooms.crowded}.*"
    await socket.send_json(
        {
            "action": "subscribe",
            "auth_token": target.site.token,
            "request_id": "bench",
            "data": {"account_id": target.site.account_id, "binding": binding},
        }
    )
    reply = await socket.receive_json(timeout=_PATIENCE_SECONDS)
    if reply.get("status") != "success":
        raise SiteFailed(f"subscribing gave {json.dumps(reply)[:300]}")
    return socket


async def _listen(socket: aiohttp.ClientWebSocketResponse, number: int, audience: _Audience) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT and '"action":"event"' in message.data:
            audience.hear(number)
