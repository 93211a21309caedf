"""What a session answers (``sockets/session.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.sockets.session import Session
from crossbar_conferences.store.port import StoreUnreachable
from tests.support.sockets import ACCOUNT, CHILD, OTHER, HubWorld, ask, event_fields, frames, hub_world

EVENTS = "conference.event.*.room.*"


@pytest.fixture
async def world() -> AsyncIterator[HubWorld]:
    """A hub and a guard."""
    async with hub_world() as world:
        yield world


def errors(reply: dict[str, Any]) -> list[str]:
    assert reply["status"] == "error", reply
    found: list[str] = reply["data"]["errors"]
    return found


async def subscribe(session: Session, *bindings: str, **more: Any) -> dict[str, Any]:
    """Subscribe, successfully; the reply's data."""
    data = {"account_id": ACCOUNT, "bindings": [*bindings], **more}
    reply = await ask(session, "subscribe", data=data)
    assert reply["status"] == "success", reply
    found: dict[str, Any] = reply["data"]
    return found


async def test_replies_carry_all_bindings_in_order(world: HubWorld) -> None:
    """Subscribing and unsubscribing tell what was done and what is there (A.5)."""
    session = world.session()
    assert (await subscribe(session, EVENTS))["subscribed"] == [EVENTS]
    both = [EVENTS, "conference.command.room"]
    assert (await subscribe(session, "conference.command.room"))["subscribed"] == both
    assert (await subscribe(session, EVENTS))["subscribed"] == both
    reply = await ask(session, "unsubscribe", data={"account_id": ACCOUNT, "binding": EVENTS})
    assert reply["data"]["unsubscribed"] == [EVENTS]
    assert reply["data"]["subscribed"] == ["conference.command.room"]


async def test_what_was_never_there_can_be_unsubscribed_and_everything_at_once(world: HubWorld) -> None:
    """The one is listed nevertheless; the other is asked for by name, never by leaving data out."""
    session = world.session()
    reply = await ask(session, "unsubscribe", data={"account_id": ACCOUNT, "binding": EVENTS})
    assert reply["data"]["unsubscribed"] == [EVENTS]
    await subscribe(session, EVENTS, "conference.command.room")
    assert errors(await ask(session, "unsubscribe")) == ["missing required keys in data object"]
    reply = await ask(session, "unsubscribe", data={"all": True})
    assert reply["data"] == {
        "unsubscribed": [EVENTS, "conference.command.room"],
        "subscribed": [],
        "subscriptions": [],
    }


async def test_a_binding_that_is_named_twice_counts_once(world: HubWorld) -> None:
    """In one list, and in two frames: the event is pushed once."""
    session = world.session()
    await subscribe(session, EVENTS, EVENTS)
    await subscribe(session, EVENTS)
    await world.event()
    assert len(frames(session)) == 1
    data = {"account_id": ACCOUNT, "bindings": [EVENTS, EVENTS]}
    assert (await ask(session, "unsubscribe", data=data))["data"]["unsubscribed"] == [EVENTS]


async def test_the_same_binding_of_two_accounts_is_two_subscriptions(world: HubWorld) -> None:
    """Leaving one keeps the other (W12)."""
    session = world.session()
    await subscribe(session, EVENTS)
    await subscribe(session, EVENTS, account_id=CHILD)
    await ask(session, "unsubscribe", data={"account_id": ACCOUNT, "binding": EVENTS})
    await world.event()
    await world.event(account=CHILD)
    assert [frame["data"]["account_id"] for frame in frames(session)] == [CHILD]


async def test_a_token_is_needed_once(world: HubWorld) -> None:
    """None, a bad one, a good one; later a bad one counts only for what is asked for in its name."""
    session = world.session()
    assert errors(await ask(session, "ping", auth_token=None)) == ["authentication token required"]
    assert errors(await ask(session, "ping", auth_token="bad")) == ["failed to authenticate token bad"]
    assert session.account_id is None
    assert (await ask(session, "ping"))["data"] == {"response": "pong"}
    assert session.account_id == ACCOUNT
    assert (await ask(session, "ping", auth_token="bad"))["status"] == "success"
    for action in ("subscribe", "authenticate"):
        reply = await ask(session, action, auth_token="bad", data={"binding": EVENTS})
        assert errors(reply) == ["failed to authenticate token bad"]
    assert session.bindings == []
    await subscribe(session, EVENTS)


