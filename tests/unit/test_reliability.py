"""The table of faults (``docs/reliability.md``) has every test of the fault suite, in its words."""

from __future__ import annotations

import pytest

from tests.support import reliability


def test_every_fault_test_has_its_row() -> None:
    """`make reliability` was run since a fault was added, removed or said in other words."""
    declared = dict(reliability.declared())
    assert declared
    assert [name for name, row in declared.items() if row is None] == []
    words = {name: row.cells for name, row in declared.items() if row is not None}
    assert reliability.shown(reliability.PAGE.read_text()) == words


def test_the_table_is_read_as_it_is_written() -> None:
    """Writing rows into a page and reading them again changes nothing, and the rest of the page stays."""
    row = reliability.Row("it rains", "wet", "umbrellas", "by itself", "test_weather.py::test_rain")
    page = f"before\n{reliability.BEGIN}\nold\n{reliability.END}\nafter\n"
    written = reliability.with_table(page, reliability.table([reliability.Measured(row, 0.5, None)]))
    assert reliability.shown(written) == {row.test: row.cells}
    assert written.startswith("before\n") and written.endswith("\nafter\n") and "0.50 s" in written
    with pytest.raises(ValueError):
        reliability.with_table("a page without a place", "")
