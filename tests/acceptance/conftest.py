"""Running sidecars: one in this process for each module, and a whole cluster for the recorded cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.house import House, embedded_house, real_house

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


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "real"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """One running sidecar for a module: on the adapters in memory, then on real services."""
    if request.param == "embedded":
        async with embedded_house() as ours:
            yield ours
        return
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    async with real_house(couchdb_url, amqp_url) as ours:
        yield ours


@pytest_asyncio.fixture(loop_scope="module")
async def house(running: House) -> House:
    """The sidecar with nothing running on the switch and nothing in the record."""
    await running.cluster.perform(["reset"])
    await running.quiet()
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded_running() -> AsyncIterator[House]:
    """One running sidecar for a module, in memory."""
    async with embedded_house() as ours:
        yield ours


@pytest_asyncio.fixture(loop_scope="module")
async def embedded(embedded_running: House) -> House:
    """The sidecar in memory with nothing running on the switch and nothing in the record."""
    await embedded_running.cluster.perform(["reset"])
    await embedded_running.quiet()
    return embedded_running
