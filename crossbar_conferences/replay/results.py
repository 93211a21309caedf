"""How cases ended, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .matching import Difference
from .model import Case


class Outcome(StrEnum):
    """How a case ended. ``HELD`` and ``DEVIATION`` (as the compatibility table says) are good,
    ``UNTRUSTED`` says nothing, ``SKIPPED`` was not run."""

    HELD = "held"
    DEVIATION = "deviation"
    UNTRUSTED = "untrusted"
    SKIPPED = "skipped"
    DIFFERING = "differing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step brought. ``counts`` is false when the differences are of an untrusted part."""

    number: int
    what: str
    differences: tuple[Difference, ...] = ()
    counts: bool = True
    row: str | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended; ``reason`` says why it was skipped or failed."""

    case: Case
    outcome: Outcome
    steps: tuple[StepResult, ...] = ()
    reason: str = ""
    seconds: float = 0.0

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of ``docs/compatibility.md`` that this case shows."""
        return tuple(dict.fromkeys((*self.case.rows, *(step.row for step in self.steps if step.row))))


def outcome_of(case: Case, results: list[StepResult]) -> Outcome:
    """How a case ended, judged by its steps."""
    if any(result.differences and result.counts for result in results):
        return Outcome.DIFFERING
    if case.untrusted:
        return Outcome.UNTRUSTED
    if case.rows or any(result.row for result in results):
        return Outcome.DEVIATION
    return Outcome.HELD
