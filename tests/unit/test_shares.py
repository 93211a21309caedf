"""Shares by account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.shares import ShareExceeded, Shares


def test_an_account_takes_its_share_and_no_more() -> None:
    """What one account may not have any more, another still gets."""
    shares = Shares(total=10, each=4)
    shares.take("a", 4)
    with pytest.raises(ShareExceeded) as refused:
        shares.take("a")
    assert refused.value.of_account
    shares.take("b", 4)
    assert (shares.held("a"), shares.held("b"), shares.held(), shares.accounts()) == (4, 4, 8, 2)


def test_all_together_take_the_total_and_no_more() -> None:
    """Many accounts, each within its share, do not exceed what there is."""
    shares = Shares(total=5, each=4)
    shares.take("a", 3)
    with pytest.raises(ShareExceeded) as refused:
        shares.take("b", 3)
    assert not refused.value.of_account
    assert shares.held("b") == 0


def test_what_is_given_back_can_be_taken_again() -> None:
    """Also when the block that held it fails; nothing is remembered of who holds nothing."""
    shares = Shares(total=1, each=1)
    with pytest.raises(RuntimeError), shares.holding("a"):
        raise RuntimeError
    with shares.holding("b"):
        assert shares.held() == 1
    assert (shares.held(), shares.accounts()) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-6, 6)), max_size=60))
def test_the_sum_is_always_the_sum(steps: list[tuple[str, int]]) -> None:
    """In whatever order amounts are taken and given, bounds hold and the total is what accounts hold."""
    shares = Shares(total=12, each=7)
    for account, amount in steps:
        if amount < 0:
            shares.give(account, -amount)
            continue
        try:
            shares.take(account, amount)
        except ShareExceeded:
            continue
    held = [shares.held(account) for account in "abc"]
    assert shares.held() == sum(held) <= 12
    assert all(0 <= one <= 7 for one in held)
