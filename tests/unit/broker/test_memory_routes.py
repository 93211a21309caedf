"""The bindings of the broker in memory as a tree (``broker/memory_routes.py``)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.broker.memory_routes import Routes
from crossbar_conferences.broker.port import Binding

EXCHANGES = {"topics": "topic", "all": "fanout", "one": "direct"}


def _lets_through(exchange: str, pattern: str, key: str) -> bool:
    """Another way to the same: a topic pattern read as a regular expression over tokens that end in a dot."""
    if EXCHANGES.get(exchange) != "topic":
        return EXCHANGES.get(exchange) == "fanout" or pattern == key
    parts = {"*": r"[^.]*\.", "#": r"(?:[^.]*\.)*"}
    expression = "".join(parts.get(word, re.escape(word) + r"\.") for word in pattern.split("."))
    return re.fullmatch(expression, key + ".") is not None


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
    routes = Routes(EXCHANGES)
    routes.add("q", Binding("topics", pattern))
    assert routes.heard_by("topics", key) == (("q",) if matches else ())


_exchanges = st.sampled_from([*EXCHANGES, "unknown"])
_patterns = st.lists(st.sampled_from(["a", "b", "", "*", "#"]), min_size=1, max_size=5).map(".".join)
_bound = st.lists(st.tuples(st.sampled_from("pqr"), st.builds(Binding, _exchanges, _patterns)), max_size=12)


@given(_bound, st.data(), _exchanges, _patterns)
def test_like_one_binding_after_the_other(
    bound: list[tuple[str, Binding]], data: st.DataObject, exchange: str, key: str
) -> None:
    """The queues found are those with a binding that lets the message through; unbinding undoes binding."""
    gone = data.draw(st.lists(st.sampled_from(bound))) if bound else []
    routes = Routes(EXCHANGES)
    for queue, binding in bound:
        routes.add(queue, binding)
    for queue, binding in gone:
        routes.remove(queue, binding)
    expected = {
        queue
        for queue, one in bound
        if (queue, one) not in gone
        and one.exchange == exchange
        and _lets_through(exchange, one.routing_key, key)
    }
    found = routes.heard_by(exchange, key)
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_exchange_types() -> None:
    """A direct exchange compares, a fanout one does not look, an unknown one compares."""
    routes = Routes(EXCHANGES)
    for exchange in (*EXCHANGES, "unknown"):
        routes.add("q", Binding(exchange, "a.*"))
    found = {exchange: routes.heard_by(exchange, "a.b") for exchange in (*EXCHANGES, "unknown", "other")}
    assert found == {"topics": ("q",), "all": ("q",), "one": (), "unknown": (), "other": ()}
    assert routes.heard_by("one", "a.*") == routes.heard_by("unknown", "a.*") == ("q",)


def test_nothing_is_kept_of_what_nobody_hears() -> None:
    """A tree whose last binding is gone is as empty as a new one."""
    routes = Routes(EXCHANGES)
    kept = Binding("topics", "a.b")
    routes.add("q", kept)
    for number in range(100):
        routes.add("q", Binding("topics", f"a.*.{number}.#"))
    for number in range(100):
        routes.remove("q", Binding("topics", f"a.*.{number}.#"))
    assert list(routes._roots["topics"].words["a"].words) == ["b"]
    routes.remove("q", kept)
    routes.remove("q", kept)
    assert routes._roots["topics"].is_empty
