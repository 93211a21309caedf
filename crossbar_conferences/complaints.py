"""Log lines about what comes again and again: one of a kind in a while, with how many were kept back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

#: Seconds between two lines of one kind.
INTERVAL = 60.0

_log = structlog.get_logger(__name__)


class Complaints:
    """Logs the first of each kind of complaint of an event, and then one a minute at most. Kinds are few."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, interval: float = INTERVAL) -> None:
        self._clock = clock
        self._interval = interval
        self._last: dict[tuple[str, str], float] = {}
        self._kept_back: dict[tuple[str, str], int] = {}

    def complain(self, event: str, kind: str, **context: Any) -> bool:
        """Log ``event`` with this reason, unless one was just logged; whether it was."""
        now, key = self._clock(), (event, kind)
        last = self._last.get(key)
        if last is not None and now - last < self._interval:
            self._kept_back[key] = self._kept_back.get(key, 0) + 1
            return False
        self._last[key] = now
        _log.warning(event, reason=kind, kept_back=self._kept_back.pop(key, 0), **context)
        return True


def place_of(error: BaseException) -> str:
    """Where an error was raised, as ``module.py:12``; a whole traceback might show a body."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
