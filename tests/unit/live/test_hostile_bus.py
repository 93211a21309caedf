"""What a node on the bus can say to hold us up (``live/``, ``conference/sightings.py``)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from crossbar_conferences.broker.decoding import MAX_VALUES, Undecodable, decode
from crossbar_conferences.broker.port import Delivery
from crossbar_conferences.conference import live, rooms, sightings
from crossbar_conferences.live import tracker as tracking
from tests.support.brokers import eventually
from tests.unit.live.test_tracker import ACCOUNT, World
from tests.unit.live.test_tracker import world as world

#: Ids that no message to the media side may carry.
ODD_IDS = ("a b", "x" * 200, "${system(id)}", "a'b", "a\nb")


def _event(conference_id: str, kind: str = "conference-create", **more: Any) -> dict[str, Any]:
    origin = {"Event-Category": "conference", "Event-Name": "event", "Msg-ID": "m", "App-Name": "a"}
    named = {"Event": kind, "Conference-ID": conference_id, "Instance-ID": "i", "Account-ID": ACCOUNT}
    return {**origin, "App-Version": "1", **named, **more}


async def _say(world: World, body: dict[str, Any]) -> None:
    key = f"conference.event.{body['Event']}.{ACCOUNT}.room.call"
    await world.bus.transport.publish("conference", key, orjson.dumps(body))


async def test_a_room_of_an_odd_name_spoils_no_round(world: World) -> None:
    """Events of rooms whose ids no question may carry leave an account readable, and the rounds going."""
    await world.cluster.perform(["create", "room", ACCOUNT])
    await world.tracker.account(ACCOUNT)
    for conference_id in ODD_IDS:
        await _say(world, _event(conference_id))
        await _say(world, _event(conference_id, "add-member", **{"Participant-ID": 1, "Call-ID": "c"}))
    await world.settle()
    assert list((await world.tracker.account(ACCOUNT, fresh=True)).rooms) == ["room"]
    world.tracker._on_gap()
    await eventually(lambda: world.tracker._accounts[ACCOUNT].seeded)
    assert list((await world.tracker.account(ACCOUNT)).rooms) == ["room"]
    assert world.tracker._watch is not None and not world.tracker._watch.done()


async def test_who_has_a_document_of_an_odd_id_gets_an_answer(world: World) -> None:
    """A conference whose id no question may carry is said not to be asked for, and is no error."""
    for fresh in (False, True):
        sighting = await world.tracker.conference(ACCOUNT, "a b", own=True, fresh=fresh)
        assert not sighting.rooms


async def test_one_round_that_fails_does_not_end_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong about one account, the next ones are asked for."""
    other = "b1b2c3d4e5f60718293a4b5c6d7e8f90"
    for account_id in (ACCOUNT, other):
        await world.tracker.account(account_id)
    search, asked = world.tracker._search.account, []

    async def account(account_id: str) -> Any:
        asked.append(account_id)
        if account_id == ACCOUNT:
            raise RuntimeError
        return await search(account_id)

    monkeypatch.setattr(world.tracker._search, "account", account)
    await world.tracker._reconcile_all()
    assert asked == [ACCOUNT, other]


async def test_beginnings_are_asked_for_a_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of conferences that begin at once are a bounded number of questions; others have theirs."""
    monkeypatch.setattr(world.tracker, "_completions", tracking.Shares(6, 4))
    await world.tracker.account(ACCOUNT)
    answer = asyncio.Event()

    async def lookup(conference_id: str) -> Any:
        await answer.wait()
        return tracking.Sighting()

    monkeypatch.setattr(world.tracker._search, "lookup", lookup)
    for number in range(50):
        await _say(world, _event(f"room{number}"))
    tracked = world.tracker._accounts[ACCOUNT]
    await eventually(lambda: len(tracked.rooms) == 50)
    assert len(tracked.completing) == 4 and world.tracker.counters.searches == 5
    answer.set()
    await eventually(lambda: not tracked.completing)
    assert world.tracker._completions.held() == 0


async def test_an_event_of_a_great_length_is_not_kept(world: World) -> None:
    """What somebody says of a participant is not kept whatever its length."""
    await world.tracker.account(ACCOUNT)
    long = {"x": "y" * 300_000}
    feed, heard = world.tracker._feed, world.tracker._feed.heard
    await _say(world, _event("room", "add-member", **{"Participant-ID": 1, "Custom-Channel-Vars": long}))
    await _say(world, _event("room", "add-member", **{"Participant-ID": 2}))
    await eventually(lambda: feed.heard == heard + 1)
    assert feed.ignored == 1


def test_an_answer_with_a_million_people_costs_little() -> None:
    """Of what a search answer tells, no more is read than a cluster can have; others' answers are read."""
    people = [{"Participant-ID": number} for number in range(rooms.MAX_PARTICIPANTS + 10)]
    many = {"Conference-ID": "c", "Participants": people}
    assert len(sightings.room_from_search(many).participants) == rooms.MAX_PARTICIPANTS
    flood = {"Conferences": {str(number): {"Participants": people} for number in range(20)}}
    few = {"Conferences": {"c": {"Participants": people[:3]}}}
    assert list(sightings.of_sane_size([flood, few])) == [few]
    empty = {"Conferences": {str(number): {} for number in range(rooms.MAX_ROOMS + 10)}}
    assert len(list(sightings.rooms_from_account_search(empty, ACCOUNT))) == rooms.MAX_ROOMS


def test_events_fill_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms of an account and people of a room are followed up to a number; those there are still told of."""
    monkeypatch.setattr(live, "MAX_ROOMS", 3)
    monkeypatch.setattr(live, "MAX_PARTICIPANTS", 3)
    table: live.MutableRooms = {}
    for number in range(1, 6):
        for conference_id, member in (("0", number), (str(number), 1)):
            heard = live.event_from(_event(conference_id, "add-member", **{"Participant-ID": member}), 1.0)
            assert heard is not None
            live.enter(table, heard)
    assert set(table) == {"0", "1", "2"} and len(table["0"].participants) == 3
    left = live.event_from(_event("0", "del-member", **{"Participant-ID": 2}), 1.0)
    assert left is not None and live.enter(table, left) and len(table["0"].participants) == 2


def test_a_message_of_very_many_values_is_not_read() -> None:
    """A message with more values than Kazoo's longest is dropped before anything is made of it."""
    body = {"Event-Category": "c", "Event-Name": "n", "Msg-ID": "m", "x": [0] * (MAX_VALUES + 1)}
    with pytest.raises(Undecodable, match="too_large"):
        decode(Delivery("targeted", "key", orjson.dumps(body), "application/json"))
