from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbar_conferences.auth import AccountExpired, AuthFailure, Identity, InvalidCredentials
from crossbar_conferences.auth.keys import generate
from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.store.port import StoreUnreachable

from .conftest import BOSS, JOE, MAIN, NOW, OTHER, PARENT, World, database


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(token: str, index: int) -> Any:
    text = token.split(".")[index]
    return orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def reason(world: World, token: str, kind: str = "x-auth-token", claimed: str | None = None) -> str:
    with pytest.raises(InvalidCredentials) as caught:
        await world.room().authenticate(kind, token, claimed)
    return caught.value.reason


async def accepted(world: World, token: str, kind: str = "x-auth-token") -> Identity:
    return await world.room().authenticate(kind, token)


async def test_a_minted_token_is_kazoos_and_valid(world: World) -> None:
    """Header and claims are those of data.md 6.2, and the token is accepted as its user."""
    token = await world.token()
    assert part(token, 0) == {"alg": "RS256", "typ": "JWT", "kid": world.key.key_id}
    secret = b"secret of boss" + b"0123456789abcdef0123456789abcdef"
    assert part(token, 1) == {
        "iss": "kazoo",
        "account_id": MAIN,
        "owner_id": BOSS,
        "method": "cb_user_auth",
        "exp": int(NOW) + 3600,
        "identity_sig": b64(hmac.new(secret, BOSS.encode(), hashlib.sha256).digest()),
    }
    assert "=" not in token
    identity = await accepted(world, token)
    assert (identity.account_id, identity.owner_id, identity.kind) == (MAIN, BOSS, "x-auth-token")
    assert (identity.method, identity.expires_at) == ("cb_user_auth", NOW + 3600)
    assert token not in repr(identity)


async def test_a_token_of_an_account_alone(world: World) -> None:
    """Without an owner the account's own secret signs."""
    identity = await accepted(world, await world.token(PARENT, None))
    assert (identity.account_id, identity.owner_id, identity.method) == (PARENT, None, "cb_api_auth")


async def test_a_token_of_a_device(world: World) -> None:
    """The claim device_id names the identity before owner and account."""
    world.add(database(MAIN), _id="d1", pvt_type="device", pvt_signature_secret="secret of d1")
    token = await world.token_with({"device_id": "d1"})
    assert (await accepted(world, token)).owner_id == BOSS
    world.change(database(MAIN), "d1", pvt_signature_secret="another")
    assert await reason(world, token) == "identity_signature_invalid"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_the_three_algorithms(world: World, algorithm: str) -> None:
    """RSA with each of the three hashes is accepted."""
    assert await accepted(world, await world.token(algorithm=algorithm))


async def test_missing_identity_signature_passes(world: World) -> None:
    """A token without identity_sig counts as verified (data.md 6.4)."""
    token = await world.token()
    claims = part(token, 1)
    del claims["identity_sig"]
    assert await accepted(world, _signed(world, claims))


async def test_missing_expiry_never_ends(world: World) -> None:
    """A token without exp is valid for ever."""
    token = await world.token(expires_in=None)
    world.now += 10**9
    assert (await accepted(world, token)).expires_at is None


@pytest.mark.parametrize(
    ("exp", "expected"),
    [
        (NOW, "token_expired"),
        (NOW - 1, "token_expired"),
        (NOW + 1, None),
        (None, "expiry_unreadable"),
        (True, "expiry_unreadable"),
        ("4000000000", "expiry_unreadable"),
        ([], "expiry_unreadable"),
    ],
)
async def test_expiry_has_no_leeway(world: World, exp: Any, expected: str | None) -> None:
    """A token that ends now has ended; an expiry that is no number is no expiry."""
    token = await world.token_with({"exp": exp})
    world.now = NOW + 0.9
    if expected is None:
        assert await accepted(world, token)
    else:
        assert await reason(world, token) == expected


@cache
def _private_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, None)


