"""Tokens that were checked before: taken without a read, until anything that they rest on changes."""

from __future__ import annotations

import pytest

from crossbar_conferences.auth import AccountExpired, AuthRoom, InvalidCredentials, SystemConfig
from crossbar_conferences.clock import gregorian_seconds
from tests.unit.store.test_derived import Told

from .conftest import BOSS, MAIN, NOW, PARENT, World, database


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def room(world: World, told: Told) -> AuthRoom:
    system = SystemConfig(world, "crossbar_conferences@host", "east", told)
    return AuthRoom(world, world, system, clock=world.clock, changes=told)


async def test_a_known_token_costs_no_read(world: World, room: AuthRoom) -> None:
    """The second time it is the same identity, from memory; another claim is another question."""
    token = await world.token()
    first = await room.authenticate("x-auth-token", token)
    world.reads.clear()
    assert await room.authenticate("x-auth-token", token) is first
    assert world.reads == []
    assert room.valid_until("x-auth-token", token) == NOW + 3600
    assert room.valid_until("bearer", token) is None
    with pytest.raises(InvalidCredentials, match="other account claimed"):
        await room.authenticate("x-auth-token", token, PARENT)


@pytest.mark.parametrize(
    ("where", "doc_id", "fields", "reason"),
    [
        (database(MAIN), MAIN, {"pvt_deleted": True}, "account_unknown"),
        (database(MAIN), BOSS, {"pvt_deleted": True}, "identity_unknown"),
        (database(MAIN), BOSS, {"pvt_signature_secret": "another"}, "identity_signature_invalid"),
        (
            "system_config",
            "auth",
            {"default": {"secret_for_user_signature": "x"}},
            "identity_signature_invalid",
        ),
        ("system_auth", "d" * 32, {"pvt_deleted": True}, "signing_key_unknown"),
    ],
)
async def test_what_is_taken_back_is_refused_at_once(
    world: World, room: AuthRoom, told: Told, where: str, doc_id: str, fields: dict[str, object], reason: str
) -> None:
    """An account or user deleted, a secret changed, a key withdrawn: as soon as that is heard."""
    token = await world.token()
    await room.authenticate("x-auth-token", token)
    world.change(where, doc_id, **fields)
    room.flush(where, doc_id)
    told.tell(where)
    assert room.valid_until("x-auth-token", token) is None
    with pytest.raises(InvalidCredentials) as caught:
        await room.authenticate("x-auth-token", token)
    assert caught.value.reason == reason


async def test_time_needs_no_message(world: World, room: AuthRoom) -> None:
    """A token's own end, and the end of its account's trial, are looked at each time."""
    trial = await world.token()
    world.change(database(MAIN), MAIN, pvt_trial_expires=gregorian_seconds(NOW) + 60)
    await room.authenticate("x-auth-token", trial)
    assert room.valid_until("x-auth-token", trial) == NOW + 60
    world.now = NOW + 61
    with pytest.raises(AccountExpired):
        await room.authenticate("x-auth-token", trial)
    world.change(database(MAIN), MAIN, pvt_trial_expires=None)
    world.now = NOW
    short = await world.token_with({"exp": int(NOW) + 5})
    await room.authenticate("x-auth-token", short)
    world.now = NOW + 5
    with pytest.raises(InvalidCredentials, match="token expired"):
        await room.authenticate("x-auth-token", short)


async def test_a_masquerade_rests_on_both_accounts(world: World, room: AuthRoom, told: Told) -> None:
    """Taking on an account below stays right only while that account and its place in the tree do."""
    token = await world.token(PARENT, None, claims={"as": {"account_id": MAIN, "owner_id": BOSS}})
    assert (await room.authenticate("x-auth-token", token)).account_id == MAIN
    world.change(database(MAIN), MAIN, pvt_tree=[])
    told.tell(database(MAIN))
    with pytest.raises(InvalidCredentials, match="masquerade denied"):
        await room.authenticate("x-auth-token", token)


async def test_a_refusal_is_not_remembered(world: World, room: AuthRoom) -> None:
    """A user that appears after its token was refused gets in, message or no message."""
    token = await world.token()
    user = world.databases[database(MAIN)].pop(BOSS)
    with pytest.raises(InvalidCredentials):
        await room.authenticate("x-auth-token", token)
    world.databases[database(MAIN)][BOSS] = user
    assert (await room.authenticate("x-auth-token", token)).owner_id == BOSS
