"""Kazoo's error objects, one rule after the other (http.md 5, data.md 9)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from crossbar_conferences import resources
from crossbar_conferences.conference.validation import MAX_ERRORS, validate, validate_action

_SCHEMAS = ["conferences", "conferences.profile", "conferences.email_invite", "metaflows.relate", "devices"]


def _names() -> st.SearchStrategy[str]:
    known = [name for schema in _SCHEMAS for name in resources.schema(schema)["properties"]]
    return st.sampled_from([*known, "join_muted", "numbers", "pins"])


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["true", "false", "5", "5.4", "-1", "1e5", "0017", "a@b.cd", "1000", " 5", ""]),
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | _names(), inner, max_size=5)
    ),
    max_leaves=12,
)


def _errors(**fields: Any) -> dict[str, Any]:
    return validate("conferences", {"name": "n", **fields}).errors


def _one(**details: Any) -> dict[str, Any]:
    return details


def test_required() -> None:
    """The missing key is the path and the value."""
    checked = validate("conferences", {})
    assert checked.errors == {
        "name": {"required": {"message": "Field is required but missing", "value": "name"}}
    }


def test_every_error_at_once() -> None:
    """All rules of a body are reported together, each under its own path (example 45)."""
    assert set(_errors(play_name="yes", owner_id="x", member={"pins": ["a"]})) == {
        "play_name",
        "owner_id",
        "member.pins.0",
    }


@pytest.mark.parametrize(
    ("fields", "path", "rule", "details"),
    [
        ({"member": {"numbers": ["+1000"]}}, "member.numbers.0", "pattern",
         _one(message="Failed to match pattern '^[0-9]+$'", target="^[0-9]+$", value="+1000")),
        ({"conference_numbers": ["1", "1"]}, "conference_numbers", "uniqueItems",
         _one(message="List of items is not unique", value=["1", "1"])),
        ({"owner_id": "x"}, "owner_id", "minLength",
         _one(message="String must be at least 32 characters", target=32, cause="x", value="x")),
        ({"name": "n" * 129}, "name", "maxLength",
         _one(message="String must not be more than 128 characters", target=128,
              cause="n" * 129, value="n" * 129)),
        ({"endconf_grace_time": -1}, "endconf_grace_time", "minimum",
         _one(message="Value must be at least 0", target=0, value=-1)),
        ({"profile": {"interval": 121}}, "profile.interval", "maximum",
         _one(message="Value must be at most 120", target=120, value=121)),
        ({"profile": {"rate": 1}}, "profile.rate", "enum",
         _one(message="Value not found in enumerated list of values",
              target=[8000, 12000, 16000, 24000, 32000, 44100, 48000], value=1)),
        ({"play_entry_tone": 5}, "play_entry_tone", "not_one_schema_valid",
         _one(message="failed to validate", value=5)),
        ({"member": []}, "member", "type",
         _one(message="Value did not match type(s): object", target="object", value=[])),
        ({"language": None}, "language", "type",
         _one(message="Value did not match type(s): string", target="string")),
    ],
)  # fmt: skip
def test_error_objects(fields: dict[str, Any], path: str, rule: str, details: dict[str, Any]) -> None:
    """Message, target, cause and value of each rule; a null has no value."""
    assert _errors(**fields) == {path: {rule: details}}


def test_what_is_no_object_is_reported_at_the_empty_path() -> None:
    """``data`` may be an array; a conference may not (recording err-data-type-odd)."""
    error = {"message": "Value did not match type(s): object", "target": "object", "value": ["name"]}
    assert validate("conferences", ["name"]).errors == {"": {"type": error}}


def test_items_of_a_list_and_formats() -> None:
    """An address needs one @ with something on both sides, and a sensible length."""
    data = {"guests": ["a@example.com", "no-address", "@@@@@", "a@b"], "invite_message": "hi"}
    checked = validate("conferences.email_invite", data)
    wrong = {"message": "Field is not in the correct format", "value": "no-address", "format": "email"}
    assert checked.errors["guests.1"] == {"wrong_format": wrong}
    assert set(checked.errors) == {"guests.1", "guests.2", "guests.3"}
    assert set(checked.errors["guests.3"]) == {"minLength"}


def test_min_items() -> None:
    """A dial needs somebody to dial (example 66)."""
    assert validate("conferences.dial", {"endpoints": []}, coerce=False).errors == {
        "endpoints": {
            "minItems": {"message": "The list must have at least 1 items", "target": 1, "value": []}
        }
    }


def test_lengths_count_characters() -> None:
    """128 characters of any alphabet are a name."""
    assert _errors(name="\N{PARTY POPPER}" * 128) == {}
    assert set(_errors(name="\N{PARTY POPPER}" * 129)) == {"name"}


def test_a_number_cannot_hide_behind_a_line_break() -> None:
    """``$`` means the end of the text, nothing before it."""
    assert set(_errors(conference_numbers=["1000\n"])) == {"conference_numbers.0"}


def test_a_boolean_is_no_integer() -> None:
    """Python thinks otherwise."""
    assert set(_errors(max_participants=True)["max_participants"]) == {"type"}


def test_dots_in_a_key_are_escaped() -> None:
    """A dot would look like a step of the path (http.md 5.1)."""
    from crossbar_conferences.conference.validation import _segment

    assert _segment("a.b") == "a%2Eb"


def test_a_coerced_value_is_checked_again() -> None:
    """Text that is a number must still be in range, and the number is what the error shows."""
    details = {"message": "Value must be at least 0", "target": 0, "value": -1}
    assert _errors(endconf_grace_time="-1") == {"endconf_grace_time": {"minimum": details}}


def test_strict_validation_coerces_nothing() -> None:
    """Action payloads, and documents where the operator asked for it."""
    checked = validate("conferences", {"name": "n", "play_name": "true"}, coerce=False)
    assert set(checked.errors) == {"play_name"}


def test_the_value_given_is_left_alone() -> None:
    """Defaults and coercion go into a copy."""
    member: dict[str, Any] = {"join_deaf": "true"}
    given_value = {"name": "n", "member": member, "custom": {"deep": [{}]}}
    checked = validate("conferences", given_value)
    checked.value["custom"]["deep"][0]["x"] = 1
    assert member == {"join_deaf": "true"}
    assert given_value == {"name": "n", "member": {"join_deaf": "true"}, "custom": {"deep": [{}]}}


def test_defaults_given_out_are_never_shared() -> None:
    """Whoever changes a document must not change the schema."""
    validate("conferences", {"name": "n"}).value["conference_numbers"].append("1")
    assert validate("conferences", {"name": "n"}).value["conference_numbers"] == []


def test_errors_are_bounded() -> None:
    """Half a million wrong numbers, mixed so that comparing each with each would take hours."""
    began = time.monotonic()
    checked = validate("conferences", {"name": "n", "conference_numbers": [1, "a"] * 50_000})
    assert len(checked.errors) <= MAX_ERRORS
    assert "conference_numbers.0" in checked.errors
    assert time.monotonic() - began < 10


def test_depth_is_bounded() -> None:
    """A document nested beyond all measure is an error, not a crash."""
    deep: dict[str, Any] = {"name": "n"}
    inner = deep
    for _ in range(5000):
        inner["x"] = {}
        inner = inner["x"]
    assert validate("conferences", deep).errors == {"": {"error": {"message": "nested too deeply"}}}


@given(st.sampled_from(_SCHEMAS), _JSON, st.booleans())
@settings(max_examples=300, deadline=None)
def test_never_raises_and_agrees_with_the_library(name: str, value: Any, coerce: bool) -> None:
    """No errors exactly when a plain validator accepts what came out."""
    checked = validate(name, value, coerce=coerce)
    schema = {key: item for key, item in resources.schema(name).items() if key != "id"}
    if name == "conferences":
        properties = {**schema["properties"], "profile": resources.schema("conferences.profile")}
        properties["profile"] = {k: v for k, v in properties["profile"].items() if k != "id"}
        schema["properties"] = properties
    plain = Draft4Validator(schema)
    accepted = plain.is_valid(checked.value)
    if not checked.errors:
        assert accepted
    elif accepted:
        # Ours is stricter in two ways: the address format, and a line break after a number.
        rules = {rule for by_rule in checked.errors.values() for rule in by_rule}
        assert rules <= {"wrong_format", "pattern"}


@given(_JSON)
@settings(max_examples=150, deadline=None)
def test_validating_twice_changes_nothing(value: Any) -> None:
    """What is valid stays as it came out the first time."""
    first = validate("conferences", value)
    if not first.errors:
        second = validate("conferences", first.value)
        assert second == first


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"ids": ["2", 3]}, {"ids": [2, 3]}),
        ({"where": {"moderator": "false", "speak": "true"}}, {"where": {"moderator": False, "speak": True}}),
        ({"ids": [2]}, {"ids": [2]}),
    ],
)
def test_an_action_with_values_as_text(given: Any, read: Any) -> None:
    """Whole numbers, yes and no may be written as text in the payload of an action."""
    found = validate_action("conferences.actions.participants", given)
    assert (found.errors, found.value) == ({}, read)


@pytest.mark.parametrize("wrong", ["2.7", "", "+2", " 2", "0x2", "two", 2.7, True, None, ["2"], "true"])
def test_an_action_never_rounds(wrong: Any) -> None:
    """What is no whole number names nobody, and is told as it came."""
    found = validate_action("conferences.actions.participants", {"ids": ["3", wrong]})
    assert set(found.errors) == {"ids.0", "ids.1"}
    assert found.value == {"ids": ["3", wrong]}
