"""Commands to somebody who has just joined, whom the switch does not find yet."""

from __future__ import annotations

import asyncio

from tests.support.world import World

_TWO = ("participants", "2")


async def _joined(world: World) -> str:
    """A room where somebody has just joined, and whose switch does no command till it is told to."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    await world.until_shown(conference_id, 1)
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
    await world.cluster.perform(["join", conference_id, f"{conference_id}-2@example.com", "name=Bob"])
    await world.eventually(lambda: _is_known(world, conference_id))
    return conference_id


def _is_known(world: World, conference_id: str) -> bool:
    accounts = getattr(world.service.live, "_accounts", {})
    room = accounts[world.account].rooms.get(conference_id)
    return room is not None and room.participant(2) is not None


async def _found(world: World) -> None:
    await world.cluster.perform(["fault", "all", "ignore-commands", "off"])


async def test_a_command_is_repeated_until_it_takes(world: World) -> None:
    """What the switch did not do at first it does when it finds the member; with and without a wait."""
    for query in ({}, {"wait": "1400"}):
        conference_id = await _joined(world)
        answering = world.start(world.act(conference_id, "mute", None, *_TWO, **query))
        await world.done(conference_id)
        await _found(world)
        answer = await answering
        assert answer.status == (200 if query else 202), answer.text
        await world.eventually(lambda room=conference_id: not world.room(room).members[1].speak)
        await world.eventually(lambda: not world.service.executor.resender._open)
        assert {sent["Application-Name"] for sent in world.commands} == {"mute_participant"}
        await world.cluster.perform(["destroy", conference_id])
        world.sent.clear()


async def test_the_last_command_counts(world: World) -> None:
    """A command that a later one takes back is not repeated after it."""
    conference_id = await _joined(world)
    await world.act(conference_id, "mute", None, *_TWO)
    await world.act(conference_id, "unmute", None, *_TWO)
    sent = len(world.commands)
    await _found(world)
    await world.eventually(lambda: not world.service.executor.resender._open)
    assert {one["Application-Name"] for one in world.commands[sent:]} <= {"unmute_participant"}
    assert world.room(conference_id).members[1].speak


async def test_a_command_that_took_is_not_repeated(world: World) -> None:
    """Where the event comes at once there is one message."""
    conference_id = await _joined(world)
    await _found(world)
    await world.act(conference_id, "mute", None, *_TWO)
    await world.eventually(lambda: not world.service.executor.resender._open)
    await asyncio.gather(*world.service.executor.resender._tasks)
    assert len(world.commands) == 1


async def test_what_nothing_proves_waits(world: World) -> None:
    """A relation to somebody new goes out once the switch finds the member."""
    conference_id = await _joined(world)
    data = {"participant_id": 1, "other_participant": 2, "relationship": "mute"}
    answering = world.start(world.act(conference_id, "relate", data, "participants"))
    await asyncio.sleep(0)
    await _found(world)
    assert (await answering).status == 202
    joined = world.service.live._accounts[world.account].rooms[conference_id].participant(2)
    assert world.service.clock() - joined.joined_at >= 0.5
    await world.eventually(lambda: world.room(conference_id).relations == ((1, 2, "mute"),))


async def test_somebody_new_is_told_once(world: World) -> None:
    """The mute goes out at once and is repeated; the announcement follows when it can be heard, once."""
    conference_id = await _joined(world)
    joined = world.service.live._accounts[world.account].rooms[conference_id].participant(2)
    answering = world.start(world.act(conference_id, "mute", {"announce": True}, *_TWO))
    await world.done(conference_id)
    # Whatever else was sent by now, the mute was first.
    assert world.commands[0]["Application-Name"] == "mute_participant"
    await _found(world)
    assert (await answering).status == 202
    assert world.service.clock() - joined.joined_at >= 0.5
    await world.eventually(lambda: not world.room(conference_id).members[1].speak)
    await world.eventually(lambda: not world.service.executor.resender._open)
    await asyncio.gather(*world.service.executor.resender._tasks)
    media = f"prompt://{world.account}/conf-muted"
    await world.eventually(lambda: world.room(conference_id).playing == ((media, 2),))
    assert [one["Application-Name"] for one in world.commands].count("play") == 1
