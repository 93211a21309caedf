"""Guests' tokens: signed with our own key, for guests only, and only while what they rest on holds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt as pyjwt
import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from crossbar_conferences.auth import AuthRoom, Identity, InvalidCredentials
from crossbar_conferences.auth import jwt as tokens
from crossbar_conferences.auth.guest_keys import DOCUMENT, KEEP, GuestKeys, GuestKeyUnavailable
from crossbar_conferences.auth.guests import ISSUER, MAX_SECONDS, METHOD, MIN_SECONDS, binding
from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.own import DATABASE
from crossbar_conferences.store.port import Document, StoreRefused
from tests.unit.store.test_derived import Told

from .conftest import BOSS, MAIN, NOW, OTHER, PARENT, World, database

ROOM = "e" * 32
SECONDS = 3600.0


class Time:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def keys(store: MemoryStore, time: Time) -> GuestKeys:
    return GuestKeys(store, time)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def room(world: World, keys: GuestKeys, told: Told) -> AuthRoom:
    world.add(
        database(MAIN),
        _id=ROOM,
        pvt_type="conference",
        name="Open",
        allow_shareable_link=True,
        member={"pins": ["1234", "5678"]},
        moderator={"pins": ["9999"]},
    )
    return AuthRoom(world, world, world.system(), clock=world.clock, changes=told, guest_keys=keys)


async def token_of(room: AuthRoom, world: World, seconds: float = SECONDS) -> str:
    conference = world.databases[database(MAIN)][ROOM]
    return await room.guests.token(MAIN, conference, scope="crossbar:conference_join", seconds=seconds)


async def reason(room: AuthRoom, token: str, kind: str = "x-auth-token") -> str:
    try:
        await room.authenticate(kind, token)
    except InvalidCredentials as failure:
        return failure.reason
    return ""


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_guest_is_known_by_its_token(world: World, room: AuthRoom) -> None:
    """It stands for nobody, and for one conference; nothing in it is or gives away a PIN."""
    token = await token_of(room, world)
    for kind in ("x-auth-token", "bearer"):
        identity = await room.authenticate(kind, token)
        assert (identity.account_id, identity.owner_id, identity.conference_id) == (MAIN, None, ROOM)
        assert (identity.is_guest, identity.method) == (True, METHOD)
        assert identity.expires_at == NOW + SECONDS
    claims = claims_of(token)
    assert not {"1234", "5678", "9999", BOSS} & {str(value) for value in claims.values()}
    assert "pin_number" not in claims
    with pytest.raises(InvalidCredentials, match="other account claimed"):
        await room.authenticate("x-auth-token", token, OTHER)


async def test_a_scope_may_be_any_stored_text(world: World, room: AuthRoom) -> None:
    """Half a surrogate pair in the operator's setting is no error, and the token is as good as any."""
    conference = world.databases[database(MAIN)][ROOM]
    token = await room.guests.token(MAIN, conference, scope="a\ud800", seconds=SECONDS)
    assert (await room.authenticate("bearer", token)).scope == "a?"


async def test_kazoo_has_no_use_for_it(world: World, room: AuthRoom) -> None:
    """Another algorithm, looked at first, so that Kazoo makes no key of that name; another issuer."""
    token = await token_of(room, world)
    header = pyjwt.get_unverified_header(token)
    assert header["alg"] not in tokens.ALGORITHMS
    assert header["kid"] not in world.databases["system_auth"]
    assert claims_of(token)["iss"] == ISSUER != "kazoo"
    key = load_pem_private_key(world.key.pem, None)
    with pytest.raises(InvalidCredentials):
        tokens.verified_claims(token, key.public_key())  # type: ignore[arg-type]
    assert await reason(world.room(), token) == "algorithm_not_supported"


ENDS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "not shareable": (MAIN, ROOM, {"allow_shareable_link": False}),
    "shareable in a way": (MAIN, ROOM, {"allow_shareable_link": "true"}),
    "another PIN": (MAIN, ROOM, {"member": {"pins": ["1234", "5679"]}}),
    "one PIN fewer": (MAIN, ROOM, {"member": {"pins": ["1234"]}}),
    "one PIN more": (MAIN, ROOM, {"member": {"pins": ["1234", "5678", "1"]}}),
    "no PINs": (MAIN, ROOM, {"member": {"pins": []}}),
    "no members": (MAIN, ROOM, {"member": None}),
    "conference deleted": (MAIN, ROOM, {"pvt_deleted": True}),
    "no conference any more": (MAIN, ROOM, {"pvt_type": "device"}),
    "account disabled": (MAIN, MAIN, {"pvt_enabled": False}),
    "account not enabled": (MAIN, MAIN, {"enabled": False}),
    "account deleted": (MAIN, MAIN, {"pvt_deleted": True}),
    "trial over": (MAIN, MAIN, {"pvt_trial_expires": gregorian_seconds(NOW) - 1}),
}


