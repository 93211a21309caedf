"""Which way of knowing who is where the operator has chosen: following events, or asking each time."""

from __future__ import annotations

from ..broker.bus import Bus
from ..clock import Clock
from ..settings import Settings
from .feed import EventFeed
from .port import Live
from .search import SearchLive
from .tracker import Tracker


def chosen(settings: Settings, bus: Bus, feed: EventFeed, clock: Clock, steady: Clock) -> Live:
    """Live state as ``live_mode`` says. ``steady``: a clock that nobody sets, for what is kept a while."""
    within = settings.search_timeout_ms / 1000
    search = SearchLive(bus, clock, within)
    if settings.live_mode != "events":
        return search
    return Tracker(
        bus,
        feed,
        search,
        steady,
        reconcile_every=settings.reconcile_seconds,
        idle_after=settings.live_idle_seconds,
        bind_within=within,
        limit=settings.live_accounts,
    )
