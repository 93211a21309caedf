"""What was let in once does not stay for ever: sessions, streams and waiting commands end with their
token, and are decided about again when a user, an account, a key or a restriction changes.

In memory, and on RabbitMQ and CouchDB. What changes is written as another Kazoo app would write it,
and announced as it would announce it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from crossbar_conferences.auth.mint import mint
from crossbar_conferences.auth.port import StoreDocuments
from crossbar_conferences.kapi.configuration import document_change
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.port import DocumentMissing
from tests.support.brokers import eventually
from tests.support.sockets import PATIENCE, Client
from tests.support.world import World, beside, either_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESTRICTED = "access denied by token restrictions"

_KAZOO = Origin("crossbar", "5.0.0", "kazoo_apps@elsewhere.test")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """One running sidecar for all tests here."""
    async with either_world(request) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def connect(world: World) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """`await connect(token)` gives a client; all are gone after the test."""
    clients: list[Client] = []

    async def make(token: str) -> Client:
        clients.append(Client(await world.http.ws_connect(world.service.ws_url), token))
        return clients[-1]

    yield make
    await asyncio.gather(*(client.socket.close() for client in clients))
    await world.eventually(lambda: not world.service.sockets.sessions and not len(world.service.reviews))


Connect = Callable[[str], Awaitable[Client]]


class Person:
    """A user of the main account, whose documents may be changed, and a token."""

    def __init__(self, world: World, user_id: str, token: str) -> None:
        self.world = world
        self.id = user_id
        self.token = token


async def person(world: World, *, expires_in: float = 3600.0, **fields: Any) -> Person:
    """A new user with a token of its own."""
    user = {
        "_id": secrets.token_hex(16),
        "pvt_type": "user",
        "pvt_account_id": world.account,
        "priv_level": "user",
        "pvt_signature_secret": secrets.token_hex(16),
        **fields,
    }
    await world.add(user)
    token = await mint(StoreDocuments(world.store), world.account, user["_id"], expires_in=expires_in)
    return Person(world, user["_id"], token)


async def change(world: World, database: str, doc_id: str, /, **fields: Any) -> None:
    """Change a document, or make it, as another node does; without fields it is removed for good."""
    store = world.new_store()
    await store.open()
    try:
        try:
            document = dict(await store.get(database, doc_id))
        except DocumentMissing:
            document = {"_id": doc_id}
        document |= fields
        if fields:
            document["_rev"] = await store.put(database, document)
        else:
            document["_rev"] = await store.delete(database, doc_id, document["_rev"])
    finally:
        if store is not world.store:
            await store.close()
    sent = document_change("edited" if fields else "deleted", encoded(database), document, _KAZOO)
    await world.ears.publish(sent.exchange, sent.routing_key, json.dumps(dict(sent.body)).encode())


async def follow(world: World, client: Client, conference_id: str) -> None:
    """Subscribe to a conference's events, and see that they come."""
    await client.subscribe(world.account, f"conference.event.*.{conference_id}.*")
    await world.cluster.perform(["lock", conference_id])
    assert (await client.event())["data"]["event"] == "lock"


async def stream(world: World, conference_id: str, token: str) -> aiohttp.ClientResponse:
    """An event stream that has begun."""
    url = f"{world.service.base_url}{world.path(conference_id, 'events')}"
    response = await world.http.get(url, headers={"X-Auth-Token": token})
    assert response.status == 200, await response.text()
    async with asyncio.timeout(PATIENCE):
        await response.content.readuntil(b"\n\n")
    return response


async def rest(response: aiohttp.ClientResponse) -> str:
    """All that still comes of a stream, until the server ends it."""
    async with asyncio.timeout(PATIENCE):
        return (await response.content.read()).decode()


