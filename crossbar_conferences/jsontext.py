"""JSON text from outside: integers of any length kept exact, and how much a text or value holds. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from . import jsondeep

#: What may be an integer beyond 64 bits: orjson reads it as a float or not at all; Kazoo and CouchDB
#: keep it exact.
_HUGE_INTEGER: Final = re.compile(rb"\d{19,}")

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def decode(raw: bytes) -> Any:
    """JSON text as a value. Raises `ValueError`, also for halves of surrogate pairs, which are no text,
    and for floats beyond 64 bits."""
    return _decode_slowly(raw) if _HUGE_INTEGER.search(raw) else orjson.loads(raw)


def decode_stored(raw: bytes) -> Any:
    """Like `decode`, but takes what a stored document may hold and a request may not: halves of surrogate
    pairs, numbers of any size, and any nesting (`jsondeep`). Raises `ValueError` for what is no JSON."""
    if not _HUGE_INTEGER.search(raw):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return jsondeep.decode(raw.decode("utf-8"))


def holds_more_than(raw: bytes, limit: int) -> bool:
    """Whether JSON text has more values than that, found out before anything is made of it."""
    if len(raw) <= limit or _separators(raw) <= limit:
        return False
    # Texts may hold commas and brackets, which separate nothing.
    return _separators(_STRING.sub(b"", raw)) > limit


def may_be_deeper_than(raw: bytes, limit: int) -> bool:
    """Whether JSON text has enough brackets for that: to count them is cheaper than `is_deeper_than`."""
    return raw.count(b"{") + raw.count(b"[") > limit


def is_deeper_than(value: Any, limit: int) -> bool:
    """Whether more objects and arrays than that lie inside each other, the outermost one counted.

    Without recursion, that being the point."""
    level = list(_containers((value,)))
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in _containers(outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return bool(level)


def _containers(values: Any) -> Iterator[dict[str, Any] | list[Any]]:
    return (value for value in values if isinstance(value, dict | list))


def _separators(raw: bytes) -> int:
    return sum(raw.count(sign) for sign in (b",", b"[", b"{"))


def _decode_slowly(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=jsondeep.refuse)
        # What orjson refuses is refused here too.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value
