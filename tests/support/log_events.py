"""Every event that the server's code logs, found in the code itself.

A line is written by ``log.LEVEL("event", field=…)``, by ``say("event", {…}, level)`` or, one a while, by
``….complain("event", kind, field=…)``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGE = Path(__file__).parents[2] / "crossbar_conferences"

#: Rooms that are no part of a server: the virtual switch, ``replay`` and ``record``, the demo.
ELSEWHERE: Final = frozenset({"switch", "replay", "demo"})

LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
}

#: What is handed to structlog and is shown as ``exception``.
_TRACEBACK: Final = "exc_info"


@dataclass(frozen=True, slots=True)
class Said:
    """One place that writes a line: ``levels`` are those that it may have."""

    event: str
    levels: frozenset[str]
    fields: frozenset[str]
    place: str


def said(package: Path = PACKAGE) -> Iterator[Said]:
    """Every place of the server's code that writes a line. Raises `AssertionError` for an event without a
    name of its own."""
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package)
        if where.parts[0] in ELSEWHERE:
            continue
        tree = ast.parse(path.read_text())
        loggers, says = _loggers(tree), _says(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found = _said(node, f"{where}:{node.lineno}", loggers, says)
                if found is not None:
                    yield found


def _loggers(tree: ast.Module) -> frozenset[str]:
    """Names under which a module has a logger."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and "get_logger" in ast.unparse(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _says(tree: ast.Module) -> bool:
    """Whether a module has ``say`` from ``logs``."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return any(name.name == "say" for node in imports if node.module == "logs" for name in node.names)


def _said(call: ast.Call, place: str, loggers: frozenset[str], says: bool) -> Said | None:
    function = call.func
    if says and isinstance(function, ast.Name) and function.id == "say":
        levels = frozenset(("info",)) if len(call.args) == 2 else frozenset(("info", "warning", "error"))
        return Said(_name(call, place), levels, frozenset(), place)
    if not isinstance(function, ast.Attribute):
        return None
    fields = frozenset(word.arg for word in call.keywords if word.arg)
    if function.attr == "complain":
        level, own = "warning", frozenset({"reason", "kept_back"})
        return Said(_name(call, place), frozenset({level}), fields | own, place)
    if isinstance(function.value, ast.Name) and function.value.id in loggers and function.attr in LEVELS:
        if isinstance(call.args[0], ast.Name):
            # `complaints.py` itself.
            return None
        if function.attr == "exception" or _TRACEBACK in fields:
            fields = fields - {_TRACEBACK} | {"exception"}
        return Said(_name(call, place), frozenset({LEVELS[function.attr]}), fields, place)
    return None


def _name(call: ast.Call, place: str) -> str:
    first = call.args[0]
    assert isinstance(first, ast.Constant) and isinstance(first.value, str), f"{place}: no name of an event"
    return first.value
