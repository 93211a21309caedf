"""From an HTTP request to an `Exchange`: its path, its query, who asks, and then its body.

Source: http.md 1.2, 1.8, 2; data.md 8.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from ..addresses import TrustedProxies, limited_as
from . import coding
from .body import BodyLimits, check_query, read_body, read_parameters, too_large, unquoted
from .errors import malformed_request
from .exchange import Exchange
from .load import Place

#: Paths that are remembered, and the length up to which one is.
_KNOWN_PATHS = 2_048
_SHORT_PATH = 512

#: Methods that no ``verb`` in the request replaces. With HEAD Kazoo answers 405, whatever is meant.
_OWN_VERB = frozenset({"OPTIONS", "HEAD"})

#: What stands before the path in a whole URL.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reception:
    """Reads requests. ``trusted_proxies``: those that may say for whom they ask."""

    body_limits: BodyLimits
    trusted_proxies: TrustedProxies

    def exchange(self, request: web.BaseRequest, place: Place) -> Exchange:
        """What can be said of a request before its body was read."""
        raw_path, _, raw_query = target(request).partition("?")
        path, tokens = read_path(raw_path)
        headers, method = request.headers, request.method
        query, repeated = read_parameters(raw_query) if raw_query else ({}, ())
        return Exchange(
            method=method,
            path=path,
            tokens=tokens,
            query=query,
            repeated=repeated,
            headers=headers,
            accept=", ".join(headers.getall("Accept")) if "Accept" in headers else None,
            client_ip=self.trusted_proxies.client(request.remote, headers.getall("X-Forwarded-For", ())),
            request_id=request_id(headers),
            verb=method,
            place=place,
            ends_in_slash=raw_path.endswith("/"),
        )

    async def read(self, request: web.BaseRequest, exchange: Exchange) -> None:
        """Read the body into the exchange. Raises `ApiError`."""
        content_type = exchange.headers.get("Content-Type")
        raw = b""
        if request.can_read_body:
            raw = await self._body(request, exchange)
        exchange.received = True
        if raw or content_type is not None:
            body = read_body(raw, content_type, self.body_limits)
            exchange.data, exchange.envelope, exchange.body_kind = body.data, body.envelope, body.kind
        raw_query = target(request).partition("?")[2]
        if raw_query:
            check_query(raw_query)
        exchange.raw = raw
        verb = exchange.value("verb")
        if isinstance(verb, str) and verb and exchange.method not in _OWN_VERB:
            exchange.verb = verb.upper()

    async def _body(self, request: web.BaseRequest, exchange: Exchange) -> bytes:
        """The body, unpacked."""
        # The token may stand in the body too, but who says nothing before may say only so much.
        limit = self.body_limits.size if _names_token(exchange) else self.body_limits.anonymous
        packed_with = coding.coding_of(request.headers.getall("Content-Encoding", ()))
        try:
            raw = await self._bytes(request, exchange, limit)
            if packed_with is None or not raw:
                return raw
            unpacked = coding.unpacked(raw, packed_with, limit)
        except coding.TooLong:
            raise too_large(limit) from None
        except (web.RequestPayloadError, ConnectionError):
            # Broken chunks, or an end before the end; of one who has gone nobody reads the answer.
            raise malformed_request("the body is broken, or its end did not come") from None
        _hold(exchange, len(unpacked))
        return unpacked

    async def _bytes(self, request: web.BaseRequest, exchange: Exchange, limit: int) -> bytes:
        if (request.content_length or 0) > limit:
            raise coding.TooLong
        if request.headers.get("Expect", "").lower() == "100-continue":
            # The client waits with a long body until it hears that anybody wants it.
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0
        content = request.content
        if content.is_eof():
            # It came together with the headers, as short bodies do.
            whole = content.read_nowait()
            if len(whole) > limit:
                raise coding.TooLong
            _hold(exchange, len(whole))
            return whole
        raw = bytearray()
        assert exchange.place is not None
        with exchange.place.reading(limited_as(exchange.client_ip)):
            async for chunk in content.iter_any():
                raw += chunk
                if len(raw) > limit:
                    raise coding.TooLong
                _hold(exchange, len(chunk))
        return bytes(raw)


def _hold(exchange: Exchange, amount: int) -> None:
    if exchange.place is not None:
        exchange.place.hold(limited_as(exchange.client_ip), amount)


def _names_token(exchange: Exchange) -> bool:
    """Whether there is a credential outside of the body (http.md 2.3), good or bad."""
    headers, query = exchange.headers, exchange.query
    return bool(
        headers.get("X-Auth-Token")
        or headers.get("Authorization")
        or query.get("auth_token")
        or query.get("authorization")
    )


def target(request: web.BaseRequest) -> str:
    """The path and query that a request is about, as they came.

    A client that was told of a proxy names the whole URL (RFC 9112 3.2.2)."""
    raw = request.raw_path
    if "#" in raw:
        # No part of what is asked for, and left out by Kazoo's server too.
        raw = raw.partition("#")[0]
    if raw.startswith("/"):
        return raw
    whole = _URL.match(raw)
    if whole is None:
        return raw
    rest = raw[whole.end() :]
    return rest if rest.startswith("/") else "/" + rest


def read_path(raw_path: str) -> tuple[str, tuple[str, ...]]:
    """A path without empty segments at its end, and its segments, decoded.

    From the raw path: an id may hold an encoded slash, which must not become a separator."""
    return _known_path(raw_path) if len(raw_path) <= _SHORT_PATH else _read_path(raw_path)


def _read_path(raw_path: str) -> tuple[str, tuple[str, ...]]:
    parts = raw_path.split("/")[1:]
    while parts and not parts[-1]:
        parts.pop()
    return "/" + "/".join(parts), tuple(map(unquoted, parts))


_known_path = lru_cache(_KNOWN_PATHS)(_read_path)


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the client gave its request, or a new one: 32 hex digits."""
    given = headers.get("X-Request-ID", "")
    # It is echoed in a header and sent over AMQP: text that can do harm there is not taken.
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    # An id and no secret: it need not cost a call to the system.
    return f"{random.getrandbits(128):032x}"
