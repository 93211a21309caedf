"""Saving a conference: numbers and names that nobody else has, then the write, then letting go.

A create takes two steps at the store: reservations beside the views, then the write.
Source: http.md 5.4, 5.5, 6; design 3.3 (twice in one document, two creates racing).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..commands.announcer import Announcer
from ..commands.executor import shown
from ..complaints import Complaints
from ..conference import document as documents
from ..store.documents import Documents
from ..store.names import account_database, encoded
from ..store.port import (
    Document,
    DocumentConflict,
    StoreError,
    StoreFault,
    StoreUnreachable,
    ViewMissing,
)
from ..store.reservations import Claim, Reservations
from .errors import conflict, store_fatal, validation_error


@dataclass(frozen=True, slots=True)
class Saver:
    """Writes conferences of an account. ``maximum_numbers``: of one conference."""

    documents: Documents
    reservations: Reservations
    announcer: Announcer
    maximum_numbers: int
    complaints: Complaints = field(default_factory=Complaints)

    async def check(
        self, account_id: str, fresh: Mapping[str, Any], before: Mapping[str, Any] | None
    ) -> None:
        """Refuse numbers and names that another conference has, without reserving anything."""
        errors = await self._clashes(account_id, fresh, _wanted(account_id, fresh, before))
        if errors:
            raise validation_error(errors)

    def announced(self, action: str, account_id: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the other nodes would be told of a change, for a dry run: its revision is not known."""
        unsaved = {key: value for key, value in document.items() if key != "_rev"}
        return shown([self.announcer.message(action, encoded(account_database(account_id)), unsaved)])

    async def save(
        self, account_id: str, fresh: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> Document:
        """The document as stored. ``before`` is the stored one that it replaces.

        Raises `ApiError` for a clash and the store's errors; then nothing half-done remains."""
        claim = _wanted(account_id, fresh, before)
        errors, reserved = await self._checked_and_reserved(account_id, fresh, claim, is_new=before is None)
        errors = {**errors, **reserved}
        if errors:
            if not reserved:
                await self._let_go(claim)
            raise validation_error(errors)
        try:
            stored = await self.documents.save(account_id, fresh)
        except DocumentConflict:
            await self._let_go(claim)
            raise
        except StoreError:
            # Whether it was written is not known: a reservation of a conference that is not there
            # falls to the next who wants it.
            raise
        if before is not None:
            await self._let_go(_dropped(account_id, fresh, before))
        return stored

    async def remove(self, account_id: str, gone: Mapping[str, Any], *, soft: bool) -> None:
        """Delete; ``gone`` is the document as it is to be stored, or the stored one when not soft."""
        if soft:
            await self.documents.soft_delete(account_id, gone)
        else:
            await self.documents.remove(account_id, gone)
        await self._let_go(_everything(account_id, gone))

    async def _checked_and_reserved(
        self, account_id: str, fresh: Mapping[str, Any], claim: Claim, *, is_new: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both at once, and neither goes on when the other failed."""
        outcomes = await asyncio.gather(
            self._clashes(account_id, fresh, claim),
            self._reserve(claim, is_new=is_new),
            return_exceptions=True,
        )
        errors: list[dict[str, Any]] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                if not isinstance(outcome, StoreUnreachable):
                    await self._let_go(claim)
                raise outcome
            errors.append(outcome)
        return errors[0], errors[1]

    async def _clashes(self, account_id: str, fresh: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
        own_id = fresh["_id"]
        repeated = documents.repeated_numbers(fresh)
        holders, named = await asyncio.gather(
            self._holders(account_id, claim.numbers),
            self._named(account_id, claim.name),
        )
        taken = {number for number, holder in holders if holder != own_id}
        errors: dict[str, Any] = {}
        in_use = [number for number in documents.numbers(fresh) if number in taken] or repeated
        if in_use:
            errors.update(documents.numbers_taken(list(dict.fromkeys(in_use))))
        if claim.name is not None and any(holder != own_id for holder in named):
            errors.update(documents.name_taken(claim.name))
        return errors

    async def _holders(self, account_id: str, numbers: Sequence[str]) -> list[tuple[str, str]]:
        try:
            return await self.documents.holders_of_numbers(account_id, numbers)
        except (StoreFault, ViewMissing) as error:
            # The one failure of a view that Kazoo tells in words of its own (http.md 5.4).
            self.complaints.complain("numbers_not_checked", type(error).__name__, error=str(error)[:200])
            raise store_fatal() from error

    async def _named(self, account_id: str, name: str | None) -> list[str]:
        return [] if name is None else await self.documents.holders_of_name(account_id, name)

    async def _reserve(self, claim: Claim, *, is_new: bool) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        if is_new:
            clashes, is_own = await asyncio.gather(
                self.reservations.reserve(claim),
                self.reservations.own(claim.account_id, claim.conference_id),
            )
            if not is_own:
                # An id that the client chose: meanwhile another account has a conference under it.
                raise conflict()
        else:
            clashes = await self.reservations.reserve(claim)
        if clashes.numbers:
            errors.update(documents.numbers_taken(list(clashes.numbers)))
        if clashes.name is not None:
            errors.update(documents.name_taken(clashes.name))
        return errors

    async def _let_go(self, claim: Claim) -> None:
        if not claim.entries():
            return
        try:
            await self.reservations.release(claim)
        except StoreError as error:
            # It stays until somebody wants it and finds that it is stale.
            self.complaints.complain(
                "reservation_not_released", type(error).__name__, conference_id=claim.conference_id
            )


def _everything(account_id: str, document: Mapping[str, Any]) -> Claim:
    name = document.get("name")
    return Claim(
        account_id,
        document["_id"],
        tuple(documents.numbers(document)),
        name if isinstance(name, str) else None,
    )


def _wanted(account_id: str, fresh: Mapping[str, Any], before: Mapping[str, Any] | None) -> Claim:
    """What the new document has that the stored one had not: only that is checked (http.md 5.4)."""
    return _difference(account_id, fresh, before)


def _dropped(account_id: str, fresh: Mapping[str, Any], before: Mapping[str, Any]) -> Claim:
    return _difference(account_id, before, fresh)


def _difference(account_id: str, one: Mapping[str, Any], other: Mapping[str, Any] | None) -> Claim:
    has = _everything(account_id, one)
    if other is None:
        return has
    had = _everything(account_id, other)
    return Claim(
        account_id,
        has.conference_id,
        tuple(number for number in has.numbers if number not in had.numbers),
        has.name if has.name != had.name else None,
    )
