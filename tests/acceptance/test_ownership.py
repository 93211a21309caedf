"""Whose a conference is: the record decides, then the conference's own account, never what its legs say.

Two accounts, the house's main one and another; each test has conferences of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import orjson
import pytest
import pytest_asyncio

from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.own import DATABASE
from crossbar_conferences.store.port import DocumentMissing, StoreUnreachable
from crossbar_conferences.store.reservations import owner_document_id
from crossbar_conferences.switch.commands import Join
from crossbar_conferences.switch.steps import InRoom
from tests.support.answers import Answer
from tests.support.brokers import eventually
from tests.support.house import House, embedded_house, real_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "real", "search"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A sidecar that follows events, on both kinds of adapters, and one that asks at each request."""
    if request.param == "real":
        couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
        async with real_house(couchdb_url, amqp_url) as ours:
            yield ours
    else:
        more = {"live_mode": "search", "search_timeout_ms": "500"} if request.param == "search" else {}
        async with embedded_house(**more) as ours:
            yield ours


@pytest_asyncio.fixture(loop_scope="module")
async def house(running: House) -> House:
    """The sidecar with nothing running on the switch, and both accounts followed."""
    await running.cluster.perform(["reset"])
    for account, who in ((running.account, "boss"), (running.data.other.id, "other")):
        await running.get(running.path(account=account), who=who)
    await running.quiet()
    return running


async def kazoos(house: House, account_id: str, conference_id: str | None = None, **fields: Any) -> str:
    """A conference that Kazoo made: its document is there, and nobody told the sidecar."""
    conference_id = conference_id or secrets.token_hex(16)
    document = {
        "_id": conference_id,
        "pvt_type": "conference",
        "pvt_account_id": account_id,
        "pvt_created": gregorian_seconds(house.service.clock()),
        "name": f"Kazoo's {secrets.token_hex(4)}",
        **fields,
    }
    await house.store.inner.put(account_database(account_id), document)
    return conference_id


async def record(house: House, conference_id: str) -> str | None:
    """The account on record for an id."""
    try:
        return str((await house.store.inner.get(DATABASE, owner_document_id(conference_id)))["account_id"])
    except DocumentMissing:
        return None


def asking(
    house: House, account_id: str, conference_id: str, who: str
) -> Mapping[str, Callable[[], Awaitable[Answer]]]:
    """Everything that shows or commands a conference, as an account asks for it."""
    path = house.path(conference_id, account=account_id)
    dial = {"action": "dial", "data": {"endpoints": ["2600123456"], "timeout": 1}}
    return {
        "read": lambda: house.get(path, who=who),
        "read afresh": lambda: house.get(f"{path}?fresh=true", who=who),
        "read again": lambda: house.get(path, who=who),
        "participants": lambda: house.get(f"{path}/participants", who=who),
        "participant": lambda: house.get(f"{path}/participants/1", who=who),
        "lock": lambda: house.put(path, {"action": "lock"}, who=who),
        "mute": lambda: house.put(f"{path}/participants", {"action": "mute"}, who=who),
        "kick": lambda: house.put(f"{path}/participants/1", {"action": "kick"}, who=who),
        "dial": lambda: house.call("PUT", path, dial, who=who),
        "events": lambda: house.get(f"{path}/events", who=who),
    }


async def subscribed(house: House, account_id: str, conference_id: str, who: str) -> str:
    """What a websocket answers to a subscription to a conference's commands."""
    frame = {
        "action": "subscribe",
        "auth_token": house.tokens[who],
        "data": {"account_id": account_id, "binding": f"conference.command.{conference_id}"},
    }
    async with house.http.ws_connect(house.service.ws_url) as socket:
        await socket.send_str(orjson.dumps(frame).decode())
        return str(orjson.loads(await socket.receive_str(timeout=10))["status"])


