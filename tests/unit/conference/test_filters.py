"""Which documents a filter means (http.md 4.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.filter_values import as_text, whole
from crossbar_conferences.conference.filters import read, read_all

DOCUMENT: dict[str, Any] = {
    "name": "Sales",
    "color": "",
    "max_participants": 5,
    "rate": 1.5,
    "play_name": True,
    "video": False,
    "flags": ["vip", "x"],
    "conference_numbers": ["1000", "1001"],
    "empty": [],
    "none": None,
    "zero": 0,
    "bytes": [72, "i", ["!"]],
    "mixed": ["a", None],
    "nested": {"list": [{"n": 5}, 5, 5.0, "5"]},
    "": "unnamed",
    "pvt_created": 1000,
    "pvt_modified": "2000",
    "member": {"join_muted": False, "pins": ["11"]},
    "pvt_type": "conference",
}

_SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "", "true", "1"]))
_LISTS = st.lists(st.sampled_from(["a", "b", "c", "1"]), max_size=3)


def _holds(key: str, value: Any, document: dict[str, Any] = DOCUMENT) -> bool:
    one = read(key, value)
    assert one is not None
    return one.holds(document)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("filter_name", "Sales", True),
        ("filter_name", "sales", False),
        ("filter_name", '"Sales"', True),
        ("filter_name", '["Ops","Sales"]', True),
        ("filter_name", '["Ops"]', False),
        ("filter_name", "[Sales", False),
        ("filter_max_participants", "5", True),
        ("filter_rate", "1.5", True),
        ("filter_play_name", "true", True),
        ("filter_play_name", True, True),
        ("filter_video", "false", True),
        ("filter_video", "False", False),
        # A list is compared as its texts one after another.
        ("filter_flags", "vip", False),
        ("filter_flags", "vipx", True),
        ("filter_flags", '["vip"]', False),
        ("filter_flags", '["vipx"]', True),
        ("filter_flags.1", "vip", True),
        ("filter_flags.1.0", "vip", False),
        ("filter_flags.3", "", True),
        ("filter_flags.0", "", True),
        ("filter_flags.x", "", True),
        ("filter_bytes", "Hi!", True),
        ("filter_mixed", "", True),
        ("filter_mixed", "a", False),
        ("filter_nested.list.1", '{"n":5}', True),
        ("filter_nested.list.1.n", "5", True),
        ("filter_member", '{"join_muted":false,"pins":["11"]}', True),
        ("filter_name", ' ["Ops", "Sales"] ', True),
        ("filter_name", ' "Sales" ', True),
        ("filter_name", '{"name":"Sales"}', False),
        # Numbers in a list are no texts.
        ("filter_max_participants", "[5]", False),
        ("filter_max_participants", '["5"]', True),
        ("filter_max_participants", " 5", False),
        ("filter_missing", "[]", False),
        ("filter_missing", '[""]', True),
        ("filter_missing", '""', True),
        ("filter_not_max_participants", "[5]", True),
        ("filter_not_max_participants", '["5"]', False),
        # A path that goes on in a text crashes Kazoo, which then takes the document for none of them.
        ("filter_name.x", "", False),
        ("filter_not_name.x", "anything", False),
        ("filter_none_name.x", '["a"]', False),
        ("filter_array_intersect_none_name.x", '["a"]', False),
        ("has_key", "name.x", False),
        ("key_missing", "name.x", False),
        ("value_missing", "none.x", False),
        # A name without a value is the text "true", or crashes where JSON or a name is looked for.
        ("filter_not_play_name", True, False),
        ("filter_any_name", True, False),
        ("filter_none_name", True, False),
        ("filter_array_intersect_none_name", True, False),
        ("has_key", True, False),
        ("key_missing", True, False),
        # An empty key is a key.
        ("filter_", "unnamed", True),
        ("filter_", "x", False),
        ("filter_", "", False),
        ("filter_not_", "x", True),
        ("filter_any_", '["unnamed"]', True),
        ("filter_none_", '["unnamed"]', False),
        ("filter_array_intersect_none_", '["x"]', True),
        ("filter_member.", "", True),
        ("filter_missing", "", True),
        ("filter_missing", "x", False),
        ("filter_none", "", False),
        ("filter_none", "null", True),
        ("filter_empty", "", True),
        ("filter_member.join_muted", "false", True),
        ("filter_member.nothing.deep", "", True),
        ("filter_pvt_type", "conference", True),
        ("filter_not_name", "Sales", False),
        ("filter_not_name", "Ops", True),
        ("filter_not_missing", "x", True),
        ("filter_any_name", '["Ops","Sales"]', True),
        ("filter_any_name", "Sales", False),
        ("filter_any_missing", '[""]', True),
        ("filter_any_max_participants", "[5]", False),
        ("filter_any_max_participants", '["5"]', True),
        ("filter_any_name", '"Sales"', False),
        ("filter_any_name", "[]", False),
        ("filter_any_flags", '["vip"]', False),
        ("filter_any_flags", '["vipx"]', True),
        ("filter_none_max_participants", "[5]", True),
        ("filter_none_name", "[]", True),
        ("filter_none_name", '["Ops"]', True),
        ("filter_none_name", '["Ops","Sales"]', False),
        ("filter_none_name", "Sales", True),
        ("filter_array_intersect_all_conference_numbers", '["1000","1001"]', True),
        ("filter_array_intersect_all_conference_numbers", '["1000","9"]', False),
        ("filter_array_intersect_all_conference_numbers", "1000", False),
        ("filter_array_intersect_any_conference_numbers", '["1000","9"]', True),
        ("filter_array_intersect_any_conference_numbers", '["9"]', False),
        ("filter_array_intersect_any_conference_numbers", "1000", False),
        ("filter_array_intersect_any_name", '["Sales"]', False),
        ("filter_array_intersect_any_missing", '["a"]', False),
        ("filter_array_intersect_any_flags", "[]", False),
        ("filter_array_intersect_all_flags", "[]", True),
        ("filter_array_intersect_all_missing", "[]", True),
        ("filter_array_intersect_all_name", "[]", True),
        ("filter_array_intersect_all_nested.list", "[5]", True),
        ("filter_array_intersect_all_nested.list", '[5.0, "5", {"n": 5}]', True),
        ("filter_array_intersect_any_nested.list", "[6]", False),
        ("filter_array_intersect_any_conference_numbers", "[1000]", False),
        ("filter_array_intersect_any_mixed", "[null]", True),
        # "None" is "not all of them".
        ("filter_array_intersect_none_conference_numbers", '["9"]', True),
        ("filter_array_intersect_none_conference_numbers", '["1000"]', False),
        ("filter_array_intersect_none_conference_numbers", '["1000","1001"]', False),
        ("filter_array_intersect_none_conference_numbers", '["1000","9"]', True),
        ("filter_array_intersect_none_conference_numbers", '["1000","1001","9"]', True),
        ("filter_array_intersect_none_conference_numbers", "[]", False),
        ("filter_array_intersect_none_conference_numbers", "x", True),
        ("filter_array_intersect_none_missing", '["x"]', True),
        ("filter_array_intersect_none_missing", "[]", False),
        ("created_from", "1000", True),
        ("created_from", "1000.4", True),
        ("created_from", "1000.5", False),
        ("created_from", "+999", True),
        ("created_from", "1001", False),
        ("created_from", "", False),
        ("created_from", " 1", False),
        ("created_from", "1e3", False),
        ("created_from", "1.0e3", True),
        ("created_from", True, False),
        ("created_to", "1000", True),
        ("created_to", "999", False),
        ("created_to", "x", False),
        ("modified_from", "2000", True),
        ("modified_to", "1999", False),
        ("has_key", "flags", True),
        ("has_key", "member.pins", True),
        ("has_key", "nope", False),
        ("has_key", "none", True),
        ("has_key", "flags.2", True),
        ("has_key", "flags.3", False),
        ("has_key", "", True),
        ("has_key", "nope.", False),
        ("key_missing", "nope", True),
        ("key_missing", "flags", False),
        ("has_value", "flags", True),
        ("has_value", "color", False),
        ("has_value", "empty", False),
        ("has_value", "video", True),
        ("has_value", "zero", False),
        ("has_value", "none", False),
        ("value_missing", "zero", True),
        ("value_missing", "color", True),
        ("value_missing", "nope", True),
        ("value_missing", "name", False),
    ],
)
def test_forms(key: str, value: Any, expected: bool) -> None:
    """Each form on a document."""
    assert _holds(key, value) is expected


@pytest.mark.parametrize(
    "key", ["filter", "has_key_", "missing_value", "page_size", "filters", "has_keys", "_", ""]
)
def test_other_parameters_filter_nothing(key: str) -> None:
    """Also ``missing_value``, which Kazoo's documentation names wrongly (http.md 13)."""
    assert read(key, "x") is None


