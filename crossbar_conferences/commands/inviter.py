"""Sends invitations and follows what becomes of them.

An invitation is accepted once it cannot get lost with this process: the broker has confirmed that it
lies in somebody's queue, or it is written down in the document store as Kazoo keeps it
(``pending_notifications``), so that Kazoo's own retry picks it up. Never both at first, since guests
would get two mails. Delivery is followed in the background, bounded in number: what nobody took, what
failed in a way that may pass, and what was under way when the broker went is written down then; while
the store cannot be written either, it waits in memory. Source: amqp.md 9.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError, CallTimeout
from ..clock import Clock, gregorian_seconds
from ..kapi import notifications
from ..kapi.messages import Outgoing
from ..shares import ShareExceeded, Shares
from ..store.port import DatabaseMissing, DocumentConflict, Store, StoreError
from ..tasks import end

log = structlog.get_logger(__name__)

#: Kazoo's database of notifications that are to be tried again.
PENDING_DATABASE = "pending_notifications"

#: Failures that trying again cannot mend (amqp.md 9).
_PERMANENT = ("validation_failed", "no_to_addresses", "missing_data", "template_error", "missing_from")


#: Signs of a failure's reason that are written down.
_LONGEST_REASON = 1_000

_NO_BROKER = "message broker unavailable"


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

    At most ``limit`` are followed or wait for a store that cannot be written, which is tried every
    ``pause``; at most a quarter of them for one account. Beyond that they are written down at once.
    At the end answers that are on their way are waited for, for ``grace``."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        timeout: float = 30.0,
        limit: int = 1_000,
        pause: float = 2.0,
        grace: float = 2.0,
    ) -> None:
        self.counters = Counters()
        self._bus = bus
        self._store = store
        self._clock = clock
        self._timeout = timeout
        self._pause = pause
        self._grace = grace
        self._shares = Shares(limit, max(1, limit // 4))
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
        """Accept an invitation: when this returns it lies in a queue or is written down.

        Raises `StoreError` when neither can be had; then it is not accepted."""
        reason = await self._published(message)
        if reason is not None:
            await self._put(self._document(message, reason))
            self.counters.kept += 1

    async def close(self) -> None:
        """Give up waiting. What is not answered by then lies in a queue of the broker."""
        if self._following:
            await asyncio.wait(self._following, timeout=self._grace)
        await end(*self._following)
        await end(self._writing)
        await self._write_down()
        for document in self._unwritten:
            self._lose(document)
        self._unwritten.clear()

    async def _published(self, message: Outgoing) -> str | None:
        """Publish and follow; ``None`` when it lies in a queue, else why that is not known."""
        if not self._bus.connected:
            return _NO_BROKER
        account_id = _account(message.body)
        try:
            self._shares.take(account_id)
        except ShareExceeded as error:
            return str(error)
        told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._follow(message, told), name="invitation")
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return await told

    async def _follow(self, message: Outgoing, told: asyncio.Future[str | None]) -> None:
        """``told``: what `_published` returns. From then on the invitation is accepted."""

        def tell(reason: str | None) -> None:
            # Whoever waits may have gone; then nobody has been promised anything.
            if not told.done():
                told.set_result(reason)

        account_id = _account(message.body)
        document: Mapping[str, Any] | None = None
        try:
            reason = await self._outcome(message, lambda: tell(None))
            if reason is not None and told.done() and not told.cancelled():
                document = self._document(message, reason)
            tell(reason)
            if document is not None and await self._keep(document):
                document = None
        finally:
            # Nothing was confirmed: it is written down instead.
            tell(_NO_BROKER)
            if document is None:
                self._shares.give(account_id)

    async def _outcome(self, message: Outgoing, on_routed: Callable[[], None]) -> str | None:
        """Publish, and wait for what becomes of it; why it has to be tried again, if it has."""
        conference_id = message.body.get("Conference-ID")
        routed = False

        def note() -> None:
            nonlocal routed
            routed = True
            self.counters.sent += 1
            on_routed()

        try:
            # Whoever takes it may say "pending" first: only what is final ends the wait.
            update = await self._bus.call(
                message, notifications.is_final_update, self._timeout, on_routed=note
            )
        except CallTimeout:
            if not routed:
                return "nobody listens"
            self.counters.failed += 1
            log.warning("invitation_unanswered", conference_id=conference_id)
            return "timeout"
        except BrokerError as error:
            return str(error) or _NO_BROKER
        status, reason = update.get("Status"), str(update.get("Failure-Message"))
        if status != "failed":
            self.counters.completed += 1
            return None
        self.counters.failed += 1
        log.warning("invitation_failed", conference_id=conference_id, reason=reason[:200])
        return None if reason.startswith(_PERMANENT) else reason[:_LONGEST_REASON]

    def _document(self, message: Outgoing, reason: str) -> Mapping[str, Any]:
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
        account_id = _account(message.body)
        return {**document, "pvt_account_id": account_id} if account_id else document

    async def _keep(self, document: Mapping[str, Any]) -> bool:
        """Write down what was accepted; whether it is written, or waits until it can be."""
        try:
            await self._put(document)
        except StoreError as error:
            log.warning("invitation_unwritten", conference_id=_conference(document), reason=str(error))
            self._unwritten.append(document)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_until_done(), name="invitations_unwritten")
            return False
        except asyncio.CancelledError:
            # We go; `close` writes it.
            self._unwritten.append(document)
            raise
        self.counters.kept += 1
        return True

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
            self._shares.give(_account(self._unwritten.popleft()["payload"]))
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


def _account(body: Mapping[str, Any]) -> str:
    account_id = body.get("Account-ID")
    return account_id if isinstance(account_id, str) else ""
