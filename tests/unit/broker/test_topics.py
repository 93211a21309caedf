from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.broker.topics import hears, topic_matches


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.", True),
        ("a.*.c", "a..c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#", "", True),
        ("#", "a.b", True),
        ("#.c", "a.b.c", True),
        ("#.c", "c", True),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b", False),
        ("a.#.*", "a", False),
        ("a.#.*", "a.b", True),
        ("*.#.*", "a.b", True),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*", "ab", False),
    ],
)
def test_topic(pattern: str, key: str, matches: bool) -> None:
    """``*`` stands for one token, an empty one too; ``#`` for any number of them."""
    assert topic_matches(pattern, key) is matches


_tokens = st.sampled_from(["a", "b", ""])
_words = st.sampled_from(["a", "b", "*", "#"])


@given(st.lists(_words, min_size=1, max_size=5), st.lists(_tokens, min_size=1, max_size=5))
def test_like_a_regular_expression(words: list[str], tokens: list[str]) -> None:
    """The same as the pattern read as a regular expression over tokens that end in a dot."""
    parts = {"*": r"[^.]*\.", "#": r"(?:[^.]*\.)*"}
    expression = "".join(parts.get(word, re.escape(word) + r"\.") for word in words)
    text = "".join(token + "." for token in tokens)
    assert topic_matches(".".join(words), ".".join(tokens)) is bool(re.fullmatch(expression, text))


def test_exchange_types() -> None:
    """A direct exchange compares, a fanout one does not look, an unknown one compares."""
    assert hears("direct", "a.*", "a.*")
    assert not hears("direct", "a.*", "a.b")
    assert hears("fanout", "x", "y")
    assert hears("topic", "a.*", "a.b")
    assert not hears(None, "#", "a")
