"""An exchange, done, as an HTTP response.

Source: http.md 1.7, 1.10, 3; recordings ``entry``.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ..conference.csv import to_csv
from . import envelope, negotiation
from .errors import ApiError
from .exchange import Exchange, is_true

#: Shorter bodies are not worth compressing (http.md 1.10).
COMPRESS_FROM = 300

#: Names of JavaScript with dots and indexes between them, and nothing else: the text becomes code.
_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*|\[[0-9]{1,9}\])*")
_LONGEST_CALLBACK = 128
_UNSAFE_IN_FILE_NAME = re.compile(r"[^A-Za-z0-9._ -]")


def success_response(exchange: Exchange, frame: envelope.Frame, now: float) -> web.Response:
    """The response to an exchange that went well."""
    answer = exchange.answer
    headers = plain_headers(exchange, always_cors=answer.explicit)
    headers.update(answer.headers)
    if answer.location is not None:
        headers["location"] = answer.location
    if exchange.verb == "GET":
        headers["expires"] = negotiation.EXPIRED
        if answer.etag is not None:
            headers["etag"] = answer.etag
    if exchange.wants_csv and exchange.verb == "GET" and isinstance(answer.data, list | Mapping):
        return _csv_response(exchange, headers)
    pretty = _wants_pretty(exchange)
    body = envelope.success(exchange, frame, now, pretty=pretty)
    return _json_response(exchange, answer.status, body, headers, pretty)


def not_modified(exchange: Exchange) -> web.Response:
    """304: what the client holds is still right."""
    headers = plain_headers(exchange, always_cors=False)
    headers["expires"] = negotiation.EXPIRED
    if exchange.answer.etag is not None:
        headers["etag"] = exchange.answer.etag
    return web.Response(status=304, headers=headers)


def error_response(exchange: Exchange, frame: envelope.Frame, now: float, error: ApiError) -> web.Response:
    """The response to an exchange that failed; some errors have no body (http.md 7)."""
    if error.entry.empty:
        plain = plain_headers(exchange, always_cors=False)
        return web.Response(status=error.entry.status, headers={**plain, **error.headers})
    headers = plain_headers(exchange, always_cors=True)
    if exchange.answer.location is not None:
        headers["location"] = exchange.answer.location
    headers.update(error.headers)
    body = envelope.failure(exchange, frame, now, error)
    return _json_response(exchange, error.entry.status, body, headers, _wants_pretty(exchange))


def preflight_response(exchange: Exchange) -> web.Response:
    """The answer to a browser's preflight."""
    return web.Response(headers=plain_headers(exchange, always_cors=True))


def plain_headers(exchange: Exchange, *, always_cors: bool = False) -> dict[str, str]:
    """The headers that every answer has."""
    headers = {"x-request-id": exchange.request_id}
    if exchange.negotiated:
        headers["content-language"] = negotiation.language(exchange.headers.get("Accept-Language"))
        headers["vary"] = "accept-language, accept"
    if always_cors or negotiation.is_cors_request(exchange.headers):
        headers.update(negotiation.cors_headers(exchange.allowed))
    return headers


def _wants_pretty(exchange: Exchange) -> bool:
    if not exchange.query and not exchange.envelope and "X-Pretty-Print" not in exchange.headers:
        return False
    return is_true(exchange.headers.get("X-Pretty-Print")) or exchange.flag("pretty_print")


def _json_response(
    exchange: Exchange, status: int, body: Mapping[str, Any], headers: dict[str, str], pretty: bool
) -> web.Response:
    text = envelope.dumps(body, pretty=pretty)
    callback = exchange.value("jsonp")
    if isinstance(callback, str) and len(callback) <= _LONGEST_CALLBACK and _CALLBACK.fullmatch(callback):
        text = callback.encode() + b"(" + _as_script(text) + b");"
    # Exactly this, without a charset: Monster UI compares it (realtime-ui-tests.md B.1).
    headers["content-type"] = "application/json"
    return _maybe_compressed(exchange, status, text, headers)


def _as_script(text: bytes) -> bytes:
    # Two signs that may stand in JSON, and end a line in the JavaScript of old browsers.
    return text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def _csv_response(exchange: Exchange, headers: dict[str, str]) -> web.Response:
    shown = exchange.answer.data
    # One object is a table of one line, as in Kazoo.
    rows = [row for row in (shown if isinstance(shown, list) else [shown]) if isinstance(row, Mapping)]
    if not any(rows):
        # To a page of another origin an answer without CORS headers is a failure.
        return web.Response(status=204, headers=plain_headers(exchange))
    text = to_csv(rows)
    headers["content-type"] = "text/csv"
    if exchange.marks_csv:
        # Without the mark spreadsheets take letters beyond ASCII for those of their own code page.
        headers["content-type"], text = "text/csv; charset=utf-8", "\ufeff" + text
    name = _file_name(exchange)
    headers["content-disposition"] = f'attachment; filename="{name}"'
    return _maybe_compressed(exchange, 200, text.encode("utf-8", "replace"), headers)


def _file_name(exchange: Exchange) -> str:
    given = exchange.headers.get("X-File-Name") or exchange.value("file_name")
    if isinstance(given, str) and given:
        return _UNSAFE_IN_FILE_NAME.sub("_", given)[:128]
    return f"json_{exchange.request_id[:32]}.csv"


def _maybe_compressed(exchange: Exchange, status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    codings = exchange.headers.get("Accept-Encoding")
    if codings is not None and len(body) >= COMPRESS_FROM and _takes_gzip(codings):
        headers["content-encoding"] = "gzip"
        headers["vary"] = ", ".join(filter(None, (headers.get("vary"), "accept-encoding")))
        body = gzip.compress(body, compresslevel=1)
    return web.Response(status=status, body=body, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.strip().partition(";")
        if coding.strip() == "gzip":
            return parameter.strip() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
