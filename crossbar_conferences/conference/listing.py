"""What a list request asks for, and what an item of the answer shows. Pure.

Source: http.md 4, data.md 3.4; recordings ``list``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ..errors import CrossbarConferencesError
from . import filters, start_keys
from .filter_values import casted
from .filters import Filter

#: The longest span of creation times that may be asked for, in seconds (http.md 4.4).
MAX_RANGE: Final = 2_682_000

#: Chunked listing has no effect on this resource, but its parameters are checked (http.md 4.1).
_CHUNK_PARAMETERS: Final = ("batch_size", "chunk_size")
_MAX_CHUNK: Final = 50

#: Shown by a list's item beside the document's own keys.
READ_ONLY: Final = "_read_only"


class ListingError(CrossbarConferencesError):
    """A parameter makes no sense. ``kind`` is a name of the API's error catalogue."""

    def __init__(self, kind: str, data: Any) -> None:
        self.kind = kind
        self.data = data
        super().__init__(kind)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request, read. ``start`` is the id to begin with, ``fields`` the keys to keep; ``running``: what
    runs is wanted, whether it has a document or not."""

    page_size: int
    paginate: bool = True
    descending: bool = True
    start: str | None = None
    given_start_key: str | None = None
    fields: tuple[str, ...] | None = None
    full_docs: bool = False
    running: bool = False
    filters: tuple[Filter, ...] = ()

    @property
    def needs_documents(self) -> bool:
        """Whether summaries are not enough."""
        return bool(self.filters or self.full_docs)

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
    repeated: Iterable[tuple[str, Any]] = (),
) -> ListQuery:
    """Read a list request. ``value`` looks a name up in data, query and envelope (http.md 2.2);
    ``repeated`` are parameters of a name that ``query`` has already: filters all count.

    Raises `ListingError`."""
    _check_chunk(next((query[name] for name in _CHUNK_PARAMETERS if name in query), None))
    _check_created(value("created_from"), value("created_to"), now_gregorian)
    given = value("bookmark") if value("bookmark") is not None else value("start_key")
    start = start_keys.decoded(given)
    return ListQuery(
        page_size=_page_size(value("page_size"), default_page_size, max_page_size),
        paginate=value("paginate") is None or _is_true(value("paginate")),
        descending=_descending(query),
        start=start,
        given_start_key=given if isinstance(given, str) and start is not None else None,
        fields=_fields(query.get("fields")),
        full_docs=full_docs_allowed and _is_true(query.get("full_docs")),
        running=_is_true(query.get("running")),
        filters=filters.read_all((*query.items(), *repeated)),
    )


def matches(document: Mapping[str, Any], query: ListQuery) -> bool:
    """Whether a document is meant by every filter."""
    return all(one.holds(document) for one in query.filters)


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
    size = casted(value)
    if size is None:
        raise _faulty("invalid page size")
    if size < 1:
        raise _faulty("page size must be at least 1")
    return min(size, maximum)


def _check_chunk(value: Any) -> None:
    if value is None:
        return
    size = casted(value)
    if size is None:
        raise _faulty("invalid chunk size")
    if size < 1:
        raise _faulty("chunk size must be at least 1")
    if size > _MAX_CHUNK:
        raise _faulty(f"chunk size must be lower than {_MAX_CHUNK}")


def _descending(query: Mapping[str, Any]) -> bool:
    # ``descending`` is looked at first, and only the plain word "true" is a yes.
    if "descending" in query:
        return _is_true(query["descending"])
    return not _is_true(query.get("ascending"))


def _fields(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        wanted = orjson.loads(value)
    except (TypeError, ValueError):
        raise _faulty("invalid fields query string") from None
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",")]
    objects = wanted if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict) else [wanted]
    if isinstance(objects[0], dict):
        wanted = [name for one in objects for name in _chosen(one)]
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise _faulty("invalid fields query string")
    names = dict.fromkeys(name for name in wanted if _is_field(name))
    # With nothing left to choose by, Kazoo shows the items as if nobody had chosen.
    return tuple(names) or None


def _chosen(choice: Any) -> list[str]:
    """The paths that an object of booleans says yes to, objects inside it included."""
    if not isinstance(choice, dict):
        raise _faulty("invalid fields query string")
    chosen: list[str] = []
    waiting: list[tuple[str, dict[str, Any]]] = [("", choice)]
    while waiting:
        prefix, one = waiting.pop()
        for name, keep in one.items():
            if isinstance(keep, dict):
                waiting.append((f"{prefix}{name}.", keep))
            elif not isinstance(keep, bool) and keep not in ("true", "false"):
                raise _faulty("invalid fields query string")
            elif _is_true(keep):
                chosen.append(f"{prefix}{name}")
    return chosen


def _is_field(name: str) -> bool:
    steps = name.split(".")
    is_shown = steps[0] in (READ_ONLY, "_id") or not steps[0].startswith(("_", "pvt_"))
    return all(steps) and is_shown


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


def _positive(value: Any) -> int | None:
    number = casted(value)
    return number if number is not None and number > 0 else None


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
