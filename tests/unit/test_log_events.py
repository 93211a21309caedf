"""The page of log events is true to the code: every name, level and field, and no other."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.log_events import Said, said

PAGE = Path(__file__).parents[2] / "docs" / "log-events.md"

#: Of lines whose fields are no keywords in the code; `test_logs.py` and the acceptance tests see them.
REQUEST = {"method", "path", "status", "seconds", "client", "account", "user", "reason"}


def _in_code() -> dict[str, tuple[set[str], set[str]]]:
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for one in said():
        found[one.event][0].update(one.levels)
        found[one.event][1].update(one.fields)
    found["request"][1].update(REQUEST)
    return dict(found)


def _on_page() -> dict[str, tuple[set[str], set[str]]]:
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| `"):
            assert len(cells) == 5 and all(cells[index] for index in (0, 1, 3, 4)), line
            event = cells[0].strip("`")
            assert event not in found, f"{event} has two rows"
            fields = {field.strip(" `") for field in cells[2].split(",")} - {""}
            found[event] = {level.strip() for level in cells[1].split(",")}, fields
    return found


def test_every_event_is_on_the_page_and_no_other() -> None:
    """An alarm on an event of the page can go off; whatever is logged is explained."""
    assert _on_page().keys() ^ _in_code().keys() == set()


def test_levels_and_fields_are_those_of_the_code() -> None:
    """A field that is looked for in a line is there, under that name."""
    code, page = _in_code(), _on_page()
    assert {event: page[event] for event in code} == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('log.info("one", a=1)', ("one", {"info"}, {"a"})),
        ('log.exception("two")', ("two", {"error"}, {"exception"})),
        ('log.error("three", exc_info=error, b=2)', ("three", {"error"}, {"exception", "b"})),
        ('self.x.complain("four", "kind", c=3)', ("four", {"warning"}, {"reason", "kept_back", "c"})),
        ('say("five", {})', ("five", {"info"}, set())),
        ('say("six", {}, level)', ("six", {"info", "warning", "error"}, set())),
    ],
)
def test_lines_are_found_in_code(tmp_path: Path, text: str, expected: tuple[str, set[str], set[str]]) -> None:
    """Whatever way a line is written, it is found."""
    head = "from .logs import say\nimport structlog\nlog = structlog.get_logger()\n"
    (tmp_path / "module.py").write_text(head + text)
    assert list(said(tmp_path)) == [
        Said(expected[0], frozenset(expected[1]), frozenset(expected[2]), "module.py:4")
    ]


@pytest.mark.parametrize("text", ["say(name, {})", 'x.complain(f"a{b}", "kind")', "log.info(event + 'x')"])
def test_an_event_has_a_name_of_its_own(tmp_path: Path, text: str) -> None:
    """One whose name is put together is found by nobody who looks for it."""
    head = "from .logs import say\nimport structlog\nlog = structlog.get_logger()\n"
    (tmp_path / "module.py").write_text(head + text)
    with pytest.raises(AssertionError, match=r"module\.py:4"):
        list(said(tmp_path))