@given(_SCALARS, _SCALARS)
def test_equality_is_equality_of_text(stored: Any, wanted: Any) -> None:
    """And ``not`` is its opposite."""
    document = {"k": stored}
    text = as_text(wanted)
    assert _holds("filter_k", text, document) is (as_text(stored) == text)
    assert _holds("filter_not_k", text, document) is (as_text(stored) != text)


@given(_SCALARS, _LISTS)
def test_any_and_none_are_opposites(stored: Any, wanted: list[str]) -> None:
    """As a plain membership says."""
    text = json.dumps(wanted)
    assert _holds("filter_any_k", text, {"k": stored}) is (as_text(stored) in wanted)
    assert _holds("filter_none_k", text, {"k": stored}) is (as_text(stored) not in wanted)


@given(_LISTS, _LISTS)
def test_intersections(stored: list[str], wanted: list[str]) -> None:
    """Sets say it; ``none`` is "not all"."""
    text, document = json.dumps(wanted), {"k": stored}
    assert _holds("filter_array_intersect_all_k", text, document) is (set(wanted) <= set(stored))
    assert _holds("filter_array_intersect_any_k", text, document) is bool(set(wanted) & set(stored))
    assert _holds("filter_array_intersect_none_k", text, document) is not (set(wanted) <= set(stored))


