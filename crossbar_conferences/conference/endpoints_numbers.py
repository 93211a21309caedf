"""Which texts are numbers that may be dialled, and their international form.

Source: dial.md 3.1. Kazoo's patterns are configuration (``number_manager``); these are its defaults.
"""

from __future__ import annotations

import re
from typing import Final

#: Shorter texts count as extensions and need not look like a number.
MINIMUM_NUMBER_BYTES: Final = 5

_RECONCILABLE: Final = re.compile(r"(\+?1)?\d{10}|\+[2-9]\d{7,}|011\d*|00\d*", re.ASCII)
_CONVERTERS: Final = (
    (re.compile(r"(?:\+?1)?([2-9][0-9]{2}[2-9][0-9]{6})", re.ASCII), "+1"),
    (re.compile(r"(?:011|00)(\d{5,})", re.ASCII), "+"),
    (re.compile(r"([2-9]\d{7,})", re.ASCII), "+"),
)
# A number becomes part of a dial string on the switch, where spaces, quotes, commas, pipes and
# brackets separate or quote (anchors.md 0.8); Kazoo lets them through in short texts.
_EXTENSION: Final = re.compile(r"[0-9A-Za-z*#+_.-]+", re.ASCII)
#: Longer than any number; what comes from outside must not grow the message without bound.
_MAXIMUM_NUMBER_LENGTH: Final = 64


def normalize_number(number: str) -> str:
    """The international form (``+…``) of a number; what no rule knows stays as it is."""
    if number.startswith("+"):
        return number
    for pattern, prefix in _CONVERTERS:
        found = pattern.fullmatch(number)
        if found:
            return prefix + found[1]
    return number


def is_reconcilable(number: str) -> bool:
    """Whether this is a public number that an account could own."""
    return len(number) <= _MAXIMUM_NUMBER_LENGTH and bool(_RECONCILABLE.fullmatch(normalize_number(number)))


def is_dialable(text: str) -> bool:
    """Whether an element of the endpoint list is dialled as a number."""
    if is_reconcilable(text):
        return True
    return len(text.encode("utf-8", "replace")) < MINIMUM_NUMBER_BYTES and bool(_EXTENSION.fullmatch(text))
