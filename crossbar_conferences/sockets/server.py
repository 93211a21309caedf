"""The websocket endpoint: upgrades, limits, and the coming and going of sessions.

Any path is the endpoint on its own port; on the HTTP port it is ``/websocket``.
Source: realtime-ui-tests.md A.1, A.2.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from ..errors import CrossbarConferencesError
from .session import Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of the endpoint. Times in seconds, sizes in bytes; 0 connections mean no limit."""

    total: int = 0
    per_address: int = 0
    per_account: int = 0
    idle: float = 3600.0
    heartbeat: float = 60.0
    send: float = 5.0
    frame: int = 65_536


class SocketServer:
    """Accepts clients and runs their sessions."""

    def __init__(
        self,
        make_session: Callable[[str, str, str], Session],
        limits: ServerLimits,
        *,
        trusted: frozenset[str],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.dropped_slow = 0
        self._make_session = make_session
        self._limits = limits
        self._trusted = trusted
        self._addresses: Counter[str] = Counter()
        self._sockets: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        """Tell every client that we go away."""
        closing = [
            ws.close(code=WSCloseCode.GOING_AWAY, message=b"server shutdown") for ws in list(self._sockets)
        ]
        await asyncio.gather(*closing, return_exceptions=True)

    def of_account(self, account_id: str) -> list[Session]:
        """The sessions that an account's tokens opened."""
        return [session for session in self.sessions.values() if session.account_id == account_id]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One client, from the upgrade to the end."""
        if "Sec-WebSocket-Protocol" in request.headers:
            return web.Response(status=400)
        source = self._source(request)
        if self._limits.per_address and self._addresses[source] >= self._limits.per_address:
            return web.Response(status=429)
        if self._limits.total and len(self.sessions) >= self._limits.total:
            return web.Response(status=503)
        session = self._session(request, source)
        refusal = await self._handshake(request, session)
        if refusal is not None:
            return refusal
        ws = web.WebSocketResponse(
            heartbeat=self._limits.heartbeat or None,
            max_msg_size=self._limits.frame,
            timeout=self._limits.send,
        )
        if not ws.can_prepare(request).ok:
            return web.Response(status=426, headers={"upgrade": "websocket"})
        self._addresses[source] += 1
        self.sessions[session.id] = session
        try:
            await ws.prepare(request)
            self._sockets.add(ws)
            await self._run(ws, session)
        finally:
            self._sockets.discard(ws)
            self.sessions.pop(session.id, None)
            self._addresses[source] -= 1
            if not self._addresses[source]:
                del self._addresses[source]
            await session.close()
        return ws

    async def _run(self, ws: web.WebSocketResponse, session: Session) -> None:
        tasks = {
            asyncio.create_task(self._read(ws, session), name="ws_read"),
            asyncio.create_task(self._write(ws, session), name="ws_write"),
            asyncio.create_task(session.overrun.wait(), name="ws_overrun"),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if session.overrun.is_set():
            self.dropped_slow += 1
            log.warning("websocket_too_slow", session=session.id)
            await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow to follow")
        elif not ws.closed:
            await ws.close(code=WSCloseCode.OK)

    async def _read(self, ws: web.WebSocketResponse, session: Session) -> None:
        while True:
            try:
                message = await ws.receive(timeout=self._limits.idle)
            except TimeoutError:
                return
            if message.type is WSMsgType.TEXT:
                await session.receive(message.data)
                if self._has_too_many(session):
                    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many sessions")
                    return
            elif message.type is not WSMsgType.BINARY:
                return

    async def _write(self, ws: web.WebSocketResponse, session: Session) -> None:
        while True:
            frame = await session.outgoing.get()
            try:
                async with asyncio.timeout(self._limits.send):
                    await ws.send_str(frame.decode())
            except TimeoutError:
                session.overrun.set()
                return
            except ConnectionError:
                return

    def _has_too_many(self, session: Session) -> bool:
        account_id = session.account_id
        limit = self._limits.per_account
        return bool(limit and account_id and len(self.of_account(account_id)) > limit)

    def _source(self, request: web.Request) -> str:
        peer = request.remote or "unknown"
        forwarded = request.headers.get("X-Forwarded-For")
        return forwarded[:256] if forwarded and peer in self._trusted else peer

    def _session(self, request: web.Request, source: str) -> Session:
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport else None
        own = transport.get_extra_info("sockname") if transport else None
        name = f"{peer[0]}:{peer[1]}" if peer else source
        return self._make_session(name, source, f"{own[0]}:{own[1]}" if own else "")

    async def _handshake(self, request: web.Request, session: Session) -> web.Response | None:
        """A token in the handshake: the session begins authenticated, or is refused."""
        token = request.headers.get("Authorization")
        if not token:
            return None
        try:
            session.identity = await session.guard.identify(token.removeprefix("Bearer "))
        except CrossbarConferencesError:
            return web.Response(status=403)
        return None
