"""Tokens that Kazoo minted, and who they stand for.

Checked in Kazoo's order: algorithm, signature, expiry, identity; then the account. Nothing is
read from the store for an identity before the signature holds. Guests' tokens go their own way
(``guests.py``): our key makes guests only, and Kazoo's keys make no token of our issuer.
Source: data.md 6.1-6.6.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..clock import Clock
from ..store.derived import UNHEARD, Changes, Derived
from ..store.names import account_database
from ..store.port import Document
from . import jwt
from .access import ends_at, expired_at, is_below
from .bounded import BoundedCache
from .failures import AccountExpired, InvalidCredentials
from .guests import GuestTokens
from .identity import Identity, Kind, is_document_id, is_id
from .keys import DATABASE, SigningKeys
from .port import Documents, live_document, together
from .signature import identity_of, matches
from .system_config import DATABASE as CONFIGURATION
from .system_config import SystemConfig

#: Tokens whose signature is remembered, and for how many seconds.
_KNOWN_TOKENS = 4_000
_KNOWN_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class _Settled:
    """Who a token stands for, and the accounts that may end before it does."""

    identity: Identity
    accounts: tuple[Document, ...]


@dataclass(slots=True)
class _Known:
    """A token whose signature held under a key. ``proof``: the secrets of document and server under
    which its identity's signature held, once that was looked at."""

    key_id: object
    key: RSAPublicKey
    claims: Mapping[str, Any]
    proof: tuple[str, str] | None = None


