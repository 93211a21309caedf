from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.auth.buckets import Limits, TokenBuckets, bucket_name, cost, limits

from .conftest import MAIN, World


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_names() -> None:
    """A bucket is named after address and account, with Kazoo's words for what is missing."""
    assert bucket_name("1.2.3.4", MAIN) == f"1.2.3.4/{MAIN}"
    assert bucket_name(None, None) == "no_ip/no_account"


def test_a_bucket_starts_full_and_refuses_whole() -> None:
    """A request that costs more than there is takes nothing."""
    buckets, plain = TokenBuckets(clock=Time()), Limits()
    assert buckets.remaining("a", plain) == 100
    assert len(buckets) == 0
    assert buckets.consume("a", 99, plain)
    assert not buckets.consume("a", 2, plain)
    assert buckets.remaining("a", plain) == 1
    assert buckets.consume("a", 0, plain)
    assert buckets.remaining("b", plain) == 100


def test_refill_comes_in_blocks() -> None:
    """Ten tokens a second, all at once, up to the size."""
    now = Time()
    buckets, plain = TokenBuckets(clock=now), Limits()
    buckets.consume("a", 100, plain)
    now.now += 0.99
    assert buckets.remaining("a", plain) == 0
    now.now += 0.02
    assert buckets.remaining("a", plain) == 10
    now.now += 0.98
    assert buckets.remaining("a", plain) == 10
    now.now += 0.02
    assert buckets.remaining("a", plain) == 20
    now.now += 100
    assert buckets.remaining("a", plain) == 100


def test_logins_empty_the_bucket() -> None:
    """A login that costs more than there is leaves nothing."""
    buckets, plain = TokenBuckets(clock=Time()), Limits()
    assert buckets.consume_until("a", 35, plain)
    assert not buckets.consume_until("a", 66, plain)
    assert buckets.remaining("a", plain) == 0


def test_idle_buckets_end() -> None:
    """A bucket that nobody used for its idle time is forgotten, and full again."""
    now = Time()
    buckets, slow = TokenBuckets(clock=now), Limits(fill_rate=0)
    buckets.consume("a", 100, slow)
    now.now += 300
    buckets.consume("b", 1, slow)
    now.now += 301
    buckets.consume("c", 1, slow)
    assert len(buckets) == 2
    assert buckets.remaining("a", slow) == 100
    assert buckets.remaining("b", slow) == 99


def test_the_number_of_buckets_is_bounded() -> None:
    """Beyond the limit the bucket unused for longest goes; a huge name takes no huge memory."""
    buckets, plain = TokenBuckets(limit=3, clock=Time()), Limits()
    for name in "abcad":
        buckets.consume(name, 1, plain)
    assert len(buckets) == 3
    assert buckets.remaining("b", plain) == 100
    assert buckets.remaining("a", plain) == 98
    long = "9" * 100_000
    buckets.consume(long, 5, plain)
    assert buckets.remaining(long, plain) == 95
    assert buckets.remaining(long + "9", plain) == 100


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 40)), max_size=40))
def test_never_more_than_time_gave(steps: list[tuple[float, int]]) -> None:
    """Whatever the times and the costs: between nothing and full, and no more taken than was given."""
    now = Time()
    buckets, shape, taken, start = TokenBuckets(clock=now), Limits(size=30, fill_rate=7), 0, now()
    for pause, price in steps:
        now.now += pause
        if buckets.consume("a", price, shape):
            taken += price
        assert 0 <= buckets.remaining("a", shape) <= 30
    assert taken <= 30 + 7 * (now() - start)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (1, 1),
        (0, 0),
        (7, 7),
        ("3", 3),
        (-5, 1),
        (None, 1),
        (True, 1),
        ({}, 1),
        ({"conferences": 4}, 4),
        ({"conferences": {"PUT": 5}}, 5),
        ({"conferences": {"GET": 5}}, 1),
        ({MAIN: 6, "conferences": 4}, 6),
        ({MAIN: {"conferences": 8}, "conferences": 4}, 8),
        ({MAIN: {"conferences": {"PUT": 0}}, "conferences": 4}, 0),
        ({MAIN: {"users": 8}, "conferences": 4}, 4),
        ({MAIN: {"conferences": {"GET": 3}}, "conferences": {"PUT": 9}}, 9),
        ({"conferences": [1]}, 1),
    ],
)
def test_costs(setting: Any, expected: int) -> None:
    """A number for all, or by account, resource and verb, the most special first."""
    assert cost(setting, MAIN, "conferences", "PUT") == expected


def test_cost_without_an_account() -> None:
    """A path without account is priced by resource."""
    assert cost({"conferences": 3}, None, "conferences", "GET") == 3


async def test_limits_by_default(world: World) -> None:
    """Kazoo's defaults: 100 tokens, 10 a second, 600 seconds."""
    assert await limits(world.system()) == Limits(100, 10, 1.0, 600.0)


async def test_limits_from_the_database(world: World) -> None:
    """The crossbar's own figures before those for all."""
    world.add("system_config", _id="token_buckets", default={
        "default": {"max_bucket_tokens": 50}, "tokens_fill_rate": 5, "inactivity_timeout_s": 60,
        "crossbar": {"tokens_fill_rate": "20", "tokens_fill_time": "minute"}})  # fmt: skip
    assert await limits(world.system()) == Limits(50, 20, 60.0, 60.0)
    world.add("system_config", _id="token_buckets", default={"crossbar": {"max_bucket_tokens": -3},
              "tokens_fill_time": ["day"], "inactivity_timeout_s": {}})  # fmt: skip
    assert await limits(world.system()) == Limits(0, 10, 1.0, 600.0)
