"""Which file a conference was last told to record to: what a stop must name.

FreeSWITCH stops a recording by its file, and only Kazoo 5's events tell it. So whoever starts one writes
the name down in the sidecar's own database, where every worker and host finds it; while the database may
not be written or is away, this process alone remembers. There is one document for each conference that was
recorded, and a later recording replaces it. Source: amqp.md 7.4, real-switch.md A4, C(d).
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import structlog

from ..clock import Clock
from ..fair import Bounds, FairCache
from . import own
from .own import DATABASE
from .port import DatabaseMissing, DocumentConflict, DocumentMissing, Store, StoreError

log = structlog.get_logger(__name__)

#: Names that this process remembers, and bytes of them.
_LIMIT: Final = 10_000
_SIZE: Final = 16_777_216

#: Times that a start which another one overtook is written anew.
_TRIES: Final = 3


class Started(NamedTuple):
    """A recording that was started: the file, and the run of the conference where that was known."""

    name: str
    instance_id: str | None


class Recordings:
    """The names of recordings, by account and conference."""

    def __init__(self, store: Store, now: Clock = time.time) -> None:
        self._store = store
        self._now = now
        self._own: FairCache[str, Started] = FairCache(Bounds(_LIMIT, _SIZE))

    async def starts(self, account_id: str, conference_id: str, started: Started) -> None:
        """A recording is about to be started. Never fails: without the store it is remembered here."""
        self._own.keep(account_id, conference_id, started, len(conference_id) + len(started.name))
        try:
            await self._write(_document(account_id, conference_id, started, self._now()))
        except StoreError as error:
            log.warning("recording_not_noted", conference_id=conference_id, reason=type(error).__name__)

    async def name(self, account_id: str, conference_id: str, instance_id: str | None) -> str | None:
        """The file of the last recording of this run, or of one whose run was not known."""
        try:
            found = _started(
                await self._store.get(DATABASE, recording_document_id(account_id, conference_id))
            )
        except StoreError:
            found = None
        started = found or self._own.get(account_id, conference_id)
        if started is None or (instance_id and started.instance_id not in (None, instance_id)):
            return None
        return started.name

    async def _write(self, document: dict[str, Any]) -> None:
        for _ in range(_TRIES):
            try:
                kept = await self._store.get(DATABASE, document["_id"])
            except (DocumentMissing, DatabaseMissing):
                kept = {}
            revision = {"_rev": kept["_rev"]} if kept else {}
            try:
                await own.put(self._store, {**document, **revision})
            except DocumentConflict:
                continue
            return


def recording_document_id(account_id: str, conference_id: str) -> str:
    """The id of the document that names a conference's last recording."""
    return f"recording-{account_id}-{conference_id}"


def _document(account_id: str, conference_id: str, started: Started, now: float) -> dict[str, Any]:
    return {
        "_id": recording_document_id(account_id, conference_id),
        "pvt_type": "recording",
        "account_id": account_id,
        "conference_id": conference_id,
        "name": started.name,
        "instance_id": started.instance_id,
        # In unix seconds: an ad-hoc conference has no document that could tell that it is gone.
        "noted_at": now,
    }


def _started(document: Any) -> Started | None:
    name, instance_id = document.get("name"), document.get("instance_id")
    if not isinstance(name, str):
        return None
    return Started(name, instance_id if isinstance(instance_id, str) else None)
