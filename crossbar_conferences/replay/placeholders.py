"""Expected values with placeholders and variables, compared with actual values. Pure.

Two notations stand inside an expected value:

- ``{{NAME}}``: the value of that variable, captured or given;
- ``<kind>`` or ``<kind:n>``: any value of that kind; two placeholders of one kind and number are
  equal values within a case. A revision's kind may carry its generation (``<rev2:1>``).

A placeholder that is the whole text of a number kind stands for a JSON number; every other one
for a text, also inside a longer text. Text in angle brackets that names no kind is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Where in a value: names of keys and positions in lists.
Path = tuple[str | int, ...]

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


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an actual value is not what was expected; ``expected`` has its variables filled in."""

    path: Path
    expected: Any
    actual: Any
    note: str = ""

    def where(self) -> str:
        """The path as a person writes it: ``data.participants[0].call_id``."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                text += f".{part}" if text else part
        return text


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


@dataclass(frozen=True, slots=True)
class Leniency:
    """What a comparison lets pass. Functions get the path of the value in question.

    ``extra``: the names of keys that an object may have besides the expected ones, or ``None``
    for any. ``ignored``: whether this part is not compared. ``unordered``: the key by which the
    items of a list are paired instead of by position (``""``: by whatever fits).
    """

    extra: Callable[[Path], frozenset[str] | None] = lambda path: frozenset()
    ignored: Callable[[Path], bool] = lambda path: False
    unordered: Callable[[Path], str | None] = lambda path: None


EXACT = Leniency()


def compare(
    expected: Any, actual: Any, bindings: Bindings, leniency: Leniency = EXACT, path: Path = ()
) -> list[Difference]:
    """The differences between an expected and an actual value; ``bindings`` learns on the way."""
    if leniency.ignored(path):
        return []
    if isinstance(expected, str):
        return _compare_text(expected, actual, bindings, path)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _compare_objects(expected, actual, bindings, leniency, path)
    if isinstance(expected, list) and isinstance(actual, list):
        key = leniency.unordered(path)
        if key is not None:
            return _compare_unordered(expected, actual, key, bindings, leniency, path)
        return _compare_lists(expected, actual, bindings, leniency, path)
    if type(expected) is type(actual) and expected == actual:
        return []
    if _is_number(expected) and _is_number(actual) and expected == actual:
        return []
    return [Difference(path, expected, actual)]


def pair(
    expected: Sequence[Any],
    actual: Sequence[Any],
    bindings: Bindings,
    differ: Callable[..., list[Difference]],
) -> tuple[list[tuple[int, int, list[Difference]]], list[int], list[int]]:
    """Pair what was expected with what came, in any order, by fewest differences.

    ``differ(expected, actual, bindings)`` gives the differences of one pair, or ``None``-like
    emptiness for a fit. Returns the pairs with their differences and the positions left over on
    either side. Exact fits are taken first, so that one wrong item does not take another's place.
    """
    pairs: list[tuple[int, int, list[Difference]]] = []
    open_actual = list(range(len(actual)))
    unmatched: list[int] = []
    for wanted, item in enumerate(expected):
        for candidate in open_actual:
            attempt = bindings.copy()
            if not differ(item, actual[candidate], attempt):
                bindings.adopt(attempt)
                pairs.append((wanted, candidate, []))
                open_actual.remove(candidate)
                break
        else:
            unmatched.append(wanted)
    left: list[int] = []
    for wanted in unmatched:
        if not open_actual:
            left.append(wanted)
            continue
        scored = [(differ(expected[wanted], actual[index], bindings.copy()), index) for index in open_actual]
        differences, nearest = min(scored, key=lambda score: len(score[0]))
        pairs.append((wanted, nearest, differences))
        open_actual.remove(nearest)
    return sorted(pairs), left, open_actual


def kinds_in(value: Any) -> Iterable[str]:
    """The kinds of the placeholders inside a value."""
    if isinstance(value, str):
        yield from (token["kind"] for token in _TOKEN.finditer(value) if token["kind"])
    elif isinstance(value, list):
        for item in value:
            yield from kinds_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from kinds_in(key)
            yield from kinds_in(item)


def _identity(token: re.Match[str]) -> str | None:
    if token["number"] is None:
        return None
    return f"{token['kind']}{token['generation'] or ''}:{token['number']}"


def _compare_text(expected: str, actual: Any, bindings: Bindings, path: Path) -> list[Difference]:
    whole = _TOKEN.fullmatch(expected)
    if whole and whole["kind"] in VALUE_KINDS:
        return _compare_value_kind(whole, actual, bindings, path)
    if not isinstance(actual, str):
        return [Difference(path, bindings.fill(expected), actual)]
    pattern, groups = _pattern(expected, bindings)
    found = re.fullmatch(pattern, actual)
    if not found:
        return [Difference(path, bindings.fill(expected), actual)]
    for group, identity in groups.items():
        bindings.numbered[identity] = found[group]
    return []


def _compare_value_kind(
    token: re.Match[str], actual: Any, bindings: Bindings, path: Path
) -> list[Difference]:
    identity = _identity(token)
    fits = actual is not MISSING and VALUE_KINDS[token["kind"]](actual)
    if not fits or (identity in bindings.numbered and bindings.numbered[identity] != actual):
        return [Difference(path, bindings.fill(token[0]), actual)]
    if identity is not None:
        bindings.numbered[identity] = actual
    return []


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


def _compare_objects(
    expected: Mapping[str, Any], actual: Mapping[str, Any], bindings: Bindings, leniency: Leniency, path: Path
) -> list[Difference]:
    differences: list[Difference] = []
    allowed = leniency.extra(path)
    seen: set[str] = set()
    for key, value in expected.items():
        name = _resolve_key(key, actual, seen, bindings)
        seen.add(name)
        if name in actual:
            differences += compare(value, actual[name], bindings, leniency, (*path, name))
        elif not leniency.ignored((*path, name)):
            differences.append(Difference((*path, name), bindings.fill(value), MISSING))
    for name, value in actual.items():
        if name in seen or allowed is None or name in allowed or leniency.ignored((*path, name)):
            continue
        differences.append(Difference((*path, name), MISSING, value))
    return differences


def _resolve_key(key: str, actual: Mapping[str, Any], seen: set[str], bindings: Bindings) -> str:
    """The actual name of a key, which may itself be a placeholder (``{"<hex:4>": …}``)."""
    if not _TOKEN.search(key):
        return key
    pattern, groups = _pattern(key, bindings)
    for name in actual:
        if name not in seen and (found := re.fullmatch(pattern, name)):
            for group, identity in groups.items():
                bindings.numbered[identity] = found[group]
            return name
    return str(bindings.fill(key))


def _compare_lists(
    expected: list[Any], actual: list[Any], bindings: Bindings, leniency: Leniency, path: Path
) -> list[Difference]:
    differences: list[Difference] = []
    for position in range(max(len(expected), len(actual))):
        here = (*path, position)
        if position >= len(actual):
            differences.append(Difference(here, bindings.fill(expected[position]), MISSING))
        elif position >= len(expected):
            differences.append(Difference(here, MISSING, actual[position]))
        else:
            differences += compare(expected[position], actual[position], bindings, leniency, here)
    return differences


def _compare_unordered(
    expected: list[Any], actual: list[Any], key: str, bindings: Bindings, leniency: Leniency, path: Path
) -> list[Difference]:
    def differ(wanted: Any, got: Any, attempt: Bindings) -> list[Difference]:
        differences = compare(wanted, got, attempt, leniency, (*path, 0))
        if key and isinstance(wanted, dict) and isinstance(got, dict):
            same = not compare(wanted.get(key, MISSING), got.get(key, MISSING), attempt)
            # Another item than the one meant: further away than any fault of the right one.
            return (
                differences if same else differences + differences * 8 + [Difference(path, wanted, got)] * 64
            )
        return differences

    pairs, left, extra = pair(expected, actual, bindings, differ)
    found: list[Difference] = []
    for wanted, got, differences in pairs:
        if differences:
            found += compare(expected[wanted], actual[got], bindings, leniency, (*path, got))
    found += [Difference((*path, index), bindings.fill(expected[index]), MISSING) for index in left]
    found += [Difference((*path, index), MISSING, actual[index]) for index in extra]
    return found
