"""What all websocket sessions have in common: their bounds, whom they ask, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..clock import Clock
from ..conference.rooms import Room
from ..shares import Shares
from .hub import Hub
from .logins import Gatekeeper
from .pace import Pace
from .resuming import Looker
from .reviews import Reviews


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session. ``rate`` frames at most, ``refill`` of them each second, and ``excess``
    beyond that before it ends; ``queue`` frames and ``queue_bytes`` may wait for the client."""

    rate: int = 100
    refill: int = 10
    excess: int = 1_000
    subscriptions: int = 1_000
    queue: int = 1_000
    queue_bytes: int = 1_000_000


class Guard(Looker, Gatekeeper, Protocol):
    """What a session asks about tokens, rights and who is where."""


@dataclass(frozen=True, slots=True)
class Commons:
    """What all sessions share. ``waiting`` counts the bytes of their queues, ``bindings`` their
    subscriptions, by account; ``logins`` is the pace of new tokens by address, ``work`` that of
    subscribing by account."""

    hub: Hub
    guard: Guard
    reviews: Reviews
    clock: Clock
    limits: SessionLimits
    show_room: Callable[[Room | None, float], Mapping[str, Any]]
    waiting: Shares
    bindings: Shares
    logins: Pace
    work: Pace