def _signed(world: World, claims: Any, pad: bool = False) -> str:
    """A token whose parts are made by hand, signed with the cluster's key."""
    encode = (lambda data: base64.urlsafe_b64encode(data).decode()) if pad else b64
    header = {"alg": "RS256", "typ": "JWT", "kid": world.key.key_id}
    payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    text = f"{encode(orjson.dumps(header))}.{encode(payload)}"
    return f"{text}.{encode(_private_key(world.key.pem).sign(text.encode(), PKCS1v15(), SHA256()))}"


async def test_padded_base64_is_read(world: World) -> None:
    """Kazoo writes without padding and reads with it too; so do we."""
    claims = part(await world.token(), 1) | {"x": "y"}
    token = _signed(world, claims, pad=True)
    assert "=" in token
    assert await accepted(world, token)


@pytest.mark.parametrize(
    "change",
    [
        {"identity_sig": ""},
        {"identity_sig": None},
        {"identity_sig": 1},
        {"identity_sig": "AAAA"},
        {"identity_sig": "ä"},
        {"identity_sig": "!!!!"},
        {"identity_sig": "A" * 5000},
    ],
)
async def test_altered_identity_signature(world: World, change: dict[str, Any]) -> None:
    """A claim that is there must be the signature."""
    assert await reason(world, await world.token_with(change)) == "identity_signature_invalid"


async def test_changed_secrets_end_all_tokens(world: World) -> None:
    """A user's new secret, or none at all, invalidates the tokens made before."""
    token = await world.token()
    world.change(database(MAIN), BOSS, pvt_signature_secret="new")
    assert await reason(world, token) == "identity_signature_invalid"
    world.change(database(MAIN), BOSS, pvt_signature_secret=None)
    assert await reason(world, token) == "identity_secret_missing"
    world.change(database(MAIN), BOSS, pvt_deleted=True)
    assert await reason(world, token) == "identity_unknown"
    world.databases["system_config"].clear()
    world.change(database(MAIN), BOSS, pvt_deleted=False, pvt_signature_secret="secret of boss")
    assert await reason(world, token) == "identity_secret_missing"


async def test_unknown_account(world: World) -> None:
    """The account of the token must be there and not be deleted."""
    token = await world.token()
    world.change(database(MAIN), MAIN, pvt_deleted=True)
    assert await reason(world, token) == "account_unknown"
    world.databases[database(MAIN)].clear()
    assert await reason(world, _signed(world, {"iss": "kazoo", "account_id": MAIN})) == "account_unknown"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"account_id": MAIN}, "issuer_not_supported"),
        ({"iss": "accounts.example", "account_id": MAIN}, "issuer_not_supported"),
        ({"iss": "kazoo"}, "account_missing"),
        ({"iss": "kazoo", "account_id": None}, "account_missing"),
        ({"iss": "kazoo", "account_id": "../_users"}, "account_missing"),
        ({"iss": "kazoo", "account_id": "x/" * 16}, "account_missing"),
        ({"iss": "kazoo", "account_id": MAIN, "owner_id": "_design/users"}, "owner_unreadable"),
        ({"iss": "kazoo", "account_id": MAIN, "owner_id": 1}, "owner_unreadable"),
        ({"iss": "kazoo", "account_id": MAIN, "device_id": {}, "identity_sig": "x"}, "identity_unreadable"),
        (["iss", "kazoo"], "claims_unreadable"),
        (b"not json", "claims_unreadable"),
        (b"", "claims_unreadable"),
        (b"[" * 3000, "claims_unreadable"),
        (b'{"iss": "kazoo"\xff}', "claims_unreadable"),
    ],
)
async def test_claims_that_make_no_sense(world: World, claims: Any, expected: str) -> None:
    """A well signed token may still say nonsense."""
    assert await reason(world, _signed(world, claims)) == expected


