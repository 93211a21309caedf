"""Guests of a public link: what their tokens say, and until when that is true.

A guest's token names one conference of one account, and nobody. It holds as long as what it was
given for: the account is enabled, the conference is there and shareable, and its members' PINs are
the same. Of the PINs it holds a digest only, made with the key, so that nobody reads or guesses them
from a link. Kazoo makes such tokens too, with its own key and the PIN in clear; they are taken for
guests and nothing more, under the same conditions. Source: data.md 6.8, realtime-ui-tests.md D.2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..clock import Clock
from ..store.names import account_database, is_document_id
from ..store.port import Document
from . import jwt
from .access import expired_at, is_enabled
from .failures import InvalidCredentials
from .guest_keys import GuestKey, GuestKeys, GuestKeyUnavailable
from .identity import Identity, Kind, is_id
from .port import Documents, live_document

#: Who signs: no issuer that Kazoo knows.
ISSUER: Final = "crossbar_conferences"

#: How a guest is said to have logged in, here and in Kazoo; selects the restrictions of tokens.
METHOD: Final = "cb_conference_auth"

#: Seconds for which a token may be valid, at most and at least, whatever Kazoo's settings say.
MAX_SECONDS: Final = 7 * 24 * 3600
MIN_SECONDS: Final = 60

#: Everything that a token of ours may say, and everything that it has to.
_NEEDED = frozenset({"iss", "method", "account_id", "conference_id", "binding", "exp"})
_CLAIMS = _NEEDED | {"scope"}


def member_pins(conference: Mapping[str, Any]) -> list[str]:
    """The PINs with which guests may come in; a moderator's is none of them."""
    member = conference.get("member")
    pins = member.get("pins") if isinstance(member, Mapping) else None
    return [pin for pin in pins if isinstance(pin, str) and pin] if isinstance(pins, list | tuple) else []


def takes_guests(conference: Mapping[str, Any]) -> bool:
    """Whether a conference is open to guests at all."""
    return conference.get("allow_shareable_link") is True and bool(member_pins(conference))


def is_open(account: Mapping[str, Any], now: float) -> bool:
    """Whether an account may have guests: enabled, and its trial not over. ``now`` in unix seconds."""
    return is_enabled(account) and account.get("enabled") is not False and expired_at(account, now) is None


def binding(secret: bytes, account_id: str, conference_id: str, pins: Iterable[str]) -> str:
    """What a token rests on, as a digest: another PIN, or one more or fewer, makes another one."""
    told = json.dumps([account_id, conference_id, sorted(set(pins))])
    # No token begins with a zero: what is signed as a token is never what is signed here.
    digest = hmac.new(secret, b"\0binding\0" + told.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class GuestTokens:
    """Makes and checks guests' tokens; without ``keys`` Kazoo alone makes any. ``clock``: unix seconds."""

    def __init__(self, documents: Documents, keys: GuestKeys | None, *, clock: Clock = time.time) -> None:
        self._documents = documents
        self._keys = keys
        self._clock = clock

    async def ready(self) -> None:
        """Raises `GuestKeyUnavailable` when no token could be made."""
        await self._key()

    async def token(self, account_id: str, conference: Document, *, scope: str, seconds: float) -> str:
        """A token for a conference that `takes_guests`. Raises `GuestKeyUnavailable`.

        Zero ``seconds`` or less, which mean for ever in Kazoo, are the longest that there is."""
        key = await self._key()
        conference_id = str(conference["_id"])
        kept = min(max(seconds, MIN_SECONDS), MAX_SECONDS) if seconds > 0 else MAX_SECONDS
        claims = {
            "iss": ISSUER,
            "method": METHOD,
            "account_id": account_id,
            "conference_id": conference_id,
            "binding": binding(key.secret, account_id, conference_id, member_pins(conference)),
            # A stored text, which may hold half a surrogate pair.
            "scope": scope.encode(errors="replace").decode(),
            "exp": int(self._clock() + kept),
        }
        return jwt.encode_own(claims, key.secret, key.key_id)

    async def verified(self, token: str, kind: Kind) -> tuple[Identity, Document]:
        """Whom a token of ours stands for, and the account. Raises `InvalidCredentials`."""
        if self._keys is None:
            raise InvalidCredentials("algorithm_not_supported")
        key = await self._keys.named(jwt.key_id(token))
        if key is None:
            raise InvalidCredentials("guest_key_unknown")
        claims = jwt.own_claims(token, key.secret)
        account_id, conference_id = claims.get("account_id"), claims.get("conference_id")
        # What names a user, a device or another account is no guest, whoever signed it.
        if not _NEEDED <= set(claims) <= _CLAIMS or claims["iss"] != ISSUER or claims["method"] != METHOD:
            raise InvalidCredentials("guest_claims_unexpected")
        if not isinstance(account_id, str) or not is_id(account_id) or not is_document_id(conference_id):
            raise InvalidCredentials("guest_claims_unexpected")
        jwt.check_expiry(claims, self._clock())
        identity = Identity(account_id, None, kind, claims)
        account, conference = await self._place(identity)
        wanted = binding(key.secret, account_id, str(conference_id), member_pins(conference))
        if not _same(claims["binding"], [wanted]):
            raise InvalidCredentials("guest_pins_changed")
        return identity, account

    async def check_kazoos(self, identity: Identity) -> None:
        """Whether a conference token that Kazoo made still holds. Raises `InvalidCredentials`."""
        _, conference = await self._place(identity)
        if not _same(identity.claims.get("pin_number"), member_pins(conference)):
            raise InvalidCredentials("guest_pins_changed")

    async def _key(self) -> GuestKey:
        if self._keys is None:
            raise GuestKeyUnavailable("no database for the key of guests' tokens")
        return await self._keys.signing()

    async def _place(self, identity: Identity) -> tuple[Document, Document]:
        """The account and the conference, both open to guests."""
        database = account_database(identity.account_id)
        account = await live_document(self._documents, database, identity.account_id, "account")
        if account is None or not is_open(account, self._clock()):
            raise InvalidCredentials("guest_account_closed")
        conference_id, conference = identity.conference_id, None
        if is_document_id(conference_id):
            conference = await live_document(self._documents, database, str(conference_id), "conference")
        if conference is None or not takes_guests(conference):
            raise InvalidCredentials("guest_conference_closed")
        return account, conference


def _same(given: object, wanted: Iterable[str]) -> bool:
    if not isinstance(given, str):
        return False
    # Stored texts may hold half a surrogate pair.
    sent = given.encode(errors="surrogatepass")
    return any(hmac.compare_digest(sent, one.encode(errors="surrogatepass")) for one in wanted)
