"""Every recorded case and every example, against the sidecar on real services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crossbar_conferences.replay import report
from crossbar_conferences.replay.loading import load_cases
from crossbar_conferences.replay.model import Case
from crossbar_conferences.replay.results import CaseResult, Outcome
from crossbar_conferences.replay.runner import Runner
from crossbar_conferences.replay.target import target_from_connection

ROOT = Path(__file__).parents[2]
CASES = load_cases([ROOT / "fixtures"])

#: What a case may end as. ``UNTRUSTED`` ran, and nothing of it can be taken as a model.
GOOD = frozenset({Outcome.HELD, Outcome.DEVIATION, Outcome.UNTRUSTED})


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[list[CaseResult]]:
    """Gathers the results and prints how many ended which way."""
    gathered: list[CaseResult] = []
    yield gathered
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and gathered:
        numbers = ", ".join(f"{number} {outcome}" for outcome, number in report.counts(gathered).items())
        reporter.write_line("")
        reporter.write_line(f"fixtures: {len(gathered)} cases: {numbers}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, live_sidecar: Mapping[str, Any], results: list[CaseResult]) -> None:
    """The sidecar answers and publishes what the case expects, or what a named deviation says."""
    async with Runner(target_from_connection(live_sidecar), allow_writes=True) as runner:
        result = await runner.run(case)
    results.append(result)
    assert result.outcome in GOOD, f"{result.outcome}\n{report.describe(result)}"
