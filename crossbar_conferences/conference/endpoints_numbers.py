"""Which texts are numbers that may be dialled, as people write them too, and their international form.

Source: dial.md 3.1; RFC 3966 (``tel:``). Kazoo's patterns are configuration (``number_manager``);
these are its defaults.
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
#: What people put between the digits to read them: it carries nothing.
_BETWEEN: Final = dict.fromkeys(map(ord, " -.()/\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212"))
_TEL: Final = "tel:"
_DIGITS: Final = re.compile(r"\+?[0-9]+", re.ASCII)
#: A zero that is dialled inside the country only, as in ``+44 (0)20 …``.
_INSIDE_ONLY: Final = "(0)"
#: There the zero is part of the number: Italy, San Marino.
_ZERO_IS_PART: Final = ("+39", "+378", "+ 39", "+ 378")
_INTERNATIONAL: Final = ("+", "00", "011")
_TEN_DIGITS: Final = re.compile(r"1?[0-9]{10}", re.ASCII)
_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
#: Fewer digits with signs between them are something else.
_SHORTEST_WRITTEN: Final = 7
_LONGEST_WRITTEN: Final = 128
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


def plain_number(text: str) -> str | None:
    """The digits, and the plus before them, of a number as people write it; ``None`` when it is none.

    Signs between digits are taken off only where nothing else can be meant: of what begins as an
    international number (``+``, ``00``, ``011``), is said to be a telephone's (``tel:``), or has the ten
    digits of North America. Of a list, a date, an address of the network, or anything that would become an
    emergency number, nothing is made."""
    if len(text) > _LONGEST_WRITTEN:
        return None
    is_tel = text[: len(_TEL)].lower() == _TEL
    written = (text[len(_TEL) :] if is_tel else text).strip()
    if written.startswith("+") and not written.startswith(_ZERO_IS_PART):
        written = written.replace(_INSIDE_ONLY, "", 1)
    number = written.translate(_BETWEEN)
    if len(number) > _MAXIMUM_NUMBER_LENGTH or not _DIGITS.fullmatch(number):
        return None
    if number == written:
        return number
    is_plain = is_tel or number.startswith(_INTERNATIONAL) or _TEN_DIGITS.fullmatch(number) is not None
    is_else = len(number.lstrip("+")) < _SHORTEST_WRITTEN or _QUAD.fullmatch(written) is not None
    return number if is_plain and not is_else else None


def as_dialled(text: str) -> str | None:
    """What is dialled for an element of the endpoint list, as it stands or as a number that is written for
    people; ``None`` when it is no number."""
    if is_dialable(text):
        return text
    number = plain_number(text)
    return number if number is not None and is_dialable(number) else None


def is_reconcilable(number: str) -> bool:
    """Whether this is a public number that an account could own."""
    return len(number) <= _MAXIMUM_NUMBER_LENGTH and bool(_RECONCILABLE.fullmatch(normalize_number(number)))


def is_dialable(text: str) -> bool:
    """Whether an element of the endpoint list is dialled as a number."""
    if is_reconcilable(text):
        return True
    return len(text.encode("utf-8", "replace")) < MINIMUM_NUMBER_BYTES and bool(_EXTENSION.fullmatch(text))
