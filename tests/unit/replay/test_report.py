"""What is told of a run, for people and for machines."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

from rich.console import Console

from crossbar_conferences.replay import report
from crossbar_conferences.replay.matching import Difference
from crossbar_conferences.replay.model import Case
from crossbar_conferences.replay.placeholders import MISSING
from crossbar_conferences.replay.results import CaseResult, Outcome, StepResult, outcome_of

CASE = Case("c1", "a title", (), area="list")
WRONG = StepResult(2, "GET /x", (Difference(("data", 0, "id"), "a", MISSING, "why"),))
RESULTS = [
    CaseResult(CASE, Outcome.HELD),
    CaseResult(CASE, Outcome.DEVIATION, (StepResult(1, "GET /", row="greeting"),)),
    CaseResult(CASE, Outcome.SKIPPED, reason="no switch"),
    CaseResult(CASE, Outcome.DIFFERING, (WRONG,)),
    CaseResult(CASE, Outcome.FAILED, reason="gone\x00"),
]


def printed(results: list[CaseResult], *, verbose: bool = False) -> str:
    """What a person reads."""
    stream = io.StringIO()
    console = Console(file=stream, width=100, color_system=None)
    for result in results:
        report.print_case(console, result, verbose=verbose)
    report.print_summary(console, results)
    return stream.getvalue()


def test_differences_are_readable() -> None:
    """A difference shows where, what was expected, what came and why; the counts follow."""
    text = printed(RESULTS)
    for words in ("c1", "step 2: GET /x", "data[0].id", '"a"', "(absent)", "why", "greeting", "no switch"):
        assert words in text
    assert "5 cases: 1 held  1 deviation  1 skipped  1 differing  1 failed" in text


def test_quiet_when_all_is_well() -> None:
    """Cases that hold are only counted, unless asked for."""
    assert "a title" not in printed(RESULTS[:1])
    assert "a title" in printed(RESULTS[:1], verbose=True)


def test_json() -> None:
    """The JSON form has the counts, and the differences with their places."""
    content = json.loads(report.as_json(RESULTS))
    assert content["counts"] == {
        "held": 1,
        "deviation": 1,
        "untrusted": 0,
        "skipped": 1,
        "differing": 1,
        "failed": 1,
    }
    assert content["cases"][3]["steps"][0]["differences"] == [
        {"where": "data[0].id", "expected": "a", "note": "why"}
    ]


def test_junit() -> None:
    """The JUnit form is XML whatever is in the words, with one test case each."""
    suite = ElementTree.fromstring(report.as_junit(RESULTS))
    assert suite.attrib["tests"] == "5"
    assert [child.tag for test in suite for child in test] == ["skipped", "failure", "error"]


def test_failed() -> None:
    """A difference fails a run, a deviation or a skipped case does not."""
    assert report.failed(RESULTS)
    assert not report.failed(RESULTS[:3])


def test_long_values_are_cut() -> None:
    """A long value does not fill the screen."""
    assert len(report.show("x" * 5000)) < 400


def test_outcomes() -> None:
    """Differences of untrusted parts do not count; deviations and untrusted cases are told apart."""
    untrusted = StepResult(1, "", WRONG.differences, counts=False)
    assert outcome_of(CASE, [untrusted]) is Outcome.HELD
    assert outcome_of(CASE, [WRONG]) is Outcome.DIFFERING
    assert outcome_of(CASE, [StepResult(1, "", row="r")]) is Outcome.DEVIATION
    assert outcome_of(Case("c", "", (), untrusted="paging"), [untrusted]) is Outcome.UNTRUSTED
