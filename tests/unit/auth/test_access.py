from __future__ import annotations

import pytest

from crossbar_conferences.auth import AccessDenied, TokenRestricted
from crossbar_conferences.auth.access import account_tree, may_access, may_pass_proxies

from .conftest import BOSS, MAIN, OTHER, PARENT, World, database

ROOT = {"_id": "r", "pvt_tree": []}
MIDDLE = {"_id": "m", "pvt_tree": ["r"]}
LEAF = {"_id": "l", "pvt_tree": ["r", "m"]}
SIDE = {"_id": "s", "pvt_tree": ["r"]}


@pytest.mark.parametrize(
    ("caller", "requested", "expected"),
    [
        (LEAF, LEAF, True),
        (MIDDLE, LEAF, True),
        (ROOT, LEAF, True),
        (LEAF, MIDDLE, False),
        (SIDE, LEAF, False),
        (MIDDLE, SIDE, False),
        ({**SIDE, "pvt_superduper_admin": True}, LEAF, True),
        ({**SIDE, "pvt_superduper_admin": "true"}, LEAF, False),
    ],
)
def test_account_tree(caller: dict[str, object], requested: dict[str, object], expected: bool) -> None:
    """One's own account and all below; never above or beside; a superduper admin everywhere."""
    assert may_access(caller, requested) is expected


@pytest.mark.parametrize("tree", [None, "r", {"r": 1}, 5])
def test_a_broken_tree_grants_nothing(tree: object) -> None:
    """A document without a readable tree lies under nobody."""
    assert account_tree({"_id": "l", "pvt_tree": tree}) == ()


def test_proxies() -> None:
    """Every address that a request passed must be allowed; without a list none is."""
    assert may_pass_proxies(["1.1.1.1", "2.2.2.2"], ["2.2.2.2"])
    assert not may_pass_proxies(["1.1.1.1"], ["1.1.1.1", "3.3.3.3"])
    assert not may_pass_proxies(None, ["1.1.1.1"])


async def test_authorize(world: World) -> None:
    """A caller reaches the accounts that the tree gives, and no others."""
    room = world.room()
    main = await room.authenticate("x-auth-token", await world.token())
    parent = await room.authenticate("x-auth-token", await world.token(PARENT, None))
    documents = {name: await room.account(name) for name in (PARENT, MAIN, OTHER)}
    allowed = {(main, MAIN), (parent, PARENT), (parent, MAIN)}
    for caller in (main, parent):
        for account_id, document in documents.items():
            assert document is not None
            if any(caller is who and account_id == where for who, where in allowed):
                await room.authorize(caller, document, "GET")
            else:
                with pytest.raises(AccessDenied) as caught:
                    await room.authorize(caller, document, "GET")
                assert caught.value.cause is None


async def test_accounts_of_a_path(world: World) -> None:
    """Only 32 safe characters that name a live account are one."""
    room = world.room()
    assert (await room.account(MAIN) or {})["_id"] == MAIN
    for account_id in ("abc", "9" * 32, "../" * 10 + "ab", "_design/aaaaaaaaaaaaaaaaaaaaaaaa", ""):
        assert await room.account(account_id) is None
    world.change(database(MAIN), MAIN, pvt_deleted=True)
    assert await room.account(MAIN) is None


async def test_ignored_modules_let_nobody_in(world: World) -> None:
    """When the account tree must not judge the resource, nobody may (data.md 7.2)."""
    world.add("system_config", _id="crossbar", default={"simple_authz_ignored_modules": ["conferences"]})
    room = world.room()
    identity = await room.authenticate("x-auth-token", await world.token())
    account = await room.account(MAIN)
    assert account is not None
    with pytest.raises(AccessDenied):
        await room.authorize(identity, account, "GET")


async def test_restrictions_spare_the_superduper_admin(world: World) -> None:
    """Restrictions bind everybody but the superduper admin's account."""
    world.add("system_config", _id="crossbar.token_restrictions", default={"_": {"_": {}}})
    room = world.room()
    identity = await room.authenticate("x-auth-token", await world.token())
    account = await room.account(MAIN)
    assert account is not None
    with pytest.raises(TokenRestricted) as caught:
        await room.authorize(identity, account, "GET")
    assert caught.value.cause == "access denied by token restrictions"
    world.change(database(MAIN), MAIN, pvt_superduper_admin=True)
    await room.authorize(identity, account, "GET")


async def test_originating_proxy(world: World) -> None:
    """A token that asks for it is only good through the proxies of its user, else of its account."""
    room = world.room()
    plain = await room.authenticate("x-auth-token", await world.token())
    await room.check_proxies(plain, ["9.9.9.9"])
    bound = await room.authenticate(
        "x-auth-token", await world.token_with({"should_check_originating_proxy": True})
    )
    with pytest.raises(AccessDenied):
        await room.check_proxies(bound, ["1.1.1.1"])
    world.change(database(MAIN), MAIN, allowed_proxy_ips=["1.1.1.1"])
    await room.check_proxies(bound, ["1.1.1.1"])
    world.change(database(MAIN), BOSS, allowed_proxy_ips=["2.2.2.2"])
    with pytest.raises(AccessDenied):
        await room.check_proxies(bound, ["1.1.1.1"])
