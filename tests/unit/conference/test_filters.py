"""Which documents a filter means (http.md 4.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.filters import as_text, read

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
        ("filter_flags", "vip", True),
        ("filter_flags", "vi", False),
        ("filter_missing", "", True),
        ("filter_missing", "x", False),
        ("filter_none", "", True),
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
        ("filter_any_max_participants", "[5]", True),
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
        ("filter_array_intersect_none_conference_numbers", '["9"]', True),
        ("filter_array_intersect_none_conference_numbers", '["1000"]', True),
        ("filter_array_intersect_none_conference_numbers", '["1000","1001","9"]', False),
        ("filter_array_intersect_none_conference_numbers", "x", True),
        ("has_key", "flags", True),
        ("has_key", "member.pins", True),
        ("has_key", "nope", False),
        ("has_key", "none", False),
        ("has_key", "", False),
        ("key_missing", "nope", True),
        ("key_missing", "flags", False),
        ("has_value", "flags", True),
        ("has_value", "color", False),
        ("has_value", "empty", False),
        ("has_value", "video", True),
        ("value_missing", "color", True),
        ("value_missing", "nope", True),
        ("value_missing", "name", False),
    ],
)
def test_forms(key: str, value: Any, expected: bool) -> None:
    """Each form on a document."""
    assert _holds(key, value) is expected


@pytest.mark.parametrize("key", ["filter_", "missing_value", "page_size", "filters", "has_keys", "_", ""])
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
    """Sets say it; ``none`` is Kazoo's "not every element"."""
    text, document = json.dumps(wanted), {"k": stored}
    assert _holds("filter_array_intersect_all_k", text, document) is (set(wanted) <= set(stored))
    assert _holds("filter_array_intersect_any_k", text, document) is bool(set(wanted) & set(stored))
    assert _holds("filter_array_intersect_none_k", text, document) is not (set(stored) <= set(wanted))


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
