"""Whether the document store can be used, said once when that ends and once when it is so again.

A store that is away is asked again by the next request. One that refuses our user for everything, because
of its password or because it is locked out, is not: from 3.4 on CouchDB locks a user out for five minutes
after five wrong passwords within five minutes, and every request would be one more. So after a refusal
nothing is asked for a while; then one request at a time looks whether the store takes us again. All others
are refused here meanwhile, at once.

Processes of one host that have the same user tell each other (``workers/store_news.py``): together they
ask as seldom as one of them would.

That a right is missing for one database is the matter of the request that needed it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

import structlog

from ..clock import Clock
from ..complaints import Complaints
from .port import CredentialsRefused, StoreRefusesUs, StoreUnreachable, UserLocked

log = structlog.get_logger(__name__)

#: Seconds until the store is asked again, after the first refusal, the second and so on; the last repeats.
#: Wrong passwords are four in five minutes at most; a locked user's requests are not counted by CouchDB.
#: The first pause is short: it may have been one node of a cluster, which does not know the user yet.
PAUSES: Final[dict[str, tuple[float, ...]]] = {
    CredentialsRefused.kind: (1.0, 20.0, 140.0),
    UserLocked.kind: (1.0, 5.0, 15.0),
    StoreUnreachable.kind: (5.0,),
}

#: Seconds without a failure until a store that was away is said to be there again: one that answers every
#: other request would else be said to go and come at each of them.
SETTLE: Final = 2.0

#: Seconds until the next look, where one ended without showing anything.
_SHORTLY: Final = 1.0

#: Databases that we lack a right to: how many are remembered, for how long, and how often it is said.
_MAX_LACKING: Final = 20
_LACKING_FOR: Final = 300.0
_LACKING_SAID_EVERY: Final = 600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the store cannot be used: ``kind`` as of the error, ``said`` the store's own words, bounded."""

    kind: str
    said: str


@dataclass(frozen=True, slots=True)
class News:
    """What one process tells the others: that it is refused and asks again in ``pause`` seconds, or that
    it is taken again (no ``trouble``)."""

    trouble: Trouble | None
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Lacking:
    """A database that we may not use as we would, ``age`` seconds ago."""

    database: str
    said: str
    age: float


class Health:
    """Of one store. ``grace``: seconds for which a process lets the one that told it go first."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        #: What is wrong now, if anything.
        self.trouble: Trouble | None = None
        self.grace = 1.0
        self.on_news: Callable[[News], None] | None = None
        self._clock = clock
        self._since = 0.0
        self._failed_at = 0.0
        #: Whether only one request at a time may look.
        self._is_shut = False
        self._looking = False
        self._next_look = 0.0
        self._refusals = 0
        #: Whether the beginning was said by us.
        self._is_ours = False
        self._lacking: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._complaints = Complaints(clock=clock, interval=_LACKING_SAID_EVERY)

    def enter(self) -> bool:
        """Begin a request; whether it is one that looks if the store takes us again.

        Raises what the store would say, while nothing is to be asked."""
        if not self._is_shut:
            return False
        if self._looking or self._clock() < self._next_look:
            raise self._refusal()
        self._looking = True
        return True

    def leave(self, looks: bool) -> None:
        """A request is over."""
        if looks:
            self._looking = False
            self._next_look = max(self._next_look, self._clock() + _SHORTLY)

    def worked(self, looks: bool) -> None:
        """The store answered, and as it answers those whom it lets in."""
        if self.trouble is None:
            return
        was_shut = self._is_shut
        if was_shut and not looks:
            # What was let in before says nothing of those who come now.
            return
        if not was_shut and self._clock() - self._failed_at < SETTLE:
            return
        self._end()
        if was_shut:
            self._tell(News(None))

    def failed(self, error: StoreUnreachable, looks: bool) -> None:
        """The store did not answer, or refused our user."""
        self._failed_at = self._clock()
        is_refusal = isinstance(error, StoreRefusesUs)
        if self._is_shut and not looks:
            # It was under way when another one was refused.
            _set_pause(error, self._next_look - self._failed_at)
            return
        if self.trouble is None or self.trouble.kind != error.kind:
            self._begin(Trouble(error.kind, error.said))
        if not is_refusal and not self._is_shut:
            return
        ladder = PAUSES[error.kind]
        pause = ladder[min(self._refusals, len(ladder) - 1)]
        self._refusals += 1
        self._is_shut = True
        self._next_look = self._failed_at + pause
        _set_pause(error, pause)
        if is_refusal:
            self._tell(News(self.trouble, pause))

    def hear(self, news: News) -> None:
        """Another process of ours, with the same user, was refused or is taken again."""
        if news.trouble is None:
            if self._is_shut:
                self._end()
            return
        if self.trouble is None:
            self._since, self._is_ours = self._clock(), False
        self.trouble = news.trouble
        self._is_shut = True
        self._refusals = max(self._refusals, 1)
        self._next_look = self._clock() + news.pause + self.grace

    def lacks(self, database: str, said: str) -> None:
        """A right is missing for what was asked of a database."""
        self._lacking[database] = (self._clock(), said)
        self._lacking.move_to_end(database)
        while len(self._lacking) > _MAX_LACKING:
            self._lacking.popitem(last=False)
        self._complaints.complain("store_right_missing", "right_missing", database=database, said=said)

    def lacking(self) -> list[Lacking]:
        """The databases of the last minutes that we lacked a right to."""
        now = self._clock()
        return [
            Lacking(database, said, now - when)
            for database, (when, said) in self._lacking.items()
            if now - when < _LACKING_FOR
        ]

    def _begin(self, trouble: Trouble) -> None:
        if self.trouble is None:
            self._since = self._clock()
        self.trouble, self._is_ours = trouble, True
        log.warning("store_unavailable", reason=trouble.kind, said=trouble.said)

    def _end(self) -> None:
        if self._is_ours:
            log.info("store_available", after=round(self._clock() - self._since, 1))
        self.trouble, self._is_shut, self._refusals, self._is_ours = None, False, 0, False

    def _tell(self, news: News) -> None:
        if self.on_news is not None:
            self.on_news(news)

    def _refusal(self) -> StoreUnreachable:
        assert self.trouble is not None
        kinds = (CredentialsRefused, UserLocked, StoreUnreachable)
        error = next(kind for kind in kinds if kind.kind == self.trouble.kind)(self.trouble.said)
        _set_pause(error, self._next_look - self._clock())
        return error


def _set_pause(error: StoreUnreachable, seconds: float) -> None:
    error.retry_after = max(1, ceil(seconds))
