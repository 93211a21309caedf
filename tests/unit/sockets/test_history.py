"""Recent events by conference (``sockets/history.py``)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.shares import Shares
from crossbar_conferences.sockets.history import History


def filled(count: int, depth: int = 4) -> tuple[History, int]:
    history = History(depth=depth, rings=Shares(2, 2))
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


def test_an_account_keeps_its_share_and_no_more() -> None:
    """One that has too many conferences or too long events loses its own, never another's."""
    history = History(depth=10, rings=Shares(10, 3), sizes=Shares(10_000, 1_000))
    history.add("quiet", "room", {"n": 1}, "key", 1.0)
    for number in range(20):
        for _ in range(5):
            history.add("busy", f"room {number}", {"text": "x" * 100}, "key", 1.0)
    assert len(history) <= 4 and history.size <= 1_000 + 20
    assert len(history.since("quiet", "room", 1000) or []) == 1
    assert history.since("busy", "room 0", 1000) is None
    # One that fits nowhere is a gap, and its number is used up.
    last = history.mark("busy", "room 19", 1.0)
    assert history.add("busy", "room 19", {"text": "x" * 2_000}, "key", 1.0).sequence == last + 1
    assert history.since("busy", "room 19", last) is None
    assert history.since("busy", "room 19", last + 1) == []
    for account in ("busy", "quiet"):
        history.forget(account)
    assert (len(history), history.size) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 400)), max_size=60))
def test_whatever_is_replayed_is_whole(events: list[tuple[str, str, int]]) -> None:
    """Under any pressure: what is given after a number is everything after it, or it is a gap."""
    history = History(depth=5, rings=Shares(4, 2), sizes=Shares(1_500, 800))
    heard: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for number, (account, room, size) in enumerate(events):
        added = history.add(account, room, {"n": number, "text": "x" * size}, "key", 1.0)
        heard.setdefault((account, room), []).append((added.sequence, number))
        assert history.size <= 1_500 and len(history) <= 4
    for (account, room), told in heard.items():
        for sequence, _ in told:
            replayed = history.since(account, room, sequence)
            if replayed is not None:
                assert [event.body["n"] for event in replayed] == [n for s, n in told if s > sequence]
