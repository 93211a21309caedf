"""Answers that are not rendered twice (``api/renderings.py``)."""

from __future__ import annotations

import orjson

from crossbar_conferences.api.renderings import Rendering, Renderings, rendered
from crossbar_conferences.fair import OVERHEAD


def a_rendering(text: str = "x") -> Rendering:
    found = rendered({"name": text}, {"id": "a"}, "1-a", '"1-a"')
    assert found is not None
    return found


def test_the_same_objects_give_the_same_answer() -> None:
    """A document that is equal but another object was read again: it is rendered again."""
    renderings, document = Renderings(), {"name": "x"}
    kept = a_rendering()
    renderings.keep("acc", "key", (document, None), (5,), kept)
    assert renderings.get("acc", "key", (document, None), (5,)) is kept
    assert renderings.get("acc", "key", ({"name": "x"}, None), (5,)) is None
    assert renderings.get("acc", "key", (document, None), (6,)) is None
    assert renderings.get("acc", "key", (document,), (5,)) is None
    assert renderings.get("acc", "other", (document, None), (5,)) is None


def test_memory_is_bounded_in_bytes() -> None:
    """What an account used least recently goes; what is too big for its share is not kept."""
    one = a_rendering("x" * 100)
    renderings = Renderings(limit=6 * (one.size + len("('a', None)") + OVERHEAD))
    for key in "abc":
        renderings.keep("acc", key, (), None, one)
    renderings.get("acc", "a", (), None)
    renderings.keep("acc", "d", (), None, one)
    assert [key for key in "abcd" if renderings.get("acc", key, (), None)] == ["a", "c", "d"]
    renderings.keep("acc", "e", (), None, a_rendering("x" * 3000))
    assert renderings.get("acc", "e", (), None) is None
    assert len(renderings) == 3


def test_one_resource_has_one_rendering() -> None:
    """A new one takes the place, and the bytes, of the old."""
    renderings = Renderings(limit=4 * (a_rendering().size + 20 + OVERHEAD))
    for number in range(100):
        renderings.keep("acc", "key", (), number, a_rendering())
    assert len(renderings) == 1
    renderings.keep("acc", "other", (), 0, a_rendering())
    assert len(renderings) == 2


def test_what_the_fast_encoder_refuses_is_not_rendered() -> None:
    """Integers beyond 64 bits and half surrogates are left to the slow way, which takes them."""
    assert rendered({"n": 2**70}, {}, None, None) is None
    assert rendered({"n": "\ud800"}, {}, None, None) is None
    assert orjson.loads(a_rendering().data_json) == {"name": "x"}
