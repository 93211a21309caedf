"""The scripts that start the services: ready means ready, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.daemons import amqp_answers, couchdb_answers
from scripts.services import Services

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "services.py"
SHOW = "import json, os; print(json.dumps([os.environ['AMQP_URL'], os.environ['COUCHDB_URL']]), flush=True)"
STAY = f"{SHOW}; import time; time.sleep(60)"


def _port(url: str) -> int:
    return int(url.rstrip("/").rsplit(":", 1)[1])


def _gone(amqp: str, couchdb: str, within: float = 40) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not amqp_answers(_port(amqp)) and not couchdb_answers(couchdb):
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def without_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where no service is named."""
    monkeypatch.delenv("AMQP_URL", raising=False)
    monkeypatch.delenv("COUCHDB_URL", raising=False)


@pytest.fixture
def running(without_services: None) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A command that stays up beside its services, and where these are."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "run", "--", sys.executable, "-c", STAY],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        amqp, couchdb = json.loads(process.stdout.readline())
        yield process, amqp, couchdb
        process.kill()


@pytest.mark.usefixtures("without_services")
def test_services_answer_inside_and_are_gone_after_the_block() -> None:
    """Both services answer as soon as the block is entered, survive a kill and restart, and end with it."""
    with Services() as services:
        amqp, couchdb = services.amqp_url, services.couchdb_url
        assert amqp_answers(_port(amqp))
        assert couchdb_answers(couchdb)
        services.kill("amqp")
        assert not amqp_answers(_port(amqp))
        services.start("amqp")
        assert amqp_answers(_port(amqp))
        services.stop("couchdb")
        assert not couchdb_answers(couchdb)
    assert _gone(amqp, couchdb, within=0.5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_from_outside_leaves_nothing(
    running: tuple[subprocess.Popen[str], str, str], number: signal.Signals
) -> None:
    """Whether the script is asked to end or is killed outright, its services end too."""
    process, amqp, couchdb = running
    assert amqp_answers(_port(amqp))
    process.send_signal(number)
    process.wait(60)
    assert _gone(amqp, couchdb)


def test_services_named_by_the_environment_are_used() -> None:
    """With both URLs set nothing is started, and the command's exit status is the script's."""
    environment = {**os.environ, "AMQP_URL": "amqp://127.0.0.1:1/", "COUCHDB_URL": "http://127.0.0.1:2/"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "run", "--", sys.executable, "-c", f"{SHOW}; raise SystemExit(7)"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert json.loads(done.stdout) == ["amqp://127.0.0.1:1/", "http://127.0.0.1:2/"]
    assert done.returncode == 7


def test_lock_file_names_no_registry() -> None:
    """The lock file pins by integrity alone, so that any registry serves it."""
    lock = json.loads((ROOT / "scripts" / "pouchdb" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
