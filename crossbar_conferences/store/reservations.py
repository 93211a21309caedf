"""Who holds which number and which name: what makes exactly one of two racing creates win.

A view tells which numbers are in use, but not that somebody is about to use one. So a writer first
reserves: one document for each number and name, in a database of ours, whose id says what is
reserved. Of two writers the store lets one make it; the other finds who holds it. A reservation
outlives its conference when Kazoo itself removes that; then it is found to be stale and taken over.

The reservation runs beside the check by view, so a create takes two steps: both, then the write.
The same database remembers which account an id belongs to (design 3.3, account isolation).

Where writers want several things in common, each may get some of them. Then the one whose conference
has the lower id waits a moment, and the other lets go; so one of them wins, whatever else they want.

Where the database is refused (no right to it), a table in this process is the fallback: races
between processes are then decided by the views alone, and a warning says so once. It is tried again
from time to time: CouchDB also refuses everybody for a while who gave wrong passwords.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

import structlog

from ..clock import Clock
from ..complaints import Complaints
from . import own
from .names import account_database
from .own import DATABASE
from .port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Store,
    StoreError,
    StoreRefused,
)

log = structlog.get_logger(__name__)

#: Seconds for which a reservation counts although its holder does not use it: it may be writing.
FRESH: Final = 10.0

#: Seconds after which a database that was refused is tried again.
REFUSED_FOR: Final = 60.0

#: How often, and how long apart (seconds), a rival that may let go is given the time to.
_PATIENCE: Final = 10
_PAUSE: Final = 0.05

Kind = Literal["number", "name", "conference"]
Entry = tuple[Kind, str]


class _Outcome(Enum):
    """What became of the attempt to take one thing."""

    TAKEN = "taken"
    #: Another conference has it.
    HELD = "held"
    #: Another writer, who comes after us, is about to have it or to let it go.
    WANTED = "wanted"


@dataclass(frozen=True, slots=True)
class Clashes:
    """What is held by other conferences."""

    numbers: tuple[str, ...] = ()
    name: str | None = None

    def __bool__(self) -> bool:
        return bool(self.numbers) or self.name is not None


@dataclass(frozen=True, slots=True)
class Claim:
    """What one conference wants to hold."""

    account_id: str
    conference_id: str
    numbers: tuple[str, ...] = ()
    name: str | None = None

    def entries(self) -> list[Entry]:
        """Everything in it, once each."""
        numbers: list[Entry] = [("number", number) for number in dict.fromkeys(self.numbers)]
        return numbers if self.name is None else [*numbers, ("name", self.name)]


@dataclass(slots=True)
class _Local:
    """The fallback: what is being written by this process."""

    held: dict[str, tuple[str, float]] = field(default_factory=dict)
    until: float = 0.0


class Reservations:
    """Reserves numbers and names of accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._local: _Local | None = None
        self._complaints = Complaints()

    async def reserve(self, claim: Claim) -> Clashes:
        """Take everything in a claim; what others hold is told, and then nothing is kept."""
        outcomes: dict[Entry, _Outcome] = {}
        try:
            await self._attempt(claim, claim.entries(), outcomes)
            for _ in range(_PATIENCE):
                if set(outcomes.values()) - {_Outcome.TAKEN} != {_Outcome.WANTED}:
                    break
                await asyncio.sleep(_PAUSE)
                await self._attempt(claim, _those(outcomes, _Outcome.WANTED), outcomes)
        except BaseException:
            # Also when the caller goes away: what is left behind would block the next one for a while.
            # It is not known what became of writes that were under way.
            await self._release_quietly(claim, claim.entries())
            raise
        lost = [entry for entry, outcome in outcomes.items() if outcome is not _Outcome.TAKEN]
        if not lost:
            return Clashes()
        await self._release_quietly(claim, _those(outcomes, _Outcome.TAKEN))
        names = [value for kind, value in lost if kind == "name"]
        return Clashes(tuple(value for kind, value in lost if kind == "number"), names[0] if names else None)

    async def release(self, claim: Claim) -> None:
        """Let go of everything in a claim that its conference holds."""
        await self._release(claim, claim.entries())

    async def own(self, account_id: str, conference_id: str, document: Document | None = None) -> bool:
        """Put on record whose conference this id is; whether it is this account's now.

        The first account to say so is believed. With ``document``, what the account has under the id,
        it may replace another's record: one that no conference stands behind any more, or a younger one.
        Whoever makes a conference under an id that is taken elsewhere does not become its owner by it."""
        claim = Claim(account_id, conference_id)
        outcome = await self._take(claim, "conference", conference_id)
        if outcome is _Outcome.WANTED:
            # Renewed or swept away at this moment.
            outcome = await self._take(claim, "conference", conference_id)
        if outcome is _Outcome.HELD and document is not None and not self._is_refused():
            outcome = await self._displace(claim, document)
        return outcome is _Outcome.TAKEN

    async def owner(self, conference_id: str) -> str | None:
        """The account that an id is known to belong to."""
        if self._is_refused():
            return None
        try:
            found = await self._store.get(DATABASE, owner_document_id(conference_id))
        except (DocumentMissing, DatabaseMissing, StoreRefused):
            return None
        account_id = found.get("account_id")
        return account_id if isinstance(account_id, str) else None

    async def _attempt(self, claim: Claim, entries: Iterable[Entry], outcomes: dict[Entry, _Outcome]) -> None:
        async def attempt(entry: Entry) -> None:
            outcomes[entry] = await self._take(claim, *entry)

        outcomes.update(dict.fromkeys(entries, _Outcome.WANTED))
        results = await asyncio.gather(*map(attempt, entries), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _take(self, claim: Claim, kind: Kind, value: str) -> _Outcome:
        if self._is_refused():
            return self._take_locally(claim, kind, value)
        account_id = "" if kind == "conference" else claim.account_id
        document = _reservation(_document_id(account_id, kind, value), claim, kind, value, self._clock())
        try:
            await own.put(self._store, document)
        except DocumentConflict:
            return await self._take_over(document)
        except StoreRefused as error:
            if self._local is None:
                log.warning("reservations_in_process_only", reason=str(error))
                self._local = _Local()
            self._local.until = self._clock() + REFUSED_FOR
            return self._take_locally(claim, kind, value)
        return _Outcome.TAKEN

    async def _take_over(self, document: Mapping[str, Any]) -> _Outcome:
        try:
            held = await self._store.get(DATABASE, document["_id"])
        except DocumentMissing:
            # Just let go: whoever asks again will get it.
            return await self._put_or_lose(document)
        is_ours = _holder(held) == _holder(document)
        if document["kind"] == "conference" and not is_ours:
            return _Outcome.HELD
        if is_ours and self._is_fresh(held):
            return _Outcome.TAKEN
        if not is_ours:
            outcome = await self._hold(held, document)
            if outcome is not _Outcome.TAKEN:
                return outcome
        # One of our own that is old is renewed: it would be taken over, or swept away, while we write.
        return await self._put_or_lose({**document, "_rev": held["_rev"]})

    async def _displace(self, claim: Claim, ours: Document) -> _Outcome:
        """Take the record of an id from another account, if what that has of the id counts for less."""
        doc_id = owner_document_id(claim.conference_id)
        held = await self._store.get(DATABASE, doc_id)
        if self._is_fresh(held):
            # Its conference may be about to be written.
            return _Outcome.HELD
        try:
            theirs = await self._store.get(account_database(str(held.get("account_id"))), claim.conference_id)
        except (DocumentMissing, DatabaseMissing, ValueError):
            theirs = {"pvt_deleted": True}
        is_there = not theirs.get("pvt_deleted") and theirs.get("pvt_type", "conference") == "conference"
        if is_there and not _is_older(ours, theirs):
            return _Outcome.HELD
        record = owner_record(claim.account_id, claim.conference_id, self._clock())
        log.warning("owner_replaced", conference_id=claim.conference_id, account_id=claim.account_id)
        return await self._put_or_lose({**record, "_rev": held["_rev"]})

    async def _put_or_lose(self, document: Mapping[str, Any]) -> _Outcome:
        try:
            await self._store.put(DATABASE, document)
        except DocumentConflict:
            return _Outcome.WANTED
        return _Outcome.TAKEN

    async def _hold(self, held: Document, wanted: Mapping[str, Any]) -> _Outcome:
        """What another one's reservation is worth; `TAKEN` when nothing: then it may be taken."""
        account_id, conference_id = _holder(held)
        unused = _Outcome.TAKEN
        if self._is_fresh(held):
            unused = _beside(str(conference_id), wanted["conference_id"])
        try:
            holder = await self._store.get(account_database(str(account_id)), str(conference_id))
        except (DocumentMissing, DatabaseMissing, ValueError):
            # Perhaps it is being written at this moment.
            return unused
        if holder.get("pvt_deleted"):
            return _Outcome.TAKEN
        return _Outcome.HELD if uses(holder, str(held.get("kind")), held.get("value")) else unused

    def _is_fresh(self, held: Document) -> bool:
        taken_at = held.get("taken_at")
        return isinstance(taken_at, int | float) and abs(self._clock() - taken_at) < FRESH

    async def _release(self, claim: Claim, entries: Iterable[Entry]) -> None:
        await asyncio.gather(*(self._let_go(claim, kind, value) for kind, value in entries))

    async def _release_quietly(self, claim: Claim, entries: Iterable[Entry]) -> None:
        try:
            await self._release(claim, entries)
        except StoreError as error:
            # Nobody uses them, so they fall to the next who wants them, if only a little later.
            self._complaints.complain(
                "reservation_not_released", type(error).__name__, conference_id=claim.conference_id
            )

    async def _let_go(self, claim: Claim, kind: Kind, value: str) -> None:
        doc_id = _document_id(claim.account_id, kind, value)
        if self._local is not None and self._local.held.get(doc_id, ("", 0.0))[0] == claim.conference_id:
            del self._local.held[doc_id]
        if self._is_refused():
            return
        try:
            held = await self._store.get(DATABASE, doc_id)
            if held.get("conference_id") == claim.conference_id:
                await self._store.delete(DATABASE, doc_id, held["_rev"])
        except (DocumentMissing, DocumentConflict, DatabaseMissing, StoreRefused):
            return

    def _is_refused(self) -> bool:
        # As below: a clock may be set back.
        return self._local is not None and 0 < self._local.until - self._clock() <= REFUSED_FOR

    def _take_locally(self, claim: Claim, kind: Kind, value: str) -> _Outcome:
        assert self._local is not None
        doc_id = _document_id(claim.account_id, kind, value)
        holder, until = self._local.held.get(doc_id, (claim.conference_id, 0.0))
        now = self._clock()
        # What lies further ahead was taken before the clock was set back.
        if holder != claim.conference_id and 0 < until - now <= FRESH:
            return _beside(holder, claim.conference_id)
        self._local.held = {key: entry for key, entry in self._local.held.items() if entry[1] > now}
        self._local.held[doc_id] = (claim.conference_id, now + FRESH)
        return _Outcome.TAKEN


def _those(outcomes: Mapping[Entry, _Outcome], wanted: _Outcome) -> list[Entry]:
    return [entry for entry, outcome in outcomes.items() if outcome is wanted]


def _holder(document: Mapping[str, Any]) -> tuple[Any, Any]:
    return document.get("account_id"), document.get("conference_id")


def _beside(rival: str, conference_id: str) -> _Outcome:
    """What is ours of a thing that a rival has taken and doesn't use yet: one of two has to wait."""
    return _Outcome.WANTED if conference_id < rival else _Outcome.HELD


def numbers_of(document: Mapping[str, Any]) -> list[str]:
    """Every number of a conference, of all three lists."""
    places: Sequence[Any] = [document, document.get("member"), document.get("moderator")]
    numbers: list[str] = []
    for place, key in zip(places, ("conference_numbers", "numbers", "numbers"), strict=True):
        listed = place.get(key) if isinstance(place, Mapping) else None
        numbers += (
            [number for number in listed if isinstance(number, str)] if isinstance(listed, list) else []
        )
    return numbers


def uses(document: Mapping[str, Any], kind: str, value: Any) -> bool:
    """Whether a conference has the number or the name that is reserved for it."""
    return document.get("name") == value if kind == "name" else value in numbers_of(document)


def reservation_document_ids(account_id: str, conference: Mapping[str, Any]) -> list[str]:
    """The ids of the documents that reserve what a conference has."""
    name = conference.get("name")
    claim = Claim(
        account_id,
        str(conference.get("_id")),
        tuple(numbers_of(conference)),
        name if isinstance(name, str) else None,
    )
    return [_document_id(account_id, kind, value) for kind, value in claim.entries()]


def owner_document_id(conference_id: str) -> str:
    """The id of the document that says whose conference an id is."""
    return _document_id("", "conference", conference_id)


def owner_record(account_id: str, conference_id: str, now: float) -> dict[str, Any]:
    """That document. ``now`` in unix seconds."""
    claim = Claim(account_id, conference_id)
    return _reservation(owner_document_id(conference_id), claim, "conference", conference_id, now)


def _reservation(doc_id: str, claim: Claim, kind: Kind, value: str, now: float) -> dict[str, Any]:
    return {
        "_id": doc_id,
        "pvt_type": "reservation",
        "kind": kind,
        "value": value,
        "account_id": claim.account_id,
        "conference_id": claim.conference_id,
        "taken_at": now,
    }


def _is_older(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether our document was made before theirs; nobody chooses when his was made (data.md 2.1)."""
    mine, other = ours.get("pvt_created"), theirs.get("pvt_created")
    return type(mine) is int and type(other) is int and mine < other


def _document_id(account_id: str, kind: str, value: str) -> str:
    # Hashed: names are free text, and an id must not be too long.
    return (
        f"{account_id or 'any'}-{kind}-{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    )
