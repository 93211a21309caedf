"""What a check found. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

State = Literal["ok", "note", "warn", "fail"]

#: Exit statuses, as monitoring systems read them.
STATUSES: Final[dict[State, int]] = {"ok": 0, "note": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``text`` says what is so, ``advice`` what to do; neither holds a secret."""

    check: str
    state: State
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def note(check: str, text: str, advice: str) -> Finding:
    """All is well; something might be done ahead."""
    return Finding(check, "note", text, advice)


def warn(check: str, text: str, advice: str) -> Finding:
    """It works, but not as it might."""
    return Finding(check, "warn", text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, "fail", text, advice)


def exit_status(findings: Iterable[Finding]) -> int:
    """0 when all is well, notes or not, 1 when there are warnings, 2 when something does not work."""
    return max((STATUSES[finding.state] for finding in findings), default=0)


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each, its advice below it."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<4}  {finding.check:<{width}}  {finding.text}")
        if finding.advice:
            lines.append(f"{'':<{width + 8}}-> {finding.advice}")
    return "\n".join(lines)


def as_object(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for machines."""
    return {"status": exit_status(findings), "findings": [asdict(finding) for finding in findings]}
