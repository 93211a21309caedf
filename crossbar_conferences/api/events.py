"""``GET …/conferences/{ID}/events``: the conference's events as they come (server-sent events)."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from ..conference import guests
from ..sockets.resuming import Looker
from ..sockets.stream import EventStreams, everything
from . import responses, sniffing
from .errors import ApiError
from .exchange import Exchange
from .reading import Reader


@dataclass(frozen=True, slots=True)
class EventsHandler:
    """Streams to a client for as long as it listens."""

    reader: Reader
    streams: EventStreams
    looker: Looker

    async def stream(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse:
        """The stream; refused like a GET of the conference where that is refused."""
        await self.reader.conference(exchange)
        await self.reader.sighting(exchange)
        if self.streams.is_full:
            raise ApiError("overloaded", {"message": "too many streams"}, headers={"retry-after": "1"})
        exchange.becomes_stream()
        return await self.streams.run(
            request,
            exchange.account_id,
            exchange.conference_id,
            self.looker,
            {**responses.plain_headers(exchange), sniffing.NAME: sniffing.VALUE},
            guests.seen if exchange.is_guest else everything,
        )
