"""Checks one token as the API would, and says why it is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..auth.failures import AccountExpired, AuthFailure
from ..auth.gate import AuthRoom
from ..auth.port import StoreDocuments
from ..auth.system_config import SystemConfig
from ..settings import Settings
from ..store.port import Store, StoreError
from .findings import Finding, fail, ok

_WHY: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "token_expired": ("it has expired", "log in again"),
        "signing_key_unknown": (
            "its key is not in system_auth",
            "it is another cluster's token, or this is another cluster's CouchDB",
        ),
        "signature_invalid": (
            "its signature does not fit its key",
            "it was changed on the way; log in again",
        ),
        "identity_signature_invalid": ("it was revoked", "log in again"),
        "identity_unknown": ("its user is not there any more", "log in as another user"),
        "account_unknown": ("its account is not there any more", "log in to another account"),
        "issuer_not_supported": ("Kazoo did not issue it", "use a token of Kazoo's crossbar"),
        "algorithm_not_supported": ("its algorithm is none of Kazoo's", "use a token of Kazoo's crossbar"),
        "identity_secret_missing": (
            "the secrets that sign identities are missing",
            "look at the finding about the key",
        ),
    }
)


async def check_token(settings: Settings, store: Store, token: str) -> Finding:
    """Whether the API would accept a token."""
    documents = StoreDocuments(store)
    system = SystemConfig(documents, settings.node_name, settings.zone)
    room = AuthRoom(documents, store, system)
    try:
        identity = await room.authenticate("x-auth-token", token)
    except AccountExpired:
        return fail("token", "the token's account has expired", "extend the account in Kazoo")
    except AuthFailure as failure:
        default = (failure.reason.replace("_", " "), "use the whole token, as crossbar gave it")
        text, advice = _WHY.get(failure.reason, default)
        return fail("token", f"the token is refused: {text}", advice)
    except StoreError as error:
        return fail("token", f"the token cannot be checked: {error}", "look at the findings about the store")
    user = f", user {identity.owner_id}" if identity.owner_id else ""
    return ok("token", f"the token is valid: account {identity.account_id}{user}{_until(identity.claims)}")


def _until(claims: Mapping[str, object]) -> str:
    ends = claims.get("exp")
    if not isinstance(ends, int | float):
        return ", for ever"
    return f", for {max(ends - time.time(), 0) / 60:.0f} more minutes"
