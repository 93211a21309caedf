"""The events of one conference for plain HTTP clients: server-sent events.

``GET …/conferences/{ID}/events`` streams what a websocket would push. The event id is the
sequence number; a client that reconnects sends it back as ``Last-Event-ID`` and gets what it
missed, or a ``snapshot`` event when that is lost. Source: WHATWG HTML, server-sent events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
import structlog
from aiohttp import web

from ..clock import Clock
from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from .bindings import Subscription, parse
from .hub import Hub
from .resuming import ATTEMPTS, Looker, ResumeFailed, Resumption

log = structlog.get_logger(__name__)


#: Gives what a client may see of an ``event`` or a ``room``; guests see less than others.
Seen = Callable[[Literal["event", "room"], Mapping[str, Any]], Mapping[str, Any]]


def everything(kind: Literal["event", "room"], shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Seen` for whoever may see all."""
    return shown


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the streams. ``queue``: frames that may wait for a slow client, with more its
    stream ends. ``keep_alive``: seconds between the comments that keep proxies from closing an
    idle stream. ``send``: seconds for one write."""

    total: int = 10_000
    queue: int = 1_000
    keep_alive: float = 15.0
    send: float = 5.0


@dataclass(slots=True, eq=False)
class _Stream:
    """One client; the hub's subscriber."""

    queue: asyncio.Queue[bytes]
    #: What the client may see of an event's data or a snapshot's.
    seen: Seen
    over: bool = False
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, frame: bytes) -> None:
        """Take a frame from the hub."""
        try:
            self.queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.over = True
        self.waiting.set()

    def end(self) -> None:
        """Write nothing more."""
        self.over = True
        self.waiting.set()


class EventStreams:
    """Streams to any number of clients. ``show_room`` gives a snapshot's data."""

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        show_room: Callable[[Room | None, float], Mapping[str, Any]],
        limits: StreamLimits,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._show_room = show_room
        self._limits = limits
        self._streams: set[_Stream] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return self._closing or len(self._streams) >= self._limits.total

    async def close(self) -> None:
        """End every stream; clients reconnect by themselves, to another process."""
        self._closing = True
        for stream in self._streams:
            stream.end()

    async def run(
        self,
        request: web.BaseRequest,
        account_id: str,
        conference_id: str,
        looker: Looker,
        headers: Mapping[str, str],
        seen: Seen = everything,
    ) -> web.StreamResponse:
        """Stream until the client goes, is too slow, or we go."""
        subscription = parse(f"conference.event.*.{conference_id}.*", account_id)
        response = web.StreamResponse(
            headers={**headers, "content-type": "text/event-stream", "cache-control": "no-store"}
        )
        stream = _Stream(asyncio.Queue(self._limits.queue), seen)
        self._streams.add(stream)
        try:
            await self._hub.hold(subscription)
            begin = await self._begin(stream, subscription, _last_event_id(request), looker)
            await response.prepare(request)
            await self._write(response, begin)
            await self._follow(response, stream, subscription, looker)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._streams.discard(stream)
            self._hub.detach(stream, subscription)
            await self._hub.release(subscription)
        return response

    async def _follow(
        self, response: web.StreamResponse, stream: _Stream, subscription: Subscription, looker: Looker
    ) -> None:
        try:
            while not stream.over:
                await self._write(response, await self._next(stream, subscription, looker))
        except CrossbarConferencesError as error:
            # Too late for an answer that says so: the client reconnects and is told then.
            log.warning("event_stream_failed", reason=type(error).__name__)

    async def _begin(
        self, stream: _Stream, subscription: Subscription, since: int | None, looker: Looker
    ) -> bytes:
        """What the client gets first; from then on the hub pushes to it."""
        for _ in range(ATTEMPTS):
            resumption = Resumption(self._hub, subscription, since)
            await resumption.look(looker)
            missed = resumption.missed()
            if missed is not None:
                self._hub.attach(stream, subscription)
                told = [_shown(orjson.loads(frame), stream.seen) for frame in missed]
                return self._snapshot(resumption, stream.seen) + b"".join(told)
        raise ResumeFailed

    def _snapshot(self, resumption: Resumption, seen: Seen) -> bytes:
        return b"".join(
            _event(
                "snapshot",
                orjson.dumps(seen("room", self._show_room(room, self._clock()))),
                resumption.sequences[conference_id],
            )
            for conference_id, room in resumption.rooms.items()
        )

    async def _next(self, stream: _Stream, subscription: Subscription, looker: Looker) -> bytes:
        try:
            async with asyncio.timeout(self._limits.keep_alive):
                await stream.waiting.wait()
        except TimeoutError:
            return b": still here\n\n"
        stream.waiting.clear()
        frames = [stream.queue.get_nowait() for _ in range(stream.queue.qsize())]
        values = [orjson.loads(frame) for frame in frames]
        if any(value["action"] == "gap" for value in values):
            # Events passed unheard: how things are now is worth more than what waited.
            self._hub.detach(stream, subscription)
            return await self._begin(stream, subscription, None, looker)
        return b"".join(_shown(value, stream.seen) for value in values)

    async def _write(self, response: web.StreamResponse, text: bytes) -> None:
        if text:
            async with asyncio.timeout(self._limits.send):
                await response.write(text)


def _last_event_id(request: web.BaseRequest) -> int | None:
    last = request.headers.get("Last-Event-ID", "")
    return int(last) if last.isascii() and last.isdecimal() and len(last) < 20 else None


def _shown(value: Mapping[str, Any], seen: Seen) -> bytes:
    data = seen("event", value["data"])
    return _event(data.get("event", "event"), orjson.dumps(data), value.get("seq"))


def _event(name: str, data: bytes, sequence: int | None) -> bytes:
    # An event's name comes from the bus: a line break in it would begin a field of its own.
    clean = "".join(c for c in str(name) if c.isprintable())
    number = b"" if sequence is None else b"id: %d\n" % sequence
    return number + b"event: " + clean.encode(errors="replace") + b"\ndata: " + data + b"\n\n"
