"""The virtual switch as a process of its own, as a media side is."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from ..errors import CrossbarConferencesError

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class SwitchMissing(CrossbarConferencesError):
    """The virtual switch did not start."""


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    # Written twice: a wheel has no scripts, and scripts/daemons.py runs where no package is installed.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def switch_process(amqp_url: str, port: int | None, log: Path) -> AsyncIterator[str]:
    """``simulate`` on a broker for as long as the block lasts; its control interface's URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}/"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crossbar_conferences", "simulate"),
            *("--amqp-url", amqp_url, "--port", str(port)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A terminal's Ctrl-C is for the demo, which then ends the switch.
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        await _ready(process, url, log)
        yield url
    finally:
        await _end(process)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as http:
            while process.returncode is None:
                try:
                    async with http.get(url) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise SwitchMissing(f"the virtual switch did not answer within {START_SECONDS:.0f} s") from None
    raise SwitchMissing(f"the virtual switch ended; why stands in {log}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
