"""A page in a real browser, served from an origin of its own; what it finds out comes back as JSON."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

PATIENCE = 90.0

#: As few parts of it as it takes: it shares the machine with tests.
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *(
        "--disable-extensions",
        "--disable-component-update",
        "--disable-background-networking",
        "--disable-sync",
    ),
    *("--no-default-browser-check", "--mute-audio", "--renderer-process-limit=1"),
)


async def run_page(browser: Path, page: Path, given: Any, folder: Path) -> Any:
    """Open a page that asks ``/given`` what it is given, and tells ``/found`` what it found out."""
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    text = await asyncio.to_thread(page.read_text, "utf-8")

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def give(request: web.Request) -> web.Response:
        return web.json_response(given)

    async def take(request: web.Request) -> web.Response:
        if not found.done():
            found.set_result(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_get("/", show)
    app.router.add_get("/given", give)
    app.router.add_post("/found", take)
    async with TestServer(app) as server:
        process = await _start(browser, str(server.make_url("/")), folder)
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((found, ended), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert found.done(), f"the page did not come to its end: see {folder / 'browser.log'}"
            return found.result()
        finally:
            # With whatever it has started itself.
            os.killpg(process.pid, signal.SIGKILL)
            await ended


async def _start(browser: Path, url: str, folder: Path) -> asyncio.subprocess.Process:
    log = await asyncio.to_thread((folder / "browser.log").open, "wb")
    with log:
        return await asyncio.create_subprocess_exec(
            *(str(browser), *_FLAGS, f"--user-data-dir={folder / 'profile'}", url),
            env={**os.environ, "HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
