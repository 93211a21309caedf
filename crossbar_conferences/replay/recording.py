"""Reads recordings: cases (``cases/AREA.yaml``) and lines (``VARIANT/AREA.jsonl``), paired by id.

The specification of both forms is ``fixtures/recorded/README.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .model import (
    Case,
    CaseInvalid,
    Expectation,
    ExpectedMessage,
    ExpectedResponse,
    Fill,
    HttpStep,
    SocketStep,
    Step,
    SwitchStep,
    WaitStep,
)
from .placeholders import MISSING


def is_recording(folder: Path) -> bool:
    """Whether a folder holds recordings."""
    return (folder / "cases").is_dir()


def load_recordings(folder: Path, variant: str = "new") -> list[Case]:
    """Every case of a folder of recordings with its line of that variant, in file order.

    Cases without a line of the variant are left out. Raises `CaseInvalid`."""
    cases: list[Case] = []
    for file in sorted((folder / "cases").glob("*.yaml")):
        lines_file = folder / variant / f"{file.stem}.jsonl"
        if not lines_file.is_file():
            continue
        lines = {line["id"]: line for line in read_lines(lines_file)}
        for case in read_cases(file):
            line = lines.get(str(case.get("id")))
            if line is not None:
                cases.append(pair_case(case, line, str(file)))
    return cases


def read_cases(file: Path) -> list[dict[str, Any]]:
    """The cases of one YAML file, as they lie."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseInvalid(f"{file}: {error}") from error
    if not isinstance(content, list):
        raise CaseInvalid(f"{file}: a list of cases is needed")
    return content


def read_lines(file: Path) -> Iterable[dict[str, Any]]:
    """The lines of one JSONL file, as they lie."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseInvalid(f"{file}: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise CaseInvalid(f"{file}:{number}: {error}") from error


def pair_case(case: Mapping[str, Any], line: Mapping[str, Any], source: str = "") -> Case:
    """A case with what its line recorded. Raises `CaseInvalid` when the two don't fit."""
    recorded = {step["n"]: step for step in line.get("steps", [])}
    steps: list[Step] = []
    for number, step in enumerate(case.get("steps", []), 1):
        if not isinstance(step, Mapping):
            raise CaseInvalid(f"{source}: {case.get('id')}: step {number} is no object")
        steps.append(read_step(step, recorded.get(number, {}), number))
    untrusted = case.get("untrusted") or line.get("untrusted")
    return Case(
        id=str(case["id"]),
        title=str(case.get("title", "")),
        area=str(case.get("area", "")),
        tags=tuple(case.get("tags", ())),
        variant=str(line.get("variant", "")),
        source=source,
        untrusted=str(untrusted) if untrusted else None,
        steps=tuple(steps),
    )


def read_step(step: Mapping[str, Any], recorded: Mapping[str, Any], number: int) -> Step:
    """One step in the form of a case, with its part of the line."""
    expected = _expectation(step, recorded)
    if "http" in step:
        return _http_step(step, number, expected)
    if "switch" in step:
        command = step["switch"]
        words = command.split() if isinstance(command, str) else [str(word) for word in command]
        return SwitchStep(number, tuple(words), expected)
    if "ws" in step:
        return SocketStep(
            number,
            action=str(step["ws"]),
            socket=str(step.get("socket", "w1")),
            frame=step.get("frame", MISSING),
            text=step.get("text"),
            count=int(step.get("count", 0)),
            within=float(step.get("within", 2.0)),
            expected=expected,
        )
    if "wait" in step:
        return WaitStep(number, float(step["wait"]), expected)
    raise CaseInvalid(f"step {number} is none of http, switch, ws, wait")


def _http_step(step: Mapping[str, Any], number: int, expected: Expectation) -> HttpStep:
    method, _, path = str(step["http"]).partition(" ")
    raw: str | Fill | None = step.get("raw")
    if "fill" in step:
        raw = Fill(**step["fill"])
    body = {"data": step["data"]} if "data" in step else step.get("body", MISSING)
    return HttpStep(
        number=number,
        method=method,
        path=path,
        who=str(step.get("who", "boss")),
        headers={str(name).lower(): value for name, value in step.get("headers", {}).items()},
        body=body,
        raw=raw,
        capture=step.get("capture", {}),
        unordered=step.get("unordered"),
        settle=float(step.get("settle", 0)),
        setup=bool(step.get("quiet_record", False)),
        expected=expected,
    )


def _expectation(step: Mapping[str, Any], recorded: Mapping[str, Any]) -> Expectation:
    marks = recorded.get("untrusted", ())
    untrusted = tuple(marks) if isinstance(marks, list | tuple) else (str(marks),)
    if step.get("untrusted"):
        untrusted = (*untrusted, "whole step")
    response = recorded.get("response")
    return Expectation(
        response=_response(response, recorded) if response and "status" in response else None,
        messages=None if recorded.get("setup") or not recorded else _messages(recorded.get("amqp", [])),
        frames=tuple(recorded["frames"]) if "frames" in recorded else None,
        untrusted=untrusted,
    )


def _response(response: Mapping[str, Any], recorded: Mapping[str, Any]) -> ExpectedResponse:
    if recorded.get("setup"):
        return ExpectedResponse(response["status"])
    return ExpectedResponse(
        status=response["status"],
        headers=response.get("headers", {}),
        all_headers=True,
        body=response.get("body", MISSING),
        text=response.get("text"),
        indented=bool(response.get("indented", False)),
        order_of_ids=response.get("order_of_ids"),
    )


def _messages(recorded: list[Mapping[str, Any]]) -> tuple[ExpectedMessage, ...]:
    return tuple(
        ExpectedMessage(message["exchange"], message["routing_key"], message["body"], message["from"])
        for message in recorded
    )
