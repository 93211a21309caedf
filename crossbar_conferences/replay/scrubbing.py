"""Turns an exchange that was overheard into a step of a fixture: ids and stamps become variables
and placeholders, tokens and secrets go. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .placeholders import MISSING
from .transport import read_json

#: Keys whose values are nobody's business, at any depth.
SECRET_KEYS = re.compile(
    r"(?i)(^|_)(pass(word|wd|phrase)?|secret|credentials?|api_?key|pins?|authorization|auth_token|jwt|"
    r"private_key|signature)(_|$)"
)

#: What stands for a secret in a request.
SCRUBBED = "scrubbed"

#: Headers of an answer that are kept; the others say little or differ from run to run.
KEPT_HEADERS = ("content-type", "location", "etag", "content-disposition")

#: Headers of a request that are kept.
SENT_HEADERS = (
    "accept",
    "accept-language",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "origin",
    "access-control-request-method",
    "x-http-method-override",
)

_ACCOUNT = re.compile(r"/accounts/([0-9a-f]{32})(?=[/?]|$)")
# A run of letters is begun once: to begin anew at each of its hyphens would be work without end.
_JWT = re.compile(r"(?<![\w-])[\w-]{8,}\.[\w-]{8,}\.[\w-]{16,}")
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")

#: Keys of the envelope and of documents whose values differ from run to run.
_VARYING: Mapping[str, str] = {
    "timestamp": "<timestamp>",
    "request_id": "<rid>",
    "node": "<node>",
    "version": "<version>",
    "revision": "<text>",
    "created": "<greg>",
    "modified": "<greg>",
    "start_time": "<greg>",
    "join_time": "<greg>",
    "run_time": "<secs>",
    "duration": "<secs>",
    "consumed": "<int>",
    "remaining": "<int>",
    "as_of": "<any>",
}


@dataclass(frozen=True, slots=True)
class Overheard:
    """A request and its answer. Header names are lower case; bodies are text."""

    method: str
    path: str
    request_headers: Mapping[str, str]
    request_body: str
    status: int
    response_headers: Mapping[str, str]
    response_body: str


@dataclass(slots=True)
class Scrubber:
    """Remembers which id got which variable, so that later steps use the same one."""

    names: dict[str, str] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _made: int = 0

    def step(self, exchange: Overheard) -> dict[str, Any]:
        """The exchange as a step of a fixture."""
        found = _ACCOUNT.search(exchange.path)
        if found and found[1] not in self.names:
            known = sum(name.startswith("A") for name in self.names.values())
            self.names[found[1]] = "A" if not known else f"A{known + 1}"
        token = _token_of(exchange)
        if token:
            self._tokens.add(token)
        request = self._request(exchange, token)
        made = _made_id(exchange)
        if made and made not in self.names:
            self._made += 1
            self.names[made] = f"C{self._made}"
            request["capture"] = {self.names[made]: "body.data.id"}
        return {"request": request, "response": self._response(exchange)}

    def _request(self, exchange: Overheard, token: str | None) -> dict[str, Any]:
        request: dict[str, Any] = {"method": exchange.method, "path": self._path(exchange.path)}
        if token is None:
            request["who"] = "none"
        headers = {
            name: self._text(value)
            for name, value in exchange.request_headers.items()
            if name in SENT_HEADERS and value != "application/json"
        }
        if headers:
            request["headers"] = headers
        if not exchange.request_body:
            return request
        body = read_json(exchange.request_body)
        if body is MISSING:
            request["raw"] = self._text(exchange.request_body)
        elif isinstance(body, dict) and set(body) == {"data"}:
            request["data"] = self._sent(body["data"])
        else:
            request["body"] = self._sent(body)
        return request

    def _path(self, path: str) -> str:
        before, mark, query = path.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        if any(SECRET_KEYS.search(name) for name, _ in pairs):
            query = urlencode(
                [(name, SCRUBBED if SECRET_KEYS.search(name) else value) for name, value in pairs],
                quote_via=quote,
            )
        return self._text(before + mark + query)

    def _response(self, exchange: Overheard) -> dict[str, Any]:
        response: dict[str, Any] = {"status": exchange.status}
        headers = {
            name: "<text>" if name == "etag" else self._text(value)
            for name, value in exchange.response_headers.items()
            if name in KEPT_HEADERS
        }
        if headers:
            response["headers"] = headers
        body = read_json(exchange.response_body)
        if body is not MISSING:
            response["body"] = self._received(body)
        elif exchange.response_body:
            response["text"] = self._text(exchange.response_body)
        return response

    def _sent(self, value: Any, key: str = "") -> Any:
        if SECRET_KEYS.search(key):
            return ["0000" for _ in value] if isinstance(value, list) else SCRUBBED
        if isinstance(value, dict):
            return {self._text(name): self._sent(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._sent(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _received(self, value: Any, key: str = "") -> Any:
        if SECRET_KEYS.search(key):
            return "<any>"
        if key in _VARYING and not isinstance(value, dict | list):
            return _VARYING[key]
        if isinstance(value, dict):
            return {self._text(name): self._received(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._received(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        """A text with known ids as variables and without anything that looks like a token."""
        for token in sorted(self._tokens, key=len, reverse=True):
            text = text.replace(token, SCRUBBED)
        text = _JWT.sub(SCRUBBED, text)
        return _ID.sub(lambda found: self._variable(found[0]), text)

    def _variable(self, value: str) -> str:
        name = self.names.get(value)
        return f"{{{name}}}" if name else value


def _token_of(exchange: Overheard) -> str | None:
    header = exchange.request_headers.get("x-auth-token")
    if header:
        return header
    authorization = exchange.request_headers.get("authorization", "")
    if authorization:
        return authorization.partition(" ")[2] or authorization
    query = dict(parse_qsl(exchange.path.partition("?")[2]))
    return query.get("auth_token")


def _made_id(exchange: Overheard) -> str | None:
    body = read_json(exchange.response_body) if exchange.status == 201 else None
    data = body.get("data") if isinstance(body, dict) else None
    made = data.get("id") if isinstance(data, dict) else None
    return made if isinstance(made, str) and _ID.fullmatch(made) else None
