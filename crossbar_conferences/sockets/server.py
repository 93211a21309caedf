"""The websocket endpoint: upgrades, limits, and the coming and going of sessions.

Any path is the endpoint on its own port; on the HTTP port it is ``/websocket``.
Source: realtime-ui-tests.md A.1, A.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from ..addresses import TrustedProxies, limited_as
from ..auth.failures import AuthFailure
from ..errors import CrossbarConferencesError
from ..tasks import end
from .places import MAX_HEADERS, Place, PlaceRefused, Places, header_bytes
from .reviews import EXPIRED, REVOKED, UNKNOWN, Unauthorized
from .session import Session

log = structlog.get_logger(__name__)

#: Why a session ended -> close code and text. What is not in here was the client's doing.
CLOSINGS: Final = {
    "idle": (WSCloseCode.OK, b"idle"),
    "too_many": (WSCloseCode.POLICY_VIOLATION, b"too many sessions of this account"),
    "no_token": (WSCloseCode.POLICY_VIOLATION, b"authentication token required"),
    "expired": (WSCloseCode.POLICY_VIOLATION, EXPIRED.encode()),
    "revoked": (WSCloseCode.POLICY_VIOLATION, REVOKED.encode()),
    "flood": (WSCloseCode.POLICY_VIOLATION, b"too many frames"),
    "unchecked": (WSCloseCode.TRY_AGAIN_LATER, UNKNOWN.encode()),
    "too_slow": (WSCloseCode.TRY_AGAIN_LATER, b"too slow to follow"),
    "shutdown": (WSCloseCode.GOING_AWAY, b"server shutdown"),
    "failed": (WSCloseCode.INTERNAL_ERROR, b"internal error"),
}


#: Reasons that an operator may want to count.
_POLICY: Final = frozenset({"no_token", "expired", "revoked", "flood", "unchecked", "too_many"})


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of the endpoint. Times in seconds, sizes in bytes.

    ``idle``: without a frame from the client and without a subscription. ``token``: without a good
    token, whatever the client sends. ``heartbeat``: between pings; who doesn't answer within half of
    it is gone. ``send``: for one frame, and for goodbye.
    """

    idle: float = 3600.0
    token: float = 10.0
    heartbeat: float = 60.0
    send: float = 5.0
    frame: int = 65_536


@dataclass(slots=True, eq=False)
class _Connection:
    """A session on its socket. ``heard`` is when the client's last frame came, in loop time."""

    session: Session
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    heard: float
    place: Place
    #: When it connected, in loop time.
    began: float
    is_counted: bool = False
    ending: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, reason: str) -> None:
        """Ask for the end; the first reason counts."""
        if not self.ending.done():
            self.ending.set_result(reason)


