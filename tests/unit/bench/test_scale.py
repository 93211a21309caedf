"""The command that measures growth (``bench/scale.py``)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench import growth, scale


def test_a_series_is_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each size is a row, and how long it took is said while the next is made."""
    monkeypatch.setattr(scale, "_step", lambda name, size: {"time": str(size * 2)})
    assert scale.main(["--series", "conferences"]) == 0
    said = capsys.readouterr().out
    assert "… conferences 10,000: 0 s" in said
    assert "| 10,000      | 20000 |" in said


def test_full_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """--full goes to ten thousand accounts, a hundred thousand conferences, twenty thousand people."""
    asked: list[tuple[str, int]] = []

    def step(name: str, size: int) -> growth.Figures:
        asked.append((name, size))
        return {"time": "0"}

    monkeypatch.setattr(scale, "_step", step)
    assert scale.main(["--full"]) == 0
    assert {("accounts", 10_000), ("conferences", 100_000), ("participants", 20_000)} <= set(asked)
    assert {("event-rate", rate) for rate in (100, 500, 1_000, 2_000, 5_000)} <= set(asked)


def test_a_size_that_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong is said, and the exit status tells of it."""
    failed = subprocess.CompletedProcess([sys.executable], 1, stdout="", stderr="no room left")
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: failed)
    assert scale.main(["--series", "accounts"]) == 1
    assert "accounts 100: no room left" in capsys.readouterr().err


def test_a_size_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A size has a bounded time."""

    def endless(*args: object, **more: object) -> None:
        raise subprocess.TimeoutExpired("bench", 1)

    monkeypatch.setattr(subprocess, "run", endless)
    assert scale.main(["--series", "accounts"]) == 1
    assert "did not end" in capsys.readouterr().err


async def test_few_accounts() -> None:
    """Accounts are read through the sidecar, and what it keeps of them is told."""
    figures = await growth.accounts(3)
    assert float(figures["first GET, CPU ms"]) > 0
    assert int(figures["documents kept"]) >= 6
