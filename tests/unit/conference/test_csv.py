"""A list as CSV (http.md 1.10, recording entry-csv)."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.csv import to_csv

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


@pytest.mark.parametrize("text", ["-5", "+14155550100", "5"])
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