class SocketServer:
    """Accepts clients and runs their sessions."""

    def __init__(
        self,
        make_session: Callable[[str, str, str], Session],
        limits: ServerLimits,
        places: Places,
        *,
        trusted: TrustedProxies,
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.dropped_slow = 0
        self.refused = 0
        self._make_session = make_session
        self._limits = limits
        self._trusted = trusted
        self._places = places
        self._connections: set[_Connection] = set()
        self._closing = False
        self._gone = asyncio.Event()
        self._gone.set()

    async def close(self) -> None:
        """Tell every client that we go away, and wait until they are gone."""
        self._closing = True
        for connection in self._connections:
            connection.end("shutdown")
        await self._gone.wait()

    def of_account(self, account_id: str) -> list[Session]:
        """The sessions that an account's tokens opened."""
        return [session for session in self.sessions.values() if session.account_id == account_id]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One client, from the upgrade to the end."""
        if self._closing:
            return web.Response(status=503)
        if "Sec-WebSocket-Protocol" in request.headers:
            return web.Response(status=400)
        # Kazoo's frames are not compressed, and a compressor's memory for each session is too dear.
        socket = web.WebSocketResponse(
            heartbeat=self._limits.heartbeat or None,
            max_msg_size=self._limits.frame,
            timeout=self._limits.send,
            compress=False,
            autoping=False,
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=426, headers={"upgrade": "websocket"})
        if header_bytes(request) > MAX_HEADERS:
            return web.Response(status=431)
        source = self._trusted.client(request.remote, request.headers.getall("X-Forwarded-For", ()))
        try:
            place = self._places.enter(limited_as(source))
        except PlaceRefused as refusal:
            self.refused += 1
            return web.Response(status=429 if refusal.of == "address" else 503)
        try:
            return await self._serve(request, socket, source, place)
        finally:
            place.leave()

    async def _serve(
        self, request: web.BaseRequest, socket: web.WebSocketResponse, source: str, place: Place
    ) -> web.StreamResponse:
        session = self._session(request, source)
        now = asyncio.get_running_loop().time()
        connection = _Connection(session, socket, request.transport, now, place, now)
        self.sessions[session.id] = session
        self._connections.add(connection)
        self._gone.clear()
        try:
            status = await self._handshake(request, session)
            if status is None and not self._admit(connection):
                status = 429
            if status is not None:
                return web.Response(status=status)
            await socket.prepare(request)
            await self._run(connection)
        finally:
            self.sessions.pop(session.id, None)
            session.close()
            self._connections.discard(connection)
            if not self._connections:
                self._gone.set()
        return socket

    async def _run(self, connection: _Connection) -> None:
        if self._closing:
            connection.end("shutdown")
        tasks = [
            asyncio.create_task(self._read(connection), name="websocket_read"),
            asyncio.create_task(self._write(connection), name="websocket_write"),
            asyncio.create_task(self._watch(connection), name="websocket_watch"),
        ]
        try:
            reason = await connection.ending
        finally:
            await end(*tasks)
        session = connection.session
        if reason == "too_slow":
            self.dropped_slow += 1
            log.warning("websocket_too_slow", session=session.id)
        elif reason in _POLICY:
            log.info("websocket_ended", reason=reason, session=session.id, account_id=session.account_id)
        if not connection.socket.closed:
            code, text = CLOSINGS.get(reason, (WSCloseCode.OK, b""))
            await self._say_goodbye(connection, code, text)

    async def _say_goodbye(self, connection: _Connection, code: int, text: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.send):
                await connection.socket.close(code=code, message=text)
        except TimeoutError:
            # Who doesn't read would keep what is unsent, and the socket, for as long as it likes.
            if connection.transport is not None:
                connection.transport.abort()

    async def _read(self, connection: _Connection) -> None:
        session, socket = connection.session, connection.socket
        loop = asyncio.get_running_loop()
        try:
            while True:
                message = await socket.receive()
                if message.type is WSMsgType.PONG:
                    # The answer to our own ping: no sign that anybody wants something.
                    session.receive_control()
                    continue
                connection.heard = loop.time()
                if message.type is WSMsgType.TEXT:
                    await session.receive(message.data)
                    if not self._admit(connection):
                        connection.end("too_many")
                        return
                elif message.type is WSMsgType.BINARY:
                    session.receive_binary()
                elif message.type is WSMsgType.PING:
                    if session.receive_control():
                        await socket.pong(message.data)
                else:
                    connection.end("client")
                    return
        except ConnectionError:
            connection.end("client")
        except Exception:
            log.exception("websocket_failed", session=session.id)
            connection.end("failed")

    async def _write(self, connection: _Connection) -> None:
        outgoing = connection.session.outgoing
        try:
            while True:
                frame = await outgoing.get()
                async with asyncio.timeout(self._limits.send):
                    await connection.socket.send_frame(frame, WSMsgType.TEXT)
                outgoing.sent()
        except TimeoutError:
            connection.end("too_slow")
        except ConnectionError:
            connection.end("client")

    async def _watch(self, connection: _Connection) -> None:
        """End a session that is over, idle, or has no token."""
        session, loop, limits = connection.session, asyncio.get_running_loop(), self._limits
        while True:
            if session.subscriptions:
                # It listens: whether it is still there is the heartbeat's question.
                connection.heard = loop.time()
            until, reason = connection.heard + limits.idle, "idle"
            if session.account_id is None and connection.began + limits.token < until:
                until, reason = connection.began + limits.token, "no_token"
            if until <= loop.time():
                connection.end(reason)
                return
            try:
                async with asyncio.timeout(until - loop.time()):
                    await session.over.wait()
            except TimeoutError:
                continue
            connection.end(session.reason)
            return

    def _admit(self, connection: _Connection) -> bool:
        """Count a session for its account once that is known; whether it may be."""
        account_id = connection.session.account_id
        if account_id is None or connection.is_counted:
            return True
        try:
            self._places.claim(connection.place, account_id)
        except PlaceRefused:
            self.refused += 1
            return False
        connection.is_counted = True
        return True

    def _session(self, request: web.BaseRequest, source: str) -> Session:
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport else None
        own = transport.get_extra_info("sockname") if transport else None
        name = f"{peer[0]}:{peer[1]}" if peer else source
        while name in self.sessions:
            # The same port of the same client, on our other port.
            name += "'"
        return self._make_session(name, source, f"{own[0]}:{own[1]}" if own else "")

    async def _handshake(self, request: web.BaseRequest, session: Session) -> int | None:
        """A token in the handshake: the session begins authenticated, or a status refuses it."""
        token = request.headers.get("Authorization")
        if not token:
            return None
        try:
            await session.log_in(token.removeprefix("Bearer ").strip())
        except (AuthFailure, Unauthorized):
            return 403
        except CrossbarConferencesError:
            return 503
        return None
