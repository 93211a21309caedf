"""Participants by call, device and user; numbers and answers as text; the slash at the end of a path."""

from __future__ import annotations

import secrets

import pytest

from tests.support.world import World, beside

NUMBER = "2600123456"


async def _room(world: World) -> tuple[str, str]:
    """A conference with Ann's call and two phones of joe, who are dialled; its id, and joe's."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann", "name=Bob")
    return conference_id, world.room(conference_id).members[0].call_id


async def test_a_participant_by_call(world: World) -> None:
    """Read and commanded as by number."""
    conference_id, call_id = await _room(world)
    shown = await world.call("GET", world.path(conference_id, "participants", call_id))
    assert (shown.status, shown.data["participant_id"], shown.data["call_id"]) == (200, 1, call_id)
    path = world.path(conference_id, "participants", call_id) + "?wait=2000"
    answer = await world.put(path, {"data": {"action": "mute"}})
    assert (answer.status, answer.data["confirmed"]) == (200, True)
    (command,) = world.commands
    assert (command["Application-Name"], command["Participant-ID"]) == ("mute_participant", 1)
    nobody = await world.put(
        world.path(conference_id, "participants", "no-such-call"), {"data": {"action": "mute"}}
    )
    assert nobody.status == 404


async def test_a_participant_by_device_and_user(world: World) -> None:
    """The one phone of a device is meant; of a user with two phones nobody is, and both are told; when one
    has gone, the other is."""
    conference_id = await world.create()
    await world.cluster.perform(["create", conference_id, world.account])
    device, user = secrets.token_hex(16), secrets.token_hex(16)
    for call, authorizing in (("one", device), ("two", secrets.token_hex(16))):
        told = [f"Authorizing-ID={authorizing}", f"Owner-ID={user}"]
        await world.cluster.perform(["join", conference_id, f"call-{call}-{conference_id}", *told])
    await world.until_shown(conference_id, 2)
    of_user = world.path(conference_id, "participants", user)
    both = await world.put(of_user, {"data": {"action": "mute"}})
    assert (both.status, both.body["message"]) == (409, "participant_ambiguous")
    assert [one["participant_id"] for one in both.data["candidates"]] == [1, 2]
    assert (await world.call("GET", of_user)).data == both.data
    assert world.commands == []
    path = world.path(conference_id, "participants", device)
    assert (await world.put(path + "?wait=2000", {"data": {"action": "kick"}})).data["confirmed"] is True
    assert world.commands[0]["Participant-ID"] == 1
    assert (await world.call("GET", of_user)).data["participant_id"] == 2
    assert (await world.put(of_user, {"data": {"action": "mute"}})).status == 202


async def test_numbers_and_answers_as_text(world: World) -> None:
    """What a document may have as text an action may have too; what is no whole number is still wrong."""
    conference_id, _ = await _room(world)
    many = world.path(conference_id, "participants")
    answer = await world.put(many, {"data": {"action": "mute", "data": {"ids": ["2"]}}})
    assert answer.data["participants"] == [{"participant_id": 2, "result": "sent"}]
    answer = await world.put(many, {"data": {"action": "deaf", "data": {"where": {"moderator": "false"}}}})
    assert [one["participant_id"] for one in answer.data["participants"]] == [1, 2]
    for wrong in ("2.7", "two", "", "2e0"):
        answer = await world.put(many, {"data": {"action": "mute", "data": {"ids": [wrong]}}})
        assert (answer.status, list(answer.data)) == (400, ["ids.0"]), wrong
    answer = await world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": "2"})
    assert answer.status == 202
    assert world.commands[-1]["Timeout"] == 2


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_slash_and_nobody_behind_it(world: World, refuses: bool) -> None:
    """It means everybody, as in Kazoo; an operator may have a kick refused there."""
    conference_id, _ = await _room(world)
    path = world.path(conference_id, "participants") + "/"
    async with beside(world, kick_all_with_slash=str(not refuses).lower()) as other:
        answer = await other.put(path, {"data": {"action": "kick"}})
        if refuses:
            assert (answer.status, list(answer.data)) == (400, ["participant_id"])
            assert other.commands == []
            answer = await other.put(path.rstrip("/"), {"data": {"action": "kick"}})
        assert answer.status == 201
        assert [one["Application-Name"] for one in other.commands] == ["kick", "kick"]