@pytest.mark.parametrize("kazoos", [False, True], ids=["ours", "Kazoo's"])
@pytest.mark.parametrize("why", ENDS)
async def test_what_ends_a_guests_token(
    world: World, room: AuthRoom, told: Told, why: str, kazoos: bool
) -> None:
    """With the change message: nothing that was decided before it counts; taken back, it holds again."""
    account, doc_id, fields = ENDS[why]
    if kazoos and why == "one PIN fewer":
        fields = {"member": {"pins": ["5678"]}}
    given = {"conference_id": ROOM, "pin_number": "1234", "method": METHOD}
    token = await world.token(MAIN, None, claims=given) if kazoos else await token_of(room, world)
    assert await reason(room, token) == ""
    before = dict(world.databases[database(account)][doc_id])
    world.change(database(account), doc_id, **fields)
    told.tell(database(account))
    if kazoos and why in ("another PIN", "one PIN more"):
        # Kazoo's names one PIN, which is still one of them.
        assert await reason(room, token) == ""
        return
    try:
        assert await reason(room, token) != ""
    except Exception as error:
        assert kazoos, error
        assert type(error).__name__ == "AccountExpired"
    world.databases[database(account)][doc_id] = before
    told.tell(database(account))
    assert await reason(room, token) == ""


async def test_what_does_not_end_it(world: World, room: AuthRoom, told: Told) -> None:
    """Other fields, and the same PINs in another order."""
    token = await token_of(room, world)
    world.change(database(MAIN), ROOM, name="Other", member={"pins": ["5678", "1234"], "join_muted": True})
    told.tell(database(MAIN))
    assert await reason(room, token) == ""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(3600, 3600), (1, MIN_SECONDS), (0, MAX_SECONDS), (-5, MAX_SECONDS), (10**15, MAX_SECONDS)],
)
async def test_it_ends_by_itself(world: World, room: AuthRoom, seconds: float, expected: float) -> None:
    """After the time that Kazoo's settings give; never after more than a week."""
    token = await token_of(room, world, seconds)
    assert claims_of(token)["exp"] == NOW + expected
    world.now = NOW + expected - 1
    assert await reason(room, token) == ""
    world.now = NOW + expected
    assert await reason(room, token) == "token_expired"