async def restrict(world: World, rules: dict[str, list[str]] | None) -> None:
    """Let users of the account do only this; ``None`` lifts it."""
    restrictions = {"_": {"user": {"conferences": [{"rules": rules}]}}}
    await change(
        world,
        account_database(world.account),
        "token_restrictions",
        pvt_type="token_restrictions",
        pvt_deleted=rules is None,
        restrictions=restrictions,
    )
    # Until the sidecar has heard of it.
    async with asyncio.timeout(PATIENCE):
        while await told(world) != rules:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def told(world: World) -> dict[str, list[str]] | None:
    """The rules as the sidecar has them."""
    found = await world.service.cache.document(account_database(world.account), "token_restrictions")
    if found is None or found["pvt_deleted"]:
        return None
    rules: dict[str, list[str]] = found["restrictions"]["_"]["user"]["conferences"][0]["rules"]
    return rules


@pytest_asyncio.fixture(loop_scope="module")
async def free(world: World) -> AsyncIterator[None]:
    """Restrictions are lifted after the test."""
    yield
    await restrict(world, None)


async def test_everything_ends_with_its_token(world: World, connect: Connect) -> None:
    """A session is closed with 1008 and a stream says why, without a message or a request having come;
    a command that waits is told what is known of it, and nothing of the room."""
    conference_id, silent = await world.create(), await world.create()
    await world.start_room(conference_id, "name=Ann")
    async with beside(world, wait_limit_ms="30000") as patient:
        who = await person(world, expires_in=4.0)
        client = await connect(who.token)
        await follow(world, client, conference_id)
        events = await stream(world, conference_id, who.token)
        # Nobody locks a room that does not run, so nothing confirms it.
        waiting = asyncio.create_task(patient.act(silent, "lock", who=who.token, wait="30000"))
        assert await client.close_code() == 1008
        assert client.socket.close_code == 1008
        last = await rest(events)
        assert "event: end" in last and "token expired" in last
        async with asyncio.timeout(PATIENCE):
            answer = await waiting
        assert (answer.status, answer.data["confirmed"]) == (202, False)
        assert "participants" not in answer.data and "is_locked" not in answer.data
    again = await connect(who.token)
    asked = {"account_id": world.account, "binding": f"conference.event.*.{conference_id}.*"}
    assert await again.errors("subscribe", asked) == [f"failed to authenticate token {who.token}"]


async def test_a_repetition_ends_with_its_own_token(world: World) -> None:
    """Whoever waits for another's request under the same Idempotency-Key is told nothing once its own
    token is over; the other goes on waiting, and is."""
    silent = await world.create()
    room = await world.start_room(silent, "name=Ann")
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    async with beside(world, wait_limit_ms="30000") as patient:
        who = await person(world, expires_in=3.0)
        asked = {"wait": "30000", "headers": headers}
        await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
        first = asyncio.create_task(patient.act(silent, "lock", **asked))
        await patient.eventually(lambda: patient.service.executor._waiters)
        second = await patient.act(silent, "lock", who=who.token, **asked)
        assert second.status == 401, second.text
        assert "participants" not in second.text
        assert not first.done()
        await world.cluster.perform(["fault", "all", "ignore-commands", "off"])
        await world.cluster.perform(["lock", silent])
        answer = await first
        assert (answer.status, len(answer.data["participants"])) == (200, len(room.members)), answer.text


async def test_a_dial_ends_with_its_token(world: World) -> None:
    """What becomes of its legs is not told any more: to its caller nobody has answered."""
    conference_id = await world.create()
    await world.cluster.perform(["fault", "all", "silent", "on"])
    try:
        async with beside(world) as other:
            who = await person(world, expires_in=3.0)
            data = {"endpoints": ["2600123456"], "timeout": 60}
            async with asyncio.timeout(PATIENCE):
                answer = await other.act(conference_id, "dial", data, who=who.token)
            assert (answer.status, answer.data["status"]) == (202, "error"), answer.text
    finally:
        await world.cluster.perform(["fault", "all", "silent", "off"])


