"""Customers' patterns and settings, worked through in time that is bounded whatever they are.

A pattern can be made to run for years in a matcher that tries one way after another, as Erlang's and
Python's do, and Python's cannot be stopped. RE2 goes through a text once: its work is the size of the
compiled pattern times the length of the text, so that it can be added up before it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import re2

#: Longest pattern, in bytes.
MAXIMUM_PATTERN: Final = 128
#: Longest text that is matched, in bytes: more than any number or caller's name that a rule is for.
MAXIMUM_SUBJECT: Final = 128
#: Highest count in braces: what repeats more often matches no text of that length.
_MAXIMUM_COUNT: Final = 128
#: A compiled pattern may take a few times this much memory, in bytes; larger ones are refused by RE2.
_MAXIMUM_MEMORY: Final = 1 << 16

#: Steps of matching, and the like, that one request may take: about a tenth of a second, in other work
#: a third.
BUDGET_STEPS: Final = 4_000_000
#: Distinct patterns of one request; compiling one takes up to three milliseconds.
BUDGET_PATTERNS: Final = 50
#: What a rule costs beside its pattern, in steps.
_RULE_STEPS: Final = 100
#: What a value costs that is merged into an endpoint and goes out with it, in steps.
_VALUE_STEPS: Final = 20
#: Text of all legs of one request, in characters: what one device holds goes out with each leg that has it.
BUDGET_TEXT: Final = 4_000_000
#: What a value takes beside its text, in characters: quotes and separators.
_VALUE_TEXT: Final = 4

_COUNT: Final = re.compile(r"\{([0-9]{0,4})(?:,([0-9]{0,4}))?")


class BudgetSpent(ValueError):
    """One request would take more work than it may."""


class WorkBudget:
    """The work that one request may still make."""

    __slots__ = ("_known", "_patterns", "_sizes", "_steps", "_text")

    def __init__(self, steps: int = BUDGET_STEPS, patterns: int = BUDGET_PATTERNS) -> None:
        self._steps = steps
        self._patterns = patterns
        self._text = BUDGET_TEXT
        self._known: set[str] = set()
        self._sizes: dict[int, int] = {}

    def spend_settings(self, settings: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Merge what a document says under some keys into an endpoint. Raises `BudgetSpent`.

        A document is counted once, and must outlive the budget; an empty one need not."""
        if not settings:
            return
        size = self._sizes.get(id(settings))
        if size is None:
            size = self._sizes[id(settings)] = _size([settings.get(key) for key in keys])
        self._spend(size * _VALUE_STEPS)

    def spend_leg(self, leg: Mapping[str, Any]) -> None:
        """Let a leg go out, once more if it did before. Raises `BudgetSpent`."""
        waiting: list[Any] = [leg]
        while waiting:
            one = waiting.pop()
            self._text -= _VALUE_TEXT
            if isinstance(one, str):
                self._text -= len(one)
            elif isinstance(one, Mapping):
                self._text -= sum(map(len, one))
                waiting.extend(one.values())
            elif isinstance(one, list | tuple):
                waiting.extend(one)
            if self._text < 0:
                raise BudgetSpent

    def spend_rule(self) -> None:
        """Look at one rule. Raises `BudgetSpent`."""
        self._spend(_RULE_STEPS)

    def search(self, pattern: str, text: str) -> str | None:
        """What a pattern finds in a text: its first group, or all of the match when it has none.

        ``None`` when it finds nothing, and for a pattern that cannot be run: too long, or with what
        RE2 doesn't know (look-around, back references). Raises `BudgetSpent`.
        """
        if not pattern or len(pattern) > MAXIMUM_PATTERN or len(text) > MAXIMUM_SUBJECT:
            return None
        if pattern not in self._known:
            if len(self._known) >= self._patterns:
                raise BudgetSpent
            self._known.add(pattern)
        compiled = bounded_pattern(pattern)
        subject = text.encode("utf-8", "surrogatepass")
        if compiled is None or len(subject) > MAXIMUM_SUBJECT:
            return None
        self._spend(compiled.programsize * (len(subject) + 1))
        found = compiled.search(subject)
        if found is None:
            return None
        root: bytes = (found[1] or b"") if compiled.groups else found[0]
        try:
            return root.decode()
        except UnicodeDecodeError:
            # Kazoo would send half a letter on.
            return None

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise BudgetSpent


def _size(value: Any) -> int:
    """How many values there are in a value, itself among them; not more than the whole budget is worth."""
    counted, waiting = 0, [value]
    while waiting and counted * _VALUE_STEPS <= BUDGET_STEPS:
        one = waiting.pop()
        counted += 1
        if isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return counted


@lru_cache(maxsize=256)
def bounded_pattern(pattern: str) -> Any:
    """The compiled pattern (`re2`), matching bytes as Erlang's ``re`` does, or ``None`` when it is none.

    ``pattern`` is at most `MAXIMUM_PATTERN` characters long.
    """
    counts = (count for found in _COUNT.findall(pattern) for count in found if count)
    if any(int(count) > _MAXIMUM_COUNT for count in counts):
        return None
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MAXIMUM_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error:
        return None
