"""The order in which a request is looked at: the first check that fails is the answer.

Kazoo's order (http.md 1.5): the body comes before the path, the path before the account, the
account before the token, the token before the representation; then the resource validates,
preconditions are compared, and only then something is done.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from ..clock import Clock
from ..errors import CrossbarConferencesError
from . import envelope, negotiation, responses, routes
from .body import Body, BodyLimits, check_query, read_body, read_query, too_large
from .errors import (
    ApiError,
    invalid_account,
    invalid_credentials,
    invalid_method,
    not_found,
    request_timeout,
    store_unreachable,
)
from .exchange import Exchange
from .faults import as_api_error
from .gate import Gate

log = structlog.get_logger(__name__)

#: Bodies of these verbs must be of a type that the API reads (http.md 1.8).
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

#: What a path may begin with; anything else is told to nobody without a token.
_RESOURCES = frozenset({"accounts", "conferences", "conference_auth", "websockets"})

_GREETING = "crossbar-conferences: the conferences API of a Kazoo cluster. Its paths begin with /v2/.\n"


class Handler(Protocol):
    """A route's code. `validate` loads and checks and fills the answer of a GET; `execute` does
    what the other verbs ask for, after the preconditions held."""

    async def validate(self, exchange: Exchange) -> None:
        """Look, don't touch."""

    async def execute(self, exchange: Exchange) -> None:
        """Do it; not called for GET."""


#: Told of every request that is done: route, verb, status, seconds.
Observer = Callable[[str, str, int, float], None]

#: A route that streams answers the response itself (server-sent events).
Streamer = Callable[[Exchange, web.Request], Awaitable[web.StreamResponse]]


