"""How many requests are in hand, against limits; and who is told of each when it is done.

A request has a *place* while it is worked on: there are so many in all, and so many for one account
once its token is known. Some requests only wait: for the rest of a slow body, for a command to take
effect, for a dial to be answered. They give their place to others and count elsewhere, so that
nobody who waits, however often, keeps others from being served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..settings import Settings
from ..shares import ShareExceeded, Shares
from .errors import overloaded, share_exceeded

#: Told of every request that is done: route, verb, status, seconds.
Observer = Callable[[str, str, int, float], None]


def _nobody(route: str, verb: str, status: int, seconds: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How many requests may be worked on and may wait, in all and of one account; how many bytes the
    bodies of all of them may have.

    Of bodies, and of requests whose body is still to come, an address has a share: whose they are is
    not known yet."""

    places: int = 1_000
    places_each: int = 500
    waiting: int = 10_000
    waiting_each: int = 1_000
    body_bytes: int = 256 * 2**20
    body_bytes_each: int = 64 * 2**20

    @classmethod
    def of(cls, settings: Settings) -> LoadLimits:
        """As the operator says; but one body of the largest size is taken, packed and unpacked."""
        of_address = max(settings.body_memory_bytes // 4, 2 * settings.body_limit_bytes)
        return cls(
            places=settings.concurrent_requests,
            places_each=min(settings.concurrent_requests_per_account, settings.concurrent_requests),
            waiting=settings.waiting_requests,
            waiting_each=settings.waiting_requests_per_account,
            body_bytes=max(settings.body_memory_bytes, of_address),
            body_bytes_each=of_address,
        )


class Load:
    """Counts requests: `place` for each, which is left when it is done."""

    def __init__(self, limits: LoadLimits, observer: Observer = _nobody) -> None:
        self.running = 0
        self.observe = observer
        self.waiting: Shares = Shares(limits.waiting, limits.waiting_each)
        self.bodies: Shares = Shares(limits.body_bytes, limits.body_bytes_each)
        self._accounts: Shares = Shares(limits.places + limits.waiting, limits.places_each)
        self._reading: Shares = Shares(limits.places, max(limits.places // 4, 1))
        self._limit = limits.places
        #: Set when the last request is done; only there while somebody waits for that.
        self._none: asyncio.Event | None = None

    def place(self) -> Place:
        """A request has come."""
        self.running += 1
        return Place(self)

    def is_over(self) -> bool:
        """Whether there are more requests than may be."""
        return self.running > self._limit

    async def over(self, within: float) -> bool:
        """Wait until no request is in hand, so many seconds at most; whether it came to that.

        One that waits is in hand, one that became a stream is not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._in_hand():
                    if self._none is None or self._none.is_set():
                        self._none = asyncio.Event()
                    await self._none.wait()
        return not self._in_hand()

    def _in_hand(self) -> int:
        return self.running + self.waiting.held() + self._reading.held()

    def _looked_for(self) -> None:
        if self._none is not None and not self._in_hand():
            self._none.set()


class Place:
    """Where one request is counted."""

    __slots__ = ("_account", "_body", "_has_place", "_is_left", "_load", "_waiter")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._has_place = True
        self._is_left = False
        #: Whose place it is, whose wait, and how much body at which address.
        self._account: str | None = None
        self._waiter: str | None = None
        self._body: tuple[str, int] = ("", 0)

    def claim(self, account_id: str) -> None:
        """The request is this account's, as its token says. Raises `ApiError`."""
        _take(self._load._accounts, account_id)
        self._account = account_id

    def wait(self, account_id: str) -> None:
        """From here on the request waits for others, and has little left to do. Raises `ApiError`: then
        it must not begin what it would wait for."""
        if self._waiter is not None or self._is_left:
            return
        _take(self._load.waiting, account_id)
        self._waiter = account_id
        self._give_up()

    def hold(self, address: str, amount: int) -> None:
        """So many more bytes of the request's body are there. Raises `ApiError`."""
        _take(self._load.bodies, address, amount)
        self._body = (address, self._body[1] + amount)

    @contextmanager
    def reading(self, address: str) -> Iterator[None]:
        """The rest of the body has still to come. Raises `ApiError`."""
        load = self._load
        _take(load._reading, address)
        load.running -= 1
        try:
            yield
        finally:
            load.running += 1
            load._reading.give(address)

    def stream(self) -> None:
        """The request goes on for hours, and has limits of its own."""
        self._give_up()
        self._load._looked_for()

    def leave(self) -> None:
        """The request is done."""
        load = self._load
        self._is_left = True
        self._give_up()
        if self._waiter is not None:
            load.waiting.give(self._waiter)
            self._waiter = None
        address, amount = self._body
        if amount:
            load.bodies.give(address, amount)
            self._body = ("", 0)
        load._looked_for()

    def _give_up(self) -> None:
        if self._has_place:
            self._has_place = False
            self._load.running -= 1
        if self._account is not None:
            self._load._accounts.give(self._account)
            self._account = None


def _take(shares: Shares, whose: str, amount: int = 1) -> None:
    try:
        shares.take(whose, amount)
    except ShareExceeded as refused:
        raise (share_exceeded() if refused.of_account else overloaded()) from None
