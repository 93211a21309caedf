"""Whose a conference id is: the owners on record, remembered for a while, and put on record in batches.

Whoever creates through the sidecar is put on record with the create. Conferences that Kazoo made are put
on record when their account first comes by: all of the account's at once, read page by page and written
in the background, so that no request waits for it. Later ones follow when they are first read.

What is remembered is believed for a minute, as what the gate decided is. While the store is away it is
believed for longer; what was never known is not decided then (the store's error is the answer).
Source: design 3.3 (account isolation).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from ..clock import Clock
from ..complaints import Complaints
from ..tasks import end
from . import own, views
from .names import account_database
from .own import DATABASE
from .port import DatabaseMissing, Document, Store, StoreError, StoreRefused, ViewQuery
from .reservations import REFUSED_FOR, Reservations, owner_document_id, owner_record

log = structlog.get_logger(__name__)

#: Seconds for which an owner is believed without asking again.
KEEP: Final = 60.0

#: Conferences that are read, and put on record, in one request to the store.
BATCH: Final = 500

#: What may wait to be put on record; more is put there when it is next read.
_WAITING: Final = 10_000

#: Accounts that are known to have come by.
_ACCOUNTS: Final = 10_000


class Owners:
    """The owners on record. ``clock`` a steady one, ``now`` the time of day, both in seconds."""

    def __init__(
        self, store: Store, reservations: Reservations, clock: Clock, now: Clock, *, limit: int = 20_000
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._clock = clock
        self._now = now
        self._limit = limit
        self._complaints = Complaints()
        #: By conference id: until when it is believed, and the account. The one used last comes last.
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        #: Accounts whose conferences are on record, or are about to be.
        self._met: OrderedDict[str, None] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue(_WAITING)
        self._refused_until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to put on record what waits for it."""
        self._task = asyncio.create_task(self._work(), name="owners")

    async def close(self) -> None:
        """Stop; what still waits is put on record when it is next read."""
        await end(self._task)

    async def settled(self) -> None:
        """Wait until nothing waits to be put on record."""
        await self._waiting.join()

    def is_own(self, account_id: str, conference_id: str) -> bool:
        """Whether an id is known to be the account's, without asking anybody."""
        known = self._known.get(conference_id)
        return known is not None and known[1] == account_id and known[0] > self._clock()

    def known(self, conference_id: str) -> str | None:
        """The owner as far as it is remembered."""
        known = self._known.get(conference_id)
        return None if known is None else known[1]

    def learn(self, account_id: str, conference_id: str) -> None:
        """Remember what is on record."""
        self._known[conference_id] = (self._clock() + KEEP, account_id)
        self._known.move_to_end(conference_id)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def meet(self, account_id: str) -> None:
        """An account comes by: when it is for the first time, all its conferences go on record."""
        if account_id in self._met:
            return
        if self._later(account_id, None):
            self._met[account_id] = None
            while len(self._met) > _ACCOUNTS:
                self._met.popitem(last=False)

    async def owner(
        self, account_id: str, conference_id: str, document: Document | None = None
    ) -> str | None:
        """The account on record, as an account asks; ``document``: what that has under the id, if anything.

        A document that nobody is on record for goes on record. Raises the store's errors."""
        if document is not None:
            self.meet(account_id)
        known = self._known.get(conference_id)
        if known is not None and known[0] > self._clock():
            return known[1]
        try:
            owner = await self._asked(account_id, conference_id, document)
        except StoreError:
            if known is None:
                raise
            return known[1]
        if owner is not None:
            self.learn(owner, conference_id)
        return owner

    async def look_up(self, account_id: str, conference_ids: Iterable[str]) -> None:
        """Make `known` know the owners of ids, in one round trip. Raises the store's errors."""
        now = self._clock()
        wanted = [each for each in conference_ids if self._known.get(each, (now, ""))[0] <= now]
        if not wanted:
            return
        try:
            found = await self._on_record(wanted)
        except StoreError:
            if all(each in self._known for each in wanted):
                return
            raise
        for conference_id, owner in found.items():
            self.learn(owner, conference_id)

    async def _asked(self, account_id: str, conference_id: str, document: Document | None) -> str | None:
        owner = await self._reservations.owner(conference_id)
        if document is None or owner == account_id:
            return owner
        if owner is None:
            self._later(account_id, conference_id)
            return None
        return account_id if await self._reservations.own(account_id, conference_id, document) else owner

    def _later(self, account_id: str, conference_id: str | None) -> bool:
        try:
            self._waiting.put_nowait((account_id, conference_id))
        except asyncio.QueueFull:
            return False
        return True

    async def _work(self) -> None:
        while True:
            taken = [await self._waiting.get()]
            while len(taken) < BATCH and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            single: dict[str, list[str]] = {}
            for account_id, conference_id in taken:
                if conference_id is not None:
                    single.setdefault(account_id, []).append(conference_id)
            for account_id, conference_id in taken:
                if conference_id is None:
                    await self._guarded(account_id, None)
            for account_id, conference_ids in single.items():
                await self._guarded(account_id, list(dict.fromkeys(conference_ids)))
            for _ in taken:
                self._waiting.task_done()

    async def _guarded(self, account_id: str, conference_ids: list[str] | None) -> None:
        """Put on record; whatever comes between, it is tried again when the account next comes by."""
        try:
            if 0 < self._refused_until - self._clock() <= REFUSED_FOR:
                self._met.pop(account_id, None)
            elif conference_ids is None:
                await self._record_all(account_id)
            else:
                for conference_id in await self._record(account_id, conference_ids):
                    self.learn(account_id, conference_id)
        except StoreRefused:
            self._refused_until = self._clock() + REFUSED_FOR
            self._met.pop(account_id, None)
        except (StoreError, ValueError) as error:
            self._met.pop(account_id, None)
            self._complaints.complain("owners_not_recorded", type(error).__name__, account_id=account_id)
        except Exception as error:  # whatever one account's documents do, the others go on record
            self._met.pop(account_id, None)
            log.error("owners_failed", account_id=account_id, error=type(error).__name__)

    async def _record_all(self, account_id: str) -> None:
        database, start = account_database(account_id), None
        while True:
            query = ViewQuery(start=start, limit=BATCH + 1)
            rows = await self._store.query(database, views.BY_ID, query)
            await self._record(account_id, [row.id for row in rows[:BATCH]])
            if len(rows) <= BATCH:
                return
            start = rows[BATCH].id

    async def _record(self, account_id: str, conference_ids: Sequence[str]) -> list[str]:
        """Put on record those of the ids that nobody is on record for; those that are the account's now."""
        found = await self._on_record(conference_ids)
        now = self._now()
        records = [owner_record(account_id, each, now) for each in conference_ids if each not in found]
        written = await own.put_many(self._store, records)
        theirs = [each for each, owner in found.items() if owner == account_id]
        return theirs + [str(record["value"]) for record in records if record["_id"] in written]

    async def _on_record(self, conference_ids: Sequence[str]) -> dict[str, str]:
        if not conference_ids:
            return {}
        try:
            found = await self._store.get_many(DATABASE, [owner_document_id(each) for each in conference_ids])
        except (DatabaseMissing, StoreRefused):
            return {}
        owners = {record.get("value"): record.get("account_id") for record in found.values()}
        return {
            each: owner for each, owner in owners.items() if isinstance(each, str) and isinstance(owner, str)
        }