def forge(claims: Mapping[str, Any], secret: bytes, key_id: str) -> str:
    """A token of our algorithm, without the care that the library takes for the secret."""
    header, payload = (
        base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode()
        for part in ({"alg": tokens.OWN_ALGORITHM, "kid": key_id, "typ": "JWT"}, claims)
    )
    signature = hmac.new(secret, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def signed(keys: GuestKeys, claims: Mapping[str, Any]) -> str:
    key = await keys.signing()
    return tokens.encode_own(claims, key.secret, key.key_id)


@pytest.mark.parametrize(
    "change",
    [
        {"owner_id": BOSS},
        {"owner_id": None},
        {"device_id": BOSS},
        {"as": {"account_id": MAIN, "owner_id": BOSS}},
        {"identity_sig": "x"},
        {"original_account_id": PARENT},
        {"iss": "kazoo"},
        {"iss": None},
        {"method": "cb_user_auth"},
        {"conference_id": None},
        {"conference_id": ""},
        {"conference_id": "../x"},
        {"conference_id": "_design/x"},
        {"conference_id": {"$gt": ""}},
        {"conference_id": "d" * 32},
        {"account_id": "x"},
        {"account_id": OTHER},
        {"account_id": None},
        {"account_id": [MAIN]},
        {"binding": None},
        {"binding": 7},
        {"binding": "é"},
        {"binding": ""},
        {"exp": None},
        {"exp": "9" * 12},
        {"exp": True},
    ],
)
async def test_our_key_makes_guests_only(
    world: World, room: AuthRoom, keys: GuestKeys, change: dict[str, Any]
) -> None:
    """Whoever has the key, and signs a user, another account or no end with it, is refused."""
    good = claims_of(await token_of(room, world))
    assert await reason(room, await signed(keys, {**good, **change})) != ""
    missing = {name: value for name, value in good.items() if name not in change}
    if len(missing) < len(good):
        assert await reason(room, await signed(keys, missing)) == "guest_claims_unexpected"


async def test_neither_keys_nor_algorithms_are_mistaken_for_one_another(
    world: World, room: AuthRoom, keys: GuestKeys
) -> None:
    """Our algorithm with Kazoo's key or id, Kazoo's algorithm with ours, unsigned ones: all refused."""
    key = await keys.signing()
    private: Any = load_pem_private_key(world.key.pem, None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = claims_of(await token_of(room, world))
    user = {"iss": "kazoo", "account_id": MAIN, "exp": int(NOW) + 60}
    assert await reason(room, forge(good, key.secret, key.key_id)) == ""
    for claims in (good, user, {**user, "conference_id": ROOM}):
        for secret, key_id in (
            (public, world.key.key_id),
            (public, key.key_id),
            (world.key.pem, key.key_id),
            (b"", key.key_id),
            (key.secret, world.key.key_id),
            (key.secret, key.key_id.upper()),
            (key.secret.hex().encode(), key.key_id),
        ):
            forged = forge(claims, secret, key_id)
            assert await reason(room, forged) in ("guest_key_unknown", "signature_invalid")
        for key_id in (key.key_id, DOCUMENT):
            assert await reason(room, tokens.encode(claims, private, key_id)) == "signing_key_unknown"
        for algorithm in ("HS384", "HS512"):
            forged = pyjwt.PyJWS().encode(
                orjson.dumps(claims), key.secret * 2, algorithm=algorithm, headers={"kid": key.key_id}
            )
            assert await reason(room, forged) == "algorithm_not_supported"
    # Kazoo's key makes no token of our issuer.
    assert await reason(room, tokens.encode(good, private, world.key.key_id)) == "issuer_not_supported"


@pytest.mark.parametrize("given", ["", 7, [ROOM], {"id": ROOM}, "../x", "_design/x", "d" * 32])
async def test_a_conference_token_of_kazoos_that_names_none(world: World, room: AuthRoom, given: Any) -> None:
    """It is not taken for a user's."""
    token = await world.token(claims={"conference_id": given, "pin_number": "1234"})
    assert await reason(room, token) == "guest_conference_closed"


@pytest.mark.parametrize("pin", [None, "", "0000", "9999", 1234, ["1234"]])
async def test_a_conference_token_of_kazoos_with_another_pin(world: World, room: AuthRoom, pin: Any) -> None:
    """Its PIN has to be one of the members'."""
    given = {"conference_id": ROOM} if pin is None else {"conference_id": ROOM, "pin_number": pin}
    assert await reason(room, await world.token(MAIN, None, claims=given)) == "guest_pins_changed"


async def test_a_guest_costs_no_read_twice(world: World, room: AuthRoom, store: MemoryStore) -> None:
    """The second time from memory, like other tokens."""
    token = await token_of(room, world)
    await room.authenticate("x-auth-token", token)
    reads, requests = len(world.reads), store.counters.requests
    await room.authenticate("x-auth-token", token)
    assert (len(world.reads), store.counters.requests) == (reads, requests)
    assert room.valid_until("x-auth-token", token) == NOW + SECONDS


def test_the_digest_of_what_it_rests_on() -> None:
    """Any part that differs makes another one; stored PINs may be any text."""
    usual = binding(b"k", MAIN, ROOM, ["1", "2"])
    assert binding(b"k", MAIN, ROOM, ["2", "1", "2"]) == usual
    others = [
        binding(b"l", MAIN, ROOM, ["1", "2"]),
        binding(b"k", OTHER, ROOM, ["1", "2"]),
        binding(b"k", MAIN, "f" * 32, ["1", "2"]),
        binding(b"k", MAIN, ROOM, ["12"]),
        binding(b"k", MAIN, ROOM, ['1","2']),
        binding(b"k", MAIN, ROOM, ["\ud800"]),
    ]
    assert len({usual, *others}) == 7


async def test_of_many_that_make_a_key_one_wins(store: MemoryStore) -> None:
    """Hosts that need it at the same moment all end with the same one, also without a database yet."""
    hosts = [GuestKeys(store, Time()) for _ in range(8)]
    found = await asyncio.gather(*(host.signing() for host in hosts))
    assert len({key.key_id for key in found}) == 1
    stored = await store.get(DATABASE, DOCUMENT)
    assert stored["secret"] == found[0].secret.hex()
    assert "secret" not in repr(found[0])


class Late(MemoryStore):
    """A store where another host writes the key between our look and our write."""

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        try:
            return await super().get(database, doc_id)
        finally:
            if doc_id == DOCUMENT and self.rival is not None:
                rival, self.rival = self.rival, None
                await rival.signing()

    rival: GuestKeys | None = None


async def test_a_key_that_another_host_makes_meanwhile_is_ours(time: Time) -> None:
    """The write is a conflict, and the other's key is read."""
    store = Late()
    rival, ours = GuestKeys(store, time), GuestKeys(store, time)
    store.rival = rival
    assert await ours.signing() == await rival.signing()


class Refusing(MemoryStore):
    """A store that lets nobody write, or read, our own database."""

    reads = True

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        if database == DATABASE and not self.reads:
            raise StoreRefused("no right to read")
        return await super().get(database, doc_id)

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        if database == DATABASE:
            raise StoreRefused("no right to write")
        return await super().put(database, document)

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        raise StoreRefused("no right to make databases")


@pytest.mark.parametrize("reads", [True, False])
async def test_where_our_database_is_refused_there_are_no_guests(world: World, reads: bool) -> None:
    """No token is made, and none is taken; users come in all the same."""
    store = Refusing()
    store.reads = reads
    keys = GuestKeys(store, Time())
    room = AuthRoom(world, world, world.system(), clock=world.clock, guest_keys=keys)
    with pytest.raises(GuestKeyUnavailable):
        await room.guests.ready()
    with pytest.raises(GuestKeyUnavailable):
        await room.guests.token(MAIN, {"_id": ROOM}, scope="", seconds=60)
    forged = tokens.encode_own({"iss": ISSUER}, b"k" * 32, "f" * 32)
    assert await reason(room, forged) == "guest_key_unknown"
    assert (await room.authenticate("x-auth-token", await world.token())).owner_id == BOSS
    with pytest.raises(GuestKeyUnavailable):
        await world.room().guests.ready()


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "short"},
        {"secret": "x" * 64},
        {"secret": None},
        {"secret": 7},
        {"key_id": None},
        {"key_id": "x"},
        {"pvt_type": "reservation"},
    ],
)
async def test_a_document_that_holds_no_key(store: MemoryStore, time: Time, change: Any) -> None:
    """Nothing is signed with less than a whole key, and nothing is written over."""
    await GuestKeys(store, time).signing()
    stored = await store.get(DATABASE, DOCUMENT)
    await store.put(DATABASE, {**stored, **change})
    with pytest.raises(GuestKeyUnavailable):
        await GuestKeys(store, time).signing()
    assert await GuestKeys(store, time).named(stored["key_id"]) is None


