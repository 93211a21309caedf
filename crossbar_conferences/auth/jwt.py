"""A Kazoo JWT's outside: its parts, its algorithm, its signature. Identity comes later.

RS256, RS384 and RS512 and nothing else: no algorithm of the header's choosing, no shared secrets.
Source: data.md 6.2, 6.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from .failures import InvalidCredentials

ALGORITHMS: Final = ("RS256", "RS384", "RS512")

#: Kazoo's own tokens have about a thousand characters.
MAX_LENGTH: Final = 16_384

_JWS = PyJWS(algorithms=ALGORITHMS)


def looks_like_jwt(text: str) -> bool:
    """Whether a text has three parts."""
    return text.count(".") == 2


def key_id(token: str) -> object:
    """The id of the signing key. Raises `InvalidCredentials` for what is no token of ours."""
    if len(token) > MAX_LENGTH:
        raise InvalidCredentials("token_too_long")
    if not token.isascii() or not looks_like_jwt(token):
        raise InvalidCredentials("no_token")
    try:
        header = _JWS.get_unverified_header(token)
    except PyJWTError:
        raise InvalidCredentials("token_unreadable") from None
    if header.get("alg") not in ALGORITHMS:
        raise InvalidCredentials("algorithm_not_supported")
    return header.get("kid")


def verified_claims(token: str, key: RSAPublicKey) -> dict[str, Any]:
    """The claims of a token whose signature holds. Raises `InvalidCredentials`."""
    try:
        payload = _JWS.decode_complete(token, key, algorithms=list(ALGORITHMS))["payload"]
    except PyJWTError:
        raise InvalidCredentials("signature_invalid") from None
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise InvalidCredentials("claims_unreadable") from None
    if not isinstance(claims, dict):
        raise InvalidCredentials("claims_unreadable")
    return claims


def check_expiry(claims: Mapping[str, Any], now: float) -> None:
    """No leeway: a token that ends now has ended. A missing claim never ends; one that is no number does.

    ``now`` is in unix seconds. Raises `InvalidCredentials`.
    """
    if "exp" not in claims:
        return
    expires_at = claims["exp"]
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        raise InvalidCredentials("expiry_unreadable")
    if not expires_at - int(now) > 0:
        raise InvalidCredentials("token_expired")


def encode(claims: Mapping[str, Any], key: RSAPrivateKey, kid: str, algorithm: str = "RS256") -> str:
    """A signed token."""
    return _JWS.encode(orjson.dumps(dict(claims)), key, algorithm=algorithm, headers={"kid": kid})