async def test_wrong_keys(world: World) -> None:
    """An unknown, misshapen or deleted key id is refused; nothing is created, junk is not even looked up."""
    token = await world.token()
    header, claims, signature = token.split(".")
    for kid in ("e" * 32, "_design/aaaaaaaaaaaaaaaaaaaaaaaa", "../" * 10 + "ab", "x", "", "d" * 31 + "\n"):
        world.reads.clear()
        forged = b64(orjson.dumps({"alg": "RS256", "kid": kid}))
        assert await reason(world, f"{forged}.{claims}.{signature}") == "signing_key_unknown"
        assert world.reads == ([("system_auth", kid)] if kid == "e" * 32 else [])
    forged = b64(orjson.dumps({"alg": "RS256"}))
    assert await reason(world, f"{forged}.{claims}.{signature}") == "signing_key_unknown"
    forged = b64(orjson.dumps({"alg": "RS256", "kid": 7}))
    assert await reason(world, f"{forged}.{claims}.{signature}") == "token_unreadable"
    world.change("system_auth", world.key.key_id, pvt_deleted=True)
    assert await reason(world, token) == "signing_key_unknown"
    assert f"{header}" in token


async def test_a_key_of_somebody_else(world: World) -> None:
    """A token signed by another key than its header says is refused before any account is read."""
    stranger = World(generate("d" * 32))
    token = await stranger.token()
    assert await reason(world, token) == "signature_invalid"
    assert {name for name, _ in world.reads} == {"system_auth"}


async def test_algorithms_of_the_senders_choosing(world: World) -> None:
    """Neither 'none' nor a shared-secret algorithm with the public key as secret gets anywhere."""
    public: Any = _private_key(world.key.pem).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = b64(orjson.dumps(part(await world.token(), 1)))
    for algorithm in ("none", "None", "HS256", "HS512", "ES256", "PS256", "RS1", "", None, 5, ["RS256"]):
        header = b64(orjson.dumps({"alg": algorithm, "kid": world.key.key_id}))
        signature = b64(hmac.new(pem, f"{header}.{claims}".encode(), hashlib.sha256).digest())
        for forged in (f"{header}.{claims}.{signature}", f"{header}.{claims}."):
            assert await reason(world, forged) in ("algorithm_not_supported", "token_unreadable")
    header = b64(orjson.dumps({"typ": "JWT", "kid": world.key.key_id}))
    assert await reason(world, f"{header}.{claims}.{signature}") == "algorithm_not_supported"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", "no_token"),
        ("garbled", "no_token"),
        ("a.b", "no_token"),
        ("a.b.c.d", "no_token"),
        ("..", "token_unreadable"),
        ("a.b.c", "token_unreadable"),
        ("é.b.c", "no_token"),
        ("\ud800.b.c", "no_token"),
        ("bnVsbA.e30.c2ln", "token_unreadable"),
        ("e30.e30.c2ln", "algorithm_not_supported"),
        ("x" * 16_385, "token_too_long"),
        (".." + "x" * 20_000, "token_too_long"),
        (b64(b'{"a":' * 2000) + ".e30.c2ln", "token_unreadable"),
        (b64(b'{"alg":"RS256","crit":["x"],"kid":"' + b"d" * 32 + b'"}') + ".e30.c2ln", "token_unreadable"),
    ],
)
async def test_texts_that_are_no_tokens(world: World, token: str, expected: str) -> None:
    """Anything else is refused, without a look at the store."""
    assert await reason(world, token) in (expected, "signature_invalid")
    assert world.reads in ([], [("system_auth", "d" * 32)] * 2)