async def is_kept_from(house: House, account_id: str, conference_id: str, who: str) -> None:
    """No route shows or commands it to an account, nothing is published, nothing is subscribed to."""
    house.forget()
    for what, ask in asking(house, account_id, conference_id, who).items():
        answer = await ask()
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier"), (what, answer.text)
        assert "Ann" not in answer.text
    commands = [sent for sent in house.spoken if sent.body["Event-Name"] == "command"]
    assert commands == []
    assert await subscribed(house, account_id, conference_id, who) == "error"
    listed = await house.get(house.path(account=account_id) + "?paginate=false", who=who)
    assert "Ann" not in listed.text
    running = [item["id"] for item in listed.data if item["_read_only"]["members"]]
    assert conference_id not in running


async def is_open_to(house: House, account_id: str, conference_id: str, who: str, people: int) -> None:
    """An account sees who is in it, and commands it."""

    async def shown() -> bool:
        answer = await house.get(house.path(conference_id, "participants", account=account_id), who=who)
        return answer.status == 200 and len(answer.data) == people

    await eventually(shown)
    answer = await house.put(house.path(conference_id, account=account_id), {"action": "unlock"}, who=who)
    assert answer.status == 202, answer.text


async def joined(house: House, conference_id: str, account_id: str, leg_account_id: str, form: str) -> None:
    """A leg of an account joins a room of another, in the form of a switch that knows the conference's own
    account (its events are published for that) or of one that knows the leg's alone."""
    call_id = f"{secrets.token_hex(4)}@example.com"
    if form == "own":
        words = ["join", conference_id, call_id, "name=Ann", f"Account-ID={leg_account_id}"]
        await house.cluster.perform(words)
    else:
        at = gregorian_seconds(house.service.clock())
        leg = Join(conference_id, call_id, at, name="Ann", account_id=leg_account_id)
        await house.cluster.do(InRoom(leg))


@pytest.mark.parametrize("form", ["own", "leg"])
@pytest.mark.parametrize("kind", ["ad hoc", "Kazoo's form", "Kazoo's document", "our document"])
async def test_what_a_leg_says_makes_no_room_an_accounts(house: House, kind: str, form: str) -> None:
    """A room of ours whose first leg names another account stays ours, and is not theirs."""
    ours, theirs = house.account, house.data.other.id
    if kind == "our document":
        room = await house.create()
    elif kind == "Kazoo's document":
        room = await kazoos(house, ours)
    else:
        room = f"room-{secrets.token_hex(4)}" if kind == "ad hoc" else secrets.token_hex(16)
    await house.cluster.perform(["create", room, ours])
    await joined(house, room, ours, theirs, form)
    await is_kept_from(house, theirs, room, "other")
    await is_open_to(house, ours, room, "boss", 1)
    await joined(house, room, ours, ours, form)
    await is_kept_from(house, theirs, room, "other")
    await is_open_to(house, ours, room, "boss", 2)


async def test_a_room_of_several_accounts_legs_is_nobodys_by_that(house: House) -> None:
    """Neither account gets a third one's room by having legs in it."""
    room, third = f"room-{secrets.token_hex(4)}", house.data.parent.id
    await house.cluster.perform(["create", room, third])
    for account_id in (house.account, house.data.other.id, house.account):
        await joined(house, room, third, account_id, "leg")
    await is_kept_from(house, house.account, room, "boss")
    await is_kept_from(house, house.data.other.id, room, "other")
    await is_open_to(house, third, room, "master", 3)


async def test_ids_of_kazoos_form_cannot_be_begun(house: House) -> None:
    """Whoever knows the id of a conference that is not his gets a 404, running or not, in any case."""
    conference_id = secrets.token_hex(16)
    for spelled in (conference_id, conference_id.upper()):
        await is_kept_from(house, house.account, spelled, "boss")
    made = await kazoos(house, house.data.other.id)
    await is_kept_from(house, house.account, made, "boss")
    assert house.cluster.room(made) is None
    await house.cluster.perform(["create", made, house.data.other.id])
    await joined(house, made, house.data.other.id, house.data.other.id, "own")
    await is_kept_from(house, house.account, made, "boss")
    await is_open_to(house, house.data.other.id, made, "other", 1)


