"""Recordings: a file for each, a stop that finds it, and a start that failed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.answers import Answer
from tests.support.world import World, beside

START, STOP = {"action": "start"}, {"action": "stop"}


def _files(world: World) -> list[str]:
    return [command["Media-Name"] for command in world.commands]


async def _room(world: World) -> str:
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    return conference_id


async def test_each_recording_has_a_file_of_its_own(world: World) -> None:
    """Two recordings of one room, one right after the other, go to two files, and each stop names its own."""
    conference_id = await _room(world)
    for _ in range(2):
        assert (await world.act(conference_id, "record", START, wait="1400")).status == 200
        assert (await world.act(conference_id, "record", STOP, wait="1400")).status == 200
    first, stopped, second, ended = _files(world)
    assert (first, second) == (stopped, ended)
    assert first != second
    assert world.told(conference_id) == ["done"] * 4


async def _without_path(world: World) -> None:
    # As the older core's events are, and as if the operator published none.
    await world.cluster.perform(["fault", "all", "drop-events", "on"])


@pytest.mark.parametrize("knows", ["the same sidecar", "another one"])
async def test_a_stop_where_no_event_tells_the_file(world: World, knows: str) -> None:
    """Whoever stops it names the file of the start, whichever process began it."""
    conference_id = await _room(world)
    await _without_path(world)
    await world.act(conference_id, "record", START)
    await world.done(conference_id)
    async with beside(world) as other:
        stopper = world if knows == "the same sidecar" else other
        assert (await stopper.act(conference_id, "record", STOP)).status == 202
        assert _files(world)[0] == (_files(world) + _files(other))[1]
    await world.done(conference_id, 2)
    assert world.told(conference_id) == ["done", "done"]
    assert not world.room(conference_id).recordings


async def test_a_stop_of_an_earlier_run_is_none_of_this(world: World) -> None:
    """The file of an earlier run of the conference is not taken for one of this run."""
    conference_id = await _room(world)
    await world.act(conference_id, "record", START, wait="1400")
    await world.cluster.perform(["destroy", conference_id])
    await world.start_room(conference_id, "name=Ann")
    await world.act(conference_id, "record", STOP)
    begun, stopped = _files(world)
    assert begun != stopped


async def _started(world: World, conference_id: str, *steps: str) -> Answer:
    """A start whose switch does nothing but these steps."""
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
    answering = world.start(world.act(conference_id, "record", START, wait="1400"))
    await world.eventually(lambda: bool(world.commands))
    for step in steps:
        await world.cluster.perform([step, conference_id, "x.mp3"])
    return await answering


async def test_a_recording_that_fails_is_not_confirmed(world: World) -> None:
    """A stop right after the start says that it failed; a start that lasts is confirmed."""
    conference_id = await _room(world)
    answer = await _started(world, conference_id, "record", "recordstop")
    assert (answer.status, answer.data["confirmed"]) == (202, False)
    assert answer.data["failed"]
    assert answer.data["is_recording"] is False
    world.sent.clear()
    lasting: Any = await _started(world, conference_id, "record")
    assert (lasting.status, lasting.data["confirmed"]) == (200, True)
    assert "failed" not in lasting.data
