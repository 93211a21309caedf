"""Clients that are slow on purpose: who sends no headers, or takes nothing of its answer, is dropped.

aiohttp bounds neither: a connection that dribbles its first headers, or one whose client stopped
reading, would be kept for as long as the client likes. Nor does it bound what all clients together
leave unread: when that is too much, those go first that have taken nothing for longest. The time
that a body may take is the pipeline's, that of an idle connection aiohttp's own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Seen:
    """A connection as it was when something last moved, in loop time."""

    since: float
    unsent: int = 0


class ConnectionWatch:
    """Looks at a server's connections every second. ``headers`` and ``send`` in seconds, ``unsent`` in
    bytes."""

    def __init__(self, server: web.Server, *, headers: float, send: float, unsent: int) -> None:
        self.dropped = 0
        self._server = server
        self._headers = headers
        self._send = send
        self._unsent = unsent
        self._pause = min(1.0, headers / 4, send / 4)
        self._seen: dict[web.RequestHandler, _Seen] = {}
        self._task = asyncio.create_task(self._watch(), name="connection_watch")

    async def close(self) -> None:
        """Look no more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._pause)
            now = loop.time()
            self._seen = {
                connection: self._seen.get(connection) or _Seen(now)
                for connection in self._server.connections
            }
            for connection, seen in self._seen.items():
                self._look(connection, seen, now)
            self._make_room()

    def _make_room(self) -> None:
        excess = sum(seen.unsent for seen in self._seen.values()) - self._unsent
        if excess <= 0:
            return
        for connection, seen in sorted(self._seen.items(), key=lambda one: (one[1].since, -one[1].unsent)):
            if excess <= 0:
                return
            if seen.unsent and connection.transport is not None and not connection.transport.is_closing():
                self._drop(connection.transport, "too_much_unread")
                excess -= seen.unsent

    def _look(self, connection: web.RequestHandler, seen: _Seen, now: float) -> None:
        # uvloop's transports are what asyncio's are, but no instances of their class.
        transport = connection.transport
        if transport is None or transport.is_closing():
            return
        unsent = transport.get_write_buffer_size()
        if not _has_asked(connection):
            if now - seen.since > self._headers:
                self._drop(transport, "no_request")
            return
        if not unsent or unsent != seen.unsent:
            seen.since, seen.unsent = now, unsent
        elif now - seen.since > self._send:
            self._drop(transport, "answer_not_taken")

    def _drop(self, transport: asyncio.Transport, reason: str) -> None:
        self.dropped += 1
        peer = transport.get_extra_info("peername")
        log.warning("connection_dropped", reason=reason, client=peer[0] if peer else None)
        transport.abort()


def _has_asked(connection: web.RequestHandler) -> bool:
    # aiohttp keeps the number for itself; tests/acceptance/test_limits.py sees whether it still does.
    return bool(connection._request_count)
