from __future__ import annotations

import base64
import hashlib

import pytest

from crossbar_conferences.auth import AccountDisabled, AccountExpired, InvalidCredentials

from .conftest import BOSS, JOE, MAIN, PARENT, World, database

MD5 = hashlib.md5(b"boss:password").hexdigest()
SHA1 = hashlib.sha1(b"boss:password").hexdigest()


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def refused(world: World, text: str) -> str:
    with pytest.raises(InvalidCredentials) as caught:
        await world.room().authenticate("basic", text)
    return caught.value.reason


async def test_md5_is_the_default(world: World) -> None:
    """The account's id and the MD5 of name and password stand for the user."""
    identity = await world.room().authenticate("basic", basic(f"{MAIN}:{MD5}"))
    assert (identity.account_id, identity.owner_id, identity.kind) == (MAIN, BOSS, "basic")
    assert identity.method == "cb_basic_auth"


@pytest.mark.parametrize("kind", ["sha", "sha1"])
async def test_sha1_by_setting(world: World, kind: str) -> None:
    """With the other type the SHA-1 is wanted, and only it."""
    world.add("system_config", _id="crossbar.auth", default={"basic_auth_type": kind})
    assert (await world.room().authenticate("basic", basic(f"{MAIN}:{SHA1}"))).owner_id == BOSS
    assert await refused(world, basic(f"{MAIN}:{MD5}")) == "hash_unreadable"


async def test_plain_by_the_parents_setting(world: World) -> None:
    """Any other type takes name and password; an account inherits the setting of those above it."""
    world.add(database(PARENT), _id="configs_crossbar.auth", basic_auth_type="plain")
    room = world.room()
    assert (await room.authenticate("basic", basic(f"{MAIN}:Boss:password"))).owner_id == BOSS
    for wrong in ("boss:Password", "boss", "boss:", ":password"):
        assert await refused(world, basic(f"{MAIN}:{wrong}")) == "user_unknown"
    world.add(database(MAIN), _id="configs_crossbar.auth", basic_auth_type="md5")
    assert (await room.authenticate("basic", basic(f"{MAIN}:{MD5}"))).owner_id == BOSS


async def test_a_reseller_ends_the_inheritance(world: World) -> None:
    """Settings above the account's reseller do not count."""
    world.add(database(PARENT), _id="configs_crossbar.auth", basic_auth_type="plain")
    world.change(database(MAIN), MAIN, pvt_reseller_id=MAIN)
    assert (await world.room().authenticate("basic", basic(f"{MAIN}:{MD5}"))).owner_id == BOSS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "credentials_unreadable"),
        ("!!!", "credentials_unreadable"),
        ("é", "credentials_unreadable"),
        ("\ud800", "credentials_unreadable"),
        (base64.b64encode(b"\xff:\xff").decode(), "credentials_unreadable"),
        (basic(MAIN), "credentials_unreadable"),
        (basic(f"{MAIN}:"), "credentials_unreadable"),
        (basic(f"boss:{MD5}"), "credentials_unreadable"),
        (basic(f"_design/aaaaaaaaaaaaaaaaaaaaaaaa:{MD5}"), "credentials_unreadable"),
        (basic(f"{'9' * 32}:{MD5}"), "account_unknown"),
        (basic(f"{PARENT}:{MD5}"), "user_unknown"),
        (basic(f"{MAIN}:{'0' * 32}"), "user_unknown"),
        (basic(f"{MAIN}:{MD5.upper()}"), "user_unknown"),
        (basic(f"{MAIN}:short"), "hash_unreadable"),
        ("A" * 2049, "credentials_too_long"),
    ],
)
async def test_wrong_credentials(world: World, text: str, expected: str) -> None:
    """Anything that is not exactly one enabled user's hash is refused."""
    assert await refused(world, text) == expected


async def test_two_users_with_one_hash(world: World) -> None:
    """Exactly one user must fit."""
    world.change(database(MAIN), JOE, pvt_md5_auth=MD5)
    assert await refused(world, basic(f"{MAIN}:{MD5}")) == "user_unknown"


async def test_a_disabled_user(world: World) -> None:
    """A user that is disabled, deleted, or has a new password is refused at once, remembered or not."""
    room, text = world.room(), basic(f"{MAIN}:{MD5}")
    for change in ({"enabled": False}, {"pvt_deleted": True}, {"pvt_md5_auth": "0" * 32}):
        original = dict(world.databases[database(MAIN)][BOSS])
        await room.authenticate("basic", text)
        world.change(database(MAIN), BOSS, **change)
        with pytest.raises(InvalidCredentials):
            await room.authenticate("basic", text)
        world.databases[database(MAIN)][BOSS] = original


async def test_a_closed_account_is_told_to_its_users_only(world: World) -> None:
    """Disabled and expired accounts answer so, but only to right credentials."""
    world.change(database(MAIN), MAIN, pvt_enabled=False)
    with pytest.raises(AccountDisabled):
        await world.room().authenticate("basic", basic(f"{MAIN}:{MD5}"))
    assert await refused(world, basic(f"{MAIN}:{'0' * 32}")) == "user_unknown"
    world.change(database(MAIN), MAIN, pvt_trial_expires=63_000_000_000)
    with pytest.raises(AccountExpired):
        await world.room().authenticate("basic", basic(f"{MAIN}:{MD5}"))


async def test_the_view_is_asked_once(world: World) -> None:
    """The user of a hash is remembered until its document changes."""
    room, text = world.room(), basic(f"{MAIN}:{MD5}")

    async def asked() -> int:
        world.reads.clear()
        await room.authenticate("basic", text)
        return world.reads.count((database(MAIN), "users_by_md5"))

    assert [await asked(), await asked()] == [1, 0]
    room.flush(database(MAIN), JOE)
    room.flush(database(PARENT), BOSS)
    assert await asked() == 0
    room.flush(database(MAIN), BOSS)
    assert await asked() == 1
    room.flush_all()
    assert await asked() == 1
