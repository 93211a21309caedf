"""Reads a fixture: one case in one YAML file. ``fixtures/README.md`` describes the form for people,
``schemas/fixture.json`` for machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match

from ..resources import schema
from .model import (
    Case,
    CaseInvalid,
    Expectation,
    ExpectedMessage,
    ExpectedResponse,
    Fill,
    Given,
    HttpStep,
    SocketStep,
    Step,
    SwitchStep,
    WaitStep,
)
from .placeholders import MISSING

_SINGLE_BRACES = re.compile(r"(?<!\{)\{([A-Z][A-Z0-9_]*)\}(?!\})")

#: Message headers that a fixture may leave out: the bus needs them, a reader does not.
STANDING_HEADERS = frozenset(
    {
        "App-Name",
        "App-Version",
        "Event-Category",
        "Event-Name",
        "Msg-ID",
        "Node",
        "Server-ID",
        "System-Log-ID",
    }
)

#: Envelope keys that are there when the caller was authenticated (http.md 3.1).
_AUTHENTICATED = frozenset({"version", "auth_token"})

_ENVELOPE: Mapping[str, Any] = {
    "tokens": {"consumed": "<int>", "remaining": "<int>"},
    "timestamp": "<timestamp>",
    "request_id": "<rid>",
    "node": "<node>",
    "metadata": {},
}


def load_fixture(file: Path) -> Case:
    """The case in a fixture file. Raises `CaseInvalid`, naming file and place."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseInvalid(f"{file}: {error}") from error
    return read_fixture(content, str(file))


def read_fixture(content: Any, source: str) -> Case:
    """The case that the content of a fixture describes. Raises `CaseInvalid`."""
    error = best_match(Draft4Validator(schema("fixture")).iter_errors(content))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "the file"
        raise CaseInvalid(f"{source}: {place}: {error.message}")
    parts = content.get("steps") or [content]
    row = content.get("row")
    return Case(
        id=content["id"],
        title=content.get("title", ""),
        area=content.get("area", Path(source).parent.name),
        tags=tuple(content.get("tags", ())),
        source=source,
        given=_given(content.get("given", {})),
        steps=tuple(_step(part, number) for number, part in enumerate(parts, 1)),
        rows=(row,) if row else (),
    )


def read_response(response: Mapping[str, Any]) -> ExpectedResponse:
    """An expected answer in the fixture's form: ``body``, ``envelope`` or ``text``."""
    body: Any = response.get("body", MISSING)
    extra: frozenset[str] = frozenset()
    status = int(response["status"])
    if "envelope" in response:
        body = {**_ENVELOPE, "status": "success" if status < 400 else "error", **response["envelope"]}
        if status >= 400:
            body.setdefault("error", str(status))
        extra = _AUTHENTICATED
    headers = {str(name).lower(): value for name, value in response.get("headers", {}).items()}
    return ExpectedResponse(
        status=status,
        headers={name: None if value is None else expect(str(value)) for name, value in headers.items()},
        extra=extra,
        body=expect(body),
        text=expect(response.get("text")),
        indented=bool(response.get("indented", False)),
        order_of_ids=response.get("order_of_ids"),
    )


def read_published(messages: list[Mapping[str, Any]] | None) -> tuple[ExpectedMessage, ...] | None:
    """Expected messages in the fixture's form; ``None`` when they are not compared."""
    if messages is None:
        return None
    return tuple(
        ExpectedMessage(
            exchange=message["exchange"],
            routing_key=expect(message["routing_key"]),
            body=expect(message.get("body", {})),
            extra=STANDING_HEADERS,
        )
        for message in messages
    )


def expect(value: Any) -> Any:
    """An expected value with ``{NAME}`` written as ``{{NAME}}``, the form that is compared."""
    if isinstance(value, str):
        return _SINGLE_BRACES.sub(r"{{\1}}", value)
    if isinstance(value, list):
        return [expect(item) for item in value]
    if isinstance(value, Mapping):
        return {expect(key): expect(item) for key, item in value.items()}
    return value


def _given(given: Mapping[str, Any]) -> Given:
    commands: list[tuple[str, ...]] = []
    aftermath: list[tuple[str, ...]] = []
    for room in given.get("conferences", ()):
        commands += _room(room)
    for fault in given.get("faults", ()):
        commands.append(tuple(fault.split()))
        if fault.startswith("dial-mode"):
            aftermath.append(("dial-mode", "answer"))
    documents = {database: tuple(documents) for database, documents in given.get("documents", {}).items()}
    return Given(documents, tuple(commands), tuple(aftermath))


def _room(room: Mapping[str, Any]) -> list[tuple[str, ...]]:
    commands: list[tuple[str, ...]] = [("create", room["id"], room.get("account", "{A}"))]
    for member in room.get("members", ()):
        flags = [
            f"{key}={str(value).lower() if isinstance(value, bool) else value}"
            for key, value in member.items()
            if key != "call_id"
        ]
        commands.append(("join", room["id"], member["call_id"], *flags))
    if room.get("locked"):
        commands.append(("lock", room["id"]))
    return commands


def _step(part: Mapping[str, Any], number: int) -> Step:
    expected = Expectation(
        response=read_response(part["response"]) if "response" in part else None,
        messages=read_published(part.get("published")),
        frames=tuple(expect(frame) for frame in part["frames"]) if "frames" in part else None,
        documents=expect(part.get("afterwards", {}).get("documents", {})),
        row=part.get("row"),
    )
    if "request" in part:
        return _http(part["request"], number, expected, setup=bool(part.get("setup", False)))
    if "switch" in part:
        words = part["switch"]
        return SwitchStep(
            number, tuple(words.split() if isinstance(words, str) else map(str, words)), expected
        )
    if "wait" in part:
        return WaitStep(number, float(part["wait"]), expected)
    return SocketStep(
        number,
        action=part["ws"],
        socket=part.get("socket", "w1"),
        frame=part.get("frame", MISSING),
        text=part.get("text"),
        count=int(part.get("count", len(part.get("frames", ())))),
        within=float(part.get("within", 2.0)),
        expected=expected,
    )


def _http(request: str | Mapping[str, Any], number: int, expected: Expectation, *, setup: bool) -> HttpStep:
    if isinstance(request, str):
        method, _, path = request.partition(" ")
        request = {"method": method, "path": path}
    raw: str | Fill | None = request.get("raw")
    if "fill" in request:
        raw = Fill(**request["fill"])
    return HttpStep(
        number=number,
        method=request["method"],
        path=request["path"],
        who=request.get("who", "boss"),
        headers={str(name).lower(): value for name, value in request.get("headers", {}).items()},
        body={"data": request["data"]} if "data" in request else request.get("body", MISSING),
        raw=raw,
        capture=request.get("capture", {}),
        unordered=request.get("unordered"),
        settle=float(request.get("settle", 0)),
        setup=setup,
        expected=expected,
    )
