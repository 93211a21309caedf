"""The suite reads as a list of sentences: what each test shows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
MODULES = sorted(TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_says_what_it_shows(module: Path) -> None:
    """Every test function has a docstring."""
    mute = [
        f"{module.name}:{node.lineno} {node.name}"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert mute == []
