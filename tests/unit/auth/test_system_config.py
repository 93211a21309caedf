from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.auth import CrossbarConfig
from crossbar_conferences.auth.system_config import boolean, integer, texts

from .conftest import MAIN, PARENT, World, database


async def test_scopes_in_order(world: World) -> None:
    """This node before its zone before default, key by key, and a code default at the end."""
    world.add(
        "system_config",
        _id="c",
        **{
            "crossbar_conferences@host": {"a": 1},
            "east": {"a": 2, "b": 2, "x": None},
            "default": {"a": 3, "b": 3, "c": 3, "x": 4, "deep": {"er": 5}},
            "west": {"d": 9},
        },
    )
    system = world.system()
    found = [await system.value("c", key, "code") for key in ("a", "b", "c", "d", "x")]
    assert found == [1, 2, 3, "code", 4]
    assert await system.value("c", ("deep", "er")) == 5
    assert await system.value("c", ("a", "er"), "code") == "code"


async def test_documents_that_are_not_there(world: World) -> None:
    """A missing or deleted document, and a missing database, give the default."""
    assert await world.system().value("none", "a", 1) == 1
    world.add("system_config", _id="c", default={"a": 2}, pvt_deleted=True)
    assert await world.system().value("c", "a", 1) == 1
    del world.databases["system_config"]
    assert await world.system().value("c", "a", 1) == 1


async def test_an_account_inherits(world: World) -> None:
    """The nearest document on the way up counts; broken ids on the way are passed over."""
    system, account = world.system(), {"_id": MAIN, "pvt_tree": ["../x", PARENT]}
    world.add("system_config", _id="c", default={"a": "system"})
    assert await system.account_value(account, "c", "a") == "system"
    world.add(database(PARENT), _id="configs_c", a="parent")
    assert await system.account_value(account, "c", "a") == "parent"
    world.add(database(MAIN), _id="configs_c", b="own")
    assert await system.account_value(account, "c", "a") == "parent"
    assert await system.account_value(account, "c", "b") == "own"


async def test_crossbar_defaults(world: World) -> None:
    """Without a document the API has Kazoo's defaults."""
    assert await world.system().crossbar() == CrossbarConfig()
    assert CrossbarConfig().reverse_proxies == ("127.0.0.1",)


async def test_crossbar_settings_follow_the_document(world: World) -> None:
    """Values are read with Kazoo's leniency, nonsense is the default, and a change is seen."""
    system = world.system()
    world.add("system_config", _id="crossbar", default={"pagination_page_size": 20, "max_upload_size": 1.0,
              "include_auth_token": "false", "reverse_proxies": ["10.0.0.1", 7], "token_costs": 0,
              "schema_strict_validation": "maybe", "check_reverse_proxies": None})  # fmt: skip
    assert await system.crossbar() == CrossbarConfig(
        pagination_page_size=20,
        max_upload_size=1,
        include_auth_token=False,
        reverse_proxies=("10.0.0.1",),
        token_costs=0,
    )
    world.add("system_config", _id="crossbar", default={"pagination_page_size": -1, "reverse_proxies": "x"})
    assert await system.crossbar() == CrossbarConfig()


@pytest.mark.parametrize(("stored", "size"), [(2, 2), ("2", 50), (0, 50), (2.0, 50), (True, 50), (None, 50)])
async def test_a_page_size_is_a_positive_integer(world: World, stored: Any, size: int) -> None:
    """As crossbar takes it: the text that ``sup`` stores is none (beside-kazoo.md 5)."""
    world.add("system_config", _id="crossbar", default={"pagination_page_size": stored})
    assert (await world.system().crossbar()).pagination_page_size == size


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), (3.9, 3), ("12", 12), ("-1", -1), ("1.5", 9), ("", 9), ("٣", 9), (True, 9), (None, 9), ([], 9),
     (float("inf"), 9), (float("nan"), 9), ("9" * 5000, 9)],
)  # fmt: skip
def test_integers(value: Any, expected: int) -> None:
    """Numbers and texts of digits are integers, nothing else is."""
    assert integer(value, 9) == expected


def test_booleans_and_texts() -> None:
    """Texts of the words count as booleans; a list keeps its texts."""
    assert [boolean(value, True) for value in (False, "FALSE", "x", 0, None)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert texts(["a", 1, "b"], ()) == ("a", "b")
    assert texts("a", ("d",)) == ("d",)
