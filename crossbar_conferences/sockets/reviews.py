"""Whether what was allowed once still is: decided again whenever that may have changed.

A session's binding, an event stream and a command that waits outlast the request that began them.
Each holds a *matter*: somebody's right to something. Those who hold the same matter share it, so it
is decided once for all of them, again

- when its time is over, such as that of a token: that ends it without asking anybody,
- soon after a change message about a database that it was decided from,
- when change messages may have been missed, of all matters one after the other,
- and every minute, whether anything was heard or not.

However many changes come, and however many hold something, so many matters at most are decided in a
second, those of each account in turn. One that cannot be decided, since the store is away, is tried
again for some minutes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from ..auth.failures import AuthFailure
from ..clock import Clock
from ..complaints import Complaints
from ..errors import CrossbarConferencesError
from ..store.names import ACCOUNTS, account_database, is_account_id
from ..tasks import end

log = structlog.get_logger(__name__)

#: Documents of this type concern only what names them; all others concern everything of their account.
_CONFERENCE: Final = "conference"

#: Single documents that are noted between two rounds; with more, whole databases are.
_NOTED: Final = 1_000

EXPIRED: Final = "token expired"
REVOKED: Final = "token not valid any more"
UNKNOWN: Final = "access could not be checked"


class Unauthorized(CrossbarConferencesError):
    """It is not allowed, in words for the client."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """That something is allowed: until when at most (unix seconds), from which databases that was
    found out, and from which conference's document."""

    until: float = math.inf
    databases: frozenset[str] = frozenset()
    conference_id: str | None = None


#: Finds out anew. Raises `AuthFailure` or `Unauthorized` for what is not allowed, and any other error
#: of ours for what cannot be found out now.
Decide = Callable[[], Awaitable[Ruling]]

#: Told, once, that it is over, and why; must not wait.
OnEnd = Callable[[str], None]

#: Keeps a right under review for as long as the context lasts, and tells, once, why it ended.
Watch = Callable[[OnEnd], AbstractAsyncContextManager[object]]


@dataclass(slots=True, eq=False)
class _Matter:
    key: Hashable
    decide: Decide
    owner: str
    ruling: Ruling | None = None
    holds: set[Hold] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    #: Since when it cannot be decided, in loop time.
    doubted: float | None = None


class Hold:
    """Somebody's interest in a matter, until it is let go or the matter ends."""

    __slots__ = ("_matter", "_on_end", "_reviews", "reason")

    def __init__(self, reviews: Reviews, matter: _Matter, on_end: OnEnd) -> None:
        #: Why it is over, once it is.
        self.reason: str | None = None
        self._reviews = reviews
        self._matter = matter
        self._on_end = on_end

    @property
    def ruling(self) -> Ruling | None:
        """What was decided last; another object after each review."""
        return self._matter.ruling

    def release(self) -> None:
        """Let go; any number of times."""
        self._reviews._release(self._matter, self)

    def _end(self, reason: str) -> None:
        self.reason = reason
        self._on_end(reason)


