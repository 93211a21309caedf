"""Kazoo's time: gregorian seconds, counted from year 0.

Source: data.md 2.1, amqp.md 1.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

#: Seconds between year 0 and 1970: gregorian seconds = unix seconds + this.
GREGORIAN_OFFSET = 62_167_219_200

#: What tells the time, in unix seconds; tests hand in their own.
Clock = Callable[[], float]


def gregorian_seconds(unix: float | None = None) -> int:
    """Unix seconds (now, when not given) as Kazoo's gregorian seconds."""
    return int(time.time() if unix is None else unix) + GREGORIAN_OFFSET


def gregorian_microseconds(unix: float | None = None) -> int:
    """What Kazoo puts in the AMQP ``timestamp`` property: microseconds since year 0."""
    now = time.time() if unix is None else unix
    return int(now * 1_000_000) + GREGORIAN_OFFSET * 1_000_000


def iso8601(unix: float | None = None) -> str:
    """UTC time as the envelope's ``timestamp`` shows it: ``2026-11-24T14:35:00Z``."""
    return _iso8601(int(time.time() if unix is None else unix))


@lru_cache(maxsize=1_000)
def _iso8601(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
