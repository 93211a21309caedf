"""Bare names of prompts, and what is sent for them (real-switch.md A10; Kazoo's kz_media_url)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.media import media_locator
from crossbar_conferences.conference.media_prompts import is_prompt_name, prompt_locator
from crossbar_conferences.kapi import texts

A = "a" * 32


@pytest.mark.parametrize(
    "name",
    ["conf-welcome", "vm-enter_id", "cf-move-no_channel", "queue-about_1_hour", "ivr-group_confirm", "my-2"],
)
def test_names(name: str) -> None:
    """What Kazoo's own prompts are called, and what an account may call its own after their fashion."""
    assert is_prompt_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c" * 32,
        "0123456789abcdef" * 2,
        "greeting",
        "moh123",
        "silence",
        "a.wav",
        "x_y-z",
        # Ids of documents: a voicemail's, a UUID.
        "202611-" + "a" * 32,
        "deadbeef-1234-4abc-8def-0123456789ab",
        "abcdefab-cdef-abcd-efab-cdefabcdefab",
        # Nearly names.
        "Conf-Welcome",
        "conf-",
        "-welcome",
        "conf--welcome",
        "conf-_welcome",
        "conf-welcome_",
        "conf-welcome.wav",
        "conf-welcome/en-us",
        "conf-welcome\n",
        " conf-welcome",
        "conf-w!lcome",
        "conf-${x}",
        "conf-wélcome",
        "conf-\u0661",
        "conf-" + "a" * 124,
        f"{'a' * 33}-b",
    ],
)
def test_what_is_no_name(text: str) -> None:
    """Ids of documents stay ids, and nothing else becomes a name."""
    assert not is_prompt_name(text)


@pytest.mark.parametrize(
    ("language", "end"),
    [
        (None, ""),
        ("en-us", "/en-us"),
        ("fr_CA", "/fr_CA"),
        ("", ""),
        ("en-us/../x", ""),
        ("en us", ""),
        ("${x}", ""),
        ("en!x", ""),
        ("x" * 200, ""),
        (["en-us"], ""),
        (7, ""),
    ],
)
def test_the_language(language: object, end: str) -> None:
    """The conference's, where it has one; what is no language is left out."""
    made = prompt_locator("conf-muted", A, language)
    assert made == f"prompt://{A}/conf-muted{end}"


@given(name=st.from_regex(r"[a-z]{2,5}(-[a-z0-9_]{1,9}){1,3}", fullmatch=True), language=st.text(max_size=8))
def test_what_is_sent_may_be_played(name: str, language: str) -> None:
    """What is made of a name is a Media-Name that may leave, and that a client could have named itself."""
    if is_prompt_name(name):
        made = prompt_locator(name, A, language)
        assert texts.MEDIA.fits(made)
        assert media_locator(made, A) == made