class Load:
    """How many requests are in hand, against a limit; told of each when it is done."""

    def __init__(self, limit: int, observer: Observer | None = None) -> None:
        self.running = 0
        self._limit = limit
        self._observer = observer
        self._none = asyncio.Event()
        self._none.set()

    def is_over(self) -> bool:
        """Whether there are more requests than may be."""
        return self.running > self._limit

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one request while it is in hand."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Don't count one request meanwhile."""
        self._count(-1)
        try:
            yield
        finally:
            self._count(1)

    async def over(self, within: float) -> bool:
        """Wait until no request is in hand, so many seconds at most; whether it came to that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._none.wait()
        return self.running == 0

    def _count(self, step: int) -> None:
        self.running += step
        if self.running:
            self._none.clear()
        else:
            self._none.set()

    def observe(self, route: str, verb: str, status: int, seconds: float) -> None:
        """A request is done."""
        if self._observer is not None:
            self._observer(route, verb, status, seconds)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Takes every HTTP request of the API port."""

    gate: Gate
    handlers: Mapping[str, Handler]
    streamers: Mapping[str, Streamer]
    frame: envelope.Frame
    clock: Clock
    body_limits: BodyLimits
    #: Seconds for everything before something is done; what is done has limits of its own.
    patience: float
    trusted_proxies: frozenset[str]
    load: Load

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; whatever happens, with a response from the catalogue."""
        exchange = self._exchange(request)
        begun = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        with self.load.one():
            response = await self._respond(request, exchange)
        seconds = time.perf_counter() - begun
        # The one line that says what a request was; what else is logged has its id.
        log.info(
            "request",
            method=exchange.verb,
            path=exchange.path[:512],
            status=response.status,
            seconds=round(seconds, 4),
            client=exchange.client_ip,
            account=exchange.identity.account_id if exchange.identity else None,
            user=exchange.identity.owner_id if exchange.identity else None,
        )
        self.load.observe(exchange.route, exchange.verb, response.status, seconds)
        return response

    async def _respond(self, request: web.Request, exchange: Exchange) -> web.StreamResponse:
        try:
            if self.load.is_over():
                data = {"message": "too many requests at once"}
                raise ApiError("overloaded", data, headers={"retry-after": "1"})
            async with asyncio.timeout(self.patience) as patience:
                return await self._answer(request, exchange, patience)
        except CrossbarConferencesError as error:
            return self._failed(exchange, as_api_error(error))
        except TimeoutError:
            log.warning("request_too_slow", received=exchange.received)
            return self._failed(exchange, store_unreachable() if exchange.received else request_timeout())
        except Exception:
            log.exception("request_failed", method=exchange.method)
            data = {"message": "internal error"}
            return self._failed(exchange, ApiError("internal_error", data))

    def _failed(self, exchange: Exchange, error: ApiError) -> web.Response:
        return responses.error_response(exchange, self.frame, self.clock(), error)

    async def _answer(
        self, request: web.Request, exchange: Exchange, patience: asyncio.Timeout
    ) -> web.StreamResponse:
        if exchange.method not in negotiation.KNOWN_METHODS:
            raise ApiError("unknown_method")
        version = routes.version_of(exchange.tokens[0]) if exchange.tokens else None
        if version is None:
            return web.Response(text=_GREETING)
        if version < 2:
            # The recorded answer: the text itself, not an object.
            raise ApiError(
                "gone", f"API version {version} is not supported. Please upgrade your code to use version 2."
            )
        exchange.tokens = exchange.tokens[1:]
        await self._read(request, exchange)
        await self.gate.authenticate_early(exchange)
        route = self._route(exchange)
        if exchange.method == "OPTIONS":
            if not negotiation.is_cors_request(exchange.headers):
                raise invalid_method()
            return responses.preflight_response(exchange)
        if exchange.verb not in route.verbs:
            raise invalid_method()
        await self._admit(exchange, route)
        override = exchange.value("accept") if exchange.verb == "GET" else None
        representation = (
            negotiation.choose(
                exchange.headers.get("Accept"), override if isinstance(override, str) else None
            )
            if route.name not in self.streamers
            else negotiation.Representation()
        )
        exchange.wants_csv = representation.csv
        exchange.negotiated = True
        if route.name in self.streamers:
            patience.reschedule(None)
            # A stream goes on for hours, and has a limit of its own.
            with self.load.set_aside():
                return await self.streamers[route.name](exchange, request)
        return await self._run(exchange, self.handlers[route.name], patience)

    async def _run(self, exchange: Exchange, handler: Handler, patience: asyncio.Timeout) -> web.Response:
        await handler.validate(exchange)
        answer = exchange.answer
        if answer.is_list and exchange.verb == "GET":
            answer.revision = envelope.list_tag(exchange)
            answer.etag = f'W/"{answer.revision}"'
        if negotiation.check_preconditions(exchange.verb, exchange.headers, answer.etag, answer.also_matches):
            return responses.not_modified(exchange)
        if exchange.method in _WITH_BODY and exchange.body_kind == "file":
            raise ApiError("unsupported_media_type")
        if exchange.verb != "GET":
            # What is begun is not broken off.
            patience.reschedule(None)
            await handler.execute(exchange)
        return responses.success_response(exchange, self.frame, self.clock())

    def _exchange(self, request: web.Request) -> Exchange:
        # The raw path: an id may hold an encoded slash, which must not become a separator.
        raw_path, _, raw_query = request.raw_path.partition("?")
        parts = list(raw_path.split("/")[1:])
        while parts and not parts[-1]:
            parts.pop()
        return Exchange(
            method=request.method,
            path="/" + "/".join(parts),
            tokens=tuple(_decode(part) for part in parts),
            query=read_query(raw_query),
            headers=request.headers,
            client_ip=self._client_ip(request, request.headers),
            request_id=_request_id(request.headers),
            verb=request.method,
        )

    def _client_ip(self, request: web.Request, headers: CIMultiDictProxy[str]) -> str:
        peer = request.remote or "unknown"
        forwarded = headers.get("X-Forwarded-For")
        # Kazoo takes the header's whole text, from a proxy that it trusts (data.md 8).
        return forwarded[:256] if forwarded and peer in self.trusted_proxies else peer

    async def _read(self, request: web.Request, exchange: Exchange) -> None:
        limit = self.body_limits.size
        if (request.content_length or 0) > limit:
            raise too_large(limit)
        raw = bytearray()
        if request.can_read_body:
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > limit:
                    raise too_large(limit)
        exchange.received = True
        body: Body = read_body(bytes(raw), exchange.headers.get("Content-Type"), self.body_limits)
        check_query(request.raw_path.partition("?")[2])
        exchange.data, exchange.envelope, exchange.body_kind = body.data, body.envelope, body.kind
        exchange.body_digest = hashlib.sha256(raw).hexdigest()
        verb = exchange.value("verb")
        if isinstance(verb, str) and verb and exchange.method != "OPTIONS":
            exchange.verb = verb.upper()

    def _route(self, exchange: Exchange) -> routes.Route:
        tokens = exchange.tokens
        if tokens and tokens[0] == "account":
            # The token's own account (http.md 1.2).
            if exchange.identity is None:
                raise invalid_credentials()
            tokens = ("accounts", exchange.identity.account_id, *tokens[1:])
        found = routes.match(tokens)
        if found is None:
            exchange.allowed = ()
            if not tokens or tokens[0] not in _RESOURCES:
                raise not_found() if exchange.identity is not None else invalid_credentials()
            raise not_found()
        route, exchange.parameters = found
        exchange.allowed = route.verbs
        exchange.route = route.name
        exchange.endpoint = tokens[route.endpoint_at]
        exchange.arguments = tokens[route.endpoint_at + 1 :]
        return route

    async def _admit(self, exchange: Exchange, route: routes.Route) -> None:
        if route.guest:
            return
        account_id = exchange.parameters.get("account_id")
        if account_id is not None:
            exchange.account = await self.gate.account(account_id)
            if exchange.account is None:
                raise invalid_account()
        await self.gate.authenticate(exchange)
        await self.gate.authorize(exchange)


def _decode(part: str) -> str:
    return unquote(part, errors="replace")


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("X-Request-ID", "")
    # It is echoed in a header and sent over AMQP: text that can do harm there is not taken.
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return secrets.token_hex(16)
