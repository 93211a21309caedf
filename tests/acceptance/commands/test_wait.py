"""``?wait=``: an action is confirmed by the event that proves it, or honestly is not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.world import WAIT_LIMIT_MS, World

PEOPLE = ("moderator=true name=Ann", "name=Bob", "name=Cid speak=false")
_ALL = ("participants",)
_TWO = ("participants", "2")

ACTIONS: list[tuple[str, dict[str, Any] | None, tuple[str, ...], dict[str, Any]]] = [
    ("lock", None, (), {"is_locked": True, "members": 2}),
    ("mute", None, _TWO, {"is_locked": False, "members": 2}),
    ("mute", None, _ALL, {"members": 2}),
    ("mute", {"ids": [1, 3]}, _ALL, {"members": 2}),
    ("deaf", None, _TWO, {"members": 2}),
    ("undeaf", None, _TWO, {"members": 2}),
    ("unmute", None, ("participants", "3"), {"members": 2}),
    ("kick", None, _TWO, {"members": 1}),
    ("kick", None, _ALL, {"members": 0, "moderators": 0}),
    ("record", {"action": "start"}, (), {"members": 2}),
]


@pytest.mark.parametrize(("action", "data", "on", "state"), ACTIONS)
async def test_a_command_is_confirmed(
    world: World, action: str, data: dict[str, Any] | None, on: tuple[str, ...], state: dict[str, Any]
) -> None:
    """200 as soon as the event is there, with the new state; long before the wait is over."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    began = time.monotonic()
    answer = await world.act(conference_id, action, data, *on, wait="1400")
    assert answer.status == 200, answer.text
    assert time.monotonic() - began < 1.3
    assert (answer.data["confirmed"], answer.body["metadata"]["confirmed"]) == (True, True)
    assert {key: answer.data[key] for key in state} == state
    if action == "mute" and on == _TWO:
        flags = {one["participant_id"]: one["speak"] for one in answer.data["participants"]}
        assert flags == {1: True, 2: False, 3: False}
    assert answer.data["result"] is not None


@pytest.mark.parametrize(
    ("action", "on"), [("lock", ()), ("mute", _TWO), ("kick", _TWO), ("mute", _ALL), ("kick", _ALL)]
)
async def test_a_switch_that_ignores_commands(world: World, action: str, on: tuple[str, ...]) -> None:
    """202 after the wait and not much later, with the state as it is: unconfirmed."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
    began = time.monotonic()
    answer = await world.act(conference_id, action, None, *on, wait="200")
    assert 0.2 <= time.monotonic() - began < 1.2
    assert answer.status == 202
    assert (answer.data["confirmed"], answer.body["metadata"]["confirmed"]) == (False, False)
    assert (answer.data["members"], answer.data["is_locked"]) == (2, False)


async def test_what_changes_nothing_is_confirmed_by_state(world: World) -> None:
    """An event that never comes does not matter when the state is as it should be."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.cluster.perform(["fault", "all", "drop-events", "on"])
    answer = await world.act(conference_id, "lock", None, wait="200")
    assert (answer.status, answer.data["confirmed"], answer.data["is_locked"]) == (200, True, True)
    assert (await world.act(conference_id, "mute", {"ids": [3]}, *_ALL, wait="200")).status == 200


@pytest.mark.parametrize("action", ["play", "vars", "say"])
async def test_what_no_event_proves_is_not_confirmed(world: World, action: str) -> None:
    """It is sent and answered at once, and nobody says that it was done."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    began = time.monotonic()
    data = {"media_id": "greeting", "text": "hello", "custom_conference_vars": {"a": "b"}}
    answer = await world.act(conference_id, action, data, wait="1400")
    assert time.monotonic() - began < 1.0
    assert (answer.status, answer.data["confirmed"], len(world.commands)) == (202, False, 1)


@pytest.mark.parametrize("wait", ["", "x", "-1", "1.5", "1e3", "٣", "10000000000", "true"])
@pytest.mark.parametrize(("action", "on"), [("lock", ()), ("kick", _TWO), ("mute", _ALL), ("dial", ())])
async def test_a_bad_wait(world: World, wait: str, action: str, on: tuple[str, ...]) -> None:
    """It is a validation error, and nothing is published."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    answer = await world.act(conference_id, action, {"endpoints": ["2600123456"]}, *on, wait=wait)
    assert set(answer.errors["wait"]) == {"type"}
    assert world.published == []


async def test_a_wait_is_bounded(world: World) -> None:
    """However long a client wants to wait, the operator's limit is the longest."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
    began = time.monotonic()
    answer = await world.act(conference_id, "lock", None, wait="100000")
    assert answer.status == 202
    assert WAIT_LIMIT_MS / 1000 <= time.monotonic() - began < WAIT_LIMIT_MS / 1000 + 1.5


async def test_the_proof_is_of_this_conference(world: World) -> None:
    """The same event of another conference, or about another participant, proves nothing."""
    conference_id, other = await world.create(), await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.start_room(other, *PEOPLE)
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])

    answering = world.start(world.act(conference_id, "mute", None, *_TWO, wait="400"))
    await world.eventually(lambda: bool(world.commands))
    await world.cluster.perform(["mute", other, "2"])
    await world.cluster.perform(["mute", conference_id, "1"])
    answer = await answering
    assert (answer.status, answer.data["confirmed"]) == (202, False)
