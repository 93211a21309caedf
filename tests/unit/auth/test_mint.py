from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from crossbar_conferences.auth import InvalidCredentials, MintError, mint
from crossbar_conferences.auth.bounded import BoundedCache
from crossbar_conferences.auth.keys import KeyFixture, SigningKeys, generate
from crossbar_conferences.auth.mint import SecretMissing

from .conftest import BOSS, MAIN, OTHER, World, database


def test_a_generated_key_is_kazoos(signing_key: KeyFixture) -> None:
    """One PKCS#1 PEM of 2048 bits, and the two documents that name it."""
    assert signing_key.pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    key = load_pem_private_key(signing_key.pem, None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048
    assert signing_key.document["_id"] == signing_key.config["default"]["system_key"] == signing_key.key_id
    assert "PRIVATE" not in repr(signing_key)
    assert str(signing_key.config["default"]["secret_for_user_signature"]) not in repr(signing_key)


def test_generated_ids_and_secrets_are_fresh() -> None:
    """Without names given, each key has its own id and secret of 32 hex digits."""
    one, two = generate(), generate()
    assert one.key_id != two.key_id
    assert one.config["default"] != two.config["default"]
    assert len(one.key_id) == len(one.config["default"]["secret_for_user_signature"]) == 32


async def test_scopes_of_the_system_settings(world: World) -> None:
    """Key and secret are looked up for this node, then for the zone, then for all."""
    world.add("system_config", _id="auth",
              east={"secret_for_user_signature": "zoned"}, default=world.key.config["default"])  # fmt: skip
    token = await mint(world, MAIN, BOSS, zone="east", clock=world.clock)
    assert await world.room().authenticate("x-auth-token", token)
    token = await mint(world, MAIN, BOSS, clock=world.clock)
    with pytest.raises(InvalidCredentials):
        await world.room().authenticate("x-auth-token", token)


async def test_what_is_missing_is_said(world: World) -> None:
    """Each thing that a token needs has its own message."""
    for account_id, user_id, text in (
        ("x", None, "must be ids"),
        (MAIN, "_design/x", "must be ids"),
        ("9" * 32, None, "there is no account"),
        (MAIN, "9" * 32, "has no document"),
    ):
        with pytest.raises(MintError, match=text):
            await mint(world, account_id, user_id)
    world.change(database(OTHER), OTHER, pvt_signature_secret=None)
    with pytest.raises(SecretMissing, match="has no signature secret"):
        await mint(world, OTHER)
    unsigned = await mint(world, OTHER, signed=False, clock=world.clock)
    assert (await world.room().authenticate("x-auth-token", unsigned)).account_id == OTHER
    del world.attachments["system_auth", world.key.key_id]
    with pytest.raises(MintError, match="no usable key"):
        await mint(world, MAIN)
    world.databases["system_config"].clear()
    with pytest.raises(MintError, match="system_key"):
        await mint(world, MAIN)


def _pem(bits: int) -> bytes:
    key = generate_private_key(public_exponent=65_537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


async def test_unusable_keys(world: World) -> None:
    """A short key, two keys, text that is no key and a huge attachment are no signing key."""
    good = world.key.pem
    for pem in (_pem(1024), good + good, b"", b"-----BEGIN RSA PRIVATE KEY-----\nx", good + b" " * 70_000):
        world.attachments["system_auth", world.key.key_id] = pem
        assert await SigningKeys(world).public(world.key.key_id) is None


async def test_kazoos_own_exponent(world: World) -> None:
    """Kazoo's keys have the public exponent 2049; such a key verifies (data.md 6.5)."""
    world.attachments["system_auth", world.key.key_id] = KAZOO_PEM
    assert await world.room().authenticate("x-auth-token", await world.token())


def test_the_cache_is_bounded() -> None:
    """The entry unused for longest goes first, and old ones go by themselves."""
    now = [0.0]
    cache: BoundedCache[str, int] = BoundedCache(2, 10.0, lambda: now[0])
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)
    now[0] = 10.0
    assert cache.get("a") is None
    now[0] = -10.0
    assert cache.get("c") is None
    cache.drop("nothing")
    cache.clear()
    assert len(cache) == 0


#: Made for this test with openssl, rsa_keygen_pubexp:2049; guards nothing.
KAZOO_PEM = b"""-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEApQwo9rxOs4V1fiTacwBrfAg+JL1SBfCPMVZ3zIyZddQHzBXu
QspYfuBqGiLOdVWiC8nx9aUZan6PaWVcc7cuA9BLhzFyxOBwzM7IALr4wcCT6R1O
pmOZXuieGp9Nq286LLUehKo88/BlV5jUuLvkCLFFE4LEUADDupMMxvNcFXH74jsY
uPFYiQzyGaUF4LFxJGodMiTGRAiIJxd5vD9AAOrDauwKokqn0XfwtyJa+xgT161C
MlF9e7gXxxZhbFSSN4hiCmM9wrccGdUGLsLl39Wx+pR9AdoXBBt3WTsPXEexwj08
TWl1Hok3IHADeVKJILDAeyNkRUf7hQmvETCbNwICCAECggEAKEZvMlauYQf0MMXm
mECSK4KS2Z0E5daAJYbrYgQS9OWnMm0NCa0w9NsugZFNPf2oWtVy5BxLKxqCsuTi
dfF6jJzG16adsVqgNfm8nJoSeP5kT9+rvieMACvFINvI/TsAU9+7++QTXyJMdFRF
Zm0Rie4JnA/q8Coqg7xvELBT8L3X4KLTSmnpimx4yyZYyFSge/HqbNh6B4wTOgQJ
SjfA+MKPTxlisc+IQFzsLUwHojK3+e413VBFSm3V6GZswt065wXizW9tpx7fzSDM
K1ofeYmXiouPtV44wwpGbbiHJ/6RC+FXLCFyXJ3k6CVAWZPbmfKm7gUpEEwnkjNF
8XtZQQKBgQDRoJrR20QPREvkKJqxur3sjMNHPvIFAkyQdsYiV6EFM1ktsqwuIxoo
4WgWkZn4aCRGw8bgcTqDsrPXKVhm79Z72Kxve2afQ9IBRMsuo0xpHwPvsP+Wy1sN
ahWRexY1BTR+Z9p4n0UuY6nsGPSPeI6HUtnJzn/d6+fR8Lt08TV/+QKBgQDJjvSi
b80tf6ty5cfOt6cNjWOgBxGmRJkTZN+FSn1Vqzz7l23Y8UX2+rwD9R8mnp3P4P8n
1WD4dK2qjMpeky/nCU+aVoVk0YXQck+5xVN/3ZtY2wog+b73AeqjdZiX5NeJ6bNZ
1v2D/tETJSRVQc4FjsT1mqwSzmWFXnTxAFcgrwKBgQCkaFhwXOFrTU1i+v0ClRUk
WGitcdXs8I/B4vZZZ1WOQuI9c+ReKAYmDxypIFulVgy1cDCnR+/MHVUyzjd21paZ
mnD/2fjnG3P6P5L72Od4DTSQIf5NqRvuqMiTdQZsDPPyMXdeeiojggO0q392JPQ3
6CWfhffWR7KQibPg5qgFyQKBgQCkRskiUGCCyYHdtSgIzyeTWp+oyKqPAo+AoG02
SbR9C8CCF3fjqkiEFHJB8eLqYIsd3vwwNTgrk7ImjXxVE+LTSm5bTqNxh6jonCL+
W9xa+JVaCVtW+Mde/vA2w0vEY05X6lO1C23LqJPp30121o3tSoHLDH5AjbuRDqQH
BCaHFQKBgH7oktEZW7n8aF1C0WihZe9WZQxBUq91yEosi4iCwNIDEjIgMbtAdWxM
RSUAtONts2NixARfRPfOjNzD/svKlEpDAtShD6Y9xRCtm7YOpbnDDyjIKqzJTQgD
35m/2GdGxEvmYZlrilupoBB17Ek0j6C0lOzEt9W3eT33e2q6ZMAd
-----END RSA PRIVATE KEY-----
"""
