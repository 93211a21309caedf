from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.auth import Identity, TokenRestricted
from crossbar_conferences.auth.restrictions import Access, TokenRestrictions, allows, matches

from .conftest import BOSS, JOE, MAIN, PARENT, World, database

ACCOUNT = {"_id": MAIN, "pvt_tree": [PARENT]}

#: The example of data.md 7.3.
EXAMPLE: dict[str, Any] = {
    "cb_user_auth": {
        "user": {
            "conferences": [
                {
                    "allowed_accounts": ["{AUTH_ACCOUNT_ID}"],
                    "rules": {"/": ["GET"], "*": ["GET"], "*/participants/#": ["GET", "PUT"]},
                }
            ],
            "_": [{"rules": {"#": ["GET"]}}],
        }
    }
}


@pytest.mark.parametrize(
    ("pattern", "arguments", "expected"),
    [
        ("/", [], True),
        ("", [], True),
        ("/", ["c"], False),
        ("*", ["c"], True),
        ("*", [], False),
        ("*", ["c", "participants"], False),
        ("#", [], True),
        ("#", ["a", "b", "c"], True),
        ("*/participants/#", ["c", "participants"], True),
        ("*/participants/#", ["c", "participants", "1"], True),
        ("*/participants/#", ["c", "email_invite"], False),
        ("#/participants", ["c", "participants"], True),
        ("#/participants", ["participants", "x"], False),
        ("a/#/b/#", ["a", "x", "b"], True),
        ("a/#/b", ["a", "b", "x", "b"], True),
        ("/*/", ["c"], True),
        ("c", ["c"], True),
        ("c", ["d"], False),
    ],
)
def test_patterns(pattern: str, arguments: list[str], expected: bool) -> None:
    """A star is one segment, a hash any number, a slash none."""
    assert matches(pattern, arguments) is expected


def reference(parts: list[str], arguments: list[str]) -> bool:
    if not parts:
        return not arguments
    if parts[0] == "#":
        return any(reference(parts[1:], arguments[index:]) for index in range(len(arguments) + 1))
    return bool(arguments) and parts[0] in ("*", arguments[0]) and reference(parts[1:], arguments[1:])


@given(
    st.lists(st.sampled_from(["a", "b", "*", "#"]), max_size=6), st.lists(st.sampled_from("ab"), max_size=6)
)
def test_patterns_against_the_definition(parts: list[str], arguments: list[str]) -> None:
    """The matcher agrees with the plain recursive definition."""
    assert matches("/".join(parts), arguments) is reference(parts, arguments)


def test_a_hostile_pattern_takes_no_time() -> None:
    """Many hashes do not multiply the work."""
    assert not matches("#/" * 2000 + "z", ["a"] * 50)


def access(verb: str, *arguments: str, caller: str = MAIN, endpoint: str = "conferences") -> Access:
    return Access(caller, ACCOUNT, endpoint, arguments, verb)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (access("GET"), True),
        (access("PUT"), False),
        (access("GET", "c"), True),
        (access("DELETE", "c"), False),
        (access("PUT", "c", "participants"), True),
        (access("PUT", "c", "participants", "1"), True),
        (access("PUT", "c", "email_invite"), False),
        (access("GET", caller=PARENT), False),
        (access("GET", endpoint="users"), True),
        (access("PUT", endpoint="users"), False),
    ],
)
def test_the_example(what: Access, expected: bool) -> None:
    """The example of data.md 7.3 lets an ordinary user look, and command participants."""
    assert allows(EXAMPLE["cb_user_auth"]["user"], what) is expected


@pytest.mark.parametrize(
    ("allowed", "caller", "expected"),
    [
        (None, PARENT, True),
        (["_"], PARENT, True),
        ([MAIN], PARENT, True),
        (["{DESCENDANT_ACCOUNT_ID}"], PARENT, True),
        (["{DESCENDANT_ACCOUNT_ID}"], MAIN, False),
        (["{AUTH_ACCOUNT_ID}"], MAIN, True),
        (["{AUTH_ACCOUNT_ID}"], PARENT, False),
        ([PARENT], PARENT, False),
        ([], MAIN, False),
        ("_", MAIN, False),
        ([{}], MAIN, False),
    ],
)
def test_allowed_accounts(allowed: Any, caller: str, expected: bool) -> None:
    """An entry is for all accounts, for named ones, for the token's own or for those below it."""
    level = {"_": [{"allowed_accounts": allowed, "rules": {"#": ["_"]}}]}
    assert allows(level, access("GET", caller=caller)) is expected


