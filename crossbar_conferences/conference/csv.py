"""A list or one object as CSV: a line for each, nested keys joined by underscores. Pure.

Source: http.md 1.10; recording ``entry-csv``: every value quoted, columns in descending order.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .filter_values import as_text
from .lines import is_blank

#: Spreadsheets run a cell that begins with one of these, some of them also in their full-width, small
#: and raised forms (compared in Unicode's compatibility form).
_SIGNS: Final = frozenset("=+-@\N{MINUS SIGN}")

#: What begins with a sign and is data: a number, or a telephone number as Kazoo writes it.
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")

#: Cells never begin with these: importers have read what comes after them as a cell of its own.
_CONTROLS: Final = frozenset("\t\r\n")

#: Objects inside each other that become columns; what is deeper is one cell of JSON.
_DEEPEST: Final = 32

#: One document with many keys must not make every row that long: with more columns than this, objects
#: are cells of JSON, and what is still too much is left out.
MAX_COLUMNS: Final = 1_000

#: No text longer than this is looked at to see whether it is a number.
_LONGEST_NUMBER: Final = 1_000


def to_csv(items: Sequence[Mapping[str, Any]]) -> str:
    """The items as CSV text with a header line. No cell is a formula to a spreadsheet."""
    for deepest in (_DEEPEST, 1):
        rows = [dict(_flat(item, deepest)) for item in items]
        columns = sorted({path for row in rows for path in row}, reverse=True)
        if len(columns) <= MAX_COLUMNS:
            break
    del columns[MAX_COLUMNS:]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(_safe(_title(path)) for path in columns)
    writer.writerows([row.get(path, "") for path in columns] for row in rows)
    return text.getvalue()


def _title(path: tuple[str, ...]) -> str:
    # A file that begins with "id" looks like another format to a spreadsheet; Kazoo writes it so.
    return "ID" if path == ("id",) else "_".join(path)


def _flat(item: Mapping[str, Any], deepest: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """The item's values by their path. Without recursion: a stored document may be of any depth."""
    waiting: list[tuple[tuple[str, ...], Iterator[tuple[str, Any]]]] = [((), iter(item.items()))]
    while waiting:
        prefix, entries = waiting[-1]
        for key, value in entries:
            path = (*prefix, key)
            if isinstance(value, Mapping) and len(path) < deepest:
                waiting.append((path, iter(value.items())))
                break
            if isinstance(value, list):
                yield path, _safe(",".join(as_text(entry) for entry in value))
            else:
                yield path, _safe(as_text(value))
        else:
            waiting.pop()


def _safe(text: str) -> str:
    """The cell's text, with an apostrophe before it where a spreadsheet might run it.

    What spreadsheets and their importers leave out before a formula is left out here too: blanks,
    line breaks, byte order marks, signs of no width."""
    first = next((sign for sign in text if not is_blank(sign)), "")
    if text[:1] in _CONTROLS or unicodedata.normalize("NFKC", first)[:1] in _SIGNS:
        is_number = len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text)
        return text if is_number else f"'{text}"
    return text