async def test_rotation(
    world: World, room: AuthRoom, store: MemoryStore, keys: GuestKeys, time: Time
) -> None:
    """Once the document is removed the old tokens end within a minute, and a new key is made."""
    old = await token_of(room, world)
    stored = await store.get(DATABASE, DOCUMENT)
    await store.delete(DATABASE, DOCUMENT, stored["_rev"])
    time.now += KEEP
    fresh = await token_of(room, world)
    assert pyjwt.get_unverified_header(fresh)["kid"] != pyjwt.get_unverified_header(old)["kid"]
    assert await reason(room, fresh) == ""
    assert await reason(room, old) == "guest_key_unknown"


async def test_another_hosts_new_key_is_known_at_once(store: MemoryStore, time: Time) -> None:
    """Whoever is shown a key that it does not know looks again; endless unknown ones share a look."""
    ours, other = GuestKeys(store, time), GuestKeys(store, time)
    first = await ours.signing()
    stored = await store.get(DATABASE, DOCUMENT)
    await store.delete(DATABASE, DOCUMENT, stored["_rev"])
    second = await other.signing()
    assert second != first
    assert await ours.named(second.key_id) == second
    assert await ours.named(first.key_id) is None
    before = store.counters.requests
    await asyncio.gather(*(ours.named(f"{number:032x}") for number in range(500)))
    assert store.counters.requests - before <= 2
    for odd in (None, 7, "", "x" * 32, "../x", {"a": 1}, "F" * 32):
        assert await ours.named(odd) is None
    assert store.counters.requests - before <= 2


def test_only_what_names_a_conference_is_a_guest() -> None:
    """Others are users."""
    assert not Identity(MAIN, BOSS, "x-auth-token", {}).is_guest
    assert Identity(MAIN, BOSS, "x-auth-token", {"conference_id": ROOM}).is_guest
