"""``GET …/conferences/{ID}/events``: the conference's events as they come (server-sent events)."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from ..clock import Clock
from ..conference import presentation
from ..sockets.hub import Hub
from ..sockets.stream import EventStream
from . import responses
from .exchange import Exchange
from .reading import Reader


@dataclass(frozen=True, slots=True)
class EventsHandler:
    """Streams to one client for as long as it listens."""

    reader: Reader
    hub: Hub
    clock: Clock

    async def stream(self, exchange: Exchange, request: web.Request) -> web.StreamResponse:
        """The stream; refused like a GET of the conference where that is refused."""
        await self.reader.conference(exchange)
        room = await self.reader.live(exchange)
        stream = EventStream(self.hub, self.clock, presentation.metadata)
        headers = responses.plain_headers(exchange)
        return await stream.run(request, exchange.account_id, exchange.conference_id, room, headers)