async def test_one_altered_character(world: World) -> None:
    """A token with any part altered is refused."""
    token = await world.token()
    for index in (5, len(token) // 2, len(token) - 5):
        altered = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        await reason(world, altered)


async def test_claimed_account(world: World) -> None:
    """The header X-Auth-Account-ID must name the token's account."""
    token = await world.token()
    assert await world.room().authenticate("x-auth-token", token, MAIN)
    assert await world.room().authenticate("x-auth-token", token, "")
    assert await reason(world, token, claimed=OTHER) == "other_account_claimed"


async def test_bearer(world: World) -> None:
    """A bearer credential is a JWT, or the id of a bearer document that holds one."""
    token = await world.token()
    world.add("system_auth", _id="f" * 32, pvt_type="bearer-token", Token=token)
    for text in (token, "f" * 32):
        identity = await accepted(world, text, "bearer")
        assert (identity.kind, identity.account_id) == ("bearer", MAIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9" * 32, "bearer_unknown"),
        ("d" * 32, "bearer_unknown"),
        ("typeless", "bearer_unknown"),
        ("broken", "bearer_unreadable"),
        ("nested", "no_token"),
        ("_design/token", "no_token"),
        ("../accounts", "token_unreadable"),
        ("", "no_token"),
        ("x" * 129, "no_token"),
    ],
)
async def test_bearer_texts_that_name_nothing(world: World, text: str, expected: str) -> None:
    """Other documents of system_auth are no bearer tokens, and a bearer document holds no other's id."""
    world.add("system_auth", _id="typeless", Token=await world.token())
    world.add("system_auth", _id="broken", pvt_type="bearer-token", Token=7)
    world.add("system_auth", _id="nested", pvt_type="bearer-token", Token="broken")
    assert await reason(world, text, "bearer") == expected


async def test_other_schemes(world: World) -> None:
    """A scheme that is not known is refused."""
    assert await reason(world, await world.token(), "unknown") == "scheme_unknown"


async def test_masquerade_below(world: World) -> None:
    """A token may stand for a user of an account below its own."""
    token = await world.token(PARENT, None, claims={"as": {"account_id": MAIN, "owner_id": JOE}})
    identity = await accepted(world, token)
    assert (identity.account_id, identity.owner_id) == (MAIN, JOE)
    assert identity.claims["account_id"] == MAIN


@pytest.mark.parametrize("target", [PARENT, OTHER, "9" * 32])
async def test_masquerade_elsewhere(world: World, target: str) -> None:
    """Nobody may stand for an account above, beside or nowhere; one's own is not below either."""
    for account_id, user_id in ((MAIN, BOSS), (OTHER, None)):
        claims = {"as": {"account_id": target, "owner_id": JOE}}
        token = await world.token(account_id, user_id, claims=claims)
        assert await reason(world, token) == "masquerade_denied"


@pytest.mark.parametrize("target", [{}, {"account_id": OTHER}, {"owner_id": JOE}, "x", None, []])
async def test_half_a_masquerade_is_none(world: World, target: Any) -> None:
    """Only both ids together take somebody on."""
    assert (await accepted(world, await world.token_with({"as": target}))).account_id == MAIN


@pytest.mark.parametrize(
    "target", [{"account_id": "../x", "owner_id": JOE}, {"account_id": MAIN, "owner_id": 1}]
)
async def test_hostile_masquerade(world: World, target: Any) -> None:
    """Ids that reach a store path are checked, although they are signed."""
    assert await reason(world, await world.token_with({"as": target})) == "masquerade_unreadable"


async def test_expired_account(world: World) -> None:
    """A trial that is over is told with its end; one that ends now is not over."""
    token = await world.token()
    expires = gregorian_seconds(NOW)
    world.change(database(MAIN), MAIN, pvt_trial_expires=expires)
    assert await accepted(world, token)
    world.now += 1
    with pytest.raises(AccountExpired) as caught:
        await world.room().authenticate("x-auth-token", token)
    assert caught.value.expired_at == expires


async def test_a_disabled_account_keeps_its_tokens(world: World) -> None:
    """pvt_enabled plays no part for tokens (data.md 7.2)."""
    world.change(database(MAIN), MAIN, pvt_enabled=False)
    assert await accepted(world, await world.token())


