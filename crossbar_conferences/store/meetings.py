"""The meetings of each conference that were sent, in the sidecar's own database: one document a conference.

Every worker and host reads them there and writes on what it read, so of two that change a meeting at the
same time each gives it a sequence number of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from ..conference import meetings
from ..conference.meetings import MOST, Kept
from . import own
from .port import DatabaseMissing, DocumentConflict, DocumentMissing, Store, StoreRefused

log = structlog.get_logger(__name__)

#: Times that a change which another one overtook is decided anew.
_TRIES: Final = 10


class Meetings:
    """The meetings that were sent, by account and conference. Raises the store's errors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def kept(self, account_id: str, conference_id: str) -> list[Kept]:
        """Those of a conference, the one that was sent last at the end."""
        return await _kept(await self._read(account_id, conference_id))

    async def keep(
        self, account_id: str, conference_id: str, decide: Callable[[Sequence[Kept]], Kept]
    ) -> Kept:
        """Write down what ``decide`` makes of those that are kept. What it raises, this raises.

        Where the database may not be written the meeting is sent all the same, and can't be changed later."""
        for _ in range(_TRIES):
            document = await self._read(account_id, conference_id)
            kept = await _kept(document)
            last = decide(kept)
            if last in kept:
                return last
            try:
                await own.put(self._store, _document(account_id, conference_id, document, kept, last))
            except DocumentConflict:
                continue
            except StoreRefused:
                log.warning("meeting_not_noted", conference_id=conference_id)
            return last
        raise DocumentConflict

    async def _read(self, account_id: str, conference_id: str) -> Mapping[str, Any]:
        try:
            return await self._store.get(own.DATABASE, meetings_document_id(account_id, conference_id))
        except (DocumentMissing, DatabaseMissing, StoreRefused):
            return {}


def meetings_document_id(account_id: str, conference_id: str) -> str:
    """The id of the document that has a conference's meetings."""
    return f"meetings-{account_id}-{conference_id}"


async def _kept(document: Mapping[str, Any]) -> list[Kept]:
    listed = document.get("meetings")
    # In a thread: time zones are files.
    return await asyncio.to_thread(_read, listed[-MOST:]) if isinstance(listed, list) else []


def _read(listed: Sequence[Any]) -> list[Kept]:
    return [kept for kept in map(meetings.from_json, listed) if kept is not None]


def _document(
    account_id: str, conference_id: str, document: Mapping[str, Any], kept: Sequence[Kept], last: Kept
) -> dict[str, Any]:
    revision = {"_rev": document["_rev"]} if document else {}
    return {
        "_id": meetings_document_id(account_id, conference_id),
        **revision,
        "pvt_type": "meetings",
        "account_id": account_id,
        "conference_id": conference_id,
        "meetings": [meetings.to_json(each) for each in meetings.with_kept(kept, last)],
    }
