"""Text for the switch's command line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.escaping import (
    Unsafe,
    caller_name,
    caller_number,
    has_control_characters,
    is_dial_safe,
    media_name,
    spoken,
    token,
)

BREAKING = set("'\"`\\\n\r\x00\u2028\u2029|{}<>^")


@given(st.text())
def test_nothing_that_passes_can_break_out(text: str) -> None:
    """Whatever is let through has no quote, expansion, line break or control character."""
    for pass_through in (spoken, media_name, caller_number, token):
        with contextlib.suppress(Unsafe):
            passed = pass_through(text)
            assert not set(passed) & BREAKING
            assert not has_control_characters(passed)
            assert "$$" not in passed
    assert not set(caller_name(text)) & BREAKING


@pytest.mark.parametrize(
    "text", ["Hello, world! It costs $5 & more; 100%?", "Grüße an alle", "1 + 1 = 2 (two)"]
)
def test_ordinary_texts_are_spoken_as_they_are(text: str) -> None:
    """Punctuation is no attack."""
    assert spoken(text) == text


def test_quotes_are_made_harmless() -> None:
    """An apostrophe is spoken, not refused."""
    assert spoken('It\'s "on"') == "It\u2019s \u2019on\u2019"


@pytest.mark.parametrize(
    "name", ["https://h/a.mp3?x=1&y=2", "/acct/media", "tone_stream://%(500,0,440);loops=2"]
)
def test_ordinary_media_pass(name: str) -> None:
    """Addresses and paths are what they were."""
    assert media_name(name) == name


def test_errors_do_not_repeat_the_text() -> None:
    """The message says why and quotes nothing."""
    with pytest.raises(Unsafe) as error:
        media_name("secret' attack")
    assert "secret" not in str(error.value)


def test_overlong() -> None:
    """Every text has an end."""
    for function in (spoken, media_name, caller_number, token):
        with pytest.raises(Unsafe):
            function("x" * 5000)
    assert len(caller_name("x" * 5000)) == 128


def test_control_characters_anywhere() -> None:
    """They are found in keys, lists and depths; what is too deep is suspicious."""
    assert has_control_characters({"a": [{"b\x1b": 1}]})
    assert has_control_characters(("x\u2029",))
    assert not has_control_characters({"a": [1, None, True, "ok"]})
    deep: object = "x"
    for _ in range(50):
        deep = [deep]
    assert has_control_characters(deep)


@pytest.mark.parametrize("value", ["a b", "a,b", "a'b", "a}b", 5, None, "a\nb", "a!b", "a&b"])
def test_not_dial_safe(value: object) -> None:
    """Separators of a dial string, and what is no text."""
    assert not is_dial_safe(value)