@pytest.mark.parametrize("action", ["authenticate", "noop", "dance", "", 5])
async def test_other_actions_authenticate_and_do_nothing(world: HubWorld, action: Any) -> None:
    """There is no action of that name in Kazoo either; the token counts all the same (A.5)."""
    session = world.session()
    assert await ask(session, action) == {
        "action": "reply",
        "request_id": "r",
        "status": "success",
        "data": {},
    }
    assert session.account_id == ACCOUNT


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "missing required keys in data object"),
        ({}, "missing required keys in data object"),
        ({"account_id": ACCOUNT}, "missing required keys : binding"),
        ({"binding": ""}, "missing required keys : binding"),
        ({"binding": 5}, "empty subscription"),
        ({"binding": {}}, "empty subscription"),
        ({"bindings": [None]}, "empty subscription"),
        ({"binding": EVENTS, "account_id": "*"}, "unauthorized wildcard account id"),
        ({"binding": EVENTS, "account_id": OTHER}, "unauthorized account id"),
        ({"binding": EVENTS, "account_id": "x"}, "unauthorized account id"),
        ({"binding": EVENTS, "account_id": [ACCOUNT]}, "unauthorized account id"),
        ({"binding": "foo.bar"}, "no available subscriptions to requested binding"),
        ({"bindings": [EVENTS, "foo.bar"]}, "no available subscriptions to requested binding"),
        ({"binding": "conference.command.foreign"}, "unauthorized conference id"),
        ({"bindings": [EVENTS, "conference.command.foreign"]}, "unauthorized conference id"),
        ({"bindings": [f"conference.event.c{n}.*" for n in range(9)]}, "too many subscriptions"),
    ],
)
async def test_what_is_refused_changes_nothing(world: HubWorld, data: Any, words: str) -> None:
    """Each refusal has its words, and of a list either everything is subscribed to or nothing."""
    session = world.session(subscriptions=8)
    assert errors(await ask(session, "subscribe", data=data)) == [words]
    assert session.bindings == []
    await world.event()
    assert frames(session) == []


async def test_the_account_is_the_tokens_own_when_none_is_named(world: HubWorld) -> None:
    """As in the newer Kazoo; the older one asked for it."""
    session = world.session()
    reply = await ask(session, "subscribe", data={"binding": EVENTS})
    assert reply["data"]["subscribed"] == [EVENTS]
    await world.event()
    assert frames(session)[0]["subscribed_key"] == EVENTS


@pytest.mark.parametrize("text", ["", "nope", "5", "[]", "[" * 5000])
async def test_what_is_no_frame_gets_an_error_and_the_session_lives_on(world: HubWorld, text: str) -> None:
    """Bad JSON, bare numbers, lists."""
    session = world.session()
    await session.receive(text)
    session.receive_binary()
    replies = frames(session)
    assert [reply["status"] for reply in replies] == ["error", "error"]
    assert all(len(reply["request_id"]) == 32 and reply["data"]["errors"][0] for reply in replies)
    assert (await ask(session, "ping"))["status"] == "success"


async def test_the_rate_is_limited_for_every_kind_of_frame(world: HubWorld) -> None:
    """A bucket of so many tokens, refilled with time; what is no frame costs one too (A.4)."""
    session = world.session(rate=3, refill=2)
    await session.receive("nope")
    session.receive_binary()
    assert len(frames(session)) == 2
    assert (await ask(session, "ping"))["status"] == "success"
    hit = [f"rate limiting threshold hit for {session.id}!"]
    assert errors(await ask(session, "ping")) == hit
    await session.receive("nope")
    assert frames(session)[0]["data"]["errors"] == hit
    world.now += 0.5
    assert (await ask(session, "ping"))["status"] == "success"
    assert errors(await ask(session, "ping")) == hit


async def test_a_store_that_is_away_is_an_error_and_no_end(world: HubWorld) -> None:
    """The client is told to try again, not to log in again."""
    session = world.session()
    world.guard.failure = StoreUnreachable("away")
    reply = await ask(session, "subscribe", data={"binding": EVENTS})
    assert errors(reply) == ["temporarily unavailable"]
    world.guard.failure = None
    await subscribe(session, EVENTS)


