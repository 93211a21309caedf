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
from aiohttp import web

from ..clock import Clock
from ..complaints import Complaints
from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from ..shares import Shares
from .bindings import Subscription
from .hub import Hub
from .outbox import Outbox
from .places import Place, PlaceRefused, Places
from .resuming import ATTEMPTS, Looker, ResumeFailed, Resumption
from .reviews import Watch


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the streams. ``queue`` frames and ``queue_bytes`` may wait for a slow client, with
    more its stream ends. ``keep_alive``: seconds between the comments that keep proxies from closing
    an idle stream. ``look``: seconds between two looks whether the client is still connected, whose
    place another may take. ``send``: seconds for one write."""

    queue: int = 1_000
    queue_bytes: int = 1_000_000
    keep_alive: float = 15.0
    look: float = 1.0
    send: float = 5.0


#: Gives what a client may see of an ``event`` or a ``room``; guests see less than others.
Seen = Callable[[Literal["event", "room"], Mapping[str, Any]], Mapping[str, Any]]


def everything(kind: Literal["event", "room"], shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Seen` for whoever may see all."""
    return shown


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom a stream is: whose places it takes (``share``), and what may be seen."""

    share: str
    address: str
    token: str = field(repr=False)
    seen: Seen = everything


@dataclass(slots=True, eq=False)
class _Stream:
    """One client; the hub's subscriber."""

    outbox: Outbox
    subscription: Subscription
    looker: Looker
    viewer: Viewer
    transport: asyncio.Transport | None
    #: When something was written last, in loop time.
    written: float = 0.0
    over: bool = False
    #: Why it ended, where the client is to know.
    reason: str | None = None
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, frame: bytes) -> None:
        """Take a frame from the hub."""
        if not self.over and not self.outbox.put(frame):
            self.over = True
        self.waiting.set()

    def end(self, reason: str | None = None) -> None:
        """Write nothing more but why."""
        self.reason = self.reason or reason
        self.over = True
        self.waiting.set()


class EventStreams:
    """Streams to as many clients as there are places. ``show_room`` gives a snapshot's data,
    ``waiting`` counts the bytes of their queues."""

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        show_room: Callable[[Room | None, float], Mapping[str, Any]],
        limits: StreamLimits,
        places: Places,
        waiting: Shares,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._show_room = show_room
        self._limits = limits
        self._complaints = Complaints()
        self._places = places
        self._waiting = waiting
        self.refused = 0
        self._streams: set[_Stream] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._streams)

    async def close(self) -> None:
        """End every stream; clients reconnect by themselves, to another process."""
        self._closing = True
        for stream in self._streams:
            stream.end()

    def enter(self, viewer: Viewer) -> Place:
        """A place for one more. Raises `PlaceRefused`."""
        place = Place()
        try:
            if self._closing:
                raise PlaceRefused("all")
            self._places.enter(viewer.address, place)
            self._places.claim(place, viewer.share, viewer.token)
        except PlaceRefused:
            self.refused += 1
            place.leave()
            raise
        return place

    async def run(
        self,
        request: web.BaseRequest,
        subscription: Subscription,
        looker: Looker,
        headers: Mapping[str, str],
        viewer: Viewer,
        watch: Watch,
    ) -> web.StreamResponse:
        """Stream until the client goes, is too slow, may not any more, or we go."""
        response = web.StreamResponse(
            headers={
                **headers,
                "content-type": "text/event-stream",
                # What is kept back until there is more of it, or is packed, comes too late.
                "cache-control": "no-store, no-transform",
                "x-accel-buffering": "no",
            }
        )
        limits = self._limits
        outbox = Outbox(limits.queue, limits.queue_bytes, self._waiting, viewer.share)
        stream = _Stream(outbox, subscription, looker, viewer, request.transport)
        self._streams.add(stream)
        try:
            async with watch(stream.end):
                await self._hub.hold(subscription)
                try:
                    begin = await self._begin(stream, _last_event_id(request))
                    await response.prepare(request)
                    await self._write(response, b"" if stream.reason else begin)
                    await self._follow(response, stream)
                finally:
                    self._hub.detach(stream, subscription)
                    await self._hub.release(subscription)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._streams.discard(stream)
            outbox.close()
        return response

    async def _follow(self, response: web.StreamResponse, stream: _Stream) -> None:
        try:
            while not stream.over:
                text = await self._next(stream)
                # What was made before the end must not be told after it.
                await self._write(response, b"" if stream.reason else text)
                if text:
                    stream.written = asyncio.get_running_loop().time()
                stream.outbox.sent()
        except CrossbarConferencesError as error:
            # Too late for an answer that says so: the client reconnects and is told then.
            self._complaints.complain("event_stream_failed", type(error).__name__)
        if stream.reason is not None:
            await self._write(response, _event("end", orjson.dumps({"reason": stream.reason}), None))

    async def _begin(self, stream: _Stream, since: int | None) -> bytes:
        """What the client gets first; from then on the hub pushes to it."""
        for _ in range(ATTEMPTS):
            resumption = Resumption(self._hub, stream.subscription, since)
            await resumption.look(stream.looker)
            missed = resumption.missed()
            if missed is not None:
                self._hub.attach(stream, stream.subscription)
                shown = (_shown(orjson.loads(frame), stream.viewer) for frame in missed)
                return self._snapshot(resumption, stream.viewer) + b"".join(shown)
        raise ResumeFailed

    def _snapshot(self, resumption: Resumption, viewer: Viewer) -> bytes:
        return b"".join(
            _event(
                "snapshot",
                orjson.dumps(viewer.seen("room", self._show_room(room, self._clock()))),
                resumption.sequences[conference_id],
            )
            for conference_id, room in resumption.rooms.items()
        )

    async def _next(self, stream: _Stream) -> bytes:
        limits = self._limits
        try:
            async with asyncio.timeout(min(limits.look, limits.keep_alive)):
                await stream.waiting.wait()
        except TimeoutError:
            if stream.transport is None or stream.transport.is_closing():
                raise ConnectionResetError from None
            is_due = asyncio.get_running_loop().time() - stream.written >= limits.keep_alive
            return b": still here\n\n" if is_due else b""
        stream.waiting.clear()
        values = [orjson.loads(stream.outbox.take()) for _ in range(len(stream.outbox))]
        if any(value["action"] == "gap" for value in values):
            # Events passed unheard: how things are now is worth more than what waited.
            self._hub.detach(stream, stream.subscription)
            return await self._begin(stream, None)
        return b"".join(_shown(value, stream.viewer) for value in values)

    async def _write(self, response: web.StreamResponse, text: bytes) -> None:
        if text:
            async with asyncio.timeout(self._limits.send):
                await response.write(text)


def _last_event_id(request: web.BaseRequest) -> int | None:
    last = request.headers.get("Last-Event-ID", "")
    return int(last) if last.isascii() and last.isdecimal() and len(last) < 20 else None


def _shown(value: Mapping[str, Any], viewer: Viewer) -> bytes:
    data = viewer.seen("event", value["data"])
    return _event(data.get("event", "event"), orjson.dumps(data), value.get("seq"))


def _event(name: str, data: bytes, sequence: int | None) -> bytes:
    # An event's name comes from the bus: a line break in it would begin a field of its own.
    clean = "".join(c for c in str(name) if c.isprintable())
    number = b"" if sequence is None else b"id: %d\n" % sequence
    return number + b"event: " + clean.encode(errors="replace") + b"\ndata: " + data + b"\n\n"