@pytest.mark.parametrize("what", ["deleted", "secret", "gone"])
async def test_everything_ends_with_its_user(world: World, connect: Connect, what: str) -> None:
    """A user who is deleted, or whose secret is a new one since the password is, hears nothing more."""
    conference_id, silent = await world.create(), await world.create()
    await world.start_room(conference_id, "name=Ann")
    async with beside(world, wait_limit_ms="30000") as patient:
        who, witness = await person(world), await person(world)
        client, other = await connect(who.token), await connect(witness.token)
        await follow(world, client, conference_id)
        await other.subscribe(world.account, f"conference.event.*.{conference_id}.*")
        events = await stream(world, conference_id, who.token)
        waiting = asyncio.create_task(patient.act(silent, "lock", who=who.token, wait="30000"))
        await patient.eventually(lambda: patient.service.executor._waiters)
        fields: dict[str, Any] = {
            "deleted": {"pvt_deleted": True},
            "secret": {"pvt_signature_secret": secrets.token_hex(16)},
            "gone": {},
        }[what]
        await change(world, account_database(world.account), who.id, **fields)
        assert await client.close_code() == 1008
        assert "token not valid any more" in await rest(events)
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).data["confirmed"] is False
    assert len(await other.ask("ping")) > 0
    await world.cluster.perform(["unlock", conference_id])
    assert (await other.event())["data"]["event"] == "unlock"
    again = await connect(who.token)
    assert await again.errors("ping") == [f"failed to authenticate token {who.token}"]


async def test_everything_ends_with_the_accounts_key(world: World, connect: Connect) -> None:
    """A token of the account itself, when the account's secret is a new one."""
    conference_id = await world.create(account=world.other, who="other")
    token = await mint(StoreDocuments(world.store), world.other, None)
    client = await connect(token)
    await client.subscribe(world.other, f"conference.event.*.{conference_id}.*")
    await change(
        world, account_database(world.other), world.other, pvt_signature_secret=secrets.token_hex(16)
    )
    assert await client.close_code() == 1008


async def test_what_an_account_above_may_hear_ends_when_it_is_above_no_more(
    world: World, connect: Connect
) -> None:
    """The token is as good as before, so the session goes on with what is its own."""
    client = await connect(world.tokens["master"])
    own, theirs = "conference.event.*.own.*", "conference.event.*.theirs.*"
    await client.subscribe(world.data.parent.id, own)
    await client.subscribe(world.account, theirs)
    database, tree = account_database(world.account), list(world.data.main.tree)
    try:
        await change(world, database, world.account, pvt_tree=[])
        ended = await client.event()
        assert (ended["action"], ended["subscribed_key"]) == ("ended", theirs)
        assert ended["reason"] == "unauthorized account id"
        assert (await client.ask("unsubscribe", {"all": True}))["data"]["unsubscribed"] == [own]
    finally:
        await change(world, database, world.account, pvt_tree=tree)


async def test_commands_end_with_their_conference(world: World, connect: Connect) -> None:
    """When the document that made it the account's own is gone, another may take the id."""
    conference_id = await world.create()
    client = await connect((await person(world)).token)
    text = f"conference.command.{conference_id}"
    await client.subscribe(world.account, text, "object.*.*")
    assert (await world.call("DELETE", world.path(conference_id))).status == 200
    frames = [await client.event(), await client.event()]
    assert {frame["action"] for frame in frames} == {"event", "ended"}
    (ended,) = (frame for frame in frames if frame["action"] == "ended")
    assert (ended["subscribed_key"], ended["reason"]) == (text, "unauthorized conference id")


