"""Formatters: bounded work whatever the pattern, and the order of rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints_formatters import apply_formatters
from crossbar_conferences.conference.patterns import BUDGET_STEPS, BudgetSpent, WorkBudget, bounded_pattern

ENDPOINT = {"Invite-Format": "endpoint", "Outbound-Caller-ID-Number": "+14155551212", "Flags": {}}


def number_after(rules: Any, **changes: Any) -> Any:
    formatted = apply_formatters({**ENDPOINT, **changes}, {"outbound_caller_id_number": rules}, WorkBudget())
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
    ("pattern", "number", "found"),
    [
        (r"^(\d+)$", "6491234567", "6491234567"),
        (r"\+?64(\d{8,})$", "6491234567", "91234567"),
        (r"^\+?1?([2-9]\d{2}[2-9]\d{6})", "+14155551212", "4155551212"),
        (r"^(?:00|011)([1-9]\d{5,18})$", "0049301234567", "49301234567"),
        ("[]*]+", "a]*b", "]*"),
        ("[[:digit:]]+", "x12", "12"),
        # Patterns that a matcher which tries one way after another would run for years on.
        ("(a+)+$", "a" * 60, "a" * 60),
        ("(a+)+$", "a" * 60 + "b", None),
        ("(a|aa)+$", "a" * 60 + "b", None),
        ("(?:a*)*b", "a" * 60, None),
        ("a?" * 40, "a" * 30, "a" * 30),
        ("(x)?y", "y", ""),
        ("ä", "xäx", "ä"),
        (".", "ä", None),
    ],
)
def test_patterns(pattern: str, number: str, found: str | None) -> None:
    """Kazoo's rule: the first group, or all of the match when there is none; on bytes, as in Erlang."""
    assert WorkBudget().search(pattern, number) == found


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?=a)", "(?<!a)b", r"(a)\1", "a++", "(?>a)", "a" * 129, "[", "", "(", "a{129}", "a{0,1000}"),
        *("a{999999999999}", "((a{100}){100}){100}", ".{100}" * 21, "\ud800", "(?P<x"),
    ],
)
def test_patterns_that_are_not_run(pattern: str) -> None:
    """Look-around, back references, what is too long or too large: such a rule acts on nothing."""
    assert WorkBudget().search(pattern, "aaab") is None


@given(st.text(alphabet="a1*+?|()[]{}\\d,.^$:=<-029", max_size=128), st.integers(1, 128))
def test_what_any_pattern_costs(pattern: str, length: int) -> None:
    """The work of a pattern is known before it is done, and never more than a fifth of the budget."""
    compiled = bounded_pattern(pattern)
    assert compiled is None or compiled.programsize * (length + 1) < BUDGET_STEPS / 5


def test_one_budget_for_all() -> None:
    """Patterns are charged together, each as often as it runs, and each distinct one counts."""
    budget = WorkBudget(steps=1100)
    budget.search("(a?){4}", "a" * 50)
    with pytest.raises(BudgetSpent):
        budget.search("(a?){50}", "a" * 50)
    budget = WorkBudget(patterns=3)
    for _ in range(5):
        for pattern in ("a", "b", "c"):
            budget.search(pattern, "a")
    with pytest.raises(BudgetSpent):
        budget.search("d", "a")
    with pytest.raises(BudgetSpent):
        apply_formatters(ENDPOINT, {"outbound_caller_id_number": [{}] * 20_000}, WorkBudget(steps=10**6))


@pytest.mark.parametrize(
    "rule", [{"value": "x" * 300}, {"regex": "1", "prefix": "x" * 200, "suffix": "y" * 100}]
)
def test_what_a_rule_puts_in_is_short(rule: dict[str, str]) -> None:
    """A text that would go out with every leg is short, or the rule acts on nothing."""
    assert number_after([rule]) == "+14155551212"
