"""Which texts are numbers (dial.md 3.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints_numbers import (
    as_dialled,
    is_dialable,
    is_reconcilable,
    normalize_number,
    plain_number,
)

SHORT = ["1000", "911", "*97", "abc", "0"]
NATIONAL = ["4155551212", "14155551212", "+14155551212", "1155551212", "0123456789"]
INTERNATIONAL = ["442071234567", "20012345", "+442071234567", "011442071234567", "00442071234567"]
REFUSED = [
    "12345",
    "*9876",
    "5551212",
    "2001234",
    "abcde",
    "(415) 555-1212",
    "415-555-1212",
    "+1415555121",
]


@pytest.mark.parametrize("text", SHORT + NATIONAL + INTERNATIONAL)
def test_accepted(text: str) -> None:
    """Extensions, national and international forms are dialled."""
    assert is_dialable(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    """Everything else of five characters and more is not."""
    assert not is_dialable(text)


def test_extensions_are_not_public_numbers() -> None:
    """A short number is dialled, but nobody owns it."""
    assert not is_reconcilable("1000")


@pytest.mark.parametrize(
    ("number", "normal"),
    [
        ("4155551212", "+14155551212"),
        ("14155551212", "+14155551212"),
        ("011442071234567", "+442071234567"),
        ("00442071234567", "+442071234567"),
        ("20012345", "+20012345"),
        ("+999", "+999"),
        ("1000", "1000"),
    ],
)
def test_normal_form(number: str, normal: str) -> None:
    """The first rule that fits gives the international form."""
    assert normalize_number(number) == normal


@pytest.mark.parametrize(
    "text", ["a b", "1,2", "a\nb", "1|2", "'1'", "{1}", "\u0661\u0662", "\ud800", "é", ""]
)
def test_short_texts_that_would_split_a_dial_string(text: str) -> None:
    """An extension is letters, digits and a few signs; separators and quotes are none."""
    assert not is_dialable(text)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    """No text crashes, and a number never has a line break."""
    assert not (is_dialable(text) and any(c.isspace() for c in text))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+1 (415) 555-0100", "+14155550100"),
        ("(415) 555-1212", "4155551212"),
        ("415.555.1212", "4155551212"),
        ("+1 415 555\u20110100", "+14155550100"),
        ("+1\u00a0415\u202f555\u20130100", "+14155550100"),
        ("tel:+1-415-555-0100", "+14155550100"),
        ("TEL:+14155550100", "+14155550100"),
        (" +14155550100 ", "+14155550100"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+49 (0)30/123456-78", "+493012345678"),
        ("+39 (0)6 1234 5678", "+390612345678"),
        ("0044 20 7946 0958", "00442079460958"),
        ("tel:911", "911"),
        ("030/1234567", "0301234567"),
        ("1-2", "1-2"),
        ("*97", "*97"),
    ],
)
def test_as_people_write_them(written: str, number: str) -> None:
    """Blanks, brackets, hyphens, dots and slashes carry nothing, a zero in brackets is for callers at home;
    what is an extension as it stands is left alone."""
    assert number in (as_dialled(written), plain_number(written))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tel:",
        "+",
        "()",
        "tel:+1415x5550100",
        "tel:+14155550100;ext=5",
        "1,2,3,4,5,6",
        "415#555#1212",
        "++1415",
    ],
)
def test_what_is_left_has_to_be_a_number(text: str) -> None:
    """Anything that may carry something is no number: it is not taken off."""
    assert plain_number(text) is None


@given(st.text(alphabet="0123456789+-() ./#*,;xtel:", max_size=40))
def test_nothing_but_punctuation_goes(text: str) -> None:
    """The digits that are dialled are those that were written, in order, but for the zero in brackets."""
    number = plain_number(text)
    if number is not None:
        digits = [sign for sign in text if sign.isdigit()]
        assert len(number) >= 7 or not set(text.strip().removeprefix("tel:").strip()) & set(" -.()/")
        assert [sign for sign in number if sign.isdigit()] in (digits, _without_one_zero(number, digits))


def _without_one_zero(number: str, digits: list[str]) -> list[str]:
    kept = number.lstrip("+")
    for place, digit in enumerate(digits):
        if digit == "0" and digits[:place] + digits[place + 1 :] == list(kept):
            return list(kept)
    return digits
