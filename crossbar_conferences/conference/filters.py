"""Filters of a list: which documents are meant. Pure.

Every form and odd form is Kazoo's, also where it looks like a mistake of its own; what crashes a
filter there matches nothing. Paths, texts and numbers are read in ``filter_values.py``. Source:
crossbar_filter (kazoo5-dev), http.md 4.4; recordings ``list-filter-…``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from .filter_values import MISSING, Crash, at, casted, exact, is_empty, text, whole

#: What is stored at the path, and the filter.
Test = Callable[[Any, "Filter"], bool]

#: What is in a parameter that is no JSON.
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one path of a document. ``path`` is split at dots."""

    form: str
    path: tuple[str, ...]
    wanted: str
    #: The same, read as JSON.
    decoded: Any = field(default=_NOTHING, compare=False)
    #: Of a list in it, the entries as they are compared.
    entries: frozenset[str] | None = field(default=None, compare=False)
    #: Of a moment, its seconds; ``None``: it is no number.
    moment: int | None = field(default=None, compare=False)

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document fulfils it."""
        try:
            return _FORMS[self.form](at(document, self.path), self)
        except Crash:
            return False


def read_all(pairs: Iterable[tuple[str, Any]]) -> tuple[Filter, ...]:
    """The filters of a query, each once; the same name may be there more than once, and each counts."""
    found = (read(key, value) for key, value in dict.fromkeys(pairs))
    return tuple(one for one in found if one is not None)


def read(key: str, value: Any) -> Filter | None:
    """The filter in one parameter of the query; ``None`` when it is none."""
    is_bare = not isinstance(value, str)
    wanted = "true" if is_bare else value
    if key in _MOMENTS:
        return Filter(key, _MOMENTS[key], wanted, moment=None if is_bare else whole(wanted))
    if key in _KEYED:
        return _of_no_document(key) if is_bare else Filter(key, tuple(wanted.split(".")), wanted)
    for form in _PREFIXES:
        if key.startswith(form):
            if is_bare and form not in _PLAIN:
                # A name without a value: Kazoo looks for a list in it, and crashes.
                return _of_no_document(key)
            decoded = _decoded(wanted)
            entries = frozenset(map(exact, decoded)) if isinstance(decoded, list) else None
            return Filter(form, tuple(key.removeprefix(form).split(".")), wanted, decoded, entries)
    return None


def _of_no_document(key: str) -> Filter:
    return Filter("never", (), key)


def _decoded(wanted: str) -> Any:
    try:
        return orjson.loads(wanted)
    except orjson.JSONDecodeError:
        return _NOTHING


def _equal(value: Any, one: Filter) -> bool:
    # A value that is itself JSON text means what it holds: one of a list, or a quoted text (4.4).
    found = text(value)
    if found == one.wanted or (isinstance(one.decoded, str) and found == one.decoded):
        return True
    return one.entries is not None and exact(found) in one.entries


def _any(value: Any, one: Filter) -> bool:
    return one.entries is not None and exact(text(value)) in one.entries


def _intersect_all(value: Any, one: Filter) -> bool:
    return one.entries is not None and one.entries <= _entries(value)


def _intersect_any(value: Any, one: Filter) -> bool:
    return one.entries is not None and not one.entries.isdisjoint(_entries(value))


def _entries(value: Any) -> set[str]:
    return set(map(exact, value)) if isinstance(value, list) else set()


def _from(value: Any, one: Filter) -> bool:
    moment = casted(value)
    # What has no such moment comes after all moments: atoms come after numbers in Erlang.
    return one.moment is not None and (moment is None or one.moment <= moment)


def _to(value: Any, one: Filter) -> bool:
    moment = casted(value)
    return one.moment is not None and moment is not None and one.moment >= moment


_FORMS: Final[Mapping[str, Test]] = {
    "filter_any_": _any,
    "filter_array_intersect_all_": _intersect_all,
    "filter_array_intersect_any_": _intersect_any,
    # Kazoo's "none" is "not all": it drops a document only that has every entry asked for.
    "filter_array_intersect_none_": lambda value, one: not _intersect_all(value, one),
    "filter_none_": lambda value, one: not _any(value, one),
    "filter_not_": lambda value, one: not _equal(value, one),
    "filter_": _equal,
    "has_key": lambda value, one: value is not MISSING,
    "key_missing": lambda value, one: value is MISSING,
    "has_value": lambda value, one: not is_empty(value),
    "value_missing": lambda value, one: is_empty(value),
    "created_from": _from,
    "created_to": _to,
    "modified_from": _from,
    "modified_to": _to,
    "never": lambda value, one: False,
}

_KEYED: Final = frozenset({"has_key", "key_missing", "has_value", "value_missing"})
_MOMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "created_from": ("pvt_created",),
    "created_to": ("pvt_created",),
    "modified_from": ("pvt_modified",),
    "modified_to": ("pvt_modified",),
}
#: Forms in which a name without a value means the text "true".
_PLAIN: Final = frozenset({"filter_", "filter_not_"})
#: In Kazoo's order: each of them is also a ``filter_`` of something. No name may follow, then the
#: key with the empty name is meant.
_PREFIXES: Final = tuple(form for form in _FORMS if form.endswith("_"))
