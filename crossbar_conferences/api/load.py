"""How many requests are in hand, against a limit; and who is told of each when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: Told of every request that is done: route, verb, status, seconds.
Observer = Callable[[str, str, int, float], None]


def _nobody(route: str, verb: str, status: int, seconds: float) -> None:
    pass


class Load:
    """Counts requests: ``with load:`` around each."""

    def __init__(self, limit: int, observer: Observer = _nobody) -> None:
        self.running = 0
        self.observe = observer
        self._limit = limit
        #: Set when the last request is done; only there while somebody waits for that.
        self._none: asyncio.Event | None = None

    def __enter__(self) -> None:
        self.running += 1

    def __exit__(self, *reason: object) -> None:
        self.running -= 1
        if self._none is not None and not self.running:
            self._none.set()

    def is_over(self) -> bool:
        """Whether there are more requests than may be."""
        return self.running > self._limit

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Don't count one request meanwhile."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    async def over(self, within: float) -> bool:
        """Wait until no request is in hand, so many seconds at most; whether it came to that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.running:
                    if self._none is None or self._none.is_set():
                        self._none = asyncio.Event()
                    await self._none.wait()
        return self.running == 0
