"""Caches in which nobody takes the room of others (``fair.py``)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.fair import OVERHEAD, Bounds, FairCache


def kept(cache: FairCache[int, str], owner: str, count: int) -> list[int]:
    return [key for key in range(count) if cache.get(owner, key) is not None]


def test_an_owner_loses_its_own_oldest() -> None:
    """By number and by size, the one used longest ago first; nobody else loses anything."""
    for bounds in (Bounds(8, 10**6), Bounds(10**6, 8 * (100 + OVERHEAD))):
        cache: FairCache[int, str] = FairCache(bounds)
        cache.keep("other", 0, "theirs", 100)
        for key in range(4):
            cache.keep("a", key, str(key), 100)
        cache.get("a", 0)
        cache.keep("a", 4, "4", 100)
        assert kept(cache, "a", 5) == [0, 2, 3, 4]
        assert cache.get("other", 0) == "theirs"


def test_when_all_keep_too_much_the_greediest_loses() -> None:
    """However many owners there are, one that keeps little keeps it."""
    cache: FairCache[int, str] = FairCache(Bounds(10**6, 40 * (100 + OVERHEAD)))
    cache.keep("small", 0, "theirs", 100)
    for owner in "abcdef":
        for key in range(50):
            cache.keep(owner, key, "x", 100)
    assert cache.get("small", 0) == "theirs"
    assert cache.size <= 40 * (100 + OVERHEAD)
    assert all(kept(cache, owner, 50) for owner in "abcdef")


def test_what_is_larger_than_a_share_is_not_kept() -> None:
    """And what was kept under its key before is gone."""
    cache: FairCache[int, str] = FairCache(Bounds(10, 10 * OVERHEAD))
    assert cache.keep("a", 0, "x", 0)
    assert not cache.keep("a", 0, "y", 5 * OVERHEAD)
    assert cache.get("a", 0) is None
    assert not cache.keep("a", 0, "y", 0, number=6)
    assert (len(cache), cache.size) == (0, 0)


_STEP = st.tuples(
    st.sampled_from(["keep", "drop", "get", "drop_owner"]),
    st.sampled_from("abc"),
    st.integers(0, 6),
    st.integers(0, 4 * OVERHEAD),
    st.integers(1, 3),
)


@given(st.lists(_STEP, max_size=80))
def test_bounds_hold_whatever_is_done(steps: list[tuple[str, str, int, int, int]]) -> None:
    """Never more than the bounds in all, nor than half of them for one; sums are sums of what is there."""
    cache: FairCache[int, tuple[int, int]] = FairCache(Bounds(9, 12 * OVERHEAD))
    for step, owner, key, size, number in steps:
        match step:
            case "keep":
                cache.keep(owner, key, (size, number), size, number)
            case "drop":
                cache.drop(owner, key)
            case "get":
                cache.get(owner, key)
            case _:
                cache.drop_owner(owner)
        held = {one: [found for key in range(7) if (found := cache.get(one, key))] for one in "abc"}
        sizes = [sum(size + OVERHEAD for size, _ in found) for found in held.values()]
        numbers = [sum(number for _, number in found) for found in held.values()]
        assert cache.size == sum(sizes) <= 12 * OVERHEAD and max(sizes) <= 6 * OVERHEAD
        assert len(cache) == sum(numbers) <= 9 and max(numbers) <= 4
    cache.clear()
    assert (len(cache), cache.size, cache._ranks, cache._rank_of, cache._owners) == (0, 0, {}, {}, {})
