"""Reading a request body into an envelope. Pure: bytes and a content type in, values out.

Source: http.md 1.8, 1.9, 2.1; recordings ``errors``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from .. import jsontext
from ..settings import Settings
from .errors import ApiError, validation_error

_JSON_TYPES = frozenset({"application/json", "application/x-json"})
_FORM_TYPE = "application/x-www-form-urlencoded"
#: Escaped bytes of a form, for each value that a body may hold.
_ESCAPES_PER_VALUE = 10
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds of a body: its size in bytes, objects and arrays inside each other, and values in all.

    ``anonymous``: the size for a request that names no token outside of its body. What goes beyond
    the last two is refused like broken JSON."""

    size: int = 8_000_000
    anonymous: int = 65_536
    depth: int = 100
    values: int = 20_000

    @classmethod
    def of(cls, settings: Settings) -> BodyLimits:
        """As the operator says."""
        anonymous = min(settings.anonymous_body_limit_bytes, settings.body_limit_bytes)
        return cls(settings.body_limit_bytes, anonymous, settings.json_depth, settings.json_values)


_LIMITS = BodyLimits()


@dataclass(frozen=True, slots=True)
class Body:
    """A request envelope: its ``data``, all of it, and what kind of body it came in."""

    data: Any = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "none"


def read_body(raw: bytes, content_type: str | None, limits: BodyLimits = _LIMITS) -> Body:
    """The envelope in a body.

    Raises `ApiError` (a validation error) for anything that Kazoo refuses before it looks at
    the path. A body of any other type is an uploaded file: its ``data`` is empty.
    """
    media_type = _media_type(content_type)
    if not media_type or media_type in _JSON_TYPES:
        return _json_body(raw, limits) if raw else Body(kind="json" if media_type else "none")
    if media_type == _FORM_TYPE:
        return _form_body(raw, limits)
    if media_type.startswith("multipart/"):
        return _form_body(raw, limits) if raw else Body(kind="form")
    return Body(kind="file")


def is_json_type(content_type: str | None) -> bool:
    """Whether a body of this type is read as JSON; many clients say so of a GET, which has none."""
    return content_type is None or _media_type(content_type) in _JSON_TYPES


def too_large(limit: int) -> ApiError:
    """The answer to a body over the limit: a 400, as Kazoo's ends up (http.md 1.9)."""
    text = f"Payload or Files must not be more than {limit} bytes"
    return validation_error({"file": {"maxSize": {"message": text, "target": limit}}})


def read_query(text: str) -> dict[str, Any]:
    """A query string or form as a flat object; a key without ``=`` is ``True``, of equal ones the first
    counts, as in Kazoo.

    What cannot be decoded is kept as it stands; `check_query` refuses it.
    """
    return read_parameters(text)[0]


def read_parameters(text: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """`read_query`, and what it leaves out: parameters of a name that was there before."""
    values: dict[str, Any] = {}
    repeated: list[tuple[str, Any]] = []
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        if key:
            name, meant = _unescaped(key), _unescaped(value) if equals else True
            if name in values:
                repeated.append((name, meant))
            else:
                values[name] = meant
    return values, repeated


def unquoted(text: str) -> str:
    """A part of a URL or form, decoded; what is no UTF-8 becomes U+FFFD.

    Of the bytes and not of the text, as urllib does it: that takes apart a text that mixes ASCII with
    other letters, and each piece costs."""
    if text.isascii() and "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def _unescaped(text: str) -> str:
    return unquoted(text.replace("+", " "))


def check_query(text: str) -> None:
    """Refuses a query string that Kazoo cannot read (and answers with a 500, http.md 13).

    That is a value without a name, or a ``%`` without its two hex digits."""
    for part in text.split("&"):
        if part.startswith("=") or _BROKEN_ESCAPE.search(part):
            raise validation_error(
                {"query": {"invalid": {"message": "broken query string", "value": part[:256]}}}
            )


def decode_json(raw: bytes, limits: BodyLimits = _LIMITS) -> Any:
    """JSON text as a value; raises `ValueError` also for what is nested too deeply or holds too much."""
    jsontext.check(raw, values=limits.values, depth=limits.depth)
    return jsontext.decode(raw)


# Clients say the same few things; what else they say is forgotten soon.
@lru_cache(64)
def _media_type(content_type: str | None) -> str:
    return (content_type or "").split(";", 1)[0].strip().lower()


def _json_body(raw: bytes, limits: BodyLimits) -> Body:
    try:
        value = decode_json(raw, limits)
    except ValueError:
        # The words are those of Kazoo's decoder, which never says where (http.md 1.9).
        raise _bad_json("decoder_exit around 0") from None
    return _envelope(value, "json")


def _form_body(raw: bytes, limits: BodyLimits) -> Body:
    if raw.count(b"&") > limits.values:
        raise _bad_json("too many fields")
    if raw.count(b"%") > limits.values * _ESCAPES_PER_VALUE:
        # Each costs time, in which nobody else is served.
        raise _bad_json("too many escapes")
    text = raw.decode("utf-8", errors="replace")
    fields = read_query(text)
    lone = list(fields.items())
    if len(lone) == 1 and lone[0][1] is True:
        # curl's ``-d`` labels JSON as a form; only a body without "=" and "&" gets this second look.
        body = _json_body(raw, limits)
        return Body(body.data, body.envelope, "form")
    return _envelope(fields, "form")


def _envelope(value: Any, kind: str) -> Body:
    if not isinstance(value, dict):
        raise _bad_json("All JSON must be valid")
    envelope = {normalize_key(key): item for key, item in value.items() if item is not None}
    if "data" not in envelope:
        raise validation_error(
            {"data": {"required": {"message": "Field is required but missing", "value": envelope}}}
        )
    data = envelope["data"]
    if not isinstance(data, dict | list):
        target = "object, array"
        raise validation_error(
            {
                "data": {
                    "type": {
                        "message": f"Value did not match type(s): {target}",
                        "target": target,
                        "value": data,
                    }
                }
            }
        )
    return Body(data, envelope, kind)


def normalize_key(key: str) -> str:
    """An envelope's key as Kazoo compares it: lower case, ``_`` for ``-`` (http.md 2.1)."""
    return key.replace("-", "_").lower()


def _bad_json(reason: str) -> ApiError:
    return validation_error({"json": {"invalid": {"message": reason, "target": "body"}}})
