"""Commands that nobody is bound to take are no success."""

from __future__ import annotations

import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.live.port import Sighting
from tests.support.world import World


@pytest.mark.parametrize("wait", ["", "200"])
async def test_a_command_that_is_in_nobodys_queue_is_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    """While no media node is heard, as after a cut of the broker, and nobody is bound: 503, with and
    without a wait. Where somebody is bound, the command goes out."""
    taken, idle = await world.create(), await world.create()
    await world.start_room(taken, "name=Ann")
    monkeypatch.setattr(Bus, "hears", lambda *_: False)
    query = {"wait": wait} if wait else {}
    monkeypatch.setattr(type(world.service.live), "conference", _nobody_asked)
    answer = await world.act(idle, "lock", **query)
    assert (answer.status, answer.body["message"]) == (503, "command_not_taken"), answer.text
    assert answer.headers["retry-after"]
    answer = await world.act(taken, "lock", **query)
    assert answer.status in (200, 202), answer.text
    await world.done(taken)


async def _nobody_asked(*_: object, **__: object) -> Sighting:
    return Sighting()


async def test_a_command_to_a_conference_that_does_not_run_is_answered_as_in_kazoo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is known not to run, nobody has to be bound: 202."""
    idle = await world.create()
    await world.call("GET", world.path(idle))
    monkeypatch.setattr(Bus, "hears", lambda *_: False)
    assert (await world.act(idle, "lock")).status == 202
