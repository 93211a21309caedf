"""Filters of a list: which documents are meant. Pure.

Everything is compared as text, and a filter that makes no sense matches nothing, or everything in
the forms that ask for absence. Source: http.md 4.4; recordings ``list-filter-…``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .. import jsondeep

Test = Callable[[Any, str], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one path of a document. ``path`` is split at dots."""

    form: str
    path: tuple[str, ...]
    wanted: str

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document fulfils it."""
        return _FORMS[self.form](_at(document, self.path), self.wanted)


def read(key: str, value: Any) -> Filter | None:
    """The filter in one parameter of the query; ``None`` when it is none."""
    text = value if isinstance(value, str) else "true"
    if key in _KEYED:
        return Filter(key, tuple(text.split(".")), text)
    for form in _PREFIXES:
        if key.startswith(form) and len(key) > len(form):
            return Filter(form, tuple(key.removeprefix(form).split(".")), text)
    return None


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(step)
    return document


def as_text(value: Any) -> str:
    """A value as filters compare it: nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    # Not orjson: it stops at integers beyond 64 bits.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except RecursionError:
        # As the answer has it too; with blanks, which nobody will miss there.
        return jsondeep.encode(value)


def _texts(value: Any) -> set[str]:
    """What a value may be called: itself as text, or each entry of a list; an empty list is an empty text."""
    if isinstance(value, list):
        return {as_text(item) for item in value} or {""}
    return {as_text(value)}


def _equal(value: Any, wanted: str) -> bool:
    # A value that is itself JSON text means what it holds: one of a list, or a quoted text (4.4).
    texts = _texts(value)
    if wanted in texts:
        return True
    if not wanted.startswith(("[", '"')):
        return False
    try:
        decoded = orjson.loads(wanted)
    except orjson.JSONDecodeError:
        return False
    return not texts.isdisjoint(
        as_text(item) for item in (decoded if isinstance(decoded, list) else [decoded])
    )


def _list(text: str) -> list[str] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return [as_text(item) for item in value] if isinstance(value, list) else None


def _any(value: Any, wanted: str) -> bool:
    listed = _list(wanted)
    return listed is not None and not _texts(value).isdisjoint(listed)


def _none(value: Any, wanted: str) -> bool:
    listed = _list(wanted)
    return listed is None or _texts(value).isdisjoint(listed)


def _intersect_all(value: Any, wanted: str) -> bool:
    listed = _list(wanted)
    if listed is None or not isinstance(value, list):
        return False
    return set(listed) <= {as_text(item) for item in value}


def _intersect_any(value: Any, wanted: str) -> bool:
    listed = _list(wanted)
    if listed is None or not isinstance(value, list):
        return False
    return bool(set(listed) & {as_text(item) for item in value})


def _intersect_none(value: Any, wanted: str) -> bool:
    # Kazoo's "none" is "not all": it drops only a document whose every element is listed (4.4).
    listed = _list(wanted)
    if listed is None or not isinstance(value, list):
        return True
    return not {as_text(item) for item in value} <= set(listed)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


_FORMS: Final[Mapping[str, Test]] = {
    "filter_array_intersect_all_": _intersect_all,
    "filter_array_intersect_any_": _intersect_any,
    "filter_array_intersect_none_": _intersect_none,
    "filter_not_": lambda value, wanted: not _equal(value, wanted),
    "filter_any_": _any,
    "filter_none_": _none,
    "filter_": _equal,
    "has_key": lambda value, wanted: value is not None,
    "key_missing": lambda value, wanted: value is None,
    "has_value": lambda value, wanted: not _is_empty(value),
    "value_missing": lambda value, wanted: _is_empty(value),
}

_KEYED: Final = frozenset({"has_key", "key_missing", "has_value", "value_missing"})
#: Longer ones first: each is also a ``filter_`` of something.
_PREFIXES: Final = tuple(form for form in _FORMS if form.endswith("_"))
