"""JSON that is nested deeper than encoders and decoders follow. Pure.

Other clients of the store may nest as they like; one such document must neither spoil the list that it is
in nor cost much. So what lies deeper than `LEVELS` is kept as the text that it is: nobody looks into it,
and it goes out, and back to the store, as it came.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson

#: Objects and arrays inside each other that are read where there are more than Python follows.
LEVELS: Final = 200

#: What Python may follow while it writes what orjson has read, which is 1,024 levels at most.
_RECURSION: Final = 5_000

#: Python makes no integer of a longer text.
_LONGEST_INTEGER: Final = 4_300

_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKET: Final = re.compile(rf"{_STRING}|[][{{}}]", re.DOTALL)


class Deep:
    """An object or array as JSON text. No dataclass, which orjson would write as an object."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def decode(text: str) -> Any:
    """JSON text as a value, whatever a stored document may hold. Raises `ValueError` for what is no JSON."""
    try:
        return _loads(text)
    except RecursionError:
        shallow, deep = _cut(text)
        return _restored([_loads(shallow)], deep)[0]


def refuse(constant: str) -> Any:
    """What Python's decoder takes for a number and JSON does not know: raises `ValueError`."""
    raise ValueError(f"{constant} is not JSON")


def encode(value: Any, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """JSON of a value that holds what orjson does not write: `Deep`s, large integers, fragments, halves of
    surrogate pairs, many levels. Whatever else is no JSON becomes a text."""
    deep: dict[str, str] = {}
    mark = secrets.token_hex(16)

    def plain(other: Any) -> Any:
        if isinstance(other, orjson.Fragment):
            return json.loads(orjson.dumps(other))
        if not isinstance(other, Deep):
            return str(other)
        name = f"{mark}{len(deep)}"
        deep[name] = other.text
        return name

    def dumped() -> str:
        return json.dumps(value, ensure_ascii=ascii_only, skipkeys=True, default=plain, indent=indent)

    try:
        text = dumped()
    except RecursionError:
        with _followed():
            text = dumped()
    return re.sub(rf'"({mark}\d+)"', lambda found: deep[found[1]], text) if deep else text


@contextmanager
def _followed() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=refuse, parse_int=_integer, parse_float=_number)


def _integer(text: str) -> int | str:
    """A number without fraction; one that is too long to be made stays the text of its digits."""
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _number(text: str) -> float | None:
    """A number with fraction or exponent; ``None`` for one beyond 64 bits, which most readers have not."""
    value = float(text)
    return value if math.isfinite(value) else None


def _cut(text: str) -> tuple[str, dict[str, Deep]]:
    """JSON text with what lies deeper than `LEVELS` taken out, and that by the texts in its place."""
    kept: list[str] = []
    deep: dict[str, Deep] = {}
    mark = secrets.token_hex(16)
    depth, begun, done = 0, 0, 0
    for found in _BRACKET.finditer(text):
        sign = text[found.start()]
        if sign in "[{":
            depth += 1
            if depth == LEVELS + 1:
                begun = found.start()
        elif sign in "]}":
            if depth == LEVELS + 1:
                name = f"{mark}{len(deep)}"
                deep[name] = Deep(text[begun : found.end()])
                kept += (text[done:begun], f'"{name}"')
                done = found.end()
            depth -= 1
    kept.append(text[done:])
    return "".join(kept), deep


def _restored(value: Any, deep: dict[str, Deep]) -> Any:
    """The value with `Deep`s where the texts stand that `_cut` has put in their place."""
    level = [value]
    while level:
        inner: list[Any] = []
        for holder in level:
            entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
            for key, entry in list(entries):
                if isinstance(entry, str):
                    if entry in deep:
                        holder[key] = deep[entry]
                elif isinstance(entry, dict | list):
                    inner.append(entry)
        level = inner
    return value
