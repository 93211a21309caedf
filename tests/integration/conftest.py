"""What the integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.brokers import Bench, memory_bench, rabbit_bench


@pytest.fixture(params=["memory", "rabbit"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A broker of each kind."""
    if request.param == "memory":
        async with memory_bench() as bench:
            yield bench
    else:
        async with rabbit_bench(request.getfixturevalue("amqp_url")) as bench:
            yield bench
