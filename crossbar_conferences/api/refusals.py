"""What the HTTP library refuses, answered and logged as everything else is; what it need not refuse, it gets
in a form that it takes.

Left to itself, aiohttp answers what it cannot read with a page of its own, and logs a traceback
that shows the request. Here both say what is wrong and nothing of what was sent: a line or header
may hold a token. tests/acceptance/test_refusals.py sees whether the library still works as it is
used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import StreamReader, http_exceptions, web
from aiohttp.web_protocol import _ErrInfo

from ..clock import Clock
from ..complaints import place_of
from . import envelope, responses
from .errors import ApiError, malformed_request
from .exchange import Exchange
from .reception import request_id
from .request_line import encoded, is_plain, is_unfinished
from .sniffing import Unsniffed

log = structlog.get_logger(__name__)

#: Answers a request that could not be read: with the reason, or ``None`` after a fault of ours.
Refuse = Callable[[web.BaseRequest, str | None], web.Response]

#: What is said of each kind of error, the first that fits.
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (http_exceptions.LineTooLong, "the request line or a header is too long"),
    (http_exceptions.BadHttpMethod, "the request line names no method"),
    (http_exceptions.BadStatusLine, "the request line cannot be read"),
    (http_exceptions.InvalidURLError, "the request line names no path"),
    (http_exceptions.InvalidHeader, "a header cannot be read"),
    (http_exceptions.PayloadEncodingError, "the body cannot be read"),
)
_OTHERWISE: Final = "what came is no request, or has too many headers"

_BROKEN_BODY: Final = "the body is broken"


@dataclass(frozen=True, slots=True)
class Refusals:
    """Answers in the envelope, and writes one line for each."""

    frame: envelope.Frame
    clock: Clock

    def answer(self, request: web.BaseRequest, reason: str | None) -> web.Response:
        """See `Refuse`."""
        exchange = Exchange(
            method="",
            path="",
            tokens=(),
            query={},
            headers={},
            client_ip=request.remote or "unknown",
            request_id=request_id({}),
        )
        if reason is None:
            error = ApiError("internal_error", {"message": "internal error"})
        else:
            error = malformed_request(reason)
        log.warning(
            "request_refused",
            reason=reason or "internal error",
            status=error.entry.status,
            client=exchange.client_ip,
            request_id=exchange.request_id,
        )
        return responses.error_response(exchange, self.frame, self.clock(), error)


class Server(web.Server):
    """aiohttp's server, with connections that answer in our way what they cannot read."""

    def __init__(self, handler: Any, refuse: Refuse, **options: Any) -> None:
        super().__init__(handler, **options)
        self._refuse = refuse

    def __call__(self) -> web.RequestHandler:
        """A new connection's protocol."""
        return _Connection(self, self._refuse, loop=self._loop, **self._kwargs)


class _Connection(Unsniffed):
    __slots__ = ("_body", "_held", "_longest_line", "_refuse")

    def __init__(self, server: Server, refuse: Refuse, **options: Any) -> None:
        super().__init__(server, **options)
        self._refuse = refuse
        self._longest_line: int = options["max_line_size"]
        #: Of the request that came last, and the part of a request line whose end has not come yet.
        self._body: StreamReader | None = None
        self._held = b""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what could not be read; called by aiohttp."""
        if request.writer.output_size > 0:
            # Part of another answer is out already.
            raise ConnectionError("an answer was begun")
        if status >= 500:
            self.log_exception(exc_info=exc)
        response = self._refuse(request, None if status >= 500 else _reason(exc))
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Says what went wrong in a connection; called by aiohttp, with the request in its arguments."""
        error = kw.get("exc_info")
        if not isinstance(error, web.RequestPayloadError):
            where = place_of(error) if isinstance(error, BaseException) else ""
            log.error("connection_failed", error=type(error).__name__, where=where)

    def data_received(self, data: bytes) -> None:
        """Bytes came; called by the event loop."""
        if self._held or (data and not is_plain(data) and self._may_begin()):
            data, self._held = self._held + data, b""
            if len(data) <= self._longest_line and is_unfinished(data):
                self._held = data
                return
            data = encoded(data)
        super().data_received(data)
        messages = self._messages
        if messages:
            self._body = messages[-1][1]
            if type(messages[-1][0]) is _ErrInfo:
                self._break_body()

    def eof_received(self) -> None:
        """The client says no more; called by the event loop."""
        request = self._current_request
        if request is None or request.content.is_eof() or self._upgraded:
            return None
        request.content.set_exception(web.RequestPayloadError(_BROKEN_BODY))
        # It may still listen: the connection is kept until it has its answer.
        return True  # type: ignore[return-value]

    def _may_begin(self) -> bool:
        """Whether what comes now may be the beginning of a request: nothing of a body is awaited, and all
        that came before was looked at."""
        body = self._body
        return (body is None or body.is_eof()) and not self._upgraded and not self._buffer_paused

    def _break_body(self) -> None:
        """What could not be read may be the body of a request that is in hand: that is told of it, since
        aiohttp does not, and answers for both."""
        broken = None
        if len(self._messages) > 1:
            broken = self._messages[-2][1]
        elif self._current_request is not None:
            broken = self._current_request.content
        if broken is None or broken.is_eof() or broken.exception() is not None:
            return
        self._messages.pop()
        broken.set_exception(web.RequestPayloadError(_BROKEN_BODY))


def _reason(error: BaseException | None) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), _OTHERWISE)
