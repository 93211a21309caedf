"""The demo as a newcomer starts it: every step as expected, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 60


@asynccontextmanager
async def started(folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A demo in a folder of its own; killed when the test is through with it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_conferences", "demo", *options),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_connection(folder: Path) -> dict[str, Any]:
    """What the demo writes once it can be used."""
    file = folder / ".demo" / "connection.json"
    async with asyncio.timeout(START_SECONDS):
        # A file that another process writes: there is no event to wait for.
        while not file.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    content: dict[str, Any] = json.loads(file.read_text())
    return content


async def pasted(line: str, folder: Path) -> bytes:
    """What a line of the demo's prints when it is pasted into a shell in the demo's folder."""
    shell = await asyncio.create_subprocess_shell(line, cwd=folder, stdout=asyncio.subprocess.PIPE)
    printed, _ = await asyncio.wait_for(shell.communicate(), START_SECONDS)
    assert shell.returncode == 0, line
    return printed


async def is_up(url: str) -> bool:
    """Whether anybody answers HTTP there."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url):
            return True
    except aiohttp.ClientError:
        return False


@pytest.mark.parametrize("mode", [["--embedded"], []], ids=["embedded", "real"])
async def test_once_shows_every_step_as_expected(
    tmp_path: Path, mode: list[str], amqp_url: str, couchdb_url: str
) -> None:
    """With --once the demo prints requests with their answers, ends with 0 and takes its files away."""
    async with started(tmp_path, "--once", *mode) as process:
        output, _ = await asyncio.wait_for(process.communicate(), START_SECONDS)
    text = output.decode()
    assert process.returncode == 0, text
    assert "✗" not in text
    assert text.count("$ curl -s") >= 12
    assert "HTTP 201" in text
    assert "HTTP 401" in text
    assert "HTTP 400" in text
    assert "HTTP 404" in text
    assert not list((tmp_path / ".demo").glob("*.token"))
    assert not (tmp_path / ".demo" / "connection.json").exists()


@pytest.mark.parametrize("mode", [["--embedded"], []], ids=["embedded", "real"])
async def test_stays_up_and_can_be_used_until_it_is_ended(
    tmp_path: Path, mode: list[str], amqp_url: str, couchdb_url: str
) -> None:
    """While it is up connection.json leads to API and switch; a signal ends it with 0 and both are gone."""
    async with started(tmp_path, "--keep", *mode) as process:
        assert process.stdout is not None
        connection = await read_connection(tmp_path)
        lines: list[str] = []
        async with asyncio.timeout(START_SECONDS):
            while not lines or "stays up" not in lines[-1]:
                lines.append((await process.stdout.readline()).decode())
        for line in lines:
            if line.startswith("$ curl -s -H") or " token --account " in line:
                assert await pasted(line.removeprefix("$ "), tmp_path)
        account = connection["accounts"]["main"]["id"]
        url = f"{connection['base_url']}/v2/accounts/{account}/conferences"
        headers = {"X-Auth-Token": connection["tokens"]["joe"]}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            assert answer.status == 200
        assert await is_up(connection["switch_url"])
        assert (connection["amqp_url"] is None) is bool(mode)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), START_SECONDS)
    assert process.returncode == 0
    assert not await is_up(connection["base_url"])
    assert not await is_up(connection["switch_url"])


async def test_ended_before_its_last_step_it_leaves_nothing(
    tmp_path: Path, amqp_url: str, couchdb_url: str
) -> None:
    """A signal in the middle of the story is no success, and leaves no switch behind."""
    async with started(tmp_path) as process:
        connection = await read_connection(tmp_path)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), START_SECONDS)
    assert not await is_up(connection["switch_url"])
    assert not (tmp_path / ".demo" / "connection.json").exists()
