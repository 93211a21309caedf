"""The events of one conference for plain HTTP clients: server-sent events.

``GET …/conferences/{ID}/events`` streams what a websocket would push. The event id is the
sequence number; a client that reconnects sends it back as ``Last-Event-ID`` and gets what it
missed, or a ``snapshot`` event when that is lost. Source: WHATWG HTML, server-sent events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from ..clock import Clock
from ..conference.rooms import Room
from .bindings import parse
from .hub import Hub

#: Seconds between comments that keep proxies from closing an idle stream.
KEEP_ALIVE = 15.0

#: Frames that may wait for a slow client; with more the stream ends.
QUEUE = 1_000


class EventStream:
    """Streams to one client at a time; make one for each request."""

    def __init__(self, hub: Hub, clock: Clock, show_room: Callable[[Room | None, float], Mapping[str, Any]]):
        self._hub = hub
        self._clock = clock
        self._show_room = show_room
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        self._overrun = False

    def push(self, frame: bytes) -> None:
        """Take a frame from the hub."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self._overrun = True

    async def run(
        self,
        request: web.Request,
        account_id: str,
        conference_id: str,
        room: Room | None,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Stream until the client goes. ``room`` is who is there now."""
        subscription = parse(f"conference.event.*.{conference_id}.*", account_id)
        response = web.StreamResponse(
            headers={**headers, "content-type": "text/event-stream", "cache-control": "no-store"}
        )
        await self._hub.subscribe(self, subscription)
        try:
            await response.prepare(request)
            missed = None
            last = request.headers.get("Last-Event-ID", "")
            if last.isdecimal() and len(last) < 20:
                missed = self._hub.replay(subscription, int(last))
            if missed is None:
                snapshot = orjson.dumps(self._show_room(room, self._clock()))
                sequence = self._hub.history.last(account_id, conference_id)
                await response.write(_event("snapshot", snapshot, sequence))
            for frame in missed or ():
                await response.write(_pushed(frame))
            while not self._overrun:
                await response.write(await self._next())
        except ConnectionError:
            pass
        finally:
            await self._hub.unsubscribe(self, subscription)
        return response

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                return _pushed(await self._queue.get())
        except TimeoutError:
            return b": still here\n\n"


def _pushed(frame: bytes) -> bytes:
    value = orjson.loads(frame)
    return _event(value["data"].get("event", "event"), orjson.dumps(value["data"]), value.get("seq"))


def _event(name: str, data: bytes, sequence: int | None) -> bytes:
    # An event's name comes from the bus: a line break in it would begin a field of its own.
    clean = "".join(c for c in str(name) if c.isprintable())
    number = b"" if sequence is None else b"id: %d\n" % sequence
    return number + b"event: " + clean.encode() + b"\ndata: " + data + b"\n\n"
