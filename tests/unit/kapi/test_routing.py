from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.kapi import routing


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", ""),
        ("*", "*"),
        ("#", "#"),
        ("call-1.2@10.0.0.1", "call-1%2E2%4010%2E0%2E0%2E1"),
        ("abc@10.0.0.9", "abc%4010%2E0%2E0%2E9"),
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("%", "%25"),
        ("a:b", "a%3Ab"),
        ("-~_", "-~_"),
        ("**", "%2A%2A"),
        ("é", "%C3%A9"),
    ],
)
def test_vectors(text: str, encoded: str) -> None:
    """Kazoo's own encoding, byte by byte, in upper-case hex."""
    assert routing.encode(text) == encoded


@given(st.text())
def test_one_token(text: str) -> None:
    """Whatever is encoded stays one token of a routing key."""
    assert "." not in routing.encode(text)