@pytest.mark.parametrize(
    "level",
    [
        {},
        [],
        "x",
        {"conferences": []},
        {"conferences": {}},
        {"conferences": [7]},
        {"conferences": [{}]},
        {"conferences": [{"rules": []}]},
        {"conferences": [{"rules": {}}]},
        {"conferences": [{"rules": {"#": "GET"}}]},
        {"conferences": [{"rules": {"#": []}}]},
        {"conferences": [{"rules": {"/": ["PUT"], "#": ["GET"]}}]},
    ],
)
def test_what_fits_nothing_is_denied(level: Any) -> None:
    """Missing, empty and misshapen restrictions deny; the first pattern that fits decides."""
    assert not allows(level, access("GET"))


def test_any_verb() -> None:
    """An underscore is every verb."""
    assert allows({"conferences": [{"rules": {"#": ["_"]}}]}, access("PATCH", "c"))


def identity(owner_id: str | None = JOE, method: str | None = "cb_user_auth") -> Identity:
    return Identity(MAIN, owner_id, "x-auth-token", {"method": method} if method else {})


async def passes(world: World, who: Identity, what: Access) -> bool:
    try:
        await TokenRestrictions(world, world.system()).check(who, what)
    except TokenRestricted:
        return False
    return True


async def test_nothing_configured(world: World) -> None:
    """Without restrictions everything passes."""
    assert await passes(world, identity(), access("DELETE", "c"))


async def test_privilege_levels(world: World) -> None:
    """The user's level selects; a level that is not listed is not restricted."""
    world.add(database(MAIN), _id="token_restrictions", pvt_type="token_restrictions", restrictions=EXAMPLE)
    assert not await passes(world, identity(JOE), access("DELETE", "c"))
    assert await passes(world, identity(BOSS), access("DELETE", "c"))
    world.change(database(MAIN), JOE, priv_level=None)
    assert not await passes(world, identity(JOE), access("DELETE", "c"))


async def test_level_without_a_user(world: World) -> None:
    """Without a readable user the configured default level counts, which is admin."""
    world.add(database(MAIN), _id="token_restrictions", pvt_type="token_restrictions",
              restrictions={"_": {"admin": {}, "user": {"_": [{"rules": {"#": ["_"]}}]}}})  # fmt: skip
    for who in (identity(None), identity("9" * 32), identity(None, None)):
        assert not await passes(world, who, access("GET"))
    world.add("system_config", _id="crossbar.token_restrictions", default={"default_priv_level": "user"})
    assert await passes(world, identity(None), access("GET"))


async def test_sources_in_order(world: World) -> None:
    """The account's document by method, then for all, then the system's likewise."""
    denied: dict[str, Any] = {"_": {}}
    passed = {"_": {"_": [{"rules": {"#": ["_"]}}]}}
    system = {"cb_user_auth": denied, "_": passed}
    world.add("system_config", _id="crossbar.token_restrictions", default=system)
    assert not await passes(world, identity(), access("GET"))
    assert await passes(world, identity(method="cb_api_auth"), access("GET"))
    world.add(database(MAIN), _id="token_restrictions", pvt_type="token_restrictions",
              restrictions={"_": passed, "cb_api_auth": denied})  # fmt: skip
    assert await passes(world, identity(), access("GET"))
    assert not await passes(world, identity(method="cb_api_auth"), access("GET"))
    world.change(database(MAIN), "token_restrictions", pvt_deleted=True)
    assert not await passes(world, identity(), access("GET"))


@pytest.mark.parametrize("broken", ["x", [], 7])
async def test_broken_restrictions_deny(world: World, broken: Any) -> None:
    """Restrictions that cannot be read restrict everything."""
    world.add("system_config", _id="crossbar.token_restrictions", default={"_": broken})
    assert not await passes(world, identity(), access("GET"))