def test_filters_of_one_name_all_count() -> None:
    """A document is meant when it fulfils each of them."""
    pairs = [("filter_name", "Sales"), ("filter_name", "Ops"), ("page_size", "1"), ("filter_name", "Ops")]
    both = read_all(pairs)
    assert [one.wanted for one in both] == ["Sales", "Ops"]
    assert [one.holds(DOCUMENT) for one in both] == [True, False]


@pytest.mark.parametrize("stored", [None, "soon", True, [1]])
def test_what_has_no_moment_comes_after_all(stored: Any) -> None:
    """As atoms come after numbers in Erlang: it passes the lower bound and not the upper one."""
    for document in ({"pvt_created": stored}, {}):
        assert _holds("created_from", "9999999999999", document)
        assert not _holds("created_to", "9999999999999", document)


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("+5", 5), ("-05", -5), ("2.5", 3), ("-2.5", -3), ("2.4", 2), ("1.5e2", 150),
     ("9" * 400, int("9" * 400)), ("1.0e999", None), ("5.", None), (".5", None), ("1_0", None),
     ("\u0665", None), ("", None), ("9" * 401, None)],
)  # fmt: skip
def test_numbers(text: str, number: int | None) -> None:
    """What Kazoo makes an integer of, fractions rounded away from zero."""
    assert whole(text) == number


@given(
    st.sampled_from(
        ["filter_k", "filter_not_k", "filter_any_k", "filter_none_k", "has_key", "key_missing", "has_value",
         "value_missing", "filter_array_intersect_all_k", "filter_array_intersect_any_k",
         "filter_array_intersect_none_k", "filter_k.x", "filter_..", "filter_not_"]
    ),
    st.text(max_size=20) | st.just(True) | st.sampled_from(["[[[", '{"a":1}', "[null]", '[{"a":[1]}]']),
    st.recursive(
        st.none() | _SCALARS | st.floats() | st.integers(min_value=2**64),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("kx"), inner, max_size=2),
        max_leaves=6,
    ),
)  # fmt: skip
def test_nothing_raises(key: str, value: Any, stored: Any) -> None:
    """Whatever is asked of whatever is stored."""
    one = read(key, value)
    assert one is None or one.holds({"k": stored}) in (True, False)


def test_lists_in_lists_without_end_are_read() -> None:
    """A stored list of any depth is a text, or none."""
    stored: Any = "a"
    for _ in range(900):
        stored = [stored]
    assert _holds("filter_k", "a", {"k": stored})
