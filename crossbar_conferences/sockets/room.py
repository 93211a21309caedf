"""Everything of this room, put together: what sessions and streams share, and the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..addresses import TrustedProxies
from ..clock import Clock
from ..conference.rooms import Room
from ..settings import Settings
from ..shares import Shares
from .commons import Commons, SessionLimits
from .guard import SocketGuard
from .hub import Hub
from .pace import Pace
from .places import Places
from .reviews import Reviews
from .server import ServerLimits, SocketServer
from .session import Session
from .stream import EventStreams, StreamLimits

#: Subscriptions of all websocket sessions together.
_ALL_BINDINGS: Final = 200_000

#: What may wait for the clients of one account, as a part of what may wait for all.
_PART: Final = 4


class SocketRoom:
    """``waiting`` counts the bytes that wait for sessions and streams, ``bindings`` the subscriptions,
    by account. ``show_room`` gives a snapshot's data."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        guard: SocketGuard,
        clock: Clock,
        show_room: Callable[[Room | None, float], Mapping[str, Any]],
    ) -> None:
        self.reviews = Reviews(clock)
        self.waiting = Shares(settings.websocket_memory_bytes, settings.websocket_memory_bytes // _PART)
        self.bindings = Shares(_ALL_BINDINGS, settings.websocket_bindings_per_account)
        self._settings = settings
        self._commons = Commons(
            hub,
            guard,
            self.reviews,
            clock,
            SessionLimits(queue=settings.websocket_queue, queue_bytes=settings.websocket_queue_bytes),
            show_room,
            self.waiting,
            self.bindings,
            logins=Pace(rate=100, burst=200),
            work=Pace(rate=1_000, burst=2_000),
        )
        self.streams = EventStreams(
            hub,
            clock,
            show_room,
            StreamLimits(queue=settings.websocket_queue, queue_bytes=settings.websocket_queue_bytes),
            self._places(settings.event_streams_per_token),
            self.waiting,
        )

    def server(self, proxies: TrustedProxies) -> SocketServer:
        """The endpoint. ``proxies``: those that may say for whom they ask."""
        settings, commons = self._settings, self._commons

        def make_session(name: str, source: str, destination: str) -> Session:
            return Session(name, source, destination, commons)

        limits = ServerLimits(
            idle=settings.websocket_idle_seconds,
            token=settings.websocket_token_seconds,
            frame=settings.websocket_frame_bytes,
        )
        return SocketServer(make_session, limits, self._places(), trusted=proxies)

    def _places(self, per_token: int = 0) -> Places:
        settings = self._settings
        return Places(
            settings.websocket_sessions,
            settings.websocket_sessions_per_ip,
            settings.websocket_sessions_per_account,
            per_token,
        )
