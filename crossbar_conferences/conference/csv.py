"""A list as CSV: one line a conference, nested keys joined by underscores. Pure.

Source: http.md 1.10; recording ``entry-csv``: every value quoted, columns in descending order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .filters import as_text

#: Spreadsheets run a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(items: Sequence[Mapping[str, Any]]) -> str:
    """The items as CSV text with a header line."""
    rows = [dict(_flat(item, ())) for item in items]
    columns = sorted({path for row in rows for path in row}, reverse=True)
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(_safe(_title(path)) for path in columns)
    writer.writerows([row.get(path, "") for path in columns] for row in rows)
    return text.getvalue()


def _title(path: tuple[str, ...]) -> str:
    # A file that begins with "id" looks like another format to a spreadsheet; Kazoo writes it so.
    return "ID" if path == ("id",) else "_".join(path)


def _flat(item: Mapping[str, Any], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in item.items():
        path = (*prefix, key)
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        elif isinstance(value, list):
            yield path, _safe(",".join(as_text(entry) for entry in value))
        else:
            yield path, _safe(as_text(value))


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and not text.lstrip("+-").isdecimal() else text
