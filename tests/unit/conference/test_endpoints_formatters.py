"""Formatters: bounded work whatever the pattern, and the order of rules."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints_formatters import apply_formatters, bounded_pattern

ENDPOINT = {"Invite-Format": "endpoint", "Outbound-Caller-ID-Number": "+14155551212", "Flags": {}}


def number_after(rules: Any, **changes: Any) -> Any:
    formatted = apply_formatters({**ENDPOINT, **changes}, {"outbound_caller_id_number": rules})
    return formatted.get("Outbound-Caller-ID-Number")


@pytest.mark.parametrize(
    ("rules", "number"),
    [
        ({"value": "911"}, "911"),
        ({"strip": True, "value": "x"}, None),
        ([{"direction": "inbound", "value": "1"}, {"direction": "outbound", "value": "2"}], "2"),
        ([{"regex": "^x", "prefix": "1"}, {"regex": r"^\+1(\d{10})$", "prefix": "9"}], "94155551212"),
        ({"regex": r"\d+$", "prefix": "<", "suffix": ">"}, "<14155551212>"),
        ({"match_invite_format": True}, "+14155551212"),
        ("nonsense", "+14155551212"),
        ([5, None, []], "+14155551212"),
        ({}, "+14155551212"),
        ({"regex": "("}, "+14155551212"),
    ],
)
def test_rules(rules: Any, number: str | None) -> None:
    """The first rule for outbound calls that acts wins; nonsense acts on nothing."""
    assert number_after(rules) == number


@pytest.mark.parametrize(
    ("invite_format", "number"), [("e164", "+14155551212"), ("npan", "4155551212"), ("1npan", "14155551212")]
)
def test_invite_format(invite_format: str, number: str) -> None:
    """A number follows the format of the invitation."""
    rule = {"match_invite_format": True}
    changes = {"Invite-Format": invite_format, "Outbound-Caller-ID-Number": "4155551212"}
    assert number_after(rule, **changes) == number


@pytest.mark.parametrize(
    "pattern", [r"^(\d+)$", r"\+?64(\d{8,})$", r"^\+?1?([2-9]\d{2}[2-9]\d{6})$", "[]*]+"]
)
def test_ordinary_patterns(pattern: str) -> None:
    """What formatters are for is allowed."""
    assert bounded_pattern(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(?:a*)*", "(?=a)", r"(a)\1", "a?" * 9, "a*" * 4, "a" * 200, "[", "", "(a){2}"],
)
def test_patterns_that_could_run_for_ever(pattern: str) -> None:
    """Repeated groups, look-around, back references and too many choices are not run."""
    assert bounded_pattern(pattern) is None


@given(st.text(alphabet="a1*+?|()[]{}\\d,.^$:=<-", max_size=24))
def test_any_pattern_is_quick(pattern: str) -> None:
    """No pattern that is run takes long on the longest subject."""
    found = bounded_pattern(pattern)
    if found is not None:
        for subject in ("a" * 64, "1" * 64, "a1" * 32):
            start = time.process_time()
            found.search(subject)
            assert time.process_time() - start < 1
