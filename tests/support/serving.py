"""``crossbar-conferences serve`` as a process of its own, as an operator starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from scripts.daemons import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class Serving:
    """A running ``serve``. ``lines``: what it has logged so far, JSON lines read."""

    def __init__(self, process: asyncio.subprocess.Process, operations_url: str) -> None:
        self.operations_url = operations_url
        self.lines: list[Mapping[str, Any]] = []
        self.output: list[str] = []
        self._urls: dict[str, str] = {}
        self._process = process
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._urls["api"]

    @property
    def ws_url(self) -> str:
        """Where the websocket is."""
        return self._urls["websocket"]

    @property
    def pid(self) -> int:
        """The process that was started: the supervisor, if there is one."""
        return self._process.pid

    def pids(self, index: int) -> list[int]:
        """The processes that were worker ``index``, in their order."""
        return [
            line["pid"]
            for line in self.lines
            if line.get("event") == "worker_started" and line["index"] == index
        ]

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """What was logged under a name."""
        return [line for line in self.lines if line.get("event") == name]

    async def logged(self, name: str, count: int = 1) -> list[Mapping[str, Any]]:
        """The lines of a name, once there are so many."""
        await self.until(lambda: len(self.events(name)) >= count)
        return self.events(name)

    async def until(self, condition: Any) -> None:
        """Wait until something is so, looking at every line that is logged."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError("in vain:\n" + "".join(self.output[-60:])) from None

    async def started(self) -> None:
        """Wait until it serves."""
        await self.until(lambda: self._urls)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has ended and its output is read."""
        async with asyncio.timeout(PATIENCE):
            status = await self._process.wait()
            await self._reading
        return status

    async def look(self, http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
        """What the operations port says."""
        async with http.get(self.operations_url + path) as answer:
            return answer.status, await answer.text()

    async def ready_workers(self, http: aiohttp.ClientSession, count: int) -> None:
        """Wait until so many workers are ready."""
        async with asyncio.timeout(PATIENCE):
            while True:
                _, text = await self.look(http, "/metrics")
                if f"crossbar_conferences_workers_ready {count}.0" in text:
                    return
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        """End it, whatever a test left."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            text = raw.decode(errors="replace")
            self.output.append(text)
            if text.startswith("{"):
                line = orjson.loads(text)
                self.lines.append(line)
                if line["event"] == "serving":
                    self._urls = {"api": line["api"], "websocket": line["websocket"]}
            self._news.set()


@asynccontextmanager
async def serving(
    amqp_url: str | None,
    couchdb_url: str | None,
    *flags: str,
    modules: Path | None = None,
    wait: bool = True,
) -> AsyncIterator[Serving]:
    """Start ``serve`` on free ports; ended afterwards in any case. ``modules``: a folder that Python looks
    into first. Without the URLs a file that the flags name has to say them. ``wait``: until it serves."""
    operations_port = free_port()
    command = [sys.executable, "-m", "crossbar_conferences", "serve"]
    if amqp_url is not None and couchdb_url is not None:
        command += ["--amqp-urls", amqp_url, "--couchdb-url", couchdb_url]
    command += ["--http-port", "0", "--websocket-port", "0", "--operations-port", str(operations_port)]
    process = await asyncio.create_subprocess_exec(
        *command,
        *flags,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(one) for one in (modules, ROOT) if one)},
        stderr=asyncio.subprocess.PIPE,
    )
    served = Serving(process, f"http://127.0.0.1:{operations_port}")
    try:
        if wait:
            await served.started()
        yield served
    finally:
        await served.close()
        # Shown with a test that failed.
        print("".join(served.output[-200:]))
