"""The envelope's text (``api/envelope.py``)."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.api.envelope import dumps


def _values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@given(_values(st.text(st.characters(exclude_categories=["Cs"]))), st.booleans())
def test_every_json_value_comes_back(value: Any, pretty: bool) -> None:
    """What is written is read as the same value, integers of any size included."""
    expected = orjson.loads(orjson.dumps(value)) if _fits(value) else value
    if not _has_odd_float(value):
        assert json.loads(dumps(value, pretty=pretty)) == expected


@given(_values(st.text()), st.booleans())
def test_no_value_is_too_odd(value: Any, pretty: bool) -> None:
    """Halves of surrogate pairs, infinities: an answer gets out, as UTF-8."""
    dumps(value, pretty=pretty).decode("utf-8")


@pytest.mark.parametrize("value", [{"a": object()}, {1: "a"}, {(1, 2): "a", "b": 10**40}, "\ud800"])
def test_what_is_no_json_value_gets_out_too(value: Any) -> None:
    """Even a mistake of ours is an answer."""
    json.loads(dumps(value))


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _has_odd_float(value: Any) -> bool:
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, dict):
        return any(map(_has_odd_float, value.values()))
    return isinstance(value, list) and any(map(_has_odd_float, value))
