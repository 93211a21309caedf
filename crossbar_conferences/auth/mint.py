"""Mints tokens that Kazoo accepts, for a cluster whose database can be read.

For ``crossbar-conferences token``, for demos and tests, and for guests of a public link.
Source: data.md 6.2, 6.4, 6.9.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..clock import Clock
from ..errors import CrossbarConferencesError
from ..store.names import account_database
from . import jwt
from .identity import is_document_id, is_id
from .keys import SigningKeys
from .port import Documents, live_document
from .signature import identity_of, sign
from .system_config import SystemConfig


class MintError(CrossbarConferencesError):
    """The database does not hold what a token needs; the text says what is missing."""


class SecretMissing(MintError):
    """The account or user is there, but has no signature secret yet: Kazoo makes it at the first login."""


async def mint(
    documents: Documents,
    account_id: str,
    user_id: str | None = None,
    *,
    expires_in: float | None = 3600,
    method: str | None = None,
    claims: Mapping[str, Any] | None = None,
    node_name: str = "",
    zone: str = "",
    algorithm: str = "RS256",
    signed: bool = True,
    clock: Clock = time.time,
) -> str:
    """A token of an account, or of one of its users.

    ``expires_in`` seconds from now; ``None`` never ends. ``method`` is how the caller is said to
    have logged in: by default as a user, or with the account's key. ``claims`` are added. ``node_name``
    and ``zone`` select the scope of Kazoo's settings. Without ``signed`` the token says nothing that ties it
    to a secret of the identity: Kazoo takes it (data.md 6.4), but it cannot be revoked before it ends.
    Raises `MintError` and the store's errors.
    """
    if not is_id(account_id) or (user_id is not None and not is_document_id(user_id)):
        raise MintError("account and user must be ids")
    database = account_database(account_id)
    if await live_document(documents, database, account_id, "account") is None:
        raise MintError(f"there is no account {account_id}")
    system = SystemConfig(documents, node_name, zone)
    key_id = await system.value("auth", "system_key")
    server_secret = await system.value("auth", "secret_for_user_signature")
    if not isinstance(key_id, str) or not isinstance(server_secret, str) or not is_id(key_id):
        raise MintError("system_config/auth holds no system_key or no secret_for_user_signature")
    key = await SigningKeys(documents).private(key_id)
    if key is None:
        raise MintError(f"system_auth holds no usable key {key_id}")
    payload: dict[str, Any] = {
        "iss": "kazoo",
        "account_id": account_id,
        "method": method or ("cb_user_auth" if user_id else "cb_api_auth"),
        **({"owner_id": user_id} if user_id else {}),
        **({"exp": int(clock() + expires_in)} if expires_in is not None else {}),
        **(claims or {}),
    }
    identity = identity_of(payload)
    signer = await live_document(documents, database, identity) if is_document_id(identity) else None
    if signer is None:
        raise MintError(f"the account {account_id} has no document {identity}")
    if signed:
        document_secret = signer.get("pvt_signature_secret")
        if not isinstance(document_secret, str) or not document_secret:
            raise SecretMissing(f"the document {identity} has no signature secret")
        payload.setdefault("identity_sig", sign(document_secret, server_secret, identity))
    return jwt.encode(payload, key, key_id, algorithm)
