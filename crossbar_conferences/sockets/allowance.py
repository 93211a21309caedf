"""How many frames a client may send, as Kazoo counts them, and when it is told to go. Pure."""

from __future__ import annotations

from ..clock import Clock
from ..errors import CrossbarConferencesError


class RateExceeded(CrossbarConferencesError):
    """More than is allowed. ``is_flood``: so many more that it is on purpose."""

    def __init__(self, *, is_flood: bool) -> None:
        super().__init__()
        self.is_flood = is_flood


class Allowance:
    """``rate`` tokens at most, ``refill`` of them each second (realtime-ui-tests.md A.4), and another
    ``excess`` of refusals, refilled as fast."""

    def __init__(self, rate: float, refill: float, excess: float, clock: Clock) -> None:
        self._rate = rate
        self._refill = refill
        self._excess = excess
        self._clock = clock
        self._filled = clock()
        self._tokens = rate
        self._refusals = excess

    def take(self, amount: float) -> None:
        """Take tokens; raises `RateExceeded` when there are too few."""
        now = self._clock()
        # A clock that was set back must not take tokens away.
        gained = max(0.0, now - self._filled) * self._refill
        self._filled = now
        self._tokens = min(self._rate, self._tokens + gained)
        self._refusals = min(self._excess, self._refusals + gained)
        if self._tokens < amount:
            self._refusals -= 1
            raise RateExceeded(is_flood=self._refusals < 0)
        self._tokens -= amount
