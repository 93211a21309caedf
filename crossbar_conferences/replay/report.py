"""Tells the results of a run: a table for people, JSON and JUnit for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .matching import Difference
from .placeholders import MISSING
from .results import CaseResult, Outcome, StepResult

#: Outcomes that make a run fail.
BAD = frozenset({Outcome.DIFFERING, Outcome.FAILED})

#: Characters of a value that are shown at most.
SHOWN = 300

_COLOURS = {
    Outcome.HELD: "green",
    Outcome.DEVIATION: "cyan",
    Outcome.UNTRUSTED: "dim",
    Outcome.SKIPPED: "yellow",
    Outcome.DIFFERING: "red",
    Outcome.FAILED: "red",
}


def failed(results: Iterable[CaseResult]) -> bool:
    """Whether a run of these results is a failure."""
    return any(result.outcome in BAD for result in results)


def counts(results: Iterable[CaseResult]) -> dict[str, int]:
    """How many cases ended which way; every outcome is there."""
    counter = Counter(result.outcome for result in results)
    return {outcome.value: counter[outcome] for outcome in Outcome}


def print_case(console: Console, result: CaseResult, *, verbose: bool = False) -> None:
    """One line for a case, and its differences below when there are any that count."""
    bad = result.outcome in BAD
    if not bad and not verbose:
        return
    line = Text(f"{result.outcome.value:10}", style=_COLOURS[result.outcome])
    line.append(f" {result.case.id}", style="bold").append(f"  {result.case.title}")
    if result.reason:
        line.append(f"\n           {result.reason}")
    console.print(line)
    for step in result.steps:
        if step.differences and ((bad and step.counts) or verbose):
            console.print(_step_table(step))


def print_summary(console: Console, results: Sequence[CaseResult]) -> None:
    """A line with the counts; why cases were skipped; which rows of the compatibility table showed."""
    reasons = Counter(result.reason for result in results if result.outcome is Outcome.SKIPPED)
    for reason, number in reasons.most_common():
        console.print(Text(f"{number} skipped: {reason}", style="yellow"))
    rows = sorted({row for result in results for row in result.rows})
    if rows:
        console.print(Text(f"deviations seen (docs/compatibility.md): {', '.join(rows)}", style="cyan"))
    summary = Text(f"{len(results)} cases: ")
    for outcome, number in counts(results).items():
        if number or outcome in ("held", "deviation", "differing"):
            summary.append(f"{number} {outcome}  ", style=_COLOURS[Outcome(outcome)])
    console.print(summary)


def as_json(results: Sequence[CaseResult]) -> str:
    """All results as one JSON object: ``counts`` and ``cases``."""
    cases = [
        {
            "id": result.case.id,
            "title": result.case.title,
            "source": result.case.source,
            "outcome": result.outcome.value,
            "reason": result.reason or None,
            "rows": list(result.rows),
            "seconds": round(result.seconds, 3),
            "steps": [
                {
                    "n": step.number,
                    "what": step.what,
                    "counts": step.counts,
                    "differences": [_plain(difference) for difference in step.differences],
                }
                for step in result.steps
                if step.differences
            ],
        }
        for result in results
    ]
    return json.dumps({"counts": counts(results), "cases": cases}, indent=2, ensure_ascii=False, default=str)


def as_junit(results: Sequence[CaseResult]) -> str:
    """All results as a JUnit file, one test case each."""
    suite = ElementTree.Element(
        "testsuite",
        name="replay",
        tests=str(len(results)),
        failures=str(sum(result.outcome is Outcome.DIFFERING for result in results)),
        errors=str(sum(result.outcome is Outcome.FAILED for result in results)),
        skipped=str(sum(result.outcome is Outcome.SKIPPED for result in results)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        test = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"replay.{result.case.area or 'fixtures'}",
            name=result.case.id,
            time=f"{result.seconds:.3f}",
        )
        if result.outcome is Outcome.DIFFERING:
            words = describe(result)
            ElementTree.SubElement(test, "failure", message=_xml(words.split("\n")[0])).text = _xml(words)
        elif result.outcome is Outcome.FAILED:
            ElementTree.SubElement(test, "error", message=_xml(result.reason))
        elif result.outcome is Outcome.SKIPPED:
            ElementTree.SubElement(test, "skipped", message=_xml(result.reason))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def describe(result: CaseResult) -> str:
    """The differences that count, as plain text, a line each."""
    lines = [result.reason] if result.reason else []
    for step in result.steps:
        if not step.counts:
            continue
        lines += [
            f"step {step.number}, {step.what}: {difference.where()}: expected "
            f"{show(difference.expected)}, got {show(difference.actual)} {difference.note}".rstrip()
            for difference in step.differences
        ]
    return "\n".join(lines)


def show(value: Any) -> str:
    """A value as it is shown: JSON, cut when long."""
    if value is MISSING:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _step_table(step: StepResult) -> Table:
    title = f"step {step.number}: {step.what}" + ("" if step.counts else "  (untrusted, not counted)")
    table = Table(title=Text(title), title_justify="left", show_lines=False, pad_edge=False)
    for heading in ("where", "expected", "got"):
        table.add_column(heading, overflow="fold")
    for difference in step.differences:
        got = show(difference.actual) + (f"\n{difference.note}" if difference.note else "")
        table.add_row(Text(difference.where()), Text(show(difference.expected)), Text(got))
    return table


def _plain(difference: Difference) -> dict[str, Any]:
    plain: dict[str, Any] = {"where": difference.where()}
    if difference.expected is not MISSING:
        plain["expected"] = difference.expected
    if difference.actual is not MISSING:
        plain["actual"] = difference.actual
    if difference.note:
        plain["note"] = difference.note
    return plain


def _xml(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return "".join(character for character in text if character >= " " or character in "\t\n")
