"""Removes from the sidecar's own database what is about conferences and accounts that are gone.

A document goes only when its account's own database has said that the conference is not there, or when
there is neither the account's database nor a live copy of the account among all accounts. What cannot be
reached is not gone. What was written lately stays: a conference is written after its reservations. A
document is removed in the revision that was judged, so that what somebody has written since stays.

The record of an id's owner also stays while anybody might run a conference of that id: else another
account could make a conference under it, and would be the owner of the people in it (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..clock import Clock
from . import own
from .names import ACCOUNTS, account_database, is_document_id
from .own_documents import OF_ROOMS, OwnDocument, own_document
from .port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Store,
    StoreError,
)
from .reservations import uses

#: Seconds for which what was written stays, whatever is behind it. Far more than a create takes, so that
#: clocks of two hosts may differ by minutes.
SETTLED: Final = 600.0

#: Whether a conference may be running, as far as anybody can tell.
MayRun = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``removed`` documents; ``waiting``: those of gone conferences that have to stay for now."""

    removed: int = 0
    waiting: int = 0


class Cleaning:
    """Judges documents of our own and removes what nothing stands behind. ``now``: the time of day."""

    def __init__(self, store: Store, may_run: MayRun, now: Clock) -> None:
        self._store = store
        self._may_run = may_run
        self._now = now

    async def clean(self, documents: Iterable[Mapping[str, Any]]) -> Outcome:
        """Remove those that nothing stands behind. Raises the errors of our own database only."""
        by_account: dict[str, list[OwnDocument]] = {}
        for document in documents:
            found = own_document(document)
            if found is not None:
                by_account.setdefault(found.account_id, []).append(found)
        removed = waiting = 0
        for account_id, found_here in by_account.items():
            for one in await self._unused(account_id, found_here):
                if self._is_young(one) or (one.kind in OF_ROOMS and await self._may_run(one.conference_id)):
                    waiting += 1
                else:
                    removed += await self._remove(one)
        return Outcome(removed, waiting)

    async def _unused(self, account_id: str, documents: list[OwnDocument]) -> list[OwnDocument]:
        """Those that nothing stands behind; none when that cannot be told."""
        database = account_database(account_id)
        conferences = {one.conference_id for one in documents if is_document_id(one.conference_id)}
        try:
            try:
                stored = await self._store.get_many(database, [account_id, *sorted(conferences)])
            except DatabaseMissing:
                stored = {}
            if not _is_live(stored.get(account_id)):
                return [] if await self._has_copy(account_id) else documents
            unused = [one for one in documents if not _is_used(stored.get(one.conference_id), one)]
            # Of several answers in one, some may have been left out: each that counts is asked for by itself.
            gone = {one.conference_id for one in unused if one.conference_id not in stored}
            there = {each: await self._document(database, each) for each in sorted(gone)}
            return [one for one in unused if not _is_used(there.get(one.conference_id), one)]
        except StoreError:
            return []

    async def _document(self, database: str, doc_id: str) -> Document | None:
        if not is_document_id(doc_id):
            return None
        try:
            return await self._store.get(database, doc_id)
        except DocumentMissing:
            return None

    async def _has_copy(self, account_id: str) -> bool:
        """Whether an account is there as far as the database of all accounts tells."""
        return _is_live(await self._document(ACCOUNTS, account_id))

    def _is_young(self, one: OwnDocument) -> bool:
        return one.written_at is not None and self._now() - one.written_at < SETTLED

    async def _remove(self, one: OwnDocument) -> bool:
        try:
            await self._store.delete(own.DATABASE, one.id, one.revision)
        except (DocumentMissing, DocumentConflict):
            # Another host was faster, or somebody has written it since: then it is in use.
            return False
        return True


def _is_live(document: Mapping[str, Any] | None) -> bool:
    return document is not None and not document.get("pvt_deleted")


def _is_used(document: Mapping[str, Any] | None, one: OwnDocument) -> bool:
    """Whether what an account has under a conference's id stands behind a document of ours."""
    if document is None or not _is_live(document) or document.get("pvt_type", "conference") != "conference":
        return False
    return one.kind not in ("number", "name") or uses(document, one.kind, one.value)
