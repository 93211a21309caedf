"""Answers that are not rendered twice (``api/renderings.py``)."""

from __future__ import annotations

import orjson

from crossbar_conferences.api.renderings import Rendering, Renderings, rendered


def a_rendering(text: str = "x") -> Rendering:
    found = rendered({"name": text}, {"id": "a"}, "1-a", '"1-a"')
    assert found is not None
    return found


def test_the_same_objects_give_the_same_answer() -> None:
    """A document that is equal but another object was read again: it is rendered again."""
    renderings, document = Renderings(), {"name": "x"}
    kept = a_rendering()
    renderings.keep("key", (document, None), (5,), kept)
    assert renderings.get("key", (document, None), (5,)) is kept
    assert renderings.get("key", ({"name": "x"}, None), (5,)) is None
    assert renderings.get("key", (document, None), (6,)) is None
    assert renderings.get("key", (document,), (5,)) is None
    assert renderings.get("other", (document, None), (5,)) is None


def test_memory_is_bounded_in_bytes() -> None:
    """What was used least recently goes; what is too big for all of it is not kept."""
    one = a_rendering("x" * 100)
    renderings = Renderings(limit=3 * one.size)
    for key in "abc":
        renderings.keep(key, (), None, one)
    renderings.get("a", (), None)
    renderings.keep("d", (), None, one)
    assert [key for key in "abcd" if renderings.get(key, (), None)] == ["a", "c", "d"]
    renderings.keep("e", (), None, a_rendering("x" * 1000))
    assert renderings.get("e", (), None) is None
    assert len(renderings) == 3


def test_one_resource_has_one_rendering() -> None:
    """A new one takes the place, and the bytes, of the old."""
    renderings = Renderings(limit=10 * a_rendering().size)
    for number in range(100):
        renderings.keep("key", (), number, a_rendering())
    assert len(renderings) == 1
    renderings.keep("other", (), 0, a_rendering())
    assert len(renderings) == 2


def test_what_the_fast_encoder_refuses_is_not_rendered() -> None:
    """Integers beyond 64 bits and half surrogates are left to the slow way, which takes them."""
    assert rendered({"n": 2**70}, {}, None, None) is None
    assert rendered({"n": "\ud800"}, {}, None, None) is None
    assert orjson.loads(a_rendering().data_json) == {"name": "x"}
