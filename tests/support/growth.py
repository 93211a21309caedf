"""Whether work grows faster than what it is about, and texts that make a pattern work hardest.

Time is the thread's own processor time, the least of several tries, and only its growth counts: eight
times the length may cost at most twenty-four times as much, where quadratic work costs sixty-four
times as much.
"""

from __future__ import annotations

import gc
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from re import _constants as signs  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

#: What is shorter than this at the greatest length, in seconds, is quick whatever its growth.
_QUICK = 0.01
#: What takes longer is stopped.
_SLOW = 1.0
#: Nor is what is shorter than this at thousands of characters: a step for each pair takes longer by far.
_NOTHING = 0.0003
_FACTOR = 8
_MOST = 24
LENGTHS = (1_000, 8_000, 64_000)


def growth(make: Callable[[int], Any], run: Callable[[Any], Any], lengths: Sequence[int] = LENGTHS) -> str:
    """What is wrong, or an empty text. ``make`` gives the value of a length, ``run`` is measured with it.

    ``lengths`` are eight times as long as the one before. Errors of ``run`` are part of its work."""
    found = _grows(make, run, lengths)
    # A machine that is busy looks like growth now and then, but not twice at the same length.
    return found and _grows(make, run, lengths)


def _grows(make: Callable[[int], Any], run: Callable[[Any], Any], lengths: Sequence[int]) -> str:
    before: float | None = None
    for length in lengths:
        try:
            took = _cost(make(length), run)
        except _TooSlow:
            return f"{length}: more than {_SLOW:g} s"
        if before is not None and took > _QUICK and took > _MOST * max(before, _QUICK / _FACTOR**2):
            return f"{length // _FACTOR}: {before * 1e3:.2f} ms, {length}: {took * 1e3:.2f} ms"
        if took < _NOTHING and length >= LENGTHS[1]:
            return ""
        before = took
    return ""


class _TooSlow(BaseException):
    """No run lasts longer: what tries one way after another would not end."""


def _cost(value: Any, run: Callable[[Any], Any]) -> float:
    least = float("inf")
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(3):
            least = min(least, _timed(value, run))
            if least < _QUICK / 10:
                break
    finally:
        if enabled:
            gc.enable()
    return least


def _timed(value: Any, run: Callable[[Any], Any]) -> float:
    # The measurement of coverage is not what is measured, and holds a lock that a stop could leave locked.
    tracing = sys.gettrace()
    sys.settrace(None)
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SLOW)
    start = time.thread_time()
    try:
        # A refusal costs what it costs.
        with suppress(Exception):
            run(value)
        return time.thread_time() - start
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        sys.settrace(tracing)


def _stop(*_: object) -> None:
    raise _TooSlow


def hard_texts(pattern: re.Pattern[Any]) -> Iterator[tuple[str, Callable[[int], Any]]]:
    """Texts for a pattern, by name: each repeat in it is pumped, behind what leads there, and fails at last.

    Also what leads there is repeated, so that a search begins anew at every place."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(text, pattern.flags & (re.VERBOSE | re.DOTALL | re.IGNORECASE))
    pumps = set(_pumps(tree, ""))
    whole = _sample(tree)
    pumps |= {(whole[:cut], whole or "a") for cut in (0, len(whole))} | {("", "a"), ("", "1"), ("", " ")}
    for lead, pump in sorted(pumps):
        for end in ("", "\x00", "!"):
            yield f"{lead!r} + n * {pump!r} + {end!r}", _text(pattern, lead, pump, end)
        if lead:
            yield f"n * {lead!r}", _text(pattern, "", lead, "")
            yield f"n * {lead + pump!r}", _text(pattern, "", lead + pump, "\x00")


def _text(pattern: re.Pattern[Any], lead: str, pump: str, end: str) -> Callable[[int], Any]:
    def make(length: int) -> Any:
        text = lead + pump * max(1, length // len(pump)) + end
        return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")

    return make


_REPEATS = (signs.MAX_REPEAT, signs.MIN_REPEAT, signs.POSSESSIVE_REPEAT)


def _pumps(tree: Any, lead: str) -> Iterator[tuple[str, str]]:
    for kind, value in tree:
        if kind in _REPEATS:
            _, most, inner = value
            if most > 1:
                for body in _samples(inner):
                    if body:
                        yield lead, body
            yield from _pumps(inner, lead)
        elif kind is signs.SUBPATTERN:
            yield from _pumps(value[-1], lead)
        elif kind is signs.BRANCH:
            for one in value[1]:
                yield from _pumps(one, lead)
        elif kind is signs.ATOMIC_GROUP:
            yield from _pumps(value, lead)
        elif kind in (signs.ASSERT, signs.ASSERT_NOT):
            yield from _pumps(value[1], lead)
        lead += _sample([(kind, value)])


def _samples(tree: Any) -> list[str]:
    """A text for each alternative at the top, and for each of several characters of a class."""
    items = list(tree)
    if len(items) == 1 and items[0][0] is signs.BRANCH:
        return [_sample(one) for one in items[0][1][1]]
    if len(items) == 1 and items[0][0] is signs.SUBPATTERN:
        return _samples(items[0][1][-1])
    if len(items) == 1 and items[0][0] is signs.IN:
        found = [one for one in dict.fromkeys(_CANDIDATES) if _is_in(items[0][1], one)]
        # One after another they are borders between words too.
        return [*found[:4], "".join(found[:5])] if found else [_sample(items)]
    # What is repeated inside a repeat, once at least.
    return list(dict.fromkeys([_sample(items), _sample(items, least=1)]))


def _sample(tree: Any, least: int = 0) -> str:
    return "".join(_one(kind, value, least) for kind, value in tree)


def _one(kind: Any, value: Any, least: int) -> str:
    if kind is signs.LITERAL:
        return chr(value)
    if kind is signs.NOT_LITERAL:
        return "b" if value == ord("a") else "a"
    if kind is signs.ANY:
        return "a"
    if kind is signs.IN:
        return next((one for one in _CANDIDATES if _is_in(value, one)), "a")
    if kind in _REPEATS:
        count, most, inner = value
        return _sample(inner, least) * min(max(count, least), most)
    if kind is signs.SUBPATTERN:
        return _sample(value[-1], least)
    if kind is signs.BRANCH:
        return _sample(value[1][0], least)
    if kind is signs.ATOMIC_GROUP:
        return _sample(value, least)
    return ""


_CANDIDATES = "a1-Z_.,:;/@=% \t\"'\\{[(<&+*!#?~^|0f" + "".join(map(chr, range(33, 127))) + "\n\x00é\u2028"
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    signs.CATEGORY_DIGIT: str.isdecimal,
    signs.CATEGORY_SPACE: str.isspace,
    signs.CATEGORY_WORD: lambda one: one.isalnum() or one == "_",
    signs.CATEGORY_NOT_DIGIT: lambda one: not one.isdecimal(),
    signs.CATEGORY_NOT_SPACE: lambda one: not one.isspace(),
    signs.CATEGORY_NOT_WORD: lambda one: not (one.isalnum() or one == "_"),
}


def _is_in(items: Any, one: str) -> bool:
    negated = found = False
    for kind, value in items:
        if kind is signs.NEGATE:
            negated = True
        elif kind is signs.LITERAL:
            found |= ord(one) == value
        elif kind is signs.RANGE:
            found |= value[0] <= ord(one) <= value[1]
        elif kind is signs.CATEGORY:
            found |= _CATEGORIES[value](one)
    return found != negated
