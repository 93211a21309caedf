"""Number and name formatters: an account's rules that rewrite fields of a built endpoint.

The patterns are the customer's: they run within one budget for the whole request (`patterns`).
Source: dial.md 2.5, E11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .endpoints_context import JSONObject, is_true, text_at
from .endpoints_numbers import normalize_number
from .patterns import WorkBudget

_INVITE_FORMATS: Final = frozenset({"e164", "npan", "1npan"})
#: Longest text that a rule may put in, in characters: it goes out with every leg.
_MAXIMUM_TEXT: Final = 256


def apply_formatters(endpoint: JSONObject, formatters: JSONObject, budget: WorkBudget) -> dict[str, Any]:
    """The endpoint with every rule for outbound calls applied; the first that acts on a field wins.

    Raises `patterns.BudgetSpent`.
    """
    formatted = dict(endpoint)
    invite_format = text_at(endpoint, "Invite-Format") or ""
    for header in list(endpoint):
        rules = formatters.get(header.lower().replace("-", "_"))
        value = endpoint[header]
        if rules is None or not isinstance(value, str):
            continue
        for rule in _outbound_rules(rules, budget):
            acted, result = _apply(rule, value, invite_format, budget)
            if not acted:
                continue
            if result is None:
                del formatted[header]
            else:
                formatted[header] = result
            break
    return formatted


def _outbound_rules(rules: Any, budget: WorkBudget) -> Iterator[JSONObject]:
    for rule in rules if isinstance(rules, list) else [rules]:
        budget.spend_rule()
        if isinstance(rule, Mapping) and rule.get("direction", "outbound") == "outbound":
            yield rule


def _apply(rule: JSONObject, value: str, invite_format: str, budget: WorkBudget) -> tuple[bool, str | None]:
    """Whether the rule acted, and the new value (``None``: the field goes)."""
    if is_true(rule.get("strip")):
        return True, None
    replacement = text_at(rule, "value")
    if replacement is not None:
        return len(replacement) <= _MAXIMUM_TEXT, replacement
    if is_true(rule.get("match_invite_format")):
        return _as_invited(value, invite_format)
    return _rewrite(rule, value, budget)


def _as_invited(value: str, invite_format: str) -> tuple[bool, str | None]:
    if invite_format not in _INVITE_FORMATS:
        return False, None
    number = normalize_number(value)
    if invite_format == "npan":
        return True, number.removeprefix("+1")
    return True, number if invite_format == "e164" else number.removeprefix("+")


def _rewrite(rule: JSONObject, value: str, budget: WorkBudget) -> tuple[bool, str | None]:
    prefix, suffix = text_at(rule, "prefix") or "", text_at(rule, "suffix") or ""
    if len(prefix) + len(suffix) > _MAXIMUM_TEXT:
        return False, None
    root = budget.search(text_at(rule, "regex") or "", value)
    return root is not None, f"{prefix}{root}{suffix}"
