"""Values of documents as Kazoo's filters read them: by path, as text, as a number, exactly. Pure.

Source: kz_json and kz_term (2600hz/kazoo), by which crossbar_filter reads documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .. import jsondeep
from ..errors import CrossbarConferencesError

#: Nothing is at a path; a stored null is something.
MISSING: Final = object()

#: No longer text is a number of anybody's.
_LONGEST: Final = 400
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_FRACTION: Final = re.compile(r"[+-]?[0-9]+\.[0-9]+([eE][+-]?[0-9]{1,3})?")


class Crash(CrossbarConferencesError):
    """Kazoo crashes here, and takes the document for one that is not meant."""


def at(document: Any, path: Sequence[str]) -> Any:
    """What is at a path, `MISSING` if nothing is; entries of lists are counted from 1.

    Raises `Crash` for a path that goes on where a text, number or null is."""
    found = document
    for step in path:
        if found is MISSING:
            return MISSING
        if isinstance(found, Mapping):
            found = found.get(step, MISSING)
        elif isinstance(found, list):
            number = whole(step)
            inside = number is not None and 1 <= number <= len(found)
            found = found[number - 1] if number is not None and inside else MISSING
        else:
            raise Crash
    return found


def text(value: Any) -> str:
    """A value as filters compare it: nothing is an empty text, a list its texts one after another."""
    if isinstance(value, str):
        return value
    if value is MISSING:
        return ""
    if value is None:
        return "null"
    if isinstance(value, list):
        return _joined(value)
    if isinstance(value, float):
        return _float_text(value)
    return as_text(value)


def as_text(value: Any) -> str:
    """A value as text, for people: nothing is an empty one, a list or an object its JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    return _json(value)


def exact(value: Any) -> str:
    """A value such that two are equal when they are the same in Erlang: 1, 1.0 and "1" are three."""
    return f'"{value}' if isinstance(value, str) else _json(value)


def is_empty(value: Any) -> bool:
    """Whether a value counts as none: also zero, and the words of Kazoo's for nothing."""
    if isinstance(value, bool):
        return False
    if value is MISSING or value is None or value == 0:
        return True
    return value in ("", "0", "NULL", "undefined", [], {})


def whole(value: str) -> int | None:
    """A text as an integer, a fraction rounded to the nearest; ``None`` if it is neither."""
    if len(value) > _LONGEST or not value.isascii():
        return None
    if _INTEGER.fullmatch(value):
        return int(value)
    return rounded(float(value)) if _FRACTION.fullmatch(value) else None


def rounded(value: float) -> int | None:
    """The nearest integer, halves away from zero; ``None`` for what no integer is near."""
    if value != value or value in (float("inf"), float("-inf")):
        return None
    nearest = int(abs(value) + 0.5) if abs(value) < 2**52 else int(abs(value))
    return -nearest if value < 0 else nearest


def casted(value: Any) -> int | None:
    """A stored value as an integer, ``None`` if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return rounded(value)
    return whole(value) if isinstance(value, str) else None


def _joined(values: list[Any]) -> str:
    """Texts and bytes of a list, also of lists in it; an empty text when anything else is there."""
    joined = bytearray()
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, str):
                joined += value.encode("utf-8", "surrogatepass")
            elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 256:
                joined.append(value)
            elif isinstance(value, list):
                waiting.append(iter(value))
                break
            else:
                return ""
        else:
            waiting.pop()
    return joined.decode("utf-8", "surrogateescape")


def _float_text(value: float) -> str:
    shown = repr(value)
    mantissa, mark, exponent = shown.partition("e")
    if not mark:
        return shown
    point = "" if "." in mantissa else ".0"
    return f"{mantissa}{point}e{int(exponent):+d}"


def _json(value: Any) -> str:
    # Not orjson: it stops at integers beyond 64 bits.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except RecursionError:
        # As the answer has it too; with blanks, which nobody will miss there.
        return jsondeep.encode(value)
