"""Kazoo's signing keys: documents of ``system_auth`` with the private key attached.

The public half is taken from the private key; nothing else is stored. Kazoo makes a new key for
an unknown id; this room never writes. Source: data.md 6.5.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ..clock import Clock
from .bounded import BoundedCache
from .identity import is_id
from .port import Documents, live_document

DATABASE = "system_auth"
ATTACHMENT = "private_key.pem"
CONTENT_TYPE = "application/x-pem-file"

#: Kazoo's keys have 2048 bits; a shorter one is no key of Kazoo's.
MIN_BITS = 2048
_MAX_PEM = 65_536

log = structlog.get_logger(__name__)


class SigningKeys:
    """Signing keys by id, from the store, with the public halves kept in memory.

    ``limit`` keys are kept for ``max_age`` seconds at most; `flush` drops one on a change message.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        limit: int = 1000,
        max_age: float = 900.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._documents = documents
        self._public: BoundedCache[str, RSAPublicKey] = BoundedCache(limit, max_age, clock)
        #: Grows with every change: what was being read meanwhile may be what was there before.
        self._flushes = 0

    async def public(self, key_id: object) -> RSAPublicKey | None:
        """The public key of an id that came from outside; ``None`` when there is none."""
        if not isinstance(key_id, str) or not is_id(key_id):
            return None
        known = self._public.get(key_id)
        if known is not None:
            return known
        flushes = self._flushes
        pem = await self._pem(key_id)
        # The private half is not used here, and to check it would hold up the loop for long.
        private = _load(pem, key_id, checked=False) if pem is not None else None
        if private is None:
            return None
        public = private.public_key()
        if flushes == self._flushes:
            self._public.put(key_id, public)
        return public

    async def private(self, key_id: str) -> RSAPrivateKey | None:
        """The private key, read anew; for minting only."""
        pem = await self._pem(key_id)
        return await asyncio.to_thread(_load, pem, key_id) if pem is not None else None

    async def _pem(self, key_id: str) -> bytes | None:
        if await live_document(self._documents, DATABASE, key_id, "system_key") is None:
            return None
        return await self._documents.attachment(DATABASE, key_id, ATTACHMENT)

    def flush(self, database: str, doc_id: str) -> None:
        """Forget what a changed document gave."""
        if database == DATABASE:
            self._flushes += 1
            self._public.drop(doc_id)

    def flush_all(self) -> None:
        """Forget everything: change messages may have been missed."""
        self._flushes += 1
        self._public.clear()


def _load(pem: bytes, key_id: str, checked: bool = True) -> RSAPrivateKey | None:
    problem = "not_one_pem"
    if len(pem) <= _MAX_PEM and pem.count(b"-----BEGIN ") == 1:
        try:
            key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=not checked)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            problem = "not_readable"
        else:
            if isinstance(key, RSAPrivateKey) and key.key_size >= MIN_BITS:
                return key
            problem = "not_rsa_2048"
    log.warning("signing_key_unusable", key_id=key_id, problem=problem)
    return None


@dataclass(frozen=True, slots=True)
class KeyFixture:
    """A new signing key as Kazoo stores one, for demos and tests."""

    key_id: str
    #: The document of ``system_auth``.
    document: dict[str, Any]
    #: Its attachment ``private_key.pem``: PKCS#1, 2048 bits.
    pem: bytes = field(repr=False)
    #: ``default`` of ``system_config/auth``: key id and server secret.
    config: dict[str, Any] = field(repr=False)


def generate(key_id: str | None = None, server_secret: str | None = None) -> KeyFixture:
    """A new key with its documents; takes about a tenth of a second of processor time."""
    key_id = key_id or secrets.token_hex(16)
    key = generate_private_key(public_exponent=65_537, key_size=MIN_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    config = {
        "_id": "auth",
        "default": {
            "system_key": key_id,
            "secret_for_user_signature": server_secret or secrets.token_hex(16),
        },
        "pvt_type": "config",
    }
    document = {"_id": key_id, "pvt_type": "system_key", "pvt_account_db": DATABASE}
    return KeyFixture(key_id, document, pem, config)
