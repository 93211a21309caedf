"""Which texts are numbers (dial.md 3.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints_numbers import is_dialable, is_reconcilable, normalize_number

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
