"""What a client may have waiting, ask for and take: ``outbox.py``, ``places.py``, ``pace.py``,
``allowance.py``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.shares import Shares
from crossbar_conferences.sockets.allowance import Allowance, RateExceeded
from crossbar_conferences.sockets.outbox import FREE, Outbox
from crossbar_conferences.sockets.pace import Pace
from crossbar_conferences.sockets.places import PlaceRefused, Places


def test_a_queue_is_bounded_in_number_and_in_bytes() -> None:
    """What does not fit is not kept, and what is being sent still counts."""
    shares = Shares(10**9, 10**9)
    box = Outbox(3, 100, shares, "a")
    assert [box.put(b"x" * 10) for _ in range(4)] == [True, True, True, False]
    assert (len(box), box.size, box.frames_left, box.bytes_left) == (3, 30, 0, 70)
    assert box.take() == b"x" * 10 and box.size == 30
    assert not box.put(b"x" * 71)
    box.sent()
    assert box.size == 20
    assert box.put(b"x" * 80) and not box.put(b"")


def test_an_account_has_a_share_and_who_keeps_up_pays_nothing() -> None:
    """One that does not read takes its account's share; another of the account goes on all the same."""
    shares = Shares(10**6, 50_000)
    slow, quick, other = (Outbox(10, 10**6, shares, who) for who in ("a", "a", "b"))
    assert slow.put(b"x" * (FREE + 50_000)) and not slow.put(b"x")
    assert quick.put(b"x" * FREE) and not quick.put(b"x")
    assert other.put(b"x" * (FREE + 50_000))
    slow.close()
    assert shares.held("a") == 0 and quick.put(b"x")
    assert quick.charge("c") and shares.held("a") == 0 and shares.held("c") == 1
    quick.close()
    other.close()
    assert shares.held() == 0


@given(st.lists(st.one_of(st.integers(0, 40_000), st.sampled_from(["take", "sent", "a", "b"])), max_size=40))
def test_what_a_queue_counts_is_what_is_in_it(steps: list[int | str]) -> None:
    """Whatever comes and goes, and whoever it belongs to: the share is the bytes beyond the free ones."""
    shares = Shares(200_000, 100_000)
    box = Outbox(20, 90_000, shares, "a")
    waiting: list[int] = []
    sending = 0
    for step in steps:
        if isinstance(step, int):
            if box.put(b"x" * step):
                waiting.append(step)
        elif step == "take" and waiting:
            box.take()
            sending += waiting.pop(0)
        elif step == "sent":
            box.sent()
            sending = 0
        elif step in ("a", "b"):
            assert box.charge(step)
        assert box.size == sum(waiting) + sending
        assert shares.held() == max(0, box.size - FREE)
    box.close()
    assert shares.held() == 0


def test_places_are_counted_by_address_account_and_token() -> None:
    """What is refused takes nothing, and what is left can be taken again."""
    places = Places(5, 2, 3, 1)
    first, second = places.enter("x"), places.enter("x")
    with pytest.raises(PlaceRefused) as refused:
        places.enter("x")
    assert refused.value.of == "address"
    places.claim(first, "a", "token")
    with pytest.raises(PlaceRefused) as refused:
        places.claim(second, "a", "token")
    assert refused.value.of == "token"
    second.leave()
    others = [places.enter(name) for name in ("p", "q", "r", "s")]
    with pytest.raises(PlaceRefused) as refused:
        places.enter("t")
    assert refused.value.of == "all"
    for place in others[:2]:
        places.claim(place, "a")
    with pytest.raises(PlaceRefused) as refused:
        places.claim(others[2], "a")
    assert refused.value.of == "account"
    for place in (first, second, *others):
        place.leave()
        place.leave()
    assert len(places) == 0 and places._accounts.held() == places._tokens.held() == 0


def test_no_limit_is_none() -> None:
    """Zero, as in Kazoo's settings."""
    places = Places()
    for _ in range(1_000):
        places.claim(places.enter("x"), "a", "token")


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from("ab"), st.integers(1, 50)), max_size=60))
def test_nobody_is_done_more_for_than_the_pace_allows(asked: list[tuple[float, str, int]]) -> None:
    """In any span of time: the burst, and the rate for as long as it lasts; nobody waits for another."""
    now = 0.0
    pace = Pace(10, 20, patience=5, clock=lambda: now)
    done: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    for passed, name, amount in asked:
        now += passed
        wait = pace.wait_for(name, amount)
        if wait is None:
            continue
        assert 0 <= wait <= 5
        done[name].append((now + wait, amount))
    for times in done.values():
        for begin in range(len(times)):
            for end in range(begin, len(times)):
                span = times[end][0] - times[begin][0]
                work = sum(amount for _, amount in times[begin : end + 1])
                # The first piece of a span may have been saved up for, and the last be begun at its end.
                assert work <= 20 + 10 * span + times[begin][1] + 1e-6


def test_the_oldest_names_are_forgotten() -> None:
    """Names are endless."""
    pace = Pace(1, 1, clock=lambda: 0.0)
    for number in range(20_000):
        pace.wait_for(f"name {number}")
    assert len(pace._done) == 10_000


def test_refusals_are_counted_too() -> None:
    """A client that goes on and on is a flood; one that waits is not."""
    now = 0.0
    allowance = Allowance(2, 1, 3, lambda: now)
    allowance.take(1)
    allowance.take(1)
    floods = []
    for _ in range(5):
        with pytest.raises(RateExceeded) as refused:
            allowance.take(1)
        floods.append(refused.value.is_flood)
    assert floods == [False, False, False, True, True]
    now = 10.0
    allowance.take(2)
    with pytest.raises(RateExceeded) as refused:
        allowance.take(1)
    assert not refused.value.is_flood
