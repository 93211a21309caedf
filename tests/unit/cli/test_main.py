"""The console script's group: commands are there, and loaded only when asked for."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from crossbar_conferences.cli import main
from crossbar_conferences.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_command_loads_and_explains_itself(name: str) -> None:
    """Every command of the group can be loaded, under its own name, and has a help text."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert command.help


def test_unknown_command_is_a_usage_error() -> None:
    """A misspelt command ends with status 2 and its name."""
    shown = CliRunner().invoke(main, ["sevre"])
    assert shown.exit_code == 2
    assert "sevre" in shown.output


def test_version_loads_no_command() -> None:
    """Asking for the version imports neither web server nor broker client."""
    code = (
        "import sys; from crossbar_conferences.cli import main;"
        "main(['--version'], standalone_mode=False);"
        "print(sorted({'aiohttp', 'aio_pika', 'aiocouch'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.splitlines()[-1] == "[]"