async def test_labels_are_shown_until_a_frame_without_them(world: HubWorld) -> None:
    """Name and metadata are those of the last frame (A.3)."""
    session = world.session()
    await ask(session, "ping", name="wall", metadata={"floor": 2})
    assert session.describe() == {
        "bindings": [],
        "websocket_session_id": session.id,
        "timestamp": 62167220200,
        "name": "wall",
        "metadata": {"floor": 2},
        "destination": "10.0.0.2:5555",
        "source": "10.0.0.1",
    }
    await subscribe(session, EVENTS)
    assert session.describe().keys() == {
        "bindings",
        "websocket_session_id",
        "timestamp",
        "destination",
        "source",
    }


async def test_the_list_of_sessions_shows_nothing_of_other_accounts(world: HubWorld) -> None:
    """A session is listed for the account whose token opened it: what another account's token asked for
    in it is not."""
    session = world.session()
    await subscribe(session, EVENTS)
    await ask(session, "ping", name="ours", metadata={"floor": 2})
    reply = await ask(
        session,
        "subscribe",
        auth_token="other",
        data={"account_id": OTHER, "binding": "conference.event.x.*"},
    )
    assert reply["status"] == "success"
    assert session.bindings == [EVENTS, "conference.event.x.*"]
    assert session.describe()["bindings"] == [EVENTS]


async def test_what_ended_while_it_began_is_not_told(world: HubWorld) -> None:
    """A token ends while the snapshot is being taken: neither that nor what was missed is pushed, though
    the session goes on with another token."""
    world.guard.running["room"] = Room("room", ACCOUNT, participants=(member(1),))
    session = world.session()
    await ask(session, "subscribe", auth_token="better", data={"binding": "object.*.*"})
    await subscribe(session, "conference.event.other.*")

    async def meanwhile() -> None:
        world.guard.gone.add("good")
        world.reviews.changed("db", "user", "user")
        await world.settle()
        assert len(session.logins) == 1

    world.guard.meanwhile = meanwhile
    frame = {"action": "subscribe", "auth_token": "good", "data": {"binding": EVENTS, "since": 0}}
    await session.receive(orjson.dumps(frame))
    told = frames(session)
    assert [one["action"] for one in told if one["action"] != "ended"] == ["reply"]
    (reply,) = (one for one in told if one["action"] == "reply")
    assert errors(reply) == ["not allowed any more"]
    assert not session.over.is_set()


async def test_a_full_queue_ends_the_session_instead_of_growing(world: HubWorld) -> None:
    """What does not fit is not kept."""
    session = world.session(queue=3)
    await subscribe(session, EVENTS)
    for _ in range(3):
        await world.event()
    assert not session.over.is_set()
    await world.event()
    assert session.over.is_set()
    assert session.reason == "too_slow" and len(session.outgoing) == 3


async def test_a_closed_session_leaves_nothing_behind(world: HubWorld) -> None:
    """Also one that ends in the middle of subscribing."""
    session = world.session()
    await subscribe(session, EVENTS, "conference.command.room", "object.doc_edited.conference")
    never = asyncio.Event()
    world.guard.meanwhile = never.wait
    frame = {"action": "subscribe", "data": {"binding": "conference.event.x.*", "since": 0}}
    subscribing = asyncio.create_task(session.receive(orjson.dumps(frame)))
    await world.settle()
    subscribing.cancel()
    await asyncio.gather(subscribing, return_exceptions=True)
    assert len(session.subscriptions) == 4
    session.close()
    assert session.bindings == []
    await world.event()
    assert frames(session) == []
    assert not world.hub._index


def member(number: int) -> Participant:
    return Participant(number, call_id=f"call-{number}", join_time=62167219200)


async def test_since_replays_what_was_missed_in_order(world: HubWorld) -> None:
    """After the reply come exactly the newer events, then what is new."""
    watcher, session = world.session(), world.session()
    await subscribe(watcher, EVENTS)
    for kind in ("add-member", "mute-member", "unmute-member"):
        await world.event(kind)
    first, *later = [frame["seq"] for frame in frames(watcher)]
    data = {"account_id": ACCOUNT, "binding": EVENTS, "since": first}
    await session.receive(orjson.dumps({"action": "subscribe", "auth_token": "good", "data": data}))
    await world.event("del-member")
    reply, *pushed = frames(session)
    assert reply["data"]["gap"] is False and "snapshots" not in reply["data"]
    assert [frame["seq"] for frame in pushed] == [*later, later[-1] + 1]
    assert all(frame["subscribed_key"] == EVENTS for frame in pushed)