class TokenVerifier:
    """Turns a token into an `Identity`, or raises an `AuthFailure`. ``clock`` tells unix seconds.

    What costs much processor time, and always comes to the same end, is done once for a token: its
    signature under one key, and the identity's under one pair of secrets. Key, secrets and accounts
    are looked at again as soon as ``changes`` tells of any change where they are kept, expiry each
    time.
    """

    def __init__(
        self,
        documents: Documents,
        system: SystemConfig,
        keys: SigningKeys,
        guests: GuestTokens,
        *,
        clock: Clock = time.time,
        changes: Changes = UNHEARD,
    ) -> None:
        self._documents = documents
        self._system = system
        self._keys = keys
        self._guests = guests
        self._clock = clock
        self._known: BoundedCache[str, _Known] = BoundedCache(_KNOWN_TOKENS, _KNOWN_SECONDS, time.monotonic)
        self._settled: Derived[tuple[str, str | None, str], _Settled] = Derived(
            changes, time.monotonic, limit=_KNOWN_TOKENS
        )

    async def bearer(self, text: str, claimed_account: str | None = None) -> Identity:
        """A ``Bearer`` credential: the id of a bearer document, or a JWT itself.

        Kazoo takes the document's id only; clients of today send the token (http.md 13).
        """
        token = text if jwt.looks_like_jwt(text) else await self._token_of_document(text)
        return await self.verify(token, claimed_account, kind="bearer")

    async def verify(
        self, token: str, claimed_account: str | None = None, *, kind: Kind = "x-auth-token"
    ) -> Identity:
        """A JWT. ``claimed_account`` is the header ``X-Auth-Account-ID``, which must name its account."""
        settled = self._settled.get((token, claimed_account, kind))
        if settled is not None:
            now = self._clock()
            jwt.check_expiry(settled.identity.claims, now)
            for account in settled.accounts:
                _refuse_expired(account, now)
            return settled.identity
        heard = self._settled.changes.heard
        settled = await self._settle(token, claimed_account, kind)
        databases = (account_database(str(account["_id"])) for account in settled.accounts)
        asked = (token, claimed_account, kind)
        self._settled.keep(asked, settled, heard, (DATABASE, CONFIGURATION, *databases))
        return settled.identity

    def valid_until(self, token: str, claimed_account: str | None, kind: str) -> float | None:
        """Until when what `verify` came to is right if only time goes on; ``None`` when that is not known."""
        settled = self._settled.get((token, claimed_account, kind))
        if settled is None:
            return None
        ends = [ends_at(account) for account in settled.accounts]
        ends.append(settled.identity.expires_at)
        return min((end for end in ends if end is not None), default=math.inf)

    async def _settle(self, token: str, claimed_account: str | None, kind: Kind) -> _Settled:
        known = self._known.get(token)
        if known is None and jwt.is_own(token):
            return await self._guest(token, claimed_account, kind)
        known = await self._signed(token, known)
        claims = known.claims
        jwt.check_expiry(claims, self._clock())
        if claims.get("iss") != "kazoo":
            raise InvalidCredentials("issuer_not_supported")
        account_id, owner_id = claims.get("account_id"), claims.get("owner_id")
        if not isinstance(account_id, str) or not is_id(account_id):
            raise InvalidCredentials("account_missing")
        if owner_id is not None and not is_document_id(owner_id):
            raise InvalidCredentials("owner_unreadable")
        if claimed_account and claimed_account != account_id:
            raise InvalidCredentials("other_account_claimed")
        account = await self._checked_account(account_id, known)
        _refuse_expired(account, self._clock())
        settled = await self._masqueraded(account, Identity(account_id, owner_id, kind, claims))
        if claims.get("conference_id") is not None:
            # Kazoo's own conference token; one that names nothing readable is no user's either.
            await self._guests.check_kazoos(settled.identity)
        return settled

    async def _guest(self, token: str, claimed_account: str | None, kind: Kind) -> _Settled:
        identity, account = await self._guests.verified(token, kind)
        if claimed_account and claimed_account != identity.account_id:
            raise InvalidCredentials("other_account_claimed")
        return _Settled(identity, (account,))

    async def _signed(self, token: str, known: _Known | None) -> _Known:
        """The token, once its signature is found to hold under the key as it is now."""
        key_id = jwt.key_id(token) if known is None else known.key_id
        key = await self._keys.public(key_id)
        if key is None:
            raise InvalidCredentials("signing_key_unknown")
        if known is None or known.key is not key:
            known = _Known(key_id, key, jwt.verified_claims(token, key))
            self._known.put(token, known)
        return known

    async def _token_of_document(self, doc_id: str) -> str:
        if not is_document_id(doc_id):
            raise InvalidCredentials("no_token")
        document = await live_document(self._documents, DATABASE, doc_id, "bearer-token")
        # Any other document of system_auth is a key, whose id is no secret.
        if document is None or document.get("pvt_type") != "bearer-token":
            raise InvalidCredentials("bearer_unknown")
        token = document.get("Token")
        if not isinstance(token, str):
            raise InvalidCredentials("bearer_unreadable")
        return token

    async def _checked_account(self, account_id: str, known: _Known) -> Document:
        """The account's document, once the identity's signature is found to hold."""
        claims, database = known.claims, account_database(account_id)
        account: Document | None
        account_read = live_document(self._documents, database, account_id, "account")
        if "identity_sig" not in claims:
            # An absent claim counts as verified (data.md 6.4).
            account = await account_read
        else:
            identity = identity_of(claims)
            if not is_document_id(identity):
                account_read.close()
                raise InvalidCredentials("identity_unreadable")
            if known.proof is not None:
                # Seen before: they are in memory, and three tasks would cost more than three look-ups.
                account = await account_read
                owner = await live_document(self._documents, database, identity)
                secret: Document | None = await self._server_secret()
            else:
                account, owner, secret = await together(
                    account_read,
                    live_document(self._documents, database, identity),
                    self._server_secret(),
                )
            _check_signature(known, owner, secret, identity)
        if account is None:
            raise InvalidCredentials("account_unknown")
        return account

    async def _server_secret(self) -> Document:
        return {"secret": await self._system.value("auth", "secret_for_user_signature")}

    async def _masqueraded(self, own: Document, identity: Identity) -> _Settled:
        """The identity that a token takes on with ``as``: any account below its own (data.md 6.6)."""
        plain = _Settled(identity, (own,))
        target = identity.claims.get("as")
        if not isinstance(target, Mapping):
            return plain
        account_id, owner_id = target.get("account_id"), target.get("owner_id")
        if account_id is None or owner_id is None:
            return plain
        if not is_id(account_id) or not is_document_id(owner_id):
            raise InvalidCredentials("masquerade_unreadable")
        account = await live_document(self._documents, account_database(account_id), account_id, "account")
        if account is None or not is_below(account, identity.account_id):
            raise InvalidCredentials("masquerade_denied")
        _refuse_expired(account, self._clock())
        claims = {**identity.claims, "account_id": account_id, "owner_id": owner_id}
        return _Settled(Identity(account_id, owner_id, identity.kind, claims), (own, account))


def _refuse_expired(account: Document, now: float) -> None:
    expired = expired_at(account, now)
    if expired is not None:
        raise AccountExpired(expired)


def _check_signature(known: _Known, owner: Document | None, server: Document | None, identity: str) -> None:
    if owner is None:
        raise InvalidCredentials("identity_unknown")
    document_secret = owner.get("pvt_signature_secret")
    server_secret = server.get("secret") if server else None
    # Kazoo would make the missing secret now; a sidecar does not write there (data.md 6.4).
    if not isinstance(document_secret, str) or not isinstance(server_secret, str):
        raise InvalidCredentials("identity_secret_missing")
    if not document_secret or not server_secret:
        raise InvalidCredentials("identity_secret_missing")
    if known.proof == (document_secret, server_secret):
        return
    if not matches(known.claims["identity_sig"], document_secret, server_secret, identity):
        raise InvalidCredentials("identity_signature_invalid")
    known.proof = (document_secret, server_secret)
