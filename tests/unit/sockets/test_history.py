"""Recent events by conference (``sockets/history.py``)."""

from __future__ import annotations

from crossbar_conferences.sockets.history import History


def filled(count: int, depth: int = 4) -> tuple[History, int]:
    history = History(depth=depth, conferences=2)
    for number in range(count):
        history.add("a", "c", {"n": number}, "key", 1.0)
    return history, 1000


def test_numbers_rise_by_one_from_the_time() -> None:
    """The first number follows the clock in milliseconds, later ones follow it."""
    history, base = filled(3)
    assert history.mark("a", "c", 9.0) == base + 3
    assert history.begin("a", "c", 9.0) == base
    assert history.marks("a") == {"c": base + 3}


def test_what_is_in_the_ring_is_replayed() -> None:
    """After a number that is still covered come exactly the newer events."""
    history, base = filled(3)
    replayed = history.since("a", "c", base + 1)
    assert replayed is not None
    assert [event.sequence for event in replayed] == [base + 2, base + 3]
    assert history.since("a", "c", base + 3) == []
    assert len(history.since("a", "c", base) or []) == 3


def test_a_gap_is_told() -> None:
    """Numbers that fell out, that never were, or of an unknown conference are a gap."""
    history, base = filled(6)
    assert history.since("a", "c", base + 1) is None
    assert history.since("a", "c", base + 99) is None
    assert history.since("a", "x", base) is None


def test_a_conference_without_events_can_be_marked() -> None:
    """Whoever marks it first is told everything that comes after."""
    history = History()
    mark = history.mark("a", "c", 1.0)
    assert history.since("a", "c", mark) == []
    added = history.add("a", "c", {}, "key", 2.0)
    assert history.since("a", "c", mark) == [added]


def test_what_was_unheard_is_a_gap() -> None:
    """After clearing no earlier number is covered."""
    history, base = filled(3)
    history.clear()
    assert history.since("a", "c", base + 3) is None
    history.add("a", "c", {}, "key", 60.0)
    assert history.since("a", "c", base + 3) is None


def test_memory_is_bounded() -> None:
    """Only so many conferences are kept, the busiest ones, and a whole account can be dropped."""
    history, _ = filled(1)
    history.add("a", "c2", {}, "key", 1.0)
    history.add("a", "c3", {}, "key", 1.0)
    assert len(history) == 2
    assert history.marks("a").keys() == {"c2", "c3"}
    history.forget("a")
    assert len(history) == 0