async def test_a_room_that_kazoo_named_is_its_accounts_while_it_runs(house: House) -> None:
    """Kazoo makes such ids for rooms without a document: shown and commanded until they end."""
    room = secrets.token_hex(16)
    await house.cluster.perform(["create", room, house.account])
    await joined(house, room, house.account, house.account, "own")
    await is_open_to(house, house.account, room, "boss", 1)
    await is_kept_from(house, house.data.other.id, room, "other")
    await house.cluster.perform(["destroy", room])

    async def over() -> bool:
        return (await house.get(house.path(room))).status == 404

    await eventually(over)
    await is_kept_from(house, house.account, room, "boss")


async def test_a_deleted_conference_cannot_be_begun_again(house: House) -> None:
    """Neither by whom it was, nor by another account."""
    made = await house.create()
    assert (await house.call("DELETE", house.path(made))).status == 200
    await is_kept_from(house, house.account, made, "boss")
    await is_kept_from(house, house.data.other.id, made, "other")


async def test_what_kazoo_made_goes_on_record(house: House) -> None:
    """A first look at the list, or at one of them, puts an account's conferences on record."""
    made = [await kazoos(house, house.account) for _ in range(3)]
    assert [await record(house, each) for each in made] == [None, None, None]
    # Whatever the account's change messages say, this sidecar has met it before: one by one.
    await house.get(house.path(made[0]))
    await house.service.owners.settled()
    assert await record(house, made[0]) == house.account
    house.service.owners._met.clear()
    await house.get(house.path())
    await house.service.owners.settled()
    assert [await record(house, each) for each in made] == [house.account] * 3


async def test_a_document_of_the_same_id_elsewhere_opens_nothing(house: House) -> None:
    """crossbar of the older core lets clients choose ids: the record says whose it is, not a copy."""
    made = await kazoos(house, house.account)
    await house.get(house.path(made))
    await house.service.owners.settled()
    await kazoos(house, house.data.other.id, made)
    await house.cluster.perform(["create", made, house.account])
    await joined(house, made, house.account, house.account, "own")
    await is_kept_from(house, house.data.other.id, made, "other")
    await is_open_to(house, house.account, made, "boss", 1)


async def test_the_older_document_counts_where_two_have_one_id(house: House) -> None:
    """Who copied an id before its owner first came by loses it to the owner, whose document is older."""
    now = gregorian_seconds(house.service.clock())
    made = await kazoos(house, house.account, pvt_created=now - 1000)
    await kazoos(house, house.data.other.id, made, pvt_created=now - 500)
    await house.store.inner.put(
        DATABASE,
        {
            "_id": owner_document_id(made),
            "pvt_type": "reservation",
            "kind": "conference",
            "value": made,
            "account_id": house.data.other.id,
            "conference_id": made,
            "taken_at": house.service.clock() - 60,
        },
    )
    await house.cluster.perform(["create", made, house.account])
    await joined(house, made, house.account, house.account, "own")
    await is_open_to(house, house.account, made, "boss", 1)
    assert await record(house, made) == house.account
    await is_kept_from(house, house.data.other.id, made, "other")


async def test_a_conference_is_not_commanded_before_its_owner_is_known(house: House) -> None:
    """While the record cannot be read: 503 for what was never seen, and what is known goes on."""
    known, unseen = await house.create(), await kazoos(house, house.account)
    await house.get(house.path(unseen, "participants", account=house.account))
    await house.service.owners.settled()
    house.service.owners._known.pop(unseen, None)

    def away(operation: str, database: str) -> None:
        if database == DATABASE:
            raise StoreUnreachable

    house.store.before = away
    try:
        for answer in (
            await house.put(house.path(unseen), {"action": "lock"}),
            await house.get(house.path(unseen)),
            await house.get(house.path(secrets.token_hex(16))),
            await house.get(house.path("room-of-nobody")),
        ):
            assert (answer.status, answer.body["message"]) == (503, "datastore_unreachable")
        # What was known is believed for as long as nobody can be asked.
        until, account_id = house.service.owners._known[known]
        house.service.owners._known[known] = (until - 3600, account_id)
        assert (await house.put(house.path(known), {"action": "lock"})).status == 202
        assert (await house.get(house.path(known))).status == 200
    finally:
        house.store.before = lambda operation, database: None
    assert (await house.put(house.path(unseen), {"action": "lock"})).status == 202
