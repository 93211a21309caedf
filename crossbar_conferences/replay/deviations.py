"""Where our answer is not the recorded one: a file that names case, step, the row of
``docs/compatibility.md`` that says why, and what we answer instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from .fixture import expect, read_published, read_response
from .model import Case, CaseInvalid, Expectation, Step


@dataclass(frozen=True, slots=True)
class Deviation:
    """What one step of a recorded case brings here. ``parts`` holds ``response``, ``published``
    and ``frames`` in the fixture's form; what it does not name stays as recorded."""

    case: str
    step: int
    row: str
    parts: Mapping[str, Any]


def load_deviations(file: Path) -> list[Deviation]:
    """The deviations of a file. Raises `CaseInvalid`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [
            Deviation(
                case=str(entry["case"]),
                step=int(entry["step"]),
                row=str(entry["row"]),
                parts={name: entry[name] for name in ("response", "published", "frames") if name in entry},
            )
            for entry in content or ()
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise CaseInvalid(f"{file}: {error!r}") from error


def apply_deviations(cases: Iterable[Case], deviations: Iterable[Deviation]) -> list[Case]:
    """The cases with our answers in place of the recorded ones where they differ by decision.

    A deviation for a case or a step that is not there raises `CaseInvalid`: it would hide that
    nothing is compared."""
    by_case: dict[str, dict[int, Deviation]] = {}
    for deviation in deviations:
        by_case.setdefault(deviation.case, {})[deviation.step] = deviation
    result = [_apply(case, by_case.pop(case.id, {})) for case in cases]
    if by_case:
        raise CaseInvalid(f"deviations name cases that are not there: {', '.join(sorted(by_case))}")
    return result


def _apply(case: Case, deviations: dict[int, Deviation]) -> Case:
    if not deviations:
        return case
    unknown = set(deviations) - {step.number for step in case.steps}
    if unknown:
        raise CaseInvalid(f"{case.id}: a deviation names step {min(unknown)}, which is not there")
    steps = tuple(_deviate(step, deviations.get(step.number)) for step in case.steps)
    return replace(case, steps=steps)


def _deviate(step: Step, deviation: Deviation | None) -> Step:
    if deviation is None:
        return step
    expected: Expectation = replace(step.expected, row=deviation.row)
    parts = deviation.parts
    if "response" in parts:
        expected = replace(expected, response=read_response(parts["response"]))
    if "published" in parts:
        expected = replace(expected, messages=read_published(parts["published"]))
    if "frames" in parts:
        expected = replace(expected, frames=tuple(expect(frame) for frame in parts["frames"]))
    return replace(step, expected=expected)
