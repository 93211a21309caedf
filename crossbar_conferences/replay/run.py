"""What one run of one case knows and makes, and how what it made is removed again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .comparison import Answer
from .model import Case, HttpStep
from .placeholders import MISSING, Bindings
from .results import StepResult
from .target import Target, substitute
from .transport import SocketClient, TransportFailed, Wire


@dataclass(slots=True)
class Run:
    """The state of one running case: ``created`` holds account and conference ids of documents made
    over HTTP, ``documents`` database and id of those put into the store, ``rooms`` what runs on the
    media server."""

    case: Case
    bindings: Bindings
    sockets: dict[str, SocketClient] = field(default_factory=dict)
    created: list[tuple[str, str]] = field(default_factory=list)
    rooms: list[str] = field(default_factory=list)
    results: list[StepResult] = field(default_factory=list)
    documents: list[tuple[str, str]] = field(default_factory=list)
    dial_mode: bool = False

    def capture(self, step: HttpStep, answer: Answer) -> None:
        """Take the values that a step captures out of its answer: ``body.…`` or ``headers.NAME``."""
        for name, path in step.capture.items():
            place, _, rest = path.partition(".")
            value = answer.headers.get(rest) if place == "headers" else _value_at(answer.body, rest)
            if value is not None:
                self.bindings.variables[name] = str(value)

    def note_creation(self, step: HttpStep, answer: Answer) -> bool:
        """Remember what a create made, so that it can be removed; whether it made something."""
        if answer.status != 201 or not isinstance(answer.body, dict):
            return False
        path = substitute(step.path, self.bindings.variables).split("?")[0].rstrip("/").split("/")
        data = answer.body.get("data")
        made = data.get("id") if isinstance(data, dict) else None
        if not made or path[-1] != "conferences" or "accounts" not in path[:-1]:
            return False
        self.created.append((path[path.index("accounts") + 1], str(made)))
        return True

    def database(self, name: str) -> str:
        """A database's name; an account's id stands for the account's database (data.md 1)."""
        name = str(substitute(name, self.bindings.variables))
        if len(name) == 32 and "/" not in name:
            return f"account/{name[:2]}/{name[2:4]}/{name[4:]}"
        return name

    @property
    def dials(self) -> bool:
        """Whether the case makes the media server start conferences by dialling."""
        return any(
            isinstance(step, HttpStep) and step.body is not MISSING and '"dial"' in json.dumps(step.body)
            for step in self.case.steps
        )


async def clean_up(run: Run, wire: Wire, target: Target) -> str:
    """Remove what a case made; gives what went wrong, or an empty text."""
    problems: list[str] = []
    for socket in run.sockets.values():
        await socket.close()
    rooms = [*run.rooms, *((made for _, made in run.created) if run.dials else ())]
    if target.switch_url is not None:
        commands = [*run.case.given.aftermath, *([("dial-mode", "answer")] if run.dial_mode else [])]
        await _tell(commands, run, wire, problems)
        # A room that ended by itself, or never began, is refused: no problem.
        await _tell([("destroy", room) for room in dict.fromkeys(rooms)], run, wire, [])
    token = target.token("boss") or ""
    for account_id, conference_id in run.created:
        try:
            await wire.delete_conference(account_id, conference_id, token)
        except TransportFailed as error:
            problems.append(str(error))
    for database, document_id in run.documents:
        try:
            await wire.delete_document(database, document_id)
        except TransportFailed as error:
            problems.append(str(error))
    return "; ".join(problems)


async def _tell(commands: list[tuple[str, ...]], run: Run, wire: Wire, problems: list[str]) -> None:
    for command in commands:
        try:
            await wire.command_switch(command, run.bindings.variables)
        except TransportFailed as error:
            problems.append(str(error))


def _value_at(body: Any, path: str) -> Any:
    value = body
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value