async def test_keys_are_remembered_until_flushed(world: World) -> None:
    """The key is read once; a change message for its document makes it be read again."""
    room, token = world.room(), await world.token()
    await room.authenticate("x-auth-token", token)
    world.reads.clear()
    await room.authenticate("x-auth-token", token)
    assert not [read for read in world.reads if read[0] == "system_auth"]
    room.flush("accounts", world.key.key_id)
    room.flush("system_auth", "other")
    del world.attachments["system_auth", world.key.key_id]
    await room.authenticate("x-auth-token", token)
    room.flush("system_auth", world.key.key_id)
    with pytest.raises(InvalidCredentials):
        await room.authenticate("x-auth-token", token)


async def test_an_unreachable_store_is_no_wrong_token(world: World) -> None:
    """When the store is away, that is what is said, at whichever read it happens."""
    room, token = world.room(), await world.token()
    world.unreachable = True
    with pytest.raises(StoreUnreachable):
        await room.authenticate("x-auth-token", token)
    world.unreachable = False
    await room.authenticate("x-auth-token", token)
    world.unreachable = True
    with pytest.raises(StoreUnreachable):
        await room.authenticate("x-auth-token", token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(["x-auth-token", "bearer", "basic", "unknown"]),
    text=st.one_of(
        st.text(max_size=60),
        st.text(alphabet="aA0._-=e3/+{}", max_size=60),
        st.lists(st.binary(max_size=40).map(b64), min_size=3, max_size=3).map(".".join),
        st.dictionaries(
            st.sampled_from(["alg", "kid", "typ", "crit", "b64"]),
            st.sampled_from(["RS256", "none", "d" * 32, True, False, None, [], ["b64"], {}, 1]),
        ).map(lambda header: f"{b64(orjson.dumps(header))}.e30.c2ln"),
    ),
)
async def test_no_text_raises_anything_else(world: World, kind: str, text: str) -> None:
    """Whatever is sent as a credential ends as an AuthFailure."""
    with pytest.raises(AuthFailure):
        await world.room().authenticate(kind, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    claims=st.dictionaries(
        st.sampled_from(
            ["iss", "account_id", "owner_id", "device_id", "exp", "identity_sig", "as", "method"]
        ),
        st.recursive(
            st.sampled_from(["kazoo", MAIN, BOSS, "", 2**60, -1, 1.5, None, True]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["account_id", "owner_id"]), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    )
)
async def test_no_signed_claims_raise_anything_else(world: World, claims: dict[str, Any]) -> None:
    """Whatever a well signed token claims, it is an identity of an existing account or an AuthFailure."""
    try:
        identity = await world.room().authenticate("x-auth-token", _signed(world, claims))
    except AuthFailure:
        return
    assert identity.account_id in (PARENT, MAIN, OTHER)


async def test_a_signature_is_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was seen before costs neither an RSA operation nor a digest."""
    room, token = world.room(), await world.token()
    first = await room.authenticate("x-auth-token", token)
    monkeypatch.setattr("crossbar_conferences.auth.jwt.verified_claims", None)
    monkeypatch.setattr("crossbar_conferences.auth.tokens.matches", None)
    assert await room.authenticate("x-auth-token", token) == first


async def test_a_token_seen_before_can_be_revoked(world: World) -> None:
    """A new secret of its user, another signing key or its expiry ends it, whatever is remembered."""
    room, token = world.room(), await world.token()
    await room.authenticate("x-auth-token", token)
    world.change(database(MAIN), BOSS, pvt_signature_secret="another")
    with pytest.raises(InvalidCredentials) as caught:
        await room.authenticate("x-auth-token", token)
    assert caught.value.reason == "identity_signature_invalid"
    world.change(database(MAIN), BOSS, pvt_signature_secret="secret of boss")
    await room.authenticate("x-auth-token", token)
    world.attachments["system_auth", world.key.key_id] = generate(world.key.key_id).pem
    room.flush("system_auth", world.key.key_id)
    with pytest.raises(InvalidCredentials) as caught:
        await room.authenticate("x-auth-token", token)
    assert caught.value.reason == "signature_invalid"
