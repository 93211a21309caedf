"""The whole of this room behind two questions: who is this, and may they do that?"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from ..clock import Clock
from ..store.derived import UNHEARD, Changes
from ..store.names import ACCOUNTS, account_database
from ..store.port import Document
from .access import is_superduper_admin, may_access, may_pass_proxies
from .basic import BasicVerifier
from .buckets import TokenBuckets
from .charging import OwnCharger
from .failures import AccessDenied, AuthFailure, InvalidCredentials
from .guesses import Guesses
from .guest_keys import GuestKeys
from .guests import GuestTokens
from .identity import Identity, is_id
from .keys import SigningKeys
from .port import Documents, Views, live_document
from .restrictions import Access, TokenRestrictions
from .system_config import SystemConfig
from .tokens import TokenVerifier

log = structlog.get_logger(__name__)


class AuthRoom:
    """Authentication and authorization over the store's documents. Raises `AuthFailure`s only,
    and what the store raises when it cannot be read. ``changes`` tells of changed documents; without
    it nothing is remembered. ``guest_keys``: the sidecar's own; without them guests are Kazoo's only.
    """

    def __init__(
        self,
        documents: Documents,
        views: Views,
        system: SystemConfig,
        *,
        key_cache_size: int = 1000,
        basic_cache_size: int = 10_000,
        guesses: Guesses | None = None,
        clock: Clock = time.time,
        changes: Changes = UNHEARD,
        guest_keys: GuestKeys | None = None,
    ) -> None:
        self._documents = documents
        self._system = system
        self.guests = GuestTokens(documents, guest_keys, clock=clock)
        self._keys = SigningKeys(documents, limit=key_cache_size)
        self._tokens = TokenVerifier(documents, system, self._keys, self.guests, clock=clock, changes=changes)
        counted = guesses or Guesses(OwnCharger(TokenBuckets()))
        self._basic = BasicVerifier(documents, views, system, counted, limit=basic_cache_size, clock=clock)
        self._restrictions = TokenRestrictions(documents, system)

    async def authenticate(self, kind: str, text: str, claimed_account: str | None = None) -> Identity:
        """Who sent a credential. ``kind``: x-auth-token, bearer or basic; anything else is refused.

        ``claimed_account`` is the header ``X-Auth-Account-ID``.
        """
        try:
            match kind:
                case "x-auth-token":
                    return await self._tokens.verify(text, claimed_account)
                case "bearer":
                    return await self._tokens.bearer(text, claimed_account)
                case "basic":
                    return await self._basic.verify(text)
            raise InvalidCredentials("scheme_unknown")
        except AuthFailure as failure:
            log.info("credentials_refused", kind=kind[:16], reason=failure.reason)
            raise

    def valid_until(self, kind: str, text: str, claimed_account: str | None = None) -> float | None:
        """Until when (unix seconds) a token stands for whom it was just found to stand for.

        That is if no document changes meanwhile. ``None``: it has to be looked at each time."""
        return self._tokens.valid_until(text, claimed_account, kind)

    async def account(self, account_id: str) -> Document | None:
        """The document of an account that a path names; ``None`` when there is none."""
        if not is_id(account_id):
            return None
        return await live_document(self._documents, account_database(account_id), account_id, "account")

    async def was_deleted(self, account_id: str) -> bool:
        """Whether an account without a document that counts was one once.

        Its document is soft-deleted, or its database is gone, as after a deletion in Kazoo, and only
        the copy among all accounts is left. Who is in neither place never was."""
        if not is_id(account_id):
            return False
        own = await self._documents.document(account_database(account_id), account_id)
        listed = own or await self._documents.document(ACCOUNTS, account_id)
        return listed is not None and listed.get("pvt_type", "account") == "account"

    async def check_proxies(self, identity: Identity, addresses: Sequence[str]) -> None:
        """Raises `AccessDenied` when a token that asks for it came through other proxies than allowed."""
        if not checks_proxies(identity):
            return
        database = account_database(identity.account_id)
        for doc_id in (identity.owner_id, identity.account_id):
            document = await live_document(self._documents, database, doc_id) if doc_id else None
            if document is not None and document.get("allowed_proxy_ips") is not None:
                if may_pass_proxies(document["allowed_proxy_ips"], addresses):
                    return
                break
        raise AccessDenied("proxy_not_allowed")

    async def authorize(
        self,
        identity: Identity,
        requested: Document,
        verb: str,
        arguments: Sequence[str] = (),
        endpoint: str = "conferences",
    ) -> None:
        """Raises `AccessDenied` when the caller may not do this to the account ``requested``.

        ``requested`` is an account's document, ``arguments`` the path's segments after ``endpoint``.
        """
        caller = await self.account(identity.account_id)
        config = await self._system.crossbar()
        if (
            caller is None
            # A module that must not judge lets nobody in, and no other one does (data.md 7.2).
            or endpoint in config.simple_authz_ignored_modules
            or not may_access(caller, requested)
        ):
            raise AccessDenied("account_not_below")
        access = Access(identity.account_id, requested, endpoint, arguments, verb)
        await self._restrictions.check(identity, access, is_superduper_admin=is_superduper_admin(caller))

    def flush(self, database: str, doc_id: str) -> None:
        """A document has changed: forget what it gave. ``database`` is its real name, with slashes."""
        self._keys.flush(database, doc_id)
        self._basic.flush(database, doc_id)

    def flush_all(self) -> None:
        """Change messages may have been missed: forget everything."""
        self._keys.flush_all()
        self._basic.flush_all()


def checks_proxies(identity: Identity) -> bool:
    """Whether a token asks for it that the addresses that it comes from are looked at (data.md 6.2)."""
    return identity.claims.get("should_check_originating_proxy") is True
