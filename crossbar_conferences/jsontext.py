"""JSON text from outside: integers of any length kept exact, and how much a text holds. Pure.

What a text holds is found out before anything is made of it, in a few passes over its bytes that
each take a time in proportion to its length, whatever the bytes are: a text need not be JSON to be
sent to us.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson

from . import jsondeep

#: What may be an integer beyond 64 bits has so many digits: orjson reads it as a float or not at all;
#: Kazoo and CouchDB keep it exact.
_HUGE: Final = b"0" * 19

#: Digits of an integer in a request: to read one takes a time that grows with their square.
_MAX_DIGITS: Final = 400

#: Every digit becomes a zero.
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")

#: Everything but what opens and closes objects and arrays.
_NO_BRACKETS: Final = bytes(sign for sign in range(256) if sign not in b"[]{}")


def decode(raw: bytes) -> Any:
    """JSON text as a value. Raises `ValueError`, also for halves of surrogate pairs, which are no text,
    for floats beyond 64 bits and integers of more than 400 digits."""
    return _decode_slowly(raw) if _may_hold_huge_integers(raw) else orjson.loads(raw)


def decode_stored(raw: bytes) -> Any:
    """Like `decode`, but takes what a stored document may hold and a request may not: halves of surrogate
    pairs, numbers of any size, and any nesting (`jsondeep`). Raises `ValueError` for what is no JSON."""
    if not _may_hold_huge_integers(raw):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return jsondeep.decode(raw.decode("utf-8"))


def check(raw: bytes, *, values: int, depth: int) -> None:
    """Raises `ValueError` for a text with more values than that, or with more objects and arrays inside
    each other.

    Values are counted by the signs that begin or separate them outside of texts. What is no JSON at
    all may pass: the decoder says so."""
    openers = raw.count(b"[") + raw.count(b"{")
    if openers <= depth and openers + raw.count(b",") <= values:
        # Even if all of them separated something.
        return
    outside = _outside_of_texts(raw, 4 * (values + 1))
    if sum(outside.count(sign) for sign in (b",", b"[", b"{")) > values:
        raise ValueError("too many values")
    level = 0
    for bracket in outside.translate(None, _NO_BRACKETS):
        level += 1 if bracket in b"[{" else -1
        if level > depth:
            raise ValueError("nested too deeply")
        if level < 0:
            raise ValueError("closed what was not open")


def size(value: Any) -> int:
    """How many bytes a value takes as JSON: what it weighs where it is kept."""
    try:
        return len(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        # orjson stops at 64 bits, at halves of surrogate pairs and at many levels.
        return len(jsondeep.encode(value))


def _outside_of_texts(raw: bytes, quotes: int) -> bytes:
    """The text without what stands in quotes. Raises `ValueError` for more quotes than that."""
    # Pairs of backslashes first: what is left before a quote escapes it.
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    if plain.count(b'"') > quotes:
        # A value is one text, and has another one for its name.
        raise ValueError("too many values")
    return b"".join(plain.split(b'"')[::2])


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


def _may_hold_huge_integers(raw: bytes) -> bool:
    return len(raw) >= len(_HUGE) and _HUGE in raw.translate(_DIGITS)


def _decode_slowly(raw: bytes) -> Any:
    def whole(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise ValueError("a number is too long")
        return int(digits)

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=jsondeep.refuse, parse_int=whole)
        # What orjson refuses is refused here too.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value
