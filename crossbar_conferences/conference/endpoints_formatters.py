"""Number and name formatters: an account's rules that rewrite fields of a built endpoint.

The patterns are the customer's, and a pattern can be made to run for years. Only patterns whose
work is bounded are run; others change nothing. Source: dial.md 2.5, E11.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from .endpoints_context import JSONObject, is_true, text_at
from .endpoints_numbers import normalize_number

_MAXIMUM_PATTERN: Final = 128
_MAXIMUM_SUBJECT: Final = 64
#: With at most three open-ended repeats and few other choices a match on a subject of that length
#: takes well under a tenth of a second, whatever the pattern.
_MAXIMUM_REPEATS: Final = 3
_MAXIMUM_CHOICES: Final = 8
_TOKEN: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d+\}|\{\d*,\d*\}|\(\?:|\(\?|[()|*+?]|.", re.DOTALL | re.ASCII
)
_INVITE_FORMATS: Final = frozenset({"e164", "npan", "1npan"})


def apply_formatters(endpoint: JSONObject, formatters: JSONObject) -> dict[str, Any]:
    """The endpoint with every rule for outbound calls applied; the first that acts on a field wins."""
    formatted = dict(endpoint)
    invite_format = text_at(endpoint, "Invite-Format") or ""
    for header in list(endpoint):
        rules = formatters.get(header.lower().replace("-", "_"))
        value = endpoint[header]
        if not isinstance(value, str):
            continue
        for rule in _outbound_rules(rules):
            acted, result = _apply(rule, value, invite_format)
            if not acted:
                continue
            if result is None:
                del formatted[header]
            else:
                formatted[header] = result
            break
    return formatted


def _outbound_rules(rules: Any) -> Iterator[JSONObject]:
    for rule in rules if isinstance(rules, list) else [rules]:
        if isinstance(rule, Mapping) and rule.get("direction", "outbound") == "outbound":
            yield rule


def _apply(rule: JSONObject, value: str, invite_format: str) -> tuple[bool, str | None]:
    """Whether the rule acted, and the new value (``None``: the field goes)."""
    if is_true(rule.get("strip")):
        return True, None
    replacement = text_at(rule, "value")
    if replacement is not None:
        return True, replacement
    if is_true(rule.get("match_invite_format")):
        return _as_invited(value, invite_format)
    return _rewrite(rule, value)


def _as_invited(value: str, invite_format: str) -> tuple[bool, str | None]:
    if invite_format not in _INVITE_FORMATS:
        return False, None
    number = normalize_number(value)
    if invite_format == "npan":
        return True, number.removeprefix("+1")
    return True, number if invite_format == "e164" else number.removeprefix("+")


def _rewrite(rule: JSONObject, value: str) -> tuple[bool, str | None]:
    pattern = bounded_pattern(text_at(rule, "regex") or "")
    if pattern is None or len(value) > _MAXIMUM_SUBJECT:
        return False, None
    found = pattern.search(value)
    if found is None:
        return False, None
    root = (found[1] or "") if pattern.groups else found[0]
    return True, f"{text_at(rule, 'prefix') or ''}{root}{text_at(rule, 'suffix') or ''}"


@lru_cache(maxsize=256)
def bounded_pattern(pattern: str) -> re.Pattern[str] | None:
    """The compiled pattern, or ``None`` when it is none or could take long.

    Refused: what is too long, look-around and back references, a repeated group, and more
    repeats and alternatives than a formatter needs.
    """
    if not pattern or len(pattern) > _MAXIMUM_PATTERN or not _is_bounded(pattern):
        return None
    try:
        with warnings.catch_warnings():
            # Python warns of classes that may once mean something else; a customer's pattern is
            # not ours to mend.
            warnings.simplefilter("ignore")
            return re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


def _is_bounded(pattern: str) -> bool:
    repeats = choices = 0
    previous = ""
    for token in _TOKEN.findall(pattern):
        if token == "(?" or (token[0] == "\\" and token[1:].isdigit()):
            return False
        if token in "*+?|" or token[0] == "{":
            if previous == ")" and token != "|":
                return False
            choices += token in "?|"
            repeats += token in "*+" or (token[0] == "{" and "," in token)
        previous = token
    return repeats <= _MAXIMUM_REPEATS and choices <= _MAXIMUM_CHOICES
