"""Who is pushed what (``sockets/hub.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from crossbar_conferences.sockets.bindings import Subscription, parse
from tests.support.sockets import ACCOUNT, OTHER, HubWorld, hub_world

DATABASE = "account%2Fa1%2Fb2%2Fc3d4e5f60718293a4b5c6d7e8f90"


class Ear:
    """A subscriber that keeps what it is pushed."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def push(self, frame: bytes) -> None:
        """Keep it."""
        self.frames.append(orjson.loads(frame))


@pytest.fixture
async def world() -> AsyncIterator[HubWorld]:
    """A hub that lets accounts go at once."""
    async with hub_world(linger=0.0) as world:
        yield world


async def follow(world: HubWorld, text: str, account_id: str = ACCOUNT) -> tuple[Ear, Subscription]:
    ear, subscription = Ear(), parse(text, account_id)
    await world.hub.hold(subscription)
    world.hub.attach(ear, subscription)
    return ear, subscription


async def test_events_reach_every_binding_that_matches(world: HubWorld) -> None:
    """By conference, by kind of event, by call in both spellings, and all of an account."""
    texts = [
        "conference.event.room.*",
        "conference.event.*.*.*",
        "conference.event.add-member.room.*",
        "conference.event.room.*.add-member",
        "conference.event.room.call-1.2@10.0.0.1",
        "conference.event.room.call-1%2E2%4010%2E0%2E0%2E1",
    ]
    ears = [(await follow(world, text))[0] for text in texts]
    others = [
        (await follow(world, text))[0]
        for text in (
            "conference.event.del-member.room.*",
            "conference.event.room.call-2",
            "conference.event.x.*",
        )
    ]
    await world.event()
    assert [[frame["subscribed_key"] for frame in ear.frames] for ear in ears] == [[text] for text in texts]
    assert not any(ear.frames for ear in others)
    assert world.hub.pushed == len(texts)


async def test_events_of_other_accounts_reach_nobody(world: HubWorld) -> None:
    """A conference of the same id in another account is another conference."""
    ear, _ = await follow(world, "conference.event.*.room.*")
    await follow(world, "conference.event.*.room.*", OTHER)
    await world.event(account=OTHER)
    assert ear.frames == []


async def test_events_of_a_conference_are_numbered_without_gaps(world: HubWorld) -> None:
    """Every subscriber sees the same number of an event; each conference counts for itself."""
    ear, _ = await follow(world, "conference.event.*.*.*")
    narrow, _ = await follow(world, "conference.event.unmute-member.room.*")
    for kind in ("mute-member", "unmute-member", "mute-member"):
        await world.event(kind)
    await world.event(room="other")
    *numbers, other = [frame["seq"] for frame in ear.frames]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert [frame["seq"] for frame in narrow.frames] == [numbers[1]]
    assert other == world.hub.begin(ACCOUNT, "other") + 1


async def test_commands_and_document_changes_are_pushed(world: HubWorld) -> None:
    """Each through its own exchange, and only while somebody wants it."""
    command, wanted = await follow(world, "conference.command.room")
    change, _ = await follow(world, "object.doc_edited.conference")
    body = {
        "Event-Category": "conference",
        "Event-Name": "command",
        "Msg-ID": "m",
        "App-Name": "a",
        "App-Version": "1",
        "Node": "n@h",
        "Application-Name": "lock",
        "Conference-ID": "room",
    }
    await world.publish("conference", "conference.command.room", body)
    await world.publish("conference", "conference.command.another", body)
    edited = {
        "Event-Category": "configuration",
        "Event-Name": "doc_edited",
        "Msg-ID": "m",
        "App-Name": "a",
        "App-Version": "1",
        "Node": "n@h",
        "ID": "room",
        "Type": "conference",
        "Database": DATABASE,
        "Account-ID": ACCOUNT,
        "Is-Soft-Deleted": False,
    }
    await world.publish("configuration", f"doc_edited.{DATABASE}.conference.room", edited)
    await world.publish("configuration", f"doc_edited.{DATABASE}.user.u1", {**edited, "Type": "user"})
    assert [(frame["name"], frame["data"]["application_name"]) for frame in command.frames] == [
        ("command", "lock")
    ]
    assert [(frame["name"], frame["data"]["id"]) for frame in change.frames] == [("doc_edited", "room")]
    assert "seq" not in change.frames[0]
    world.hub.detach(command, wanted)
    await world.hub.release(wanted)
    await world.publish("conference", "conference.command.room", body)
    assert len(command.frames) == 1


async def test_nothing_is_pushed_after_detaching(world: HubWorld) -> None:
    """Also while the account is still heard for somebody else."""
    ear, subscription = await follow(world, "conference.event.room.*")
    other, _ = await follow(world, "conference.event.room.*")
    world.hub.detach(ear, subscription)
    await world.event()
    assert ear.frames == [] and len(other.frames) == 1


async def test_an_account_that_nobody_follows_is_let_go(world: HubWorld) -> None:
    """Its events are unbound and what was kept of them is dropped."""
    first, second = [await follow(world, "conference.event.room.*") for _ in range(2)]
    await world.event()
    for ear, subscription in (first, second):
        world.hub.detach(ear, subscription)
        await world.hub.release(subscription)
    await world.settle()
    assert len(world.hub.history) == 0
    heard = world.feed.heard + world.feed.ignored
    await world.event()
    assert world.feed.heard + world.feed.ignored == heard


async def test_an_account_lingers_so_that_a_client_can_come_back() -> None:
    """What passed while nobody was there is replayed."""
    async with hub_world(linger=60.0) as world:
        ear, subscription = await follow(world, "conference.event.room.*")
        await world.event()
        world.hub.detach(ear, subscription)
        await world.hub.release(subscription)
        await world.event("mute-member")
        missed = world.hub.replay(subscription, "room", ear.frames[0]["seq"])
        assert missed is not None
        assert [orjson.loads(frame)["data"]["event"] for frame in missed] == ["mute-member"]


async def test_a_broker_that_was_away_leaves_a_gap(world: HubWorld) -> None:
    """No number from before is good any longer, and whoever follows events is told so."""
    ear, subscription = await follow(world, "conference.event.room.*")
    command, _ = await follow(world, "conference.command.room")
    await world.event()
    seen = ear.frames.pop()["seq"]
    world.broker.stop()
    await world.settle()
    world.broker.start()
    await world.settle()
    assert world.hub.replay(subscription, "room", seen) is None
    assert ear.frames == [
        {
            "action": "gap",
            "subscribed_key": "conference.event.room.*",
            "subscription_key": f"conference.event.*.{ACCOUNT}.room.*",
        }
    ]
    assert command.frames == []
    await world.event()
    assert ear.frames[-1]["seq"] > seen + 1, "a number from before would cover what went unheard"


async def test_holding_waits_until_it_is_bound_whoever_came_first(world: HubWorld) -> None:
    """The second of two at once does not return before the first one's binding is made."""
    subscription = parse("conference.event.room.*", ACCOUNT)
    ear = Ear()

    async def come() -> None:
        await world.hub.hold(subscription)
        world.hub.attach(ear, subscription)
        await world.event()

    await asyncio.gather(come(), come())
    assert len(ear.frames) == 2
