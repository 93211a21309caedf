"""The placeholders and variables inside expected values. Pure.

Two notations stand inside an expected value:

- ``{{NAME}}``: the value of that variable, captured or given;
- ``<kind>`` or ``<kind:n>``: any value of that kind; two placeholders of one kind and number are
  equal values within a case. A revision's kind may carry its generation (``<rev2:1>``).

A placeholder that is the whole text of a number kind stands for a JSON number; every other one
for a text, also inside a longer text. Text in angle brackets that names no kind is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Kinds that stand for a text, with what such a text looks like.
TEXT_KINDS: Mapping[str, str] = {
    "hex": r"[0-9a-f]{32}",
    "hex32": r"[0-9a-f]{32}",
    "rev": r"\d+-[0-9a-f]+",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "rid": r"[^\s\"]+?",
    "queue": r"[^\s\"]+?",
    "iso": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "node": r"[^\s\"]+?",
    "version": r"[^\s\"]+?",
    "jwt": r"[\w-]+\.[\w-]+\.[\w-]+",
    "file": r"[^/\"]+?",
    "opaque": r"[^\s\"]+?",
    "text_greg": r"6[2-9]\d{9}",
    "text": r"(?s:.+?)",
}

#: The smallest gregorian second that any of these servers can have seen (1970).
_GREGORIAN_1970 = 62_167_219_200


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: Kinds that stand for a whole value that is no text.
VALUE_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "greg": lambda value: _is_integer(value) and value >= _GREGORIAN_1970,
    "secs": lambda value: _is_integer(value) and value >= 0,
    "int": _is_integer,
    "number": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "any": lambda value: True,
}

_KIND_NAMES = "|".join(sorted((*TEXT_KINDS, *VALUE_KINDS), key=len, reverse=True))
_TOKEN = re.compile(
    rf"\{{\{{(?P<variable>[A-Z][A-Z0-9_]*)\}}\}}"
    rf"|<(?P<kind>{_KIND_NAMES})(?P<generation>(?<=rev)\d+)?(?::(?P<number>\d+))?>"
)


class _Missing:
    """Stands in a `Difference` for a value that is not there."""

    def __repr__(self) -> str:
        return "(absent)"


#: The value of something that is not there.
MISSING = _Missing()


@dataclass(slots=True)
class Bindings:
    """What variables and numbered placeholders stand for, as far as is known."""

    variables: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> Bindings:
        """A second one that learns on its own."""
        return Bindings(dict(self.variables), dict(self.numbered))

    def adopt(self, other: Bindings) -> None:
        """Know what the other one has learnt since it was copied."""
        self.numbered = dict(other.numbered)
        self.variables = dict(other.variables)

    def fill(self, value: Any) -> Any:
        """The value with the variables and the numbered placeholders that are known filled in."""
        if isinstance(value, str):
            return _TOKEN.sub(self._known, value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def _known(self, token: re.Match[str]) -> str:
        if (name := token["variable"]) is not None:
            return str(self.variables.get(name, token[0]))
        return str(self.numbered.get(_identity(token) or "", token[0]))


def fits(expected: str, actual: Any, bindings: Bindings) -> bool:
    """Whether a value is what a text with placeholders stands for; ``bindings`` learns when it is."""
    whole = _TOKEN.fullmatch(expected)
    if whole and whole["kind"] in VALUE_KINDS:
        return _fits_value_kind(whole, actual, bindings)
    if not isinstance(actual, str):
        return False
    pattern, groups = _pattern(expected, bindings)
    found = re.fullmatch(pattern, actual)
    if not found:
        return False
    for group, identity in groups.items():
        bindings.numbered[identity] = found[group]
    return True


def has_placeholder(text: str) -> bool:
    """Whether there is a variable or a placeholder in a text."""
    return _TOKEN.search(text) is not None


def _fits_value_kind(token: re.Match[str], actual: Any, bindings: Bindings) -> bool:
    if actual is MISSING or not VALUE_KINDS[token["kind"]](actual):
        return False
    identity = _identity(token)
    if identity is None:
        return True
    return bool(bindings.numbered.setdefault(identity, actual) == actual)


def _identity(token: re.Match[str]) -> str | None:
    if token["number"] is None:
        return None
    return f"{token['kind']}{token['generation'] or ''}:{token['number']}"


def _pattern(expected: str, bindings: Bindings) -> tuple[str, dict[str, str]]:
    """A regular expression for a text, and which of its groups are numbered placeholders."""
    parts: list[str] = []
    groups: dict[str, str] = {}
    names: dict[str, str] = {}
    end = 0
    for token in _TOKEN.finditer(expected):
        parts.append(re.escape(expected[end : token.start()]))
        end = token.end()
        identity = _identity(token)
        if token["variable"] is not None:
            parts.append(re.escape(str(bindings.variables.get(token["variable"], token[0]))))
        elif identity in bindings.numbered:
            parts.append(re.escape(str(bindings.numbered[identity])))
        elif identity in names:
            parts.append(f"(?P={names[identity]})")
        elif identity is None:
            parts.append(f"(?:{_looks(token)})")
        else:
            group = f"g{len(groups)}"
            groups[group] = names[identity] = identity
            names[identity] = group
            parts.append(f"(?P<{group}>{_looks(token)})")
    parts.append(re.escape(expected[end:]))
    return "".join(parts), groups


def _looks(token: re.Match[str]) -> str:
    kind = token["kind"]
    if kind == "rev" and token["generation"]:
        return rf"{token['generation']}-[0-9a-f]+"
    if kind in VALUE_KINDS:
        # A number kind inside a longer text stands for its digits.
        return r"\S+?" if kind == "any" else r"-?\d+"
    return TEXT_KINDS[kind]
