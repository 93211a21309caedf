"""Defaults are written, and text is read as what its schema asks for (http.md 5.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.defaults import coerced, default_object, with_defaults
from crossbar_conferences.resources import schema

_DEFAULTS = {
    "allow_shareable_link": False,
    "conference_numbers": [],
    "member": {"join_deaf": False, "join_muted": True, "numbers": [], "pins": []},
    "moderator": {"join_deaf": False, "join_muted": False, "numbers": [], "pins": []},
    "play_name": False,
}


def test_the_defaults_of_a_conference() -> None:
    """Nested ones too (http.md 3.6); a profile only brings its own when there is one."""
    assert default_object(schema("conferences")) == _DEFAULTS


@pytest.mark.parametrize("member", [{}, {"join_muted": True}, {"numbers": []}])
def test_a_part_is_filled_up(member: dict[str, Any]) -> None:
    """Also an empty object."""
    assert with_defaults(schema("conferences"), {"member": member})["member"] == _DEFAULTS["member"]


def test_a_profile_that_is_given_gets_its_default() -> None:
    """``auto-record`` exists in Kazoo 5 only."""
    filled = with_defaults(schema("conferences"), {"profile": {"rate": 8000}})
    assert filled["profile"] == {"rate": 8000, "auto-record": False}


@pytest.mark.parametrize("value", [None, 5, "x", [], [{"name": "x"}], True])
def test_what_is_no_object_stays_as_it_is(value: Any) -> None:
    """The validator says what is wrong with it."""
    assert with_defaults(schema("conferences"), value) == value
    assert with_defaults(schema("conferences"), {"member": value})["member"] == value


def test_an_inline_device_gets_the_defaults_of_devices() -> None:
    """Only the objects among the endpoints, and media only when some was sent (dial.md 1.6)."""
    endpoints = with_defaults(
        schema("conferences.dial"), {"endpoints": ["1000", {"name": "d", "media": {}}, {"name": "e"}]}
    )["endpoints"]
    assert endpoints[0] == "1000"
    assert endpoints[1]["sip"] == {"expire_seconds": 300, "invite_format": "contact", "method": "password"}
    assert endpoints[1]["media"] == {
        "audio": {},
        "video": {},
        "encryption": {"enforce_security": False, "methods": []},
    }
    assert endpoints[1]["enabled"] is True
    assert "media" not in endpoints[2]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", "5", 5),
        ("integer", "+5", 5),
        ("integer", "-3", -3),
        ("integer", "5.4", 5),
        ("integer", 5.6, 6),
        ("integer", 2.5, 3),
        ("integer", -2.5, -3),
        ("integer", 5.0, 5),
        ("integer", "1" + "0" * 30, 10**30),
        ("integer", "1" + "0" * 399, 10**399),
        ("integer", "1.0e3", 1000),
        ("integer", "1e3", "1e3"),
        ("integer", "1.0e999", "1.0e999"),
        ("integer", " 5", " 5"),
        ("integer", "", ""),
        ("integer", "\N{ARABIC-INDIC DIGIT FIVE}", "\N{ARABIC-INDIC DIGIT FIVE}"),
        ("integer", True, True),
        ("integer", None, None),
        ("integer", [5], [5]),
        ("number", "5.5", 5.5),
        ("number", "5", 5),
        ("number", "x", "x"),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", "True", "True"),
        ("boolean", "yes", "yes"),
        ("boolean", 1, 1),
        ("string", 5, 5),
        (["boolean", "string"], "true", "true"),
    ],
)
def test_coercion(kind: Any, value: Any, expected: Any) -> None:
    """What cannot be read stays, for the validator to report."""
    result = coerced(kind, value)
    assert result == expected
    assert type(result) is type(expected)


@given(st.integers())
def test_every_integer_is_read_exactly(number: int) -> None:
    """Whatever its size."""
    assert coerced("integer", str(number)) == number
    assert coerced("integer", number) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_is_to_the_nearest(number: float) -> None:
    """Never further away than a half, also where floats are coarse."""
    assert abs(coerced("integer", number) - number) <= 0.5


@given(
    st.dictionaries(
        st.sampled_from(["name", "member", "x"]), st.text() | st.dictionaries(st.text(), st.text())
    )
)
def test_filling_twice_is_filling_once(value: dict[str, Any]) -> None:
    """Defaults never replace anything, and are complete."""
    once = with_defaults(schema("conferences"), value)
    assert with_defaults(schema("conferences"), once) == once
    assert all(once[key] == item for key, item in value.items() if not isinstance(item, dict))
