from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossbar_conferences.cli.main import main


def test_text(tmp_path: Path) -> None:
    """One line a setting, with value and origin, and no password."""
    config = tmp_path / "config.ini"
    config.write_text("[bigcouch]\nusername = u\npassword = SECRET\n")
    result = CliRunner().invoke(
        main, ["settings", "--config-file", str(config), "--http-port", "8111", "--node-name", "a@b"]
    )
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert lines["http_port"] == ["8111", "--http-port"]
    assert lines["couchdb_password"] == ["***", f"{config}:3"]
    assert lines["live_mode"] == ["events", "default"]
    assert "SECRET" not in result.output


def test_json() -> None:
    """The same for machines."""
    result = CliRunner().invoke(main, ["settings", "--format", "json", "--no-reuse-port"])
    assert json.loads(result.stdout)["reuse_port"] == {"value": "false", "origin": "--reuse-port"}


def test_bad_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad value is named by its variable, with status 2."""
    monkeypatch.setenv("CROSSBAR_CONFERENCES_LIVE_MODE", "x")
    result = CliRunner().invoke(main, ["settings"])
    assert result.exit_code == 2
    assert "CROSSBAR_CONFERENCES_LIVE_MODE: live_mode must be one of events, search" in result.output


def test_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that looks like a setting and is none is told on stderr."""
    monkeypatch.setenv("CROSSBAR_CONFERENCES_HTTP_PROT", "1")
    result = CliRunner().invoke(main, ["settings"])
    assert result.exit_code == 0
    assert result.stderr == "CROSSBAR_CONFERENCES_HTTP_PROT is no setting of this program\n"
