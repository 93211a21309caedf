"""The order in which a request is looked at: the first check that fails is the answer.

Kazoo's order (http.md 1.5): the body comes before the path, the path before the account, the
account before the token, the token before the representation; then the resource validates,
preconditions are compared, and only then something is done.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..logs import bind, say
from ..store.port import DatabaseMissing
from . import envelope, negotiation, responses, routes
from .body import is_json_type
from .errors import (
    ApiError,
    bad_identifier,
    invalid_credentials,
    invalid_method,
    not_found,
    overloaded,
    request_timeout,
    store_unreachable,
)
from .exchange import Exchange
from .faults import as_api_error
from .gate import Gate
from .listeners import HttpHandler
from .load import Load, Place
from .patience import Patience
from .reception import Reception, target

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
        """Do it; not called for a GET, whatever verb that names (`Exchange.only_reads`)."""


_WEBSOCKET = "/websocket"
_API = "/v"

#: A route that streams answers the response itself (server-sent events).
Streamer = Callable[[Exchange, web.BaseRequest], Awaitable[web.StreamResponse]]


#: Answers a GET from memory, or says that it cannot.
Recall = Callable[[Exchange], bool]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Takes every HTTP request of the API port."""

    gate: Gate
    handlers: Mapping[str, Handler]
    streamers: Mapping[str, Streamer]
    #: Of routes whose GET is often answered from memory.
    recalls: Mapping[str, Recall]
    #: Takes what comes to ``/websocket``.
    websocket: HttpHandler
    frame: envelope.Frame
    clock: Clock
    reception: Reception
    #: Seconds for everything before something is done; what is done has limits of its own.
    seconds: float
    load: Load
    #: Forgets what is in memory of an account.
    forget_account: Callable[[str], None]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; whatever happens, with a response from the catalogue."""
        # A whole URL may be one of it too.
        if not request.raw_path.startswith(_API) and _is_websocket(request):
            return await self.websocket(request)
        begun = time.perf_counter()
        place = self.load.place()
        try:
            exchange = self.reception.exchange(request, place)
            response = await self._respond(request, exchange, place)
        finally:
            place.leave()
        seconds = time.perf_counter() - begun
        # The one line that says what a request was; what else is logged has its id.
        identity = exchange.identity
        fields = {
            "method": exchange.verb,
            "path": exchange.path[:512],
            "status": response.status,
            "seconds": int(seconds * 10_000) / 10_000,
            "client": exchange.client_ip,
            "account": identity.account_id if identity else None,
            "user": identity.owner_id if identity else None,
            "request_id": exchange.request_id,
        }
        level = "info"
        if exchange.failure is not None:
            fields["reason"] = exchange.failure
            level = _level(response.status)
        say("request", fields, level)
        self.load.observe(exchange.route, exchange.verb, response.status, seconds)
        return response

    async def _respond(
        self, request: web.BaseRequest, exchange: Exchange, place: Place
    ) -> web.StreamResponse:
        try:
            if self.load.is_over():
                raise overloaded()
            remembered = self._from_memory(request, exchange)
            if remembered is not None:
                return remembered
            # From here on others may log something on behalf of this request.
            bind(request_id=exchange.request_id)
            patience = Patience(self.seconds)
            return await patience.with_(self._answer(request, exchange, place, patience))
        except DatabaseMissing as error:
            return self._failed(exchange, self._gone(exchange, error))
        except CrossbarConferencesError as error:
            return self._failed(exchange, as_api_error(error))
        except TimeoutError:
            log.warning("request_too_slow", received=exchange.received)
            return self._failed(exchange, store_unreachable() if exchange.received else request_timeout())
        except Exception:
            log.exception("request_failed", method=exchange.method, request_id=exchange.request_id)
            data = {"message": "internal error"}
            return self._failed(exchange, ApiError("internal_error", data))

    def _gone(self, exchange: Exchange, error: DatabaseMissing) -> ApiError:
        """The answer when a database is not there: below an account it is the account's own."""
        account_id = exchange.parameters.get("account_id")
        if account_id is None:
            return as_api_error(error)
        # Nobody has told us: what is in memory of the account is of no use any more.
        self.forget_account(account_id)
        return bad_identifier(account_id)

    def _failed(self, exchange: Exchange, error: ApiError) -> web.Response:
        exchange.failure = error.entry.name
        return responses.error_response(exchange, self.frame, self.clock(), error)

    def _from_memory(self, request: web.BaseRequest, exchange: Exchange) -> web.Response | None:
        """The answer to a plain GET like one that was let in before, when nothing has to be waited for.

        The same steps as in `_answer`, without those that can only go one way then."""
        if exchange.method != "GET" or "?" in request.raw_path or request.can_read_body:
            return None
        if not is_json_type(exchange.headers.get("Content-Type")):
            return None
        route = exchange.readmitted = self.gate.readmit(exchange)
        recall = self.recalls.get(route.name) if route is not None else None
        if recall is None:
            return None
        representation = negotiation.choose(exchange.accept, None)
        exchange.wants_csv, exchange.marks_csv = representation.csv, representation.marked
        if not recall(exchange):
            return None
        exchange.negotiated = True
        unmodified = self._unmodified(exchange)
        return unmodified or responses.success_response(exchange, self.frame, self.clock())

    async def _answer(
        self, request: web.BaseRequest, exchange: Exchange, place: Place, patience: Patience
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
        await self.reception.read(request, exchange)
        # Nothing was waited for since, and there was nothing to read that could say otherwise.
        route = exchange.readmitted or self.gate.readmit(exchange)
        if route is None:
            heard = self.gate.admissions.changes.heard
            await self.gate.authenticate_early(exchange)
            match = self._match(exchange)
            route = match.route
            if exchange.method == "OPTIONS":
                if not negotiation.is_cors_request(exchange.headers):
                    raise invalid_method()
                return responses.preflight_response(exchange)
            if exchange.verb not in route.verbs:
                raise invalid_method()
            await self._admit(exchange, route)
            await self.gate.remember(exchange, match, heard)
        override = exchange.value("accept") if exchange.verb == "GET" else None
        representation = (
            negotiation.choose(exchange.accept, override if isinstance(override, str) else None)
            if route.name not in self.streamers
            else negotiation.Representation()
        )
        exchange.wants_csv = representation.csv
        exchange.marks_csv = representation.marked or exchange.flag("csv_bom")
        exchange.negotiated = True
        if exchange.identity is not None:
            place.claim(exchange.identity.share)
        if route.name in self.streamers:
            patience.end()
            return await self.streamers[route.name](exchange, request)
        return await self._run(exchange, self.handlers[route.name], patience)

    async def _run(self, exchange: Exchange, handler: Handler, patience: Patience) -> web.Response:
        await handler.validate(exchange)
        unmodified = self._unmodified(exchange)
        if unmodified is not None:
            return unmodified
        if exchange.method in _WITH_BODY and exchange.body_kind == "file":
            raise ApiError("unsupported_media_type")
        if not exchange.only_reads:
            # What is begun is not broken off.
            patience.end()
            await handler.execute(exchange)
        elif exchange.verb != "GET":
            envelope.show_undone(exchange)
        return responses.success_response(exchange, self.frame, self.clock())

    def _unmodified(self, exchange: Exchange) -> web.Response | None:
        """The answer that the client has already what it asks for, if it has; raises 412."""
        etag, others = exchange.answer.etag, exchange.answer.also_matches
        verb = "GET" if exchange.only_reads else exchange.verb
        is_known = negotiation.check_preconditions(verb, exchange.headers, etag, others)
        return responses.not_modified(exchange) if is_known else None

    def _match(self, exchange: Exchange) -> routes.Match:
        tokens = exchange.tokens
        if tokens and tokens[0] == "account":
            # The token's own account (http.md 1.2).
            if exchange.identity is None:
                raise invalid_credentials()
            tokens = ("accounts", exchange.identity.account_id, *tokens[1:])
        match = routes.match(tokens)
        if match is None:
            exchange.allowed = ()
            if not tokens or tokens[0] not in _RESOURCES:
                raise not_found() if exchange.identity is not None else invalid_credentials()
            raise not_found()
        exchange.enter(match)
        return match

    async def _admit(self, exchange: Exchange, route: routes.Route) -> None:
        if route.guest:
            return
        account_id = exchange.parameters.get("account_id")
        if account_id is not None:
            exchange.account = await self.gate.account(account_id)
        await self.gate.authenticate(exchange)
        await self.gate.authorize(exchange)


def _level(status: int) -> str:
    """Of a failed request's line: a fault of ours, something that is away, or the client's matter."""
    if status < 500 or status == 501:
        return "info"
    return "warning" if status == 503 else "error"


def _is_websocket(request: web.BaseRequest) -> bool:
    return request.method == "GET" and target(request).partition("?")[0] == _WEBSOCKET
