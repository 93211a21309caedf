"""Scope restrictions as Kazoo 5 enforces them: what a user's scopes say lies over what tokens may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.auth import AuthRoom, Identity, TokenRestricted
from crossbar_conferences.auth.restrictions import Access, allows
from crossbar_conferences.auth.scopes import MAX_NAMED, laid_over, merged

from .conftest import BOSS, JOE, MAIN, OTHER, PARENT, World, database

READ_ONLY = {"_": [{"rules": {"#": ["GET"]}}]}
ALL = {"_": [{"rules": {"#": ["_"]}}]}
NOTHING: dict[str, Any] = {"conferences": [{"rules": {}}]}


def scope(world: World, name: str, restrictions: Any, account: str = MAIN, **more: Any) -> None:
    """A document that users may name."""
    document = {"_id": name, "pvt_type": "scope_restriction", "token_restrictions": restrictions, **more}
    world.add(database(account), **document)


def name(world: World, *names: Any, user: str = JOE, account: str = MAIN) -> None:
    """Restrict a user by scopes."""
    world.change(database(account), user, scope_restrictions=list(names))


async def may(
    world: World,
    verb: str = "PUT",
    *arguments: str,
    claims: dict[str, Any] | None = None,
    user: str | None = JOE,
    account: str = MAIN,
    requested: str = MAIN,
    room: AuthRoom | None = None,
) -> bool:
    """Whether a token of a user may do something to conferences."""
    given = {"method": "cb_user_auth", "scope": "api:x"} if claims is None else claims
    found = world.databases[database(requested)][requested]
    try:
        await (room or world.room()).authorize(
            Identity(account, user, "x-auth-token", given), found, verb, arguments
        )
    except TokenRestricted as refused:
        assert refused.cause == "access denied by token restrictions"
        return False
    return True


async def test_a_user_who_may_only_read(world: World) -> None:
    """The document that the user names restricts a token with a scope, and no token without."""
    scope(world, "api:ro", READ_ONLY)
    name(world, "api:ro")
    assert await may(world, "GET")
    for verb in ("PUT", "POST", "PATCH", "DELETE"):
        assert not await may(world, verb, "c")
        assert not await may(world, verb, "c", "participants", "1")
    for claims in ({"method": "cb_user_auth"}, {"scope": ""}, {"scope": None}):
        assert await may(world, claims=claims)
    # What Kazoo reads as a text that is not empty.
    for odd in ("a b  c", " ", 7, ["api:x"], True):
        assert not await may(world, claims={"scope": odd})
    assert await may(world, user=BOSS)
    assert await may(world, user=None)


async def test_what_scopes_say_lies_over_the_restrictions_of_tokens(world: World) -> None:
    """By endpoint: the scope's own wins, others stay; the level is chosen before."""
    levels = {"user": {"conferences": [{"rules": {"#": ["GET"]}}], "_": [{"rules": {"#": ["_"]}}]}}
    world.add(database(MAIN), _id="token_restrictions", pvt_type="token_restrictions",
              restrictions={"_": levels})  # fmt: skip
    assert not await may(world)
    scope(world, "api:wide", {"conferences": [{"rules": {"#": ["PUT"]}}]})
    name(world, "api:wide")
    assert await may(world)
    assert not await may(world, "GET")
    scope(world, "api:wide", READ_ONLY)
    assert await may(world, "GET")
    assert not await may(world)


async def test_the_first_named_comes_before_the_next(world: World) -> None:
    """Several are merged by endpoint; names are in the user's order, not the token's."""
    scope(world, "api:none", NOTHING)
    scope(world, "api:all", {"conferences": [{"rules": {"#": ["_"]}}]})
    name(world, "api:none", "api:all")
    assert not await may(world, claims={"scope": "api:all api:none"})
    name(world, "api:all", "api:none")
    assert await may(world, claims={"scope": "api:none"})
    scope(world, "api:other", {"users": []})
    name(world, "api:other", "api:none")
    assert not await may(world)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"pvt_type": "conference"},
        {"pvt_type": None},
        {"pvt_deleted": True},
        {"token_restrictions": []},
        {"token_restrictions": "x"},
        {"token_restrictions": None},
        {"token_restrictions": {}},
        {"token_restrictions": {"conferences": None}},
    ],
)
async def test_documents_that_say_nothing(world: World, document: dict[str, Any] | None) -> None:
    """One that is missing, deleted, of another kind or without restrictions is passed over."""
    if document is not None:
        scope(world, "api:x", NOTHING)
        world.change(database(MAIN), "api:x", **document)
    name(world, "api:x")
    assert await may(world)
    scope(world, "api:ro", READ_ONLY)
    name(world, "api:x", "api:ro", 7, None, {}, "_design/x", "../a", "x/y", "")
    assert await may(world, "GET")
    assert not await may(world)