async def test_a_binding_ends_with_the_token_that_asked_for_it(world: World, connect: Connect) -> None:
    """One session with two tokens: what the first asked for ends with it, unless the second asked for
    it too; new subscriptions of the first are refused."""
    first, second = await person(world), await person(world)
    client = await connect(first.token)
    mine, moved, theirs = (f"conference.event.*.{name}.*" for name in ("mine", "moved", "theirs"))
    await client.subscribe(world.account, mine, moved)
    for text in (moved, theirs):
        reply = await client.ask(
            "subscribe", {"account_id": world.account, "binding": text}, auth_token=second.token
        )
        assert reply["status"] == "success"
    await change(world, account_database(world.account), first.id, pvt_deleted=True)
    ended = await client.event()
    assert (ended["action"], ended["subscribed_key"]) == ("ended", mine)
    assert ended["reason"] == "token not valid any more"
    asked = {"account_id": world.account, "binding": mine}
    assert await client.errors("subscribe", asked) == [f"failed to authenticate token {first.token}"]
    reply = await client.ask("ping", auth_token=second.token)
    assert reply["status"] == "success"
    (session,) = world.service.sockets.sessions.values()
    assert session.bindings == [moved, theirs]


@pytest.mark.usefixtures("free")
async def test_restrictions_hold_as_for_a_get(world: World, connect: Connect) -> None:
    """What may not be read may not be followed: rooms, people, lists, each by its own path."""
    ours, hidden = await world.create(), await world.create()
    who = await person(world)
    cases: list[tuple[dict[str, list[str]], dict[str, bool]]] = [
        ({"#": ["GET"]}, {"one": True, "hidden": True, "command": True, "all": True, "object": True}),
        ({"#": ["PUT"]}, {}),
        ({}, {}),
        # The room, but not who is in it.
        ({"/": ["GET"], "*": ["GET"]}, {}),
        ({"*": ["GET"], "*/participants": ["GET"]}, {"one": True, "hidden": True, "command": True}),
        # All but one.
        (
            {hidden: [], f"{hidden}/#": [], "#": ["GET"]},
            {"one": True, "command": True, "all": True, "object": True},
        ),
        # One alone.
        ({ours: ["GET"], f"{ours}/#": ["GET"]}, {"one": True, "command": True}),
    ]
    texts = {
        "one": f"conference.event.*.{ours}.*",
        "hidden": f"conference.event.*.{hidden}.*",
        "command": f"conference.command.{ours}",
        "all": "conference.event.*.*.*",
        "object": "object.*.*",
    }
    for rules, allowed in cases:
        await restrict(world, rules)
        client = await connect(who.token)
        for name, text in texts.items():
            asked = {"account_id": world.account, "binding": text}
            reply = await client.ask("subscribe", asked)
            expected = "success" if allowed.get(name) else "error"
            assert reply["status"] == expected, (rules, name, reply)
            if expected == "error":
                assert reply["data"]["errors"] == [RESTRICTED]
        for conference_id, name in ((ours, "one"), (hidden, "hidden")):
            url = world.service.base_url + world.path(conference_id, "events")
            async with world.http.get(url, headers={"X-Auth-Token": who.token}) as response:
                # A stream needs the right to its own path too.
                wanted = allowed.get(name) and "#" in json.dumps(rules)
                assert response.status == (200 if wanted else 403), (rules, name)
        await client.socket.close()


@pytest.mark.usefixtures("free")
async def test_restrictions_that_come_later_end_what_they_forbid(world: World, connect: Connect) -> None:
    """The session goes on with what is still allowed; a stream ends."""
    ours, hidden = await world.create(), await world.create()
    await world.start_room(ours)
    who = await person(world)
    client = await connect(who.token)
    texts = [f"conference.event.*.{one}.*" for one in (ours, hidden)]
    await client.subscribe(world.account, *texts)
    events = await stream(world, hidden, who.token)
    await restrict(world, {hidden: [], f"{hidden}/#": [], "#": ["GET"]})
    ended = await client.event()
    assert (ended["action"], ended["subscribed_key"], ended["reason"]) == ("ended", texts[1], RESTRICTED)
    assert "event: end" in await rest(events)
    await world.cluster.perform(["lock", ours])
    assert (await client.event())["data"]["event"] == "lock"


