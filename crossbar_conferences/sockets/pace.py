"""How fast what costs work is done for whom: who asks for more waits, and only they."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Names that are remembered; the oldest are those that nobody waits for any more.
_NAMES = 10_000


class Pace:
    """``rate`` pieces of work a second for each name, and ``burst`` of them at once. ``patience`` in
    seconds is the longest that anybody waits."""

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        patience: float = 10.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._step = 1 / rate
        self._burst = burst / rate
        self._patience = patience
        self._clock = clock
        #: When all that a name has asked for would be done, at its rate.
        self._done: dict[str, float] = {}

    def wait_for(self, name: str, amount: float = 1) -> float | None:
        """Ask for work; after how many seconds it may be done, ``None`` for not at all."""
        now = asyncio.get_running_loop().time() if self._clock is None else self._clock()
        done = max(now, self._done.pop(name, now)) + amount * self._step
        wait = max(0.0, done - self._burst - now)
        if wait > self._patience:
            self._done[name] = done - amount * self._step
            return None
        self._done[name] = done
        while len(self._done) > _NAMES:
            del self._done[next(iter(self._done))]
        return wait

    async def keep(self, name: str, amount: float = 1) -> bool:
        """Wait until the work may be done; whether it may."""
        wait = self.wait_for(name, amount)
        if wait:
            await asyncio.sleep(wait)
        return wait is not None