@pytest.mark.parametrize("named", [None, "api:ro", {"api:ro": True}, 7, []])
async def test_users_that_name_nothing(world: World, named: Any) -> None:
    """Only a list names anything."""
    scope(world, "api:ro", NOTHING)
    world.change(database(MAIN), JOE, scope_restrictions=named)
    assert await may(world)


async def test_too_many_names_are_refused(world: World) -> None:
    """Each costs a read: more than any operator gives are not read, and let nobody in."""
    name(world, *(f"api:{number}" for number in range(MAX_NAMED + 1)))
    before = len(world.reads)
    assert not await may(world)
    assert len(world.reads) - before < 10


async def test_whose_documents_count(world: World) -> None:
    """Those of the token's account, whichever account the path names."""
    parent_user = "3" * 32
    world.add(database(PARENT), _id=parent_user, pvt_type="user", priv_level="admin")
    scope(world, "api:ro", NOTHING, account=MAIN)
    scope(world, "api:ro", READ_ONLY, account=PARENT)
    name(world, "api:ro", user=parent_user, account=PARENT)
    assert await may(world, "GET", user=parent_user, account=PARENT)
    assert not await may(world, "PUT", user=parent_user, account=PARENT)
    below = {"_": [{"allowed_accounts": ["{DESCENDANT_ACCOUNT_ID}"], "rules": {"#": ["_"]}}]}
    scope(world, "api:below", below, account=PARENT)
    name(world, "api:below", user=parent_user, account=PARENT)
    assert await may(world, user=parent_user, account=PARENT)
    assert not await may(world, user=parent_user, account=PARENT, requested=PARENT)


async def test_the_clusters_master_is_not_spared(world: World) -> None:
    """Restrictions of tokens do not bind the master's account; those of scopes do, as in Kazoo."""
    user = "3" * 32
    world.change(database(OTHER), OTHER, pvt_superduper_admin=True)
    world.add(database(OTHER), _id=user, pvt_type="user", priv_level="user")
    world.add(database(OTHER), _id="token_restrictions", pvt_type="token_restrictions",
              restrictions={"_": {"_": {}}})  # fmt: skip
    assert await may(world, user=user, account=OTHER)
    scope(world, "api:ro", READ_ONLY, account=OTHER)
    name(world, "api:ro", user=user, account=OTHER)
    assert await may(world, "GET", user=user, account=OTHER)
    assert not await may(world, user=user, account=OTHER)


RULES = st.dictionaries(st.sampled_from(["#", "*", "/"]), st.lists(st.sampled_from(["GET", "PUT", "_"])))
ENTRIES = st.lists(st.fixed_dictionaries({"rules": RULES}), max_size=2)
LEVELS = st.dictionaries(st.sampled_from(["conferences", "_", "users"]), st.none() | ENTRIES)


@given(st.lists(LEVELS, max_size=4), LEVELS, st.sampled_from(["GET", "PUT"]))
def test_merging_against_the_definition(levels: list[Any], below: Any, verb: str) -> None:
    """For each endpoint the first level that has it counts, then the one below; nulls are absent."""
    above = merged([{"pvt_type": "scope_restriction", "token_restrictions": one} for one in levels])
    together = laid_over(below, above or {})
    for endpoint in ("conferences", "_", "users"):
        having = [one[endpoint] for one in (*levels, below) if one.get(endpoint) is not None]
        assert together.get(endpoint) == (having[0] if having else None)
    what = Access(MAIN, {"_id": MAIN}, "conferences", (), verb)
    expected = together.get("conferences", together.get("_"))
    assert allows(together, what) is allows({"conferences": expected}, what)


def test_hostile_documents_cost_no_depth() -> None:
    """However deep a document of the store is: what is merged is one level."""
    deep: Any = []
    for _ in range(100_000):
        deep = {"x": deep}
    document = {"pvt_type": "scope_restriction", "token_restrictions": {"conferences": deep}}
    found = merged([document, document])
    assert found is not None
    assert not allows(laid_over(ALL, found), Access(MAIN, {"_id": MAIN}, "conferences", (), "GET"))
    while deep:
        deep = deep.pop("x")
