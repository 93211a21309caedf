"""A whole cluster of our own for the recorded cases: broker, store, virtual switch, sidecar."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 100
STOP_SECONDS = 60


@pytest.fixture(scope="session")
def live_sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the demo's connection.json says, while the demo stays up on services that no other test uses."""
    folder = tmp_path_factory.mktemp("sidecar")
    # Another switch on the same broker would answer searches too, so this one has a broker of its own.
    ours = {name: value for name, value in os.environ.items() if name not in ("AMQP_URL", "COUCHDB_URL")}
    told = folder / "output"
    with told.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "crossbar_conferences", "demo", "--keep"],
            cwd=folder,
            env={**ours, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + START_SECONDS
        # Cases begin when the demo's own story is over, so that neither sees the other's conferences.
        while "stays up" not in told.read_text(errors="replace"):
            if demo.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the demo did not come up:\n{told.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
        yield json.loads((folder / ".demo" / "connection.json").read_text())
    finally:
        demo.terminate()
        try:
            demo.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            demo.kill()
            demo.wait(STOP_SECONDS)
