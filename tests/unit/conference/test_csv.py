"""A list as CSV (http.md 1.10, recording entry-csv)."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.csv import MAX_COLUMNS, to_csv

ITEM: dict[str, Any] = {
    "id": "c1",
    "name": "Sales",
    "flags": [],
    "conference_numbers": [],
    "member": {"join_deaf": False, "join_muted": True, "numbers": [], "pins": []},
    "moderator": {"join_deaf": False, "join_muted": False, "numbers": [], "pins": []},
    "_read_only": {"members": 0, "moderators": 0, "duration": 0, "is_locked": False},
}


def test_as_recorded() -> None:
    """Everything quoted, columns descending by key, the id's column named ID in its place."""
    assert to_csv([ITEM]) == (
        '"name","moderator_pins","moderator_numbers","moderator_join_muted","moderator_join_deaf",'
        '"member_pins","member_numbers","member_join_muted","member_join_deaf","ID","flags",'
        '"conference_numbers","_read_only_moderators","_read_only_members","_read_only_is_locked",'
        '"_read_only_duration"\n'
        '"Sales","","","false","false","","","true","false","c1","","","0","0","false","0"\n'
    )


def test_rows_with_other_columns() -> None:
    """Every row has every column; a list becomes one cell."""
    lines = list(csv.reader(io.StringIO(to_csv([{"id": "a", "x": 1}, {"id": "b", "y": ["1", 2, None]}]))))
    assert lines == [["y", "x", "ID"], ["", "1", "a"], ["1,2,", "", "b"]]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|x", "-x", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet would run what a participant or a client wrote there; numbers stay as they are."""
    assert f'"\'{text}"' in to_csv([{"id": "a", "name": text}])
    assert f'"\'{text}"' in to_csv([{"id": "a", text: "x"}])


#: What readers leave out before a formula: blanks, a byte order mark, signs of no width, controls, fillers.
_UNSEEN = st.text(
    " \t\r\n\v\f\x00\x1c\x85\xa0\xad\u115f\u2003\u2028\u200b\u200e\u202e\u2060\u2800\u3000\u3164\ufe0f\ufeff",
    max_size=4,
)
_SIGNS = st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u207a\u208b\u2212")


@given(before=_UNSEEN, sign=_SIGNS, formula=st.text(max_size=8))
def test_no_cell_is_a_formula_behind_what_is_not_seen(before: str, sign: str, formula: str) -> None:
    """Whatever stands before the sign and in whatever width it is: the cell begins with an apostrophe."""
    text = f"{before}{sign}a{formula}"
    for item in ({"id": "a", "name": text}, {"id": "a", text: "x"}, {"id": "a", "member": {"pins": [text]}}):
        cells = [cell for row in csv.reader(io.StringIO(to_csv([item]), newline="")) for cell in row]
        assert any(cell.endswith(text) for cell in cells)
        assert all(cell.startswith("'") for cell in cells if text in cell and not cell.startswith("member"))


@pytest.mark.parametrize("text", ["\n=1", "\r=1", "\t1", "\n1"])
def test_no_cell_begins_with_a_line_of_its_own(text: str) -> None:
    """A reader that splits lines before it looks at quotes would find a cell there."""
    assert f'"\'{text}"' in to_csv([{"id": "a", "name": text}])


def test_one_document_with_many_keys_does_not_widen_every_row() -> None:
    """Columns are bounded: objects become cells of JSON, and what is too much even so is left out."""
    wide = {"id": "w", "ui_flags": {f"k{n}": n for n in range(5 * MAX_COLUMNS)}}
    lines = list(csv.reader(io.StringIO(to_csv([wide, *({"id": str(n), "name": "x"} for n in range(50))]))))
    assert lines[0] == ["ui_flags", "name", "ID"]
    assert to_csv([wide["ui_flags"]]).partition("\n")[0].count(",") == MAX_COLUMNS - 1


@pytest.mark.parametrize("text", ["-5", "+14155550100", "5", "-0.5", "-1e+20"])
def test_numbers_stay(text: str) -> None:
    """A sign alone makes no formula."""
    assert f'"{text}"' in to_csv([{"id": "a", "name": text}])


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=4),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=6),
                lambda inner: (
                    st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
                ),
                max_leaves=4,
            ),
            max_size=4,
        ),
        max_size=3,
    )
)
def test_every_line_is_as_wide_as_the_first(items: list[dict[str, Any]]) -> None:
    """Whatever is in it, a reader finds as many rows as items."""
    lines = list(csv.reader(io.StringIO(to_csv(items), newline="")))
    filled = [line for line in lines if line]
    assert len({len(line) for line in filled}) <= 1
    if filled:
        assert len(filled) == len(items) + 1
