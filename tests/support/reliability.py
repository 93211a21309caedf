"""The table of faults in ``docs/reliability.md``: what tests declare, what a run measured, and the text."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
TESTS = ROOT / "tests" / "faults"

BEGIN = "<!-- generated from a run of tests/faults: make reliability -->"
END = "<!-- end of what is generated -->"

_HEAD = (
    "fault",
    "what a client sees",
    "what is kept",
    "how it recovers",
    "slowest answer",
    "back after",
    "test",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A fault that the house survives. ``test`` is ``file::function``."""

    fault: str
    sees: str
    keeps: str
    recovers: str
    test: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The words of the row, in the table's order."""
        return (self.fault, self.sees, self.keeps, self.recovers)


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with its times in seconds; ``None`` where there is nothing to measure."""

    row: Row
    slowest: float | None
    back_after: float | None


def declared(folder: Path = TESTS) -> Iterator[tuple[str, Row | None]]:
    """Every test of the folder by name, with the row that it declares by ``@pytest.mark.fault``."""
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_"):
                name = f"{path.name}::{node.name}"
                yield name, next((row for mark in node.decorator_list if (row := _row(mark, name))), None)


def _row(mark: ast.expr, test: str) -> Row | None:
    if not isinstance(mark, ast.Call) or not ast.unparse(mark.func).endswith("mark.fault"):
        return None
    said = {word.arg: ast.literal_eval(word.value) for word in mark.keywords if word.arg}
    return Row(test=test, **said)


def table(rows: Iterable[Measured]) -> str:
    """The table as Markdown, in the order of the rows."""
    lines = [f"| {' | '.join(_HEAD)} |", f"|{' --- |' * len(_HEAD)}"]
    for measured in rows:
        times = (_seconds(measured.slowest), _seconds(measured.back_after))
        lines.append(f"| {' | '.join((*measured.row.cells, *times, f'`{measured.row.test}`'))} |")
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def with_table(page: str, text: str) -> str:
    """A page with its generated part replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the table")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def shown(page: str) -> dict[str, tuple[str, ...]]:
    """The rows of a page by test, without what was measured."""
    rows = {}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == len(_HEAD) and cells[-1].strip("`").startswith("test_"):
            rows[cells[-1].strip("`")] = tuple(cells[:4])
    return rows
