"""The identity signature of a token: ties it to a secret of its user, and so lets tokens be revoked.

Source: data.md 6.4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

#: Claims that can name the identity, strongest first.
IDENTITY_CLAIMS = ("device_id", "owner_id", "account_id")


def identity_of(claims: Mapping[str, Any]) -> Any:
    """The id that is signed: device, else owner, else account."""
    return next((claims[name] for name in IDENTITY_CLAIMS if claims.get(name) is not None), None)


def sign(document_secret: str, server_secret: str, identity: str) -> str:
    """The claim ``identity_sig``: both secrets as text, joined, are the key."""
    digest = _digest(document_secret, server_secret, identity)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def matches(signature: object, document_secret: str, server_secret: str, identity: str) -> bool:
    """Whether a claim is that signature; takes the same time wherever it differs."""
    if not isinstance(signature, str) or not signature or len(signature) > 128:
        return False
    try:
        # Kazoo compares decoded bytes, so padding does not matter.
        text = signature.encode("ascii").rstrip(b"=")
        given = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, _digest(document_secret, server_secret, identity))


def _digest(document_secret: str, server_secret: str, identity: str) -> bytes:
    key = document_secret.encode() + server_secret.encode()
    return hmac.new(key, identity.encode(), hashlib.sha256).digest()
