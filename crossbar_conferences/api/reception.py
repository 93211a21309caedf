"""From an HTTP request to an `Exchange`: its path, its query, who asks, and then its body.

Source: http.md 1.2, 1.8, 2; data.md 8.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from aiohttp import web

from .body import BodyLimits, check_query, read_body, read_query, too_large
from .exchange import Exchange

#: Paths that are remembered, and the length up to which one is.
_KNOWN_PATHS = 2_048
_SHORT_PATH = 512

#: Methods that no ``verb`` in the request replaces. With HEAD Kazoo answers 405, whatever is meant.
_OWN_VERB = frozenset({"OPTIONS", "HEAD"})

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reception:
    """Reads requests. ``trusted_proxies``: addresses that may say for whom they ask."""

    body_limits: BodyLimits
    trusted_proxies: frozenset[str]

    def exchange(self, request: web.BaseRequest) -> Exchange:
        """What can be said of a request before its body was read."""
        raw_path, _, raw_query = request.raw_path.partition("?")
        path, tokens = read_path(raw_path)
        headers, method = request.headers, request.method
        return Exchange(
            method=method,
            path=path,
            tokens=tokens,
            query=read_query(raw_query) if raw_query else {},
            headers=headers,
            client_ip=self._client_ip(request, headers),
            request_id=request_id(headers),
            verb=method,
        )

    async def read(self, request: web.BaseRequest, exchange: Exchange) -> None:
        """Read the body into the exchange. Raises `ApiError`."""
        content_type = exchange.headers.get("Content-Type")
        raw = b""
        if request.can_read_body:
            raw = await self._bytes(request)
        exchange.received = True
        if raw or content_type is not None:
            body = read_body(raw, content_type, self.body_limits)
            exchange.data, exchange.envelope, exchange.body_kind = body.data, body.envelope, body.kind
        raw_query = request.raw_path.partition("?")[2]
        if raw_query:
            check_query(raw_query)
        exchange.raw = raw
        verb = exchange.value("verb")
        if isinstance(verb, str) and verb and exchange.method not in _OWN_VERB:
            exchange.verb = verb.upper()

    async def _bytes(self, request: web.BaseRequest) -> bytes:
        limit = self.body_limits.size
        if (request.content_length or 0) > limit:
            raise too_large(limit)
        if request.headers.get("Expect", "").lower() == "100-continue":
            # The client waits with a long body until it hears that anybody wants it.
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0
        content = request.content
        if content.is_eof():
            # It came together with the headers, as short bodies do.
            whole = content.read_nowait()
            if len(whole) > limit:
                raise too_large(limit)
            return whole
        raw = bytearray()
        async for chunk in content.iter_any():
            raw += chunk
            if len(raw) > limit:
                raise too_large(limit)
        return bytes(raw)

    def _client_ip(self, request: web.BaseRequest, headers: Mapping[str, str]) -> str:
        peer = request.remote or "unknown"
        forwarded = headers.get("X-Forwarded-For")
        # Kazoo takes the header's whole text, from a proxy that it trusts (data.md 8).
        return forwarded[:256] if forwarded and peer in self.trusted_proxies else peer


def read_path(raw_path: str) -> tuple[str, tuple[str, ...]]:
    """A path without empty segments at its end, and its segments, decoded.

    From the raw path: an id may hold an encoded slash, which must not become a separator."""
    return _known_path(raw_path) if len(raw_path) <= _SHORT_PATH else _read_path(raw_path)


def _read_path(raw_path: str) -> tuple[str, tuple[str, ...]]:
    parts = raw_path.split("/")[1:]
    while parts and not parts[-1]:
        parts.pop()
    return "/" + "/".join(parts), tuple(unquote(part, errors="replace") for part in parts)


_known_path = lru_cache(_KNOWN_PATHS)(_read_path)


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the client gave its request, or a new one: 32 hex digits."""
    given = headers.get("X-Request-ID", "")
    # It is echoed in a header and sent over AMQP: text that can do harm there is not taken.
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    # An id and no secret: it need not cost a call to the system.
    return f"{random.getrandbits(128):032x}"