class Reviews:
    """Keeps what is held under review. Times in seconds: ``every`` between two looks at a matter
    without a change, ``pause`` between rounds of ``batch`` matters, ``retry`` after one that could not
    be decided, which is given up after ``give_up``."""

    def __init__(
        self,
        clock: Clock,
        *,
        every: float = 60.0,
        pause: float = 0.05,
        batch: int = 100,
        retry: float = 5.0,
        give_up: float = 300.0,
    ) -> None:
        self.decided = 0
        self.ended = 0
        self._clock = clock
        self._every = every
        self._pause = pause
        self._batch = batch
        self._retry = retry
        self._give_up = give_up
        self._complaints = Complaints()
        self._matters: dict[Hashable, _Matter] = {}
        #: Matters by the databases they depend on; those under decision depend on all.
        self._by_database: dict[str, set[_Matter]] = {}
        self._open: set[_Matter] = set()
        #: What changed since the last round: database and conference, or any document of it.
        self._changed: set[tuple[str, str | None]] = set()
        self._everything = False
        #: What is to be decided: of each account in the order in which that came up, accounts in turn.
        self._due: dict[str, dict[_Matter, None]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._matters)

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="reviews")

    async def close(self) -> None:
        """Decide no more."""
        await end(self._task)
        for matter in self._matters.values():
            _stop(matter)

    async def hold(self, key: Hashable, decide: Decide, on_end: OnEnd, owner: str = "") -> Hold:
        """Decide a matter and keep it under review. Raises what ``decide`` raises. ``owner``: the account
        whose matters have their turns among those of others.

        A change that is heard meanwhile has it decided once more."""
        matter = self._matters.get(key)
        if matter is None:
            matter = self._matters[key] = _Matter(key, decide, owner)
            self._open.add(matter)
        hold = Hold(self, matter, on_end)
        matter.holds.add(hold)
        try:
            self.decided += 1
            ruling = await decide()
            if hold.reason is not None:
                raise Unauthorized(hold.reason)
        except BaseException:
            hold.release()
            raise
        self._settle(matter, ruling)
        return hold

    @asynccontextmanager
    async def holding(
        self, key: Hashable, decide: Decide, on_end: OnEnd, owner: str = ""
    ) -> AsyncIterator[Hold]:
        """`hold` for as long as the ``with`` block lasts."""
        hold = await self.hold(key, decide, on_end, owner)
        try:
            yield hold
        finally:
            hold.release()

    def changed(self, database: str, doc_id: str, kind: str | None) -> None:
        """A document has changed. ``database`` is its real name, with slashes."""
        if database == ACCOUNTS and is_account_id(doc_id):
            # One account has two documents, and what is read is in its own database.
            database = account_database(doc_id)
        if database not in self._by_database and not self._open:
            return
        is_named = kind == _CONFERENCE and len(self._changed) < _NOTED
        self._changed.add((database, doc_id if is_named else None))
        self._wake.set()

    def doubt(self) -> None:
        """Changes may have been missed."""
        self._everything = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._note_changes()
            await asyncio.gather(*map(self._review, self._next()))
            if self._due:
                self._wake.set()
            await asyncio.sleep(self._pause)

    def _next(self) -> list[_Matter]:
        """A batch: one matter of each account in turn, so that nobody waits for all that another holds."""
        batch: list[_Matter] = []
        while self._due and len(batch) < self._batch:
            owner = next(iter(self._due))
            waiting = self._due.pop(owner)
            batch.append(next(iter(waiting)))
            del waiting[batch[-1]]
            if waiting:
                self._due[owner] = waiting
        return batch

    def _call(self, matters: Iterable[_Matter]) -> None:
        for matter in matters:
            self._due.setdefault(matter.owner, {})[matter] = None

    def _note_changes(self) -> None:
        changed, self._changed = self._changed, set()
        if self._everything:
            self._everything = False
            self._call(self._matters.values())
            return
        conferences: dict[str, set[str | None]] = {}
        for database, conference_id in changed:
            conferences.setdefault(database, set()).add(conference_id)
        for database, ids in conferences.items():
            # One pass for a database, however many of its documents have changed.
            self._call(
                matter
                for matter in self._by_database.get(database, ())
                if None in ids or (matter.ruling is not None and matter.ruling.conference_id in ids)
            )
        if changed:
            self._call(self._open)

    async def _review(self, matter: _Matter) -> None:
        if not matter.holds:
            return
        self.decided += 1
        try:
            ruling = await matter.decide()
        except AuthFailure as failure:
            self._end(matter, reason_of(failure))
        except Unauthorized as refusal:
            self._end(matter, str(refusal))
        except (CrossbarConferencesError, TimeoutError) as error:
            self._put_off(matter, error)
        except Exception as error:
            log.exception("review_failed")
            self._put_off(matter, error)
        else:
            if matter.holds:
                self._settle(matter, ruling)

    def _settle(self, matter: _Matter, ruling: Ruling) -> None:
        if self._matters.get(matter.key) is not matter:
            return
        self._unfile(matter)
        matter.ruling, matter.doubted = ruling, None
        for database in ruling.databases:
            self._by_database.setdefault(database, set()).add(matter)
        self._look_after(matter, min(self._every, max(0.0, ruling.until - self._clock())))

    def _put_off(self, matter: _Matter, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if matter.doubted is None:
            matter.doubted = now
        if now - matter.doubted > self._give_up:
            self._end(matter, UNKNOWN)
            return
        self._complaints.complain("review_put_off", type(error).__name__)
        self._look_after(matter, self._retry)

    def _look_after(self, matter: _Matter, seconds: float) -> None:
        _stop(matter)
        matter.timer = asyncio.get_running_loop().call_later(seconds, self._on_time, matter)

    def _on_time(self, matter: _Matter) -> None:
        if matter.ruling is not None and self._clock() >= matter.ruling.until:
            self._end(matter, EXPIRED)
            return
        self._call([matter])
        self._wake.set()

    def _end(self, matter: _Matter, reason: str) -> None:
        holds, matter.holds = matter.holds, set()
        self._forget(matter)
        self.ended += len(holds)
        for hold in holds:
            hold._end(reason)

    def _release(self, matter: _Matter, hold: Hold) -> None:
        matter.holds.discard(hold)
        if not matter.holds:
            self._forget(matter)

    def _forget(self, matter: _Matter) -> None:
        _stop(matter)
        self._unfile(matter)
        waiting = self._due.get(matter.owner, {})
        waiting.pop(matter, None)
        if not waiting:
            self._due.pop(matter.owner, None)
        if self._matters.get(matter.key) is matter:
            del self._matters[matter.key]

    def _unfile(self, matter: _Matter) -> None:
        self._open.discard(matter)
        for database in matter.ruling.databases if matter.ruling else ():
            filed = self._by_database.get(database)
            if filed is not None:
                filed.discard(matter)
                if not filed:
                    del self._by_database[database]


def reason_of(failure: AuthFailure) -> str:
    """Why a token is no good any more, in words for its bearer."""
    return EXPIRED if failure.reason == "token_expired" else REVOKED


def _stop(matter: _Matter) -> None:
    if matter.timer is not None:
        matter.timer.cancel()
        matter.timer = None
