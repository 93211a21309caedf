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
    rows = [dict(_flat(item, "")) for item in items]
    columns = sorted({column for row in rows for column in row}, reverse=True)
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def _flat(item: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in item.items():
        # Kazoo writes the id's column so: a spreadsheet would take a file that begins with ID
        # in another way, but that is what clients of the export know.
        name = f"{prefix}_{key}" if prefix else "ID" if key == "id" else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif isinstance(value, list):
            yield name, _safe(",".join(as_text(entry) for entry in value))
        else:
            yield name, _safe(as_text(value))


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and not text.lstrip("-").isdecimal() else text
