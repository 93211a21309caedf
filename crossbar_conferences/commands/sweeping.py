"""Keeps the sidecar's own database to what lives: after changes that are told of, and in rounds.

A deleted conference is looked at a minute after the change message; a deleted account brings the next
round forward, since the records of its ids do not say whose they are by their own ids. A round reads the
database page by page with a pause after each, so that it costs next to nothing at a time. One worker of
a host does it. Several hosts may do it at once: each decides on what it has read, and the store lets one
of them remove a document.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from ..broker.bus import Bus
from ..clock import Clock
from ..conference.isolation import is_conference_id
from ..live.port import Live
from ..store import own
from ..store.cleaning import SETTLED, Cleaning, Outcome
from ..store.meetings import meetings_document_id
from ..store.names import account_database, is_document_id
from ..store.port import DatabaseMissing, DocumentMissing, Store, StoreError, StoreRefused
from ..store.recordings import recording_document_id
from ..store.reservations import owner_document_id, reservation_document_ids
from ..tasks import end

log = structlog.get_logger(__name__)

#: Documents of a page.
PAGE: Final = 100

#: Deleted conferences that wait to be looked at; a round finds the others.
_WAITING: Final = 10_000

#: How often a deleted conference is looked at before it is left to the rounds.
_LOOKS: Final = 3


#: Questions in a row that not everybody answers until no more are asked: each takes its full time.
_UNSURE: Final = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. ``first``: until the first round; ``every``: between rounds; ``soon``: until a round that is
    wanted, but not within ``least`` of the last; ``pause``: after each page; ``ask``: after each question to
    the media side; ``delay``: from a change message to the look at it."""

    first: float = 300.0
    every: float = 6 * 3600.0
    soon: float = 120.0
    least: float = 900.0
    pause: float = 1.0
    ask: float = 0.02
    delay: float = 60.0


@dataclass(slots=True)
class _Due:
    at: float
    looks: int = 0


class Sweeper:
    """Owns one task. ``clock`` a steady one, ``now`` the time of day, both in seconds."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        live: Live,
        clock: Clock,
        now: Clock,
        pace: Pace = Pace(),
    ) -> None:
        #: Documents that were removed since the start.
        self.removed = 0
        self._store = store
        self._bus = bus
        self._live = live
        self._clock = clock
        self._pace = pace
        self._cleaning = Cleaning(store, self._may_run, now)
        self._due: OrderedDict[tuple[str, str], _Due] = OrderedDict()
        self._woken = asyncio.Event()
        #: Questions in a row that not everybody answered.
        self._unsure = 0
        # Hosts that were started together do not begin together.
        self._next = clock() + pace.first * (1 + random.random())
        self._last = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; until then nothing that is told of is kept."""
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def close(self) -> None:
        """Stop; what was not looked at is found in a round."""
        task, self._task = self._task, None
        await end(task)

    def conference_gone(self, account_id: str, conference_id: str) -> None:
        """A conference was deleted, by whomever."""
        if self._task is None or len(self._due) >= _WAITING or not is_document_id(conference_id):
            return
        self._due.setdefault((account_id, conference_id), _Due(self._clock() + self._pace.delay))
        self._woken.set()

    def account_gone(self) -> None:
        """An account was deleted, or its database."""
        if self._task is None:
            return
        soon = max(self._clock() + self._pace.soon, self._last + self._pace.least)
        if soon < self._next:
            self._next = soon
            self._woken.set()

    async def sweep(self) -> Outcome:
        """One round. Raises the store's errors."""
        start, removed, waiting = "", 0, 0
        self._unsure = 0
        while True:
            try:
                page = await self._store.scan(own.DATABASE, start, PAGE + 1)
            except DatabaseMissing:
                break
            outcome = await self._cleaning.clean(page[:PAGE])
            removed, waiting = removed + outcome.removed, waiting + outcome.waiting
            self.removed += outcome.removed
            if len(page) <= PAGE:
                break
            start = str(page[PAGE]["_id"])
            await asyncio.sleep(self._pace.pause)
        return Outcome(removed, waiting)

    async def _run(self) -> None:
        while True:
            await self._wait()
            try:
                await self._look_at_due()
                if self._clock() >= self._next:
                    await self._round()
            except StoreError as error:
                log.info("sweep_put_off", reason=type(error).__name__)
                self._next = max(self._next, self._clock() + self._pace.least)
            except Exception as error:  # whatever one document does, there is a next round
                log.error("sweep_failed", error=type(error).__name__)
                self._next = max(self._next, self._clock() + self._pace.every)

    async def _wait(self) -> None:
        """Until something is due."""
        while True:
            self._woken.clear()
            due = min((one.at for one in self._due.values()), default=self._next)
            pause = min(due, self._next) - self._clock()
            if pause <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _round(self) -> None:
        self._last = self._clock()
        self._next = self._last + self._pace.every * (0.9 + 0.2 * random.random())
        outcome = await self.sweep()
        log.info("swept", removed=outcome.removed, waiting=outcome.waiting)

    async def _look_at_due(self) -> None:
        now, self._unsure = self._clock(), 0
        for key in [key for key, one in self._due.items() if one.at <= now]:
            one = self._due.pop(key)
            outcome = await self._look_at(*key)
            self.removed += outcome.removed
            if outcome.waiting and one.looks + 1 < _LOOKS:
                # Too young, or it still runs.
                self._due[key] = _Due(now + SETTLED, one.looks + 1)

    async def _look_at(self, account_id: str, conference_id: str) -> Outcome:
        """Everything that is kept of one conference."""
        wanted = [
            owner_document_id(conference_id),
            recording_document_id(account_id, conference_id),
            meetings_document_id(account_id, conference_id),
        ]
        with suppress(DocumentMissing, DatabaseMissing):
            # A deleted conference is marked as such, and still has its numbers and its name.
            stored = await self._store.get(account_database(account_id), conference_id)
            wanted += reservation_document_ids(account_id, stored)
        try:
            found = await self._store.get_many(own.DATABASE, wanted)
        except (DatabaseMissing, StoreRefused):
            return Outcome()
        return await self._cleaning.clean(found.values())

    async def _may_run(self, conference_id: str) -> bool:
        """Whether a conference of this id runs, or might: also when not all were heard who would know."""
        if not is_conference_id(conference_id):
            # No switch runs one under such an id.
            return False
        if not self._bus.connected or self._bus.settling or self._unsure >= _UNSURE:
            return True
        found = await self._live.lookup(conference_id)
        is_certain = 0 < found.nodes_expected <= len(found.nodes_heard)
        self._unsure = 0 if is_certain else self._unsure + 1
        await asyncio.sleep(self._pace.ask)
        return found.room(conference_id) is not None or not is_certain
