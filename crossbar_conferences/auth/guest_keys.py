"""The sidecar's own key, with which guests' tokens are signed: a document of its own database.

Kazoo neither knows it nor reads the algorithm: a guest's token is of no use to the rest of the
cluster. Whoever needs the key first makes it; of several hosts that do so at once the store lets
one win, and the others take the winner's. To rotate it, remove the document: all guests' tokens
end within three minutes, and the next link makes a new key (docs/couchdb.md).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..store import own
from ..store.own import DATABASE
from ..store.own_documents import GUEST_KEY
from ..store.port import (
    DatabaseMissing,
    Document,
    DocumentConflict,
    DocumentMissing,
    Store,
    StoreRefused,
)

log = structlog.get_logger(__name__)

#: The id and the type of the document.
DOCUMENT: Final = GUEST_KEY

#: Bytes of a secret, and hex digits of a key's id.
_SECRET = 32
_NAME = 32

#: Seconds for which the key is known without a look at the store.
KEEP: Final = 60.0


class GuestKeyUnavailable(CrossbarConferencesError):
    """There is no key for guests' tokens, and none can be made; the text says why."""


@dataclass(frozen=True, slots=True)
class GuestKey:
    """A key and the id under which tokens name it."""

    key_id: str
    secret: bytes = field(repr=False)


class GuestKeys:
    """The key that is valid now. ``clock`` counts seconds and never goes back."""

    def __init__(self, store: Store, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: tuple[float, GuestKey] | None = None
        #: The look at the store that is under way, which whoever needs the key joins.
        self._look: asyncio.Task[GuestKey | None] | None = None

    async def signing(self) -> GuestKey:
        """The key to sign with, made when there is none.

        Raises `GuestKeyUnavailable` where our database may not be written or holds something else,
        and the store's errors."""
        known = self._remembered() or await self._read()
        if known is not None:
            return known
        return await self._make()

    async def named(self, key_id: object) -> GuestKey | None:
        """The key, if a token names it; raises the store's errors."""
        if not _is_hex(key_id, _NAME):
            return None
        known = self._remembered()
        if known is None or known.key_id != key_id:
            # Another host may have made one since.
            known = await self._read()
        return known if known is not None and known.key_id == key_id else None

    def _remembered(self) -> GuestKey | None:
        if self._known is None or not 0 <= self._clock() - self._known[0] < KEEP:
            return None
        return self._known[1]

    async def _read(self) -> GuestKey | None:
        # Tokens that name unknown keys are endless: all of them wait for one look at a time.
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._found(), name="guest_key_read")
            self._look.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._look)

    async def _found(self) -> GuestKey | None:
        began = self._clock()
        try:
            key = _key_of(await self._store.get(DATABASE, DOCUMENT))
        except (DocumentMissing, DatabaseMissing, StoreRefused):
            key = None
        self._known = None if key is None else (began, key)
        return key

    async def _make(self) -> GuestKey:
        made = {
            "_id": DOCUMENT,
            "pvt_type": DOCUMENT,
            "key_id": secrets.token_hex(_NAME // 2),
            "secret": secrets.token_hex(_SECRET),
        }
        try:
            await own.put(self._store, made)
            log.info("guest_key_made", key_id=made["key_id"])
        except DocumentConflict:
            # Another host was first: its key is ours.
            pass
        except StoreRefused as error:
            log.error("guest_key_refused", database=DATABASE, reason=str(error))
            raise GuestKeyUnavailable(f"the database {DATABASE} may not be written") from None
        key = await self._found()
        if key is None:
            log.error("guest_key_unreadable", database=DATABASE, document=DOCUMENT)
            raise GuestKeyUnavailable(f"the document {DOCUMENT} of {DATABASE} holds no key")
        return key


def _key_of(document: Document) -> GuestKey | None:
    key_id, secret = document.get("key_id"), document.get("secret")
    if document.get("pvt_type") != DOCUMENT or not _is_hex(key_id, _NAME) or not _is_hex(secret, 2 * _SECRET):
        return None
    return GuestKey(str(key_id), bytes.fromhex(str(secret)))


def _is_hex(value: Any, length: int) -> bool:
    return isinstance(value, str) and len(value) == length and set(value) <= set("0123456789abcdef")
