"""Sends invitations and follows what becomes of them.

The HTTP answer does not wait: delivery is tracked in the background, bounded in number. What
could not be handed to the bus, or what nobody took, is kept in the document store as Kazoo keeps
it (``pending_notifications``), so that Kazoo's own retry picks it up and no accepted invitation
is lost. While the store cannot be written either, it waits in memory. Source: amqp.md 9.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError, CallTimeout
from ..clock import Clock, gregorian_seconds
from ..kapi import notifications
from ..kapi.messages import Outgoing
from ..store.port import DatabaseMissing, DocumentConflict, Store, StoreError
from ..tasks import end

log = structlog.get_logger(__name__)

#: Kazoo's database of notifications that are to be tried again.
PENDING_DATABASE = "pending_notifications"

#: Failures that trying again cannot mend (amqp.md 9).
_PERMANENT = ("validation_failed", "no_to_addresses", "missing_data", "template_error", "missing_from")


@dataclass(slots=True)
class Counters:
    """What is counted; read by the metrics."""

    sent: int = 0
    completed: int = 0
    failed: int = 0
    kept: int = 0
    lost: int = 0


class Inviter:
    """Publishes invitations. Times in seconds.

    ``limit`` deliveries are followed at once, and as many wait for a store that cannot be written,
    which is tried every ``pause``."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        timeout: float = 30.0,
        limit: int = 1_000,
        pause: float = 2.0,
    ) -> None:
        self.counters = Counters()
        self._bus = bus
        self._store = store
        self._clock = clock
        self._timeout = timeout
        self._limit = limit
        self._pause = pause
        self._following: set[asyncio.Task[None]] = set()
        self._unwritten: deque[Mapping[str, Any]] = deque()
        self._writing: asyncio.Task[None] | None = None

    @property
    def unwritten(self) -> int:
        """How many invitations could be neither delivered nor written down so far."""
        return len(self._unwritten)

    def message(self, fields: Mapping[str, Any], request_id: str) -> Outgoing:
        """The invitation's message."""
        return notifications.email_invite(fields, self._bus.origin(), request_id)

    async def send(self, message: Outgoing) -> None:
        """Accept an invitation: it is published, or kept for later. Raises `StoreError` when neither
        can be done; then it is not accepted."""
        if not self._bus.connected or len(self._following) + len(self._unwritten) >= self._limit:
            await self._keep(message, "message broker unavailable", must=True)
            return
        self.counters.sent += 1
        task = asyncio.create_task(self._follow(message), name="invitation")
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def close(self) -> None:
        """Give up waiting; what was not confirmed is kept for Kazoo's retry."""
        await end(*self._following)
        await end(self._writing)
        await self._write_down()
        for document in self._unwritten:
            self._lose(document)
        self._unwritten.clear()

    async def _follow(self, message: Outgoing) -> None:
        conference_id = message.body.get("Conference-ID")
        try:
            # Whoever takes it may say "pending" first: only what is final ends the wait.
            update = await self._bus.call(message, notifications.is_final_update, self._timeout)
        except CallTimeout:
            self.counters.failed += 1
            log.warning("invitation_unanswered", conference_id=conference_id)
            await self._keep(message, "timeout")
            return
        except BrokerError as error:
            await self._keep(message, str(error) or "message broker unavailable")
            return
        except asyncio.CancelledError:
            await self._keep(message, "shut down before it was confirmed")
            raise
        status, reason = update.get("Status"), update.get("Failure-Message")
        if status != "failed":
            self.counters.completed += 1
            return
        self.counters.failed += 1
        log.warning("invitation_failed", conference_id=conference_id, reason=str(reason)[:200])
        if not str(reason).startswith(_PERMANENT):
            await self._keep(message, str(reason))

    async def _keep(self, message: Outgoing, reason: str, *, must: bool = False) -> None:
        now = gregorian_seconds(self._clock())
        document = {
            "_id": secrets.token_hex(16),
            "pvt_type": "failed_notify",
            "pvt_created": now,
            "pvt_modified": now,
            "description": "conference email invite",
            "failure_reason": reason,
            "notification_type": "email_invite",
            "payload": dict(message.body),
            "attempts": 1,
            "retry_after": 600,
        }
        account_id = message.body.get("Account-ID")
        if isinstance(account_id, str):
            document["pvt_account_id"] = account_id
        try:
            await self._put(document)
        except StoreError as error:
            if must:
                raise
            log.warning("invitation_unwritten", conference_id=_conference(document), reason=str(error))
            self._unwritten.append(document)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_until_done(), name="invitations_unwritten")
            return
        self.counters.kept += 1

    async def _write_until_done(self) -> None:
        while self._unwritten:
            await asyncio.sleep(self._pause)
            await self._write_down()

    async def _write_down(self) -> None:
        """Write what waits, as far as the store lets us."""
        while self._unwritten:
            try:
                await self._put(self._unwritten[0])
            except DocumentConflict:
                # It was written before, only the answer did not come.
                pass
            except StoreError:
                return
            self._unwritten.popleft()
            self.counters.kept += 1

    def _lose(self, document: Mapping[str, Any]) -> None:
        self.counters.lost += 1
        log.error("invitation_lost", conference_id=_conference(document))

    async def _put(self, document: Mapping[str, Any]) -> None:
        try:
            await self._store.put(PENDING_DATABASE, document)
        except DatabaseMissing:
            await self._store.create_database(PENDING_DATABASE)
            await self._store.put(PENDING_DATABASE, document)


def _conference(document: Mapping[str, Any]) -> Any:
    return document["payload"].get("Conference-ID")
