"""A Kazoo JWT's outside: its parts, its algorithm, its signature. Identity comes later.

RS256, RS384 and RS512 for Kazoo's keys and nothing else: no algorithm of the header's choosing, no
shared secrets. Guests' tokens are the sidecar's own (``guests.py``): an algorithm that Kazoo does not
read, with a key that is used for nothing else. Source: data.md 6.2, 6.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from .failures import InvalidCredentials

ALGORITHMS: Final = ("RS256", "RS384", "RS512")

#: Of the sidecar's own tokens. Kazoo looks at the algorithm first, so it never asks for the key, which
#: it would make under the unknown id (data.md 6.5).
OWN_ALGORITHM: Final = "HS256"

#: Kazoo's own tokens have about a thousand characters.
MAX_LENGTH: Final = 16_384

_JWS = PyJWS(algorithms=ALGORITHMS)
_OWN = PyJWS(algorithms=[OWN_ALGORITHM])


def looks_like_jwt(text: str) -> bool:
    """Whether a text has three parts."""
    return text.count(".") == 2


def is_own(token: str) -> bool:
    """Whether a token claims to be one of the sidecar's own. Raises `InvalidCredentials` like `key_id`."""
    return bool(_header(token)["alg"] == OWN_ALGORITHM)


def key_id(token: str) -> object:
    """The id of the signing key. Raises `InvalidCredentials` for what is no token, Kazoo's or our own."""
    return _header(token).get("kid")


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_LENGTH:
        raise InvalidCredentials("token_too_long")
    if not token.isascii() or not looks_like_jwt(token):
        raise InvalidCredentials("no_token")
    try:
        header = _JWS.get_unverified_header(token)
    except PyJWTError:
        raise InvalidCredentials("token_unreadable") from None
    if header.get("alg") not in (*ALGORITHMS, OWN_ALGORITHM):
        raise InvalidCredentials("algorithm_not_supported")
    return header


def verified_claims(token: str, key: RSAPublicKey) -> dict[str, Any]:
    """The claims of a token whose signature holds under a key of Kazoo's. Raises `InvalidCredentials`."""
    return _claims(_JWS, token, key, ALGORITHMS)


def own_claims(token: str, secret: bytes) -> dict[str, Any]:
    """The claims of a token whose signature holds under a key of our own. Raises `InvalidCredentials`."""
    return _claims(_OWN, token, secret, (OWN_ALGORITHM,))


def _claims(jws: PyJWS, token: str, key: Any, algorithms: Sequence[str]) -> dict[str, Any]:
    try:
        payload = jws.decode_complete(token, key, algorithms=list(algorithms))["payload"]
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


def encode_own(claims: Mapping[str, Any], secret: bytes, kid: str) -> str:
    """A token signed with a key of our own."""
    return _OWN.encode(orjson.dumps(dict(claims)), secret, algorithm=OWN_ALGORITHM, headers={"kid": kid})
