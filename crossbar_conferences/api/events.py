"""``GET …/conferences/{ID}/events``: the conference's events as they come (server-sent events)."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from ..addresses import limited_as
from ..conference import guests
from ..sockets.bindings import parse
from ..sockets.places import MAX_HEADERS, PlaceRefused, header_bytes
from ..sockets.resuming import Looker
from ..sockets.reviews import Unauthorized
from ..sockets.stream import EventStreams, Viewer, everything
from . import credentials, responses, sniffing
from .errors import ApiError, too_many_requests
from .exchange import Exchange
from .reading import Reader
from .standing import Standing, error_of


@dataclass(frozen=True, slots=True)
class EventsHandler:
    """Streams to a client for as long as it listens, and may."""

    reader: Reader
    streams: EventStreams
    looker: Looker
    standing: Standing

    async def stream(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse:
        """The stream; refused like a GET of the conference where that is refused."""
        if header_bytes(request) > MAX_HEADERS:
            raise ApiError("headers_too_long")
        await self.reader.conference(exchange)
        await self.reader.sighting(exchange)
        found = credentials.find(exchange)
        assert found is not None
        assert exchange.identity is not None
        watch = self.standing.stream(exchange)
        # It may be long, and a stream lasts.
        exchange.forget_body()
        seen = guests.seen if exchange.is_guest else everything
        share = exchange.identity.share
        viewer = Viewer(share, limited_as(exchange.client_ip), found.text, seen=seen)
        try:
            place = self.streams.enter(viewer)
        except PlaceRefused as refusal:
            raise _refused(refusal) from None
        exchange.becomes_stream()
        try:
            return await self.streams.run(
                request,
                parse(f"conference.event.*.{exchange.conference_id}.*", exchange.account_id),
                self.looker,
                {**responses.plain_headers(exchange), sniffing.NAME: sniffing.VALUE},
                viewer,
                watch,
            )
        except Unauthorized as refusal:
            raise error_of(refusal) from None
        finally:
            place.leave()


def _refused(refusal: PlaceRefused) -> ApiError:
    if refusal.of == "all":
        return ApiError("overloaded", {"message": "too many streams"}, headers={"retry-after": "1"})
    return too_many_requests()
