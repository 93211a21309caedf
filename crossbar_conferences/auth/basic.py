"""Basic credentials: an account's id and the hash of a user's name and password.

``Authorization: Basic base64(ACCOUNT_ID:md5("user:password"))``. Source: data.md 6.8.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Final

from ..clock import Clock
from ..store.names import account_database
from ..store.port import DatabaseMissing, Document, View, ViewQuery
from . import guesses
from .access import expired_at, is_enabled
from .bounded import BoundedCache
from .failures import AccountDisabled, AccountExpired, InvalidCredentials
from .guesses import Guesses
from .identity import Identity, is_id
from .port import Documents, Views, live_document
from .system_config import SystemConfig

METHOD: Final = "cb_basic_auth"
MAX_LENGTH: Final = 2048


@dataclass(frozen=True, slots=True)
class _Hash:
    """One way to write a user's password: our view, and the private field it comes from."""

    view: View
    field: str
    length: int


_MD5 = _Hash(View("crossbar_conferences", "users_by_md5"), "pvt_md5_auth", 32)
_SHA1 = _Hash(View("crossbar_conferences", "users_by_sha1"), "pvt_sha1_auth", 40)


class BasicVerifier:
    """Turns Basic credentials into an `Identity`, or raises an `AuthFailure`.

    Which user a hash belongs to is remembered (``limit`` entries, ``max_age`` seconds); the user's
    and the account's documents are looked at every time.
    """

    def __init__(
        self,
        documents: Documents,
        views: Views,
        system: SystemConfig,
        counted: Guesses,
        *,
        limit: int = 10_000,
        max_age: float = 60.0,
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._documents = documents
        self._views = views
        self._system = system
        self._guesses = counted
        self._clock = clock
        self._owners: BoundedCache[tuple[str, str], str] = BoundedCache(limit, max_age, monotonic)

    async def verify(self, text: str) -> Identity:
        """The text after ``Basic ``."""
        account_id, credentials = _decoded(text)
        account = await live_document(self._documents, account_database(account_id), account_id, "account")
        if account is None:
            raise InvalidCredentials("account_unknown")
        kind, digest, name = await self._hash(account, credentials)
        subjects = [guesses.credentials(account_id)]
        if name:
            subjects.append(guesses.user(account_id, name))
        async with self._guesses.guess(InvalidCredentials, *subjects, by=(account_id, digest)):
            owner_id = await self._owner(account_id, kind, digest)
        # The account's state is told to its own users only, so after the credentials.
        self._refuse_closed(account)
        claims = {"account_id": account_id, "owner_id": owner_id, "iss": "kazoo", "method": METHOD}
        return Identity(account_id, owner_id, "basic", claims)

    def flush(self, database: str, doc_id: str) -> None:
        """Forget the user of a changed document."""
        for key, owner_id in self._owners.items():
            if owner_id == doc_id and account_database(key[0]) == database:
                self._owners.drop(key)

    def flush_all(self) -> None:
        """Forget everything."""
        self._owners.clear()

    async def _hash(self, account: Document, credentials: str) -> tuple[_Hash, str, str]:
        """How the password is written, the hash to look for, and the user's name, where it is told."""
        name = ""
        wanted = await self._system.account_value(account, "crossbar.auth", "basic_auth_type", "md5")
        if wanted == "md5":
            kind, digest = _MD5, credentials
        elif wanted in ("sha", "sha1"):
            kind, digest = _SHA1, credentials
        else:
            name, _, password = credentials.partition(":")
            # Kazoo stores user names in lower case.
            name = name.lower()
            plain = f"{name}:{password}".encode()
            kind, digest = _MD5, hashlib.md5(plain, usedforsecurity=False).hexdigest()
        if len(digest) != kind.length:
            raise InvalidCredentials("hash_unreadable")
        return kind, digest, name

    async def _owner(self, account_id: str, kind: _Hash, digest: str) -> str:
        known = self._owners.get((account_id, digest))
        if known is not None and await self._is_owner(account_id, known, kind, digest):
            return known
        self._owners.drop((account_id, digest))
        try:
            rows = await self._views.query(
                account_database(account_id), kind.view, ViewQuery(keys=[digest], limit=2)
            )
        except DatabaseMissing:
            raise InvalidCredentials("account_unknown") from None
        if len(rows) != 1 or not await self._is_owner(account_id, rows[0].id, kind, digest):
            raise InvalidCredentials("user_unknown")
        self._owners.put((account_id, digest), rows[0].id)
        return rows[0].id

    async def _is_owner(self, account_id: str, user_id: str, kind: _Hash, digest: str) -> bool:
        user = await live_document(self._documents, account_database(account_id), user_id, "user")
        if user is None or not user.get("enabled"):
            return False
        stored = user.get(kind.field)
        return isinstance(stored, str) and hmac.compare_digest(stored.encode(), digest.encode())

    def _refuse_closed(self, account: Document) -> None:
        expired = expired_at(account, self._clock())
        if expired is not None:
            raise AccountExpired(expired)
        if not is_enabled(account):
            raise AccountDisabled


def _decoded(text: str) -> tuple[str, str]:
    if len(text) > MAX_LENGTH:
        raise InvalidCredentials("credentials_too_long")
    account_id, colon, credentials = _plain(text).partition(":")
    if not colon or not is_id(account_id) or not credentials:
        raise InvalidCredentials("credentials_unreadable")
    return account_id, credentials


def _plain(text: str) -> str:
    # Empty instead of an error on the way: Unicode errors carry the text that they are about.
    try:
        return base64.b64decode(text.encode("ascii"), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
