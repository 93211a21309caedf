"""A proxy that writes down what passes between a client and a server, as a fixture file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import yaml
from aiohttp import web
from yarl import URL

from .scrubbing import Overheard, Scrubber

log = structlog.get_logger(__name__)

#: Steps in one file at most, and bytes of one body.
STEP_LIMIT = 1000
BODY_LIMIT = 1_000_000

#: Seconds that the server may take to answer.
FORWARD_TIMEOUT = 60.0

#: Headers that belong to one connection and are not passed on.
_HOP_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "accept-encoding", "proxy-authorization", "proxy-connection"}
)


class Recorder:
    """Passes requests on to ``server`` and keeps every exchange in ``file``.

    The file is complete after every exchange: whoever stops the proxy loses nothing."""

    def __init__(self, server: str, file: Path, case_id: str) -> None:
        self._server = server.rstrip("/")
        self._file = file
        self._case_id = case_id
        self._scrubber = Scrubber()
        self._steps: list[dict[str, Any]] = []
        self._writing = asyncio.Lock()

    @property
    def steps(self) -> int:
        """How many exchanges were written down."""
        return len(self._steps)

    def application(self) -> web.Application:
        """The proxy, to be served."""
        application = web.Application(client_max_size=16 * BODY_LIMIT)
        application.cleanup_ctx.append(self._client)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _client(self, application: web.Application) -> Any:
        timeout = aiohttp.ClientTimeout(total=FORWARD_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session:
            application[_SESSION] = session
            yield

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        try:
            async with request.app[_SESSION].request(
                request.method,
                URL(self._server + request.raw_path, encoded=True),
                headers=headers,
                data=body or None,
                skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            log.warning("record_server_unreachable", method=request.method)
            return web.Response(status=502, text="the server did not answer")
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
        await self._note(request, body, answer, content)
        return web.Response(status=answer.status, headers=kept, body=content)

    async def _note(
        self, request: web.Request, body: bytes, answer: aiohttp.ClientResponse, content: bytes
    ) -> None:
        if len(self._steps) >= STEP_LIMIT or max(len(body), len(content)) > BODY_LIMIT:
            log.warning("record_left_out", steps=len(self._steps), body=len(body), answer=len(content))
            return
        exchange = Overheard(
            method=request.method,
            path=request.raw_path,
            request_headers={name.lower(): value for name, value in request.headers.items()},
            request_body=body.decode("utf-8", "replace"),
            status=answer.status,
            response_headers={name.lower(): value for name, value in answer.headers.items()},
            response_body=content.decode("utf-8", "replace"),
        )
        async with self._writing:
            self._steps.append(self._scrubber.step(exchange))
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        content = {"id": self._case_id, "title": "recorded", "steps": self._steps}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, self._file)


_SESSION = web.AppKey("session", aiohttp.ClientSession)


async def serve(recorder: Recorder, host: str, port: int, stopped: asyncio.Event) -> None:
    """Serve the proxy until ``stopped`` is set. Raises `OSError` when the port is taken."""
    runner = web.AppRunner(recorder.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("record_ready", host=host, port=runner.addresses[0][1])
        await stopped.wait()
    finally:
        await runner.cleanup()
