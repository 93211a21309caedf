"""What a list request asks for, and what an item of the answer shows. Pure.

Source: http.md 4, data.md 3.4; recordings ``list``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ..errors import CrossbarConferencesError
from . import filters, start_keys
from .filters import Filter

#: The longest span of creation times that may be asked for, in seconds (http.md 4.4).
MAX_RANGE: Final = 2_682_000

#: Chunked listing has no effect on this resource, but its parameters are checked (http.md 4.1).
_CHUNK_PARAMETERS: Final = ("chunk_size", "batch_size")
_MAX_CHUNK: Final = 50

_RANGES: Final = (("created", "pvt_created"), ("modified", "pvt_modified"))

#: Shown by a list's item beside the document's own keys.
READ_ONLY: Final = "_read_only"


class ListingError(CrossbarConferencesError):
    """A parameter makes no sense. ``kind`` is a name of the API's error catalogue."""

    def __init__(self, kind: str, data: Any) -> None:
        self.kind = kind
        self.data = data
        super().__init__(kind)


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds in gregorian seconds on a private field; ``None`` is open."""

    field: str
    start: float | None
    end: float | None
    #: A bound that is no number: then no document is meant.
    is_broken: bool = False

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document lies within."""
        moment = document.get(self.field)
        if self.is_broken or not isinstance(moment, int | float):
            return False
        return (self.start is None or moment >= self.start) and (self.end is None or moment <= self.end)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request, read. ``start`` is the id to begin with, ``fields`` the keys to keep."""

    page_size: int
    paginate: bool = True
    descending: bool = True
    start: str | None = None
    given_start_key: str | None = None
    fields: tuple[str, ...] | None = None
    full_docs: bool = False
    filters: tuple[Filter, ...] = ()
    ranges: tuple[Range, ...] = ()

    @property
    def needs_documents(self) -> bool:
        """Whether summaries are not enough."""
        return bool(self.filters or self.ranges or self.full_docs)

    @property
    def wants_read_only(self) -> bool:
        """Whether items show live data; without that nobody need be asked for it."""
        return self.fields is None or any(field.split(".")[0] == READ_ONLY for field in self.fields)


def parse(
    query: Mapping[str, Any],
    value: Callable[[str], Any],
    *,
    default_page_size: int,
    max_page_size: int,
    full_docs_allowed: bool,
    now_gregorian: int,
) -> ListQuery:
    """Read a list request. ``value`` looks a name up in data, query and envelope (http.md 2.2).

    Raises `ListingError`."""
    for name in _CHUNK_PARAMETERS:
        _check_chunk(name, query.get(name))
    given = value("bookmark") if value("bookmark") is not None else value("start_key")
    start = start_keys.decoded(given)
    found = (filters.read(key, text) for key, text in query.items())
    return ListQuery(
        page_size=_page_size(value("page_size"), default_page_size, max_page_size),
        paginate=not _is_no(value("paginate")),
        descending=_descending(query),
        start=start,
        given_start_key=given if isinstance(given, str) and start is not None else None,
        fields=_fields(query.get("fields")),
        full_docs=full_docs_allowed and _is_yes(query.get("full_docs")),
        filters=tuple(one for one in found if one is not None),
        ranges=_ranges(query, value, now_gregorian),
    )


def matches(document: Mapping[str, Any], query: ListQuery) -> bool:
    """Whether a document is meant by every filter and range."""
    return all(one.holds(document) for one in query.filters) and all(
        one.holds(document) for one in query.ranges
    )


def item(
    shown: Mapping[str, Any], query: ListQuery, read_only: Mapping[str, Any], flat: Mapping[str, Any]
) -> dict[str, Any]:
    """One item: a summary or, with ``full_docs``, a document's public fields, and live data.

    ``flat`` are the figures that the seed shows in the item itself; ``fields`` leaves them out."""
    result = {key: value for key, value in shown.items() if not key.startswith(("_", "pvt_"))}
    if "_id" in shown:
        result["id"] = shown["_id"]
    if query.fields is None:
        return {**result, **flat, READ_ONLY: dict(read_only)}
    kept: dict[str, Any] = {"id": result.get("id")}
    source = {**result, READ_ONLY: dict(read_only)}
    for field in query.fields:
        _keep(kept, source, field.split("."))
    return kept


def _page_size(value: Any, default: int, maximum: int) -> int:
    if value is None:
        return min(default, maximum)
    size = _whole(value)
    if size is None:
        raise _faulty("invalid page size")
    if size < 1:
        raise _faulty("page size must be at least 1")
    return min(size, maximum)


def _check_chunk(name: str, value: Any) -> None:
    if value is None:
        return
    words = name.replace("_", " ")
    size = _whole(value)
    if size is None:
        raise _faulty(f"invalid {words}")
    if size < 1:
        raise _faulty(f"{words} must be at least 1")
    if size > _MAX_CHUNK:
        raise _faulty(f"{words} must be lower than {_MAX_CHUNK}")


def _descending(query: Mapping[str, Any]) -> bool:
    # ``descending`` is looked at first, and only the plain words count (recorded).
    if "descending" in query:
        return str(query["descending"]).lower() != "false"
    return str(query.get("ascending")).lower() != "true"


def _fields(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        wanted = orjson.loads(value)
    except (TypeError, ValueError):
        raise _faulty("invalid fields query string") from None
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",")]
    if isinstance(wanted, dict):
        wanted = [name for name, keep in wanted.items() if keep is True]
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise _faulty("invalid fields query string")
    names = [name for name in wanted if name.startswith(READ_ONLY) or not name.startswith(("_", "pvt_"))]
    return tuple(dict.fromkeys(name for name in names if name))


def _keep(kept: dict[str, Any], source: Mapping[str, Any], path: list[str]) -> None:
    value: Any = source
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return
        value = value[step]
    for step in path[:-1]:
        inner = kept.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        kept = inner
    kept[path[-1]] = value


def _ranges(query: Mapping[str, Any], value: Callable[[str], Any], now: int) -> tuple[Range, ...]:
    found = []
    for name, field in _RANGES:
        start, end = value(f"{name}_from"), value(f"{name}_to")
        if name == "created":
            _check_created(start, end, now)
        if start is None and end is None:
            continue
        first, last = _number(start), _number(end)
        broken = (start is not None and first is None) or (end is not None and last is None)
        found.append(Range(field, first, last, broken))
    return tuple(found)


def _check_created(start: Any, end: Any, now: int) -> None:
    if start is None and end is None:
        return
    last = _positive(end) or now
    first = _positive(start) or last - MAX_RANGE
    if last < first:
        cause, message = first, f"created_to {last} is prior to created_from {first}"
    elif last - first > MAX_RANGE:
        cause = last
        message = f"created_to {last} is more than {MAX_RANGE} seconds from created_from {first}"
    else:
        return
    details = {"message": message, "cause": cause}
    raise ListingError("validation_error", {"created_from": {"date_range": details}})


def _faulty(message: str) -> ListingError:
    return ListingError("faulty_request", {"message": message})


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.lstrip("-").isdecimal() and len(value) < 16:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def _number(value: Any) -> float | None:
    whole = _whole(value)
    return None if whole is None else float(whole)


def _positive(value: Any) -> int | None:
    whole = _whole(value)
    return whole if whole is not None and whole > 0 else None


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "yes", "1", "on"))


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.lower() in ("false", "no", "0", "off"))
