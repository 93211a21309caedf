"""The page about the virtual switch says what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossbar_conferences.switch.cli import simulate
from crossbar_conferences.switch.faults import SPOILERS, fault_names
from crossbar_conferences.switch.scenario import parse_scenario
from crossbar_conferences.switch.steps import step_names

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "virtual-switch.md").read_text()


def block(language: str) -> str:
    """The page's one block of a language."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_scenario_is_one() -> None:
    """The page's scenario can be played."""
    scenario = parse_scenario(block("yaml"))
    assert len(scenario.moves) == 7
    assert len(scenario.zones) == 2


@pytest.mark.parametrize(
    "name",
    [
        *step_names(),
        *fault_names(),
        *SPOILERS,
        *(option for parameter in simulate.params for option in parameter.opts),
    ],
)
def test_everything_is_named(name: str) -> None:
    """Every step, fault and option stands on the page."""
    assert re.search(rf"`[^`]*(?<![\w-]){re.escape(name)}(?![\w-])", PAGE)


def test_the_program_runs() -> None:
    """The page's Python program does what it asserts."""
    subprocess.run([sys.executable, "-c", block("python")], cwd=ROOT, check=True, timeout=60)
