"""The world of the tests here, in memory and on real services.

One world serves every test of this folder: the switch is reset and the record emptied before each,
and each test has conferences of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from crossbar_conferences.tasks import end
from tests.support.world import World, either_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs in the loop of the one world."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="session", params=["embedded", "real"])
async def shared_world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The world of every test here: once on the adapters in memory, once on RabbitMQ and CouchDB."""
    async with either_world(request) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_world: World) -> World:
    """The world, with nothing running and nothing in the record."""
    await shared_world.cluster.perform(["reset"])
    # An invitation that nobody answered is written down half a minute later: in some other test.
    await end(*shared_world.service.inviter._following)
    while shared_world.listening:
        await shared_world.listening.pop().close()
    shared_world.sent.clear()
    shared_world.operations.clear()
    shared_world.kept_notifications.clear()
    return shared_world
