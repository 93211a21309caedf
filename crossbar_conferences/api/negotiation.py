"""What HTTP itself decides: representations, languages, CORS, preconditions. Pure.

Kazoo leaves this to its web server; the rules are that server's. Source: http.md 1.6-1.10, 3.3, 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from .accept import MediaRange, read
from .errors import ApiError, malformed_header

#: Every verb that the server knows; another one is a 501.
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: The verbs announced before the path was looked at, as Kazoo lists them: OPTIONS twice.
ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

EXPIRED = "Fri, 01 Jan 1999 00:00:00 GMT"

#: What a page of another origin may send: Kazoo's list, and what else is read here.
#: tests/unit/api/test_cors.py compares both lists with the code.
_ALLOW_HEADERS = (
    "content-type, depth, user-agent, x-http-method-override, x-file-size, x-requested-with, "
    "if-modified-since, x-file-name, cache-control, x-auth-token, x-kazoo-cluster-id, if-match, "
    "authorization, accept, accept-language, content-encoding, idempotency-key, if-none-match, "
    "last-event-id, x-auth-account-id, x-pretty-print, x-request-id"
)
#: What it may see beside what browsers show anyway: Kazoo's list, and what else is answered here.
_EXPOSE_HEADERS = (
    "content-type, x-auth-token, x-request-id, x-kazoo-cluster-id, location, etag, "
    "accept-encoding, content-disposition, idempotency-replayed, retry-after"
)

_JSON_TYPES = ("application/json", "application/x-json")
_CSV_TYPES = ("application/octet-stream", "text/csv", "text/comma-separated-values")

_QUALITY = re.compile(r"^(0(\.\d{0,3})?|1(\.0{0,3})?)$")
_TAG = re.compile(r'^(?:W/)?"[^"\x00-\x20\x7f]*"$')
_LANGUAGE = re.compile(r"^(\*|[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*)$")


@dataclass(frozen=True, slots=True)
class Representation:
    """What will be sent: JSON, or CSV of a list; ``marked``: CSV that says that it is UTF-8."""

    csv: bool = False
    marked: bool = False


def is_cors_request(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks from another origin (http.md 1.6)."""
    return (
        "Origin" in headers
        or "Access-Control-Request-Method" in headers
        or "Access-Control-Request-Headers" in headers
    )


# There are as many as routes that take different verbs.
@lru_cache(64)
def cors_headers(allowed: tuple[str, ...] | None) -> Mapping[str, str]:
    """The CORS headers for a path that takes these verbs; ``None``: the path was not looked at yet."""
    methods = ("OPTIONS", *(ALL_METHODS if allowed is None else allowed))
    return MappingProxyType(
        {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": _ALLOW_HEADERS,
            "access-control-expose-headers": _EXPOSE_HEADERS,
            "access-control-max-age": "86400",
        }
    )


def choose(accept: str | None, override: str | None) -> Representation:
    """The representation for an Accept header, or for ``?accept=`` on a GET, which wins.

    Raises `ApiError`: 406 when nothing fits, 400 when it cannot be read.
    """
    name = "Accept"
    if override:
        if override in ("csv", *_CSV_TYPES):
            return Representation(csv=True)
        if override in ("json", *_JSON_TYPES):
            return Representation()
        name, accept = ("accept", override) if "/" in override else (name, accept)
    if accept is None or not accept.strip(" \t,"):
        return Representation()
    try:
        wanted = read(accept)
    except ValueError:
        raise malformed_header(name, accept) from None
    for one in wanted:
        if one.name in (*_JSON_TYPES, "*/*", "application/*"):
            return Representation()
        if one.name in (*_CSV_TYPES, "text/*"):
            return Representation(csv=True, marked=_is_for_spreadsheet(one))
    raise ApiError("not_acceptable")


def _is_for_spreadsheet(one: MediaRange) -> bool:
    # RFC 4180's two parameters. Kazoo's bytes go to who asks for CSV alone.
    parameters = one.parameters
    says_utf8 = parameters.get("charset", "").lower() in ("utf-8", "utf8")
    return one.name == "text/csv" and says_utf8 and parameters.get("header", "").lower() == "present"


def language(header: str | None) -> str:
    """``content-language``: the caller's first choice, or ``en``; never a refusal."""
    if not header:
        return "en"
    best = ("en", 0.0)
    for part in header.split(","):
        tag, _, parameters = part.strip().partition(";")
        name = tag.strip().lower()
        if not _LANGUAGE.match(name) or name == "*":
            continue
        quality = _quality(parameters.strip().removeprefix("q=")) if parameters else 1.0
        if quality is not None and quality > best[1]:
            best = (name, quality)
    return best[0]


def check_preconditions(
    verb: str, headers: Mapping[str, str], etag: str | None, also_matches: Iterable[str] = ()
) -> bool:
    """Whether a GET may be answered 304.

    ``etag`` is the entity's tag with its quotes, ``also_matches`` revisions that If-Match takes
    beside it. Raises `ApiError` with 412 when a condition is not met, 400 when one cannot be read.
    """
    if_match = headers.get("If-Match")
    if if_match is not None:
        wanted = _tags("If-Match", if_match)
        held = {tag.removeprefix("W/") for tag in (etag, *(f'"{rev}"' for rev in also_matches)) if tag}
        # A PUT has no entity to compare with: Kazoo's tag exists for the other verbs only.
        if verb == "PUT" or not held or not ("*" in wanted or held & wanted):
            raise ApiError("precondition_failed")
    if_none_match = headers.get("If-None-Match")
    if if_none_match is None:
        return False
    wanted = {tag.removeprefix("W/") for tag in _tags("If-None-Match", if_none_match)}
    if verb == "PUT":
        return False
    matches = "*" in wanted or (etag is not None and etag.removeprefix("W/") in wanted)
    if not matches:
        if etag is None and verb == "GET":
            raise ApiError("precondition_failed")
        return False
    if verb == "GET":
        return True
    raise ApiError("precondition_failed")


def _quality(text: str) -> float | None:
    return float(text) if _QUALITY.match(text) else None


def _tags(name: str, header: str) -> set[str]:
    if header.strip() == "*":
        return {"*"}
    tags = {part.strip() for part in header.split(",")}
    if not all(_TAG.match(tag) for tag in tags):
        raise malformed_header(name, header)
    return tags