@pytest.mark.usefixtures("free")
async def test_a_wildcard_shows_nothing_that_restrictions_name(world: World, connect: Connect) -> None:
    """Neither when it happens, nor in a snapshot, nor when it is made up for."""
    ours, hidden = await world.create(), await world.create()
    for one in (hidden, ours):
        await world.start_room(one, "name=Ann")
    await restrict(world, {hidden: [], f"{hidden}/#": [], "#": ["GET"]})
    client, witness = await connect((await person(world)).token), await connect(world.tokens["boss"])
    text = "conference.event.*.*.*"
    begun = await client.subscribe(world.account, text, since=0)
    assert ours in begun["snapshots"] and hidden not in begun["snapshots"]
    await witness.subscribe(world.account, text)
    for one in (hidden, ours):
        await world.cluster.perform(["lock", one])
    assert [(await witness.event())["data"]["conference_id"] for _ in range(2)] == [hidden, ours]
    assert (await client.event())["data"]["conference_id"] == ours
    again = await connect(client._token or "")
    begun = await again.subscribe(world.account, text, since=1)
    assert hidden not in begun["snapshots"]
    assert await client.nothing_came() and await again.nothing_came()


async def test_what_changed_while_the_broker_was_away_counts(world: World, connect: Connect) -> None:
    """Nobody told of it, so everything is decided about again."""
    if world.broker is None:
        pytest.skip("the broker is not ours to stop")
    who = await person(world)
    client = await connect(who.token)
    await client.subscribe(world.account, "conference.event.*.room.*")
    world.broker.stop()
    store = world.new_store()
    user = dict(await store.get(account_database(world.account), who.id))
    await store.put(account_database(world.account), user | {"pvt_deleted": True})
    world.broker.start()
    assert await client.close_code() == 1008


async def test_the_clusters_master_hears_every_account_for_as_long_as_it_is(
    world: World, connect: Connect
) -> None:
    """Kazoo's wildcard: refused to others, without numbers or snapshots, ended with what allowed it."""
    parent, text = world.data.parent.id, "conference.event.*.*.*"
    asked = {"account_id": "*", "binding": text}
    client, child = await connect(world.tokens["master"]), await connect(world.tokens["boss"])
    for one in (client, child):
        assert await one.errors("subscribe", asked) == ["unauthorized wildcard account id"]
    await change(world, account_database(parent), parent, pvt_superduper_admin=True)
    try:
        await _succeeds(client, asked)
        assert await child.errors("subscribe", asked) == ["unauthorized wildcard account id"]
        for refused in ("conference.command.c1", "object.doc_edited.conference"):
            assert await client.errors("subscribe", {"account_id": "*", "binding": refused}) == [
                "wildcard account id is for conference events only"
            ]
        assert await client.errors("subscribe", {**asked, "since": 0}) == ["since is for one account"]
        ours = await world.create()
        theirs = await world.create(account=world.other, who="other")
        for account_id, one in ((world.other, theirs), (world.account, ours)):
            await world.cluster.perform(["create", one, account_id])
            pushed = await client.event()
            assert pushed["data"]["conference_id"] == one
            assert pushed["routing_key"].split(".")[3] == account_id
            assert pushed["subscribed_key"] == text and "seq" not in pushed
        only = f"conference.event.lock.{theirs}.*"
        await client.ask("unsubscribe", asked)
        await client.subscribe("*", only)
        for one in (ours, theirs):
            await world.cluster.perform(["lock", one])
        assert (await client.event())["data"]["conference_id"] == theirs
        assert await child.nothing_came()
    finally:
        await change(world, account_database(parent), parent, pvt_superduper_admin=False)
    ended = await client.event()
    assert (ended["action"], ended["reason"]) == ("ended", "unauthorized wildcard account id")
    await world.cluster.perform(["unlock", theirs])
    assert await client.nothing_came()


async def _succeeds(client: Client, asked: dict[str, Any]) -> None:
    """Subscribe as soon as the change that allows it has come round."""

    async def subscribed() -> bool:
        reply = await client.ask("subscribe", asked)
        return bool(reply["status"] == "success")

    await eventually(subscribed)