@pytest.mark.parametrize("since", [0, 10**17, None, "5", True, {"other": 5}])
async def test_a_gap_is_said_with_a_snapshot(world: HubWorld, since: Any) -> None:
    """Numbers that are not covered, and what is no number: how things are, and from which number on."""
    world.guard.running["room"] = Room("room", ACCOUNT, participants=(member(1), member(2)))
    watcher, session = world.session(), world.session()
    await subscribe(watcher, EVENTS)
    await world.event()
    (seen,) = frames(watcher)
    data = await subscribe(session, EVENTS, since=since)
    assert data["gap"] is True
    shown = data["snapshots"]["room"]
    assert shown["seq"] == seen["seq"]
    assert [member["participant_id"] for member in shown["participants"]] == [1, 2]


async def test_what_happens_during_a_snapshot_comes_after_it(world: HubWorld) -> None:
    """The snapshot may not know it yet, and it is not pushed before the reply."""
    session = world.session()

    async def meanwhile() -> None:
        await world.event("mute-member")

    world.guard.meanwhile = meanwhile
    data = {"account_id": ACCOUNT, "bindings": [EVENTS, "conference.event.other.*"], "since": 0}
    await session.receive(orjson.dumps({"action": "subscribe", "auth_token": "good", "data": data}))
    reply, *pushed = frames(session)
    assert reply["action"] == "reply"
    assert [frame["data"]["event"] for frame in pushed] == ["mute-member", "mute-member"]
    assert pushed[0]["seq"] == reply["data"]["snapshots"]["room"]["seq"] + 1
    assert reply["data"]["snapshots"]["other"]["participants"] == []


async def test_all_of_an_account_begins_with_everything_that_runs(world: HubWorld) -> None:
    """One number cannot stand for many conferences, so there is a snapshot of each."""
    world.guard.running["room"] = Room("room", ACCOUNT, participants=(member(1),))
    session = world.session()

    async def meanwhile() -> None:
        for room in ("room", "new"):
            await world.event("add-member", room)

    world.guard.meanwhile = meanwhile
    data = {"account_id": ACCOUNT, "binding": "conference.event.*.*.*", "since": 12}
    await session.receive(orjson.dumps({"action": "subscribe", "auth_token": "good", "data": data}))
    reply, *pushed = frames(session)
    assert reply["data"]["gap"] is True
    assert reply["data"]["snapshots"].keys() == {"room"}
    assert {frame["data"]["conference_id"] for frame in pushed} == {"room", "new"}


async def test_more_than_the_queue_holds_is_a_gap_and_no_end(world: HubWorld) -> None:
    """A replay that would end the session as too slow is a snapshot instead."""
    watcher, session = world.session(), world.session(queue=5)
    await subscribe(watcher, EVENTS)
    for _ in range(8):
        await world.event("mute-member")
    first = frames(watcher)[0]["seq"]
    data = await subscribe(session, EVENTS, since=first)
    assert data["gap"] is True and not session.over.is_set()


async def test_resuming_gives_up_when_too_much_happens(world: HubWorld) -> None:
    """After some attempts the client is told, and is subscribed to nothing."""
    session = world.session(queue=5)

    async def meanwhile() -> None:
        for number in range(8):
            await world.event("mute-member", number=number)

    world.guard.meanwhile = meanwhile
    reply = await ask(session, "subscribe", data={"binding": EVENTS, "since": 0})
    assert errors(reply) == ["too many events to resume"]
    assert session.bindings == []


def test_events_for_these_tests_are_events() -> None:
    """A room-level event has no call."""
    assert "Call-ID" not in event_fields("lock", "room", call=None)


async def test_a_wildcard_account_asks_about_each_conference_by_its_own_account(world: HubWorld) -> None:
    """Two conferences of one id are two; nobody else hears of accounts that nobody asked for."""
    master, plain = world.session(), world.session()
    reply = await ask(master, "subscribe", auth_token="best", data={"account_id": "*", "binding": EVENTS})
    assert reply["status"] == "success"
    await subscribe(plain, EVENTS)
    for account in (OTHER, CHILD, ACCOUNT):
        await world.event(account=account)
    assert [frame["data"]["account_id"] for frame in frames(master)] == [CHILD, ACCOUNT]
    assert [frame["data"]["account_id"] for frame in frames(plain)] == [ACCOUNT]
    decided = {right.account_id for right in world.guard.ruled if right.token == "best"}
    assert decided == {None, "*", OTHER, CHILD, ACCOUNT}
