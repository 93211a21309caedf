"""The ports: an HTTP server on each, its connections watched, and how they stop.

Not aiohttp's applications: what a path means is said once, in ``routes.py`` or by whoever handles.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from ..settings import Settings
from .connections import ConnectionWatch
from .sniffing import UnsniffedServer

#: Answers whatever comes.
HttpHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: Seconds for requests that came after the others had been given their time at shutdown.
CLOSING = 1.0

#: Connections that may wait until a process accepts them.
BACKLOG = 1024

#: Seconds for which the rest of a body is read that nobody wants any more, so that the answer arrives.
LINGERING = 2.0

#: Seconds between the last accepted connection and the closing of idle ones.
LINGER = 0.1

log = structlog.get_logger(__name__)


class Listeners:
    """The ports of a process. ``shared``: sockets that listen already, by the listener's name, since
    several processes accept from them."""

    def __init__(self, settings: Settings, shared: Mapping[str, socket.socket]) -> None:
        #: Where each listens, by name.
        self.urls: dict[str, str] = {}
        self._settings = settings
        self._shared = shared
        self._stack = AsyncExitStack()
        self._watches: list[ConnectionWatch] = []
        self._sites: list[web.BaseSite] = []

    @property
    def dropped(self) -> int:
        """Connections that were ended as too slow."""
        return sum(watch.dropped for watch in self._watches)

    async def listen(
        self, name: str, handle: HttpHandler, host: str, port: int, *, until_closed: bool = False
    ) -> None:
        """Serve a port. ``until_closed``: also after `stop_accepting`. Raises `OSError`."""
        settings = self._settings
        server = UnsniffedServer(
            handle,
            access_log=None,
            keepalive_timeout=settings.idle_timeout_seconds,
            max_line_size=settings.header_limit_bytes,
            max_field_size=settings.header_limit_bytes,
            max_headers=settings.header_limit_count,
            lingering_time=LINGERING,
        )
        runner = web.ServerRunner(server, shutdown_timeout=CLOSING)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        watch = ConnectionWatch(
            server, headers=settings.header_timeout_seconds, send=settings.send_timeout_seconds
        )
        self._watches.append(watch)
        self._stack.push_async_callback(watch.close)
        site = self._site(runner, name, host, port)
        await site.start()
        if not until_closed:
            self._sites.append(site)
        if name in self._shared:
            # Starting has made the queue as short as what is accepted at once; see `_site`.
            self._shared[name].listen(BACKLOG)
        bound = runner.addresses[0][1]
        self.urls[name] = f"http://{host}:{bound}"
        log.info("listening", what=name, host=host, port=bound)

    async def stop_accepting(self) -> None:
        """Take no new connection; those that there are go on."""
        for site in self._sites:
            await site.stop()
        if self._sites:
            # Who has just connected gets to say what it wants before idle connections are closed.
            await asyncio.sleep(LINGER)

    async def close(self) -> None:
        """End every connection."""
        await self._stack.aclose()

    def _site(self, runner: web.ServerRunner, name: str, host: str, port: int) -> web.BaseSite:
        shared = self._shared.get(name)
        if shared is None:
            return web.TCPSite(
                runner, host, port, reuse_port=self._settings.reuse_port or None, backlog=BACKLOG
            )
        # asyncio accepts as many connections at once as its backlog is long. With one at a time
        # a burst is spread over the processes, instead of going to the one that woke up first.
        return web.SockSite(runner, shared, backlog=1)
