"""Placeholders and the comparison built on them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.replay.matching import Leniency, compare, pair
from crossbar_conferences.replay.placeholders import MISSING, Bindings, fits

HEX = "0123456789abcdef0123456789abcdef"

plain_text = st.text(max_size=20).filter(lambda text: "<" not in text and "{{" not in text)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("<hex:1>", HEX),
        ("<rev2:1>", f"2-{HEX}"),
        ("<rev>", f"17-{HEX}"),
        ("<uuid:1>", "01234567-89ab-cdef-0123-456789abcdef"),
        ("<iso>", "2026-11-24T14:35:00Z"),
        ("<greg>", 63962552909),
        ("<secs>", 0),
        ("<int>", -3),
        ("<any>", None),
        ("<list>", []),
        ("<object>", {"a": 1}),
        ('W/"<hex:4>"', f'W/"{HEX}"'),
        ("created_to <text_greg> is late", "created_to 63962552909 is late"),
        ("<b>ü</b>", "<b>ü</b>"),
        ("a.b*c", "a.b*c"),
    ],
)
def test_fits(expected: str, actual: Any) -> None:
    """A value of the kind that a placeholder names fits."""
    assert compare(expected, actual, Bindings()) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("<hex:1>", HEX[:-1]),
        ("<hex:1>", HEX.upper()),
        ("<rev2:1>", f"3-{HEX}"),
        ("<greg>", 1764000000),
        ("<greg>", "63962552909"),
        ("<secs>", -1),
        ("<int>", True),
        ("<int>", 1.0),
        ("<int>", "1"),
        ("<iso>", "2026-11-24 14:35:00"),
        ("<version>", 5),
        ("<b>ü</b>", "<b>u</b>"),
        ("a.b", "axb"),
        (1, True),
        (0, False),
        (None, ""),
    ],
)
def test_does_not_fit(expected: Any, actual: Any) -> None:
    """A value of another kind is one difference, at the place itself."""
    differences = compare(expected, actual, Bindings(), path=("here",))
    assert [difference.path for difference in differences] == [("here",)]


def test_equal_numbers_are_equal_values() -> None:
    """The same number is the same value, also inside a longer text and across comparisons."""
    bindings = Bindings()
    assert compare({"a": "<rid:1>", "b": "x-<rid:1>"}, {"a": "q", "b": "x-q"}, bindings) == []
    assert compare("<rid:1>", "other", bindings)[0].expected == "q"
    assert compare("<rid:2>", "other", bindings) == []


def test_equal_numbers_inside_one_text() -> None:
    """A number that stands twice in one text must be the same there."""
    assert fits("<rid:1>/<rid:1>", "a/a", Bindings())
    assert not fits("<rid:1>/<rid:1>", "a/b", Bindings())


def test_numbered_values() -> None:
    """Numbers can be numbered like texts."""
    bindings = Bindings()
    assert compare(["<int:1>", "<int:1>"], [4, 4], bindings) == []
    assert compare("<int:1>", 5, bindings)


def test_variables_are_filled_in() -> None:
    """A variable stands for its value, and a difference shows the value."""
    bindings = Bindings({"A": "acc(1)"})
    assert compare("/{{A}}/x", "/acc(1)/x", bindings) == []
    assert compare("/{{A}}/x", "/other/x", bindings)[0].expected == "/acc(1)/x"
    assert compare("{{UNKNOWN}}", "{{UNKNOWN}}", bindings) == []


def test_failed_fit_teaches_nothing() -> None:
    """A value that does not fit leaves the numbers unknown."""
    bindings = Bindings()
    assert not fits("<hex:1>-x", f"{HEX}-y", bindings)
    assert bindings.numbered == {}


def test_missing_and_extra_keys() -> None:
    """What is missing and what is too much are told with their paths."""
    differences = compare({"a": 1, "b": [{"c": 2}]}, {"b": [{"d": 3}]}, Bindings())
    assert {(item.where(), item.expected, item.actual) for item in differences} == {
        ("a", 1, MISSING),
        ("b[0].c", 2, MISSING),
        ("b[0].d", MISSING, 3),
    }


def test_lists_of_other_lengths() -> None:
    """Each item too much or too few is a difference."""
    assert [item.where() for item in compare([1], [1, 2, 3], Bindings())] == ["[1]", "[2]"]
    assert [item.where() for item in compare([1, 2], [1], Bindings())] == ["[1]"]


def test_leniency_extra_and_ignored() -> None:
    """Extra names that are allowed pass, ignored places are not looked at."""
    leniency = Leniency(
        extra=lambda path: frozenset({"more"}) if path == () else frozenset(),
        ignored=lambda path: path == ("skip",),
    )
    assert compare({"a": 1, "skip": 2}, {"a": 1, "more": 3}, Bindings(), leniency) == []
    assert compare({"a": 1}, {"a": 1, "less": 3}, Bindings(), leniency)


def test_unordered_pairs_by_key() -> None:
    """Items are compared with the one of the same key, whatever its position."""
    leniency = Leniency(unordered=lambda path: "name")
    expected = [{"name": "a", "v": 1}, {"name": "b", "v": 2}]
    assert compare(expected, expected[::-1], Bindings(), leniency) == []
    wrong = compare(expected, [{"name": "b", "v": 9}, {"name": "a", "v": 1}], Bindings(), leniency)
    assert [(item.where(), item.expected, item.actual) for item in wrong] == [("[0].v", 2, 9)]


def test_unordered_with_missing_and_extra_items() -> None:
    """Items without a partner are told."""
    leniency = Leniency(unordered=lambda path: "id")
    assert len(compare([{"id": 1}], [], Bindings(), leniency)) == 1
    assert len(compare([], [{"id": 1}], Bindings(), leniency)) == 1


def test_placeholder_as_a_key() -> None:
    """A key may itself be a placeholder."""
    bindings = Bindings()
    assert compare({"<hex:1>": 1}, {HEX: 1}, bindings) == []
    assert bindings.numbered == {"hex:1": HEX}


def test_pair_takes_exact_fits_first() -> None:
    """A wrong item does not take the place of the right one."""

    def differ(wanted: Any, got: Any, bindings: Bindings) -> list[Any]:
        return list(compare(wanted, got, bindings))

    pairs, left, extra = pair([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 3}], Bindings(), differ)
    assert [(wanted, got, bool(found)) for wanted, got, found in pairs] == [(0, 1, True), (1, 0, False)]
    assert (left, extra) == ([], [])


@given(json_values)
def test_every_value_equals_itself(value: Any) -> None:
    """Without placeholders a comparison is equality: no value differs from itself."""
    assert compare(value, value, Bindings()) == []


@given(json_values, json_values)
def test_no_difference_means_equal(one: Any, other: Any) -> None:
    """Without placeholders two values without a difference are equal."""
    if not compare(one, other, Bindings()):
        assert one == other


@given(st.dictionaries(plain_text, json_values, min_size=1, max_size=4), st.data())
def test_a_removed_key_is_one_difference(value: dict[str, Any], data: st.DataObject) -> None:
    """Whatever key is taken away from an answer, exactly that is told."""
    key = data.draw(st.sampled_from(sorted(value)))
    shorter = {name: item for name, item in value.items() if name != key}
    assert [item.path for item in compare(value, shorter, Bindings())] == [(key,)]
    assert [item.path for item in compare(shorter, value, Bindings())] == [(key,)]


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_compared(expected: str, actual: str) -> None:
    """No text, with or without things that look like placeholders, raises."""
    compare(expected, actual, Bindings())
