"""Compares expected with actual values and tells every place where they differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .placeholders import MISSING, Bindings, fits, has_placeholder

#: Where in a value: names of keys and positions in lists.
Path = tuple[str | int, ...]

Wanted = TypeVar("Wanted")
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an actual value is not what was expected; ``expected`` has its variables filled in."""

    path: Path
    expected: Any
    actual: Any
    note: str = ""

    def without(self, secrets: Mapping[str, str]) -> Difference:
        """The same without secrets, fit to be shown."""
        expected, actual = hide(self.expected, secrets), hide(self.actual, secrets)
        path = tuple(hide(part, secrets) for part in self.path)
        return Difference(path, expected, actual, hide(self.note, secrets))

    def where(self) -> str:
        """The path as a person writes it: ``data.participants[0].call_id``."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                text += f".{part}" if text else part
        return text


def hide(value: Any, secrets: Mapping[str, str]) -> Any:
    """A value with every secret replaced by what stands for it; ``secrets`` maps secret to name."""
    if isinstance(value, str):
        for secret, name in secrets.items():
            value = value.replace(secret, name)
        return value
    if isinstance(value, list):
        return [hide(item, secrets) for item in value]
    if isinstance(value, dict):
        return {hide(key, secrets): hide(item, secrets) for key, item in value.items()}
    return value


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
        return [] if fits(expected, actual, bindings) else [Difference(path, bindings.fill(expected), actual)]
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _compare_objects(expected, actual, bindings, leniency, path)
    if isinstance(expected, list) and isinstance(actual, list):
        key = leniency.unordered(path)
        if key is not None:
            return _compare_unordered(expected, actual, key, bindings, leniency, path)
        return _compare_lists(expected, actual, bindings, leniency, path)
    # In Python True is 1; in JSON it is not.
    same = isinstance(expected, bool) == isinstance(actual, bool) and expected == actual
    return [] if same else [Difference(path, bindings.fill(expected), actual)]


def pair(
    expected: Sequence[Wanted],
    actual: Sequence[Got],
    bindings: Bindings,
    differ: Callable[[Wanted, Got, Bindings], list[Difference]],
) -> tuple[list[tuple[int, int, list[Difference]]], list[int], list[int]]:
    """Pair what was expected with what came, in any order, by fewest differences.

    ``differ(expected, actual, bindings)`` gives the differences of one pair. Returns the pairs with
    their differences and the positions left over on either side. Exact fits are taken first, so
    that one wrong item does not take another's place."""
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
    if has_placeholder(key):
        for name in actual:
            if name not in seen and fits(key, name, bindings):
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
    """Items are paired by the value of a key, and what is left by whatever fits best."""
    differences: list[Difference] = []
    left_expected, left_actual = list(range(len(expected))), list(range(len(actual)))
    for wanted in tuple(left_expected):
        partner = _with_same_key(expected[wanted], actual, left_actual, key, bindings)
        if partner is not None:
            differences += compare(expected[wanted], actual[partner], bindings, leniency, (*path, partner))
            left_expected.remove(wanted)
            left_actual.remove(partner)

    def differ(wanted: int, got: int, attempt: Bindings) -> list[Difference]:
        return compare(expected[wanted], actual[got], attempt, leniency, (*path, got))

    pairs, left, extra = pair(left_expected, left_actual, bindings, differ)
    for _, _, found in pairs:
        differences += found
    differences += [
        Difference((*path, left_expected[index]), bindings.fill(expected[left_expected[index]]), MISSING)
        for index in left
    ]
    differences += [
        Difference((*path, left_actual[index]), MISSING, actual[left_actual[index]]) for index in extra
    ]
    return differences


def _with_same_key(
    wanted: Any, actual: list[Any], candidates: list[int], key: str, bindings: Bindings
) -> int | None:
    if not key or not isinstance(wanted, dict) or key not in wanted:
        return None
    for index in candidates:
        got = actual[index]
        if isinstance(got, dict) and not compare(wanted[key], got.get(key, MISSING), bindings.copy()):
            return index
    return None
