"""Kazoo's own checklist for the websocket (realtime-ui-tests.md C.4, C.6), and what is more than
blackhole, with real clients of a running sidecar: in memory, and on RabbitMQ and CouchDB."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.sockets import PATIENCE, Client
from tests.support.world import World, beside, either_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

Connect = Callable[..., Awaitable[Client]]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """One running sidecar for all tests here; each has conferences of its own."""
    async with either_world(request) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def connect(world: World) -> AsyncIterator[Connect]:
    """`await connect("boss")` gives a client; all are closed, and gone, after the test."""
    clients: list[Client] = []

    async def make(who: str | None = "boss", url: str | None = None, **options: Any) -> Client:
        socket = await world.http.ws_connect(url or world.service.ws_url, **options)
        clients.append(Client(socket, None if who is None else world.tokens[who]))
        return clients[-1]

    yield make
    await asyncio.gather(*(client.socket.close() for client in clients))
    await world.eventually(lambda: not world.service.sockets.sessions)


def sessions_path(world: World, *parts: str, account: str | None = None) -> str:
    """The REST companion's path."""
    return "/".join((f"/v2/accounts/{account or world.account}/websockets", *parts))


async def test_the_life_of_a_session(world: World, connect: Connect) -> None:
    """W1, W3-W7, W9-W11: ping, list, subscribe, events of a document, unsubscribe, leave."""
    assert (await world.call("GET", sessions_path(world))).data == []
    client, witness = await connect(), await connect("joe")
    assert (await client.ask("ping"))["data"] == {"response": "pong"}
    (session,) = (await world.call("GET", sessions_path(world))).data
    assert session["bindings"] == [] and session["source"] == "127.0.0.1"
    session_id = session["websocket_session_id"]
    local = client.socket.get_extra_info("sockname")
    assert session_id == f"{local[0]}:{local[1]}"

    bindings = [f"object.{action}.conference" for action in ("doc_created", "doc_deleted")]
    for binding in bindings:
        reply = await client.ask("subscribe", {"account_id": world.account, "binding": binding})
    assert (reply["action"], reply["status"]) == ("reply", "success")
    assert reply["data"]["subscribed"] == bindings
    one = (await world.call("GET", sessions_path(world, session_id))).data
    assert one["bindings"] == bindings and one["websocket_session_id"] == session_id

    await witness.subscribe(world.account, *bindings)
    conference_id = await world.create()
    event = await client.event()
    assert (event["action"], event["subscribed_key"], event["name"]) == ("event", bindings[0], "doc_created")
    data = event["data"]
    assert (data["id"], data["type"], data["account_id"]) == (conference_id, "conference", world.account)
    assert data["is_soft_deleted"] is False
    await witness.event()

    reply = await client.ask("unsubscribe", {"account_id": world.account, "binding": bindings[1]})
    assert reply["data"]["unsubscribed"] == [bindings[1]]
    assert reply["data"]["subscribed"] == [bindings[0]]
    await world.call("DELETE", world.path(conference_id))
    assert (await witness.event())["name"] == "doc_deleted"
    assert await client.nothing_came()

    await client.socket.close()
    await witness.socket.close()
    await world.eventually(lambda: not world.service.sockets.sessions)
    assert (await world.call("GET", sessions_path(world))).data == []


async def test_the_companion_knows_whose_a_session_is(world: World, connect: Connect) -> None:
    """404 for what is not there, nothing of other accounts, and the catalogue for everybody (A.11)."""
    client = await connect("other")
    await client.ask("ping", name="wall", metadata={"floor": 2})
    (session,) = (await world.call("GET", sessions_path(world, account=world.other), who="other")).data
    assert (session["name"], session["metadata"]) == ("wall", {"floor": 2})
    for wanted in (session["websocket_session_id"], "nope", "conferences"):
        answer = await world.call("GET", sessions_path(world, wanted))
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier")
    assert (await world.call("GET", sessions_path(world, account=world.other))).status == 403
    assert (await world.call("GET", sessions_path(world), who=None)).status == 401
    assert (await world.call("PUT", sessions_path(world), {"data": {}})).status == 405
    assert (await world.call("GET", "/v2/account/websockets")).data == []
    catalogue = await world.call("GET", "/v2/websockets", who=None)
    assert catalogue.status == 200
    assert "conference.command.{CONFERENCE_ID}" in catalogue.data["conference"]


async def test_both_ports_are_one_endpoint(world: World, connect: Connect) -> None:
    """The websocket's own port at any path, and ``/websocket`` of the API's."""
    for url in (world.service.ws_url + "/any", world.service.base_url + "/websocket"):
        client = await connect(url=url)
        assert (await client.ask("ping"))["status"] == "success"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await world.http.ws_connect(world.service.ws_url, protocols=["x"])
    assert caught.value.status == 400


async def test_tokens(world: World, connect: Connect) -> None:
    """X7: none, bad, good; and in the handshake."""
    client = await connect(None)
    assert await client.errors("ping") == ["authentication token required"]
    assert await client.errors("ping", auth_token="bad") == ["failed to authenticate token bad"]
    assert (await client.ask("ping", auth_token=world.tokens["boss"]))["status"] == "success"
    assert (await client.ask("ping"))["status"] == "success"
    early = await connect(None, headers={"Authorization": f"Bearer {world.tokens['boss']}"})
    assert (await early.ask("ping"))["status"] == "success"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await world.http.ws_connect(world.service.ws_url, headers={"Authorization": "Bearer bad"})
    assert caught.value.status == 403


async def test_three_generations_of_bindings(world: World, connect: Connect) -> None:
    """X8: each delivers with the client's own text, to one session and to several."""
    conference_id = await world.create()
    texts = [
        f"conference.event.{conference_id}.*",
        f"conference.event.{conference_id}.*.add-member",
        f"conference.event.add-member.{conference_id}.*",
        f"conference.event.*.{conference_id}.*",
        f"conference.event.{conference_id}.{conference_id}-1@example.com",
        f"conference.event.{conference_id}.{conference_id}-1%40example%2Ecom",
    ]
    clients = [await connect(who) for who in ("boss", "joe", "master")]
    for client in clients:
        await client.subscribe(world.account, *texts)
    await world.start_room(conference_id, "moderator=true name=Ann")
    for client in clients:
        events = [await client.event() for _ in range(2 + len(texts))]
        created = [event for event in events if event["data"]["event"] == "conference-create"]
        joined = [event for event in events if event["data"]["event"] == "add-member"]
        assert [event["subscribed_key"] for event in created] == [texts[0], texts[3]]
        assert [event["subscribed_key"] for event in joined] == texts
        assert {event["name"] for event in events} == {"event"}
        data = joined[0]["data"]
        assert (data["account_id"], data["conference_id"]) == (world.account, conference_id)
        assert data["participant_id"] == 1 and data["caller_id_name"] == "Ann"
        assert data["conference_channel_vars"]["is_moderator"] is True and data["is_moderator"] is True
        assert joined[0]["routing_key"].startswith(f"conference.event.add-member.{world.account}.")
        assert joined[0]["seq"] == created[0]["seq"] + 1
        assert await client.nothing_came()


async def test_events_of_other_accounts_are_never_pushed(world: World, connect: Connect) -> None:
    """W8, X10: not by asking for them, and not by a conference of the same id."""
    client, witness = await connect("boss"), await connect("other")
    conference_id = await world.create()
    texts = [f"conference.event.*.{conference_id}.*", "conference.event.*.*.*", "object.*.*"]
    for account_id in (world.other, world.data.parent.id, "f" * 32):
        asked = {"account_id": account_id, "bindings": texts}
        assert await client.errors("subscribe", asked) == ["unauthorized account id"]
    wild = {"account_id": "*", "binding": texts[0]}
    assert await client.errors("subscribe", wild) == ["unauthorized wildcard account id"]
    await client.subscribe(world.account, *texts)
    await witness.subscribe(world.other, *texts)
    await world.cluster.perform(["create", conference_id, world.other])
    await world.create(account=world.other, who="other")
    assert [(await witness.event())["name"] for _ in range(3)] == ["event", "event", "doc_created"]
    assert await client.nothing_came()


async def test_an_account_above_may_listen_and_leave(world: World, connect: Connect) -> None:
    """W12: the same binding for two accounts; leaving one keeps the other."""
    client = await connect("master")
    text = "conference.event.*.*.*"
    for account_id in (world.account, world.data.parent.id):
        await client.subscribe(account_id, text)
    reply = await client.ask("unsubscribe", {"account_id": world.data.parent.id, "binding": text})
    assert reply["data"]["subscribed"] == [text]
    conference_id = await world.create()
    await world.cluster.perform(["create", conference_id, world.account])
    assert (await client.event())["data"]["conference_id"] == conference_id


async def test_commands_are_pushed_to_their_owner_only(world: World, connect: Connect) -> None:
    """By document or by running room; ids of others, and of nobody, are refused (A.6's hole)."""
    own = await world.create()
    foreign = await world.create(account=world.other, who="other")
    running = f"adhoc{secrets.token_hex(4)}"
    await world.start_room(running)
    taken = f"adhoc{secrets.token_hex(4)}"
    await world.start_room(taken, account=world.other)
    client = await connect()
    for conference_id in (foreign, taken, "nobodys"):
        asked = {"account_id": world.account, "binding": f"conference.command.{conference_id}"}
        assert await client.errors("subscribe", asked) == ["unauthorized conference id"]
    wild = {"account_id": world.account, "binding": "conference.command.*"}
    assert await client.errors("subscribe", wild) == ["unauthorized wildcard for conference id"]
    texts = [f"conference.command.{own}", f"conference.command.{running}"]
    assert (await client.subscribe(world.account, *texts))["subscribed"] == texts
    await world.start_room(own, "name=Ann")
    assert (await world.act(own, "lock")).status == 202
    event = await client.event()
    assert (event["name"], event["subscribed_key"]) == ("command", texts[0])
    assert event["subscription_key"] == event["routing_key"] == texts[0]
    assert (event["data"]["application_name"], event["data"]["conference_id"]) == ("lock", own)


async def test_nothing_comes_after_unsubscribing(world: World, connect: Connect) -> None:
    """W10: one, several, or all."""
    conference_id = await world.create()
    texts = [f"conference.event.{kind}.{conference_id}.*" for kind in ("*", "lock", "unlock")]
    client, witness = await connect(), await connect()
    await client.subscribe(world.account, *texts)
    await witness.subscribe(world.account, texts[0])
    several = {"account_id": world.account, "bindings": texts[:2]}
    assert (await client.ask("unsubscribe", several))["data"]["unsubscribed"] == texts[:2]
    assert (await client.ask("unsubscribe", {"all": True}))["data"]["unsubscribed"] == texts[2:]
    await world.start_room(conference_id)
    await world.cluster.perform(["lock", conference_id])
    assert [(await witness.event())["data"]["event"] for _ in range(2)] == ["conference-create", "lock"]
    assert await client.nothing_came()


async def test_odd_frames_are_answered(world: World, connect: Connect) -> None:
    """X11: bad JSON, numbers, binary; the session lives on."""
    client = await connect()
    for text in ("{", "17", '"text"'):
        await client.socket.send_str(text)
        assert (await client.reply())["status"] == "error"
    await client.socket.send_bytes(b"{}")
    assert (await client.reply())["status"] == "error"
    assert (await client.ask("ping"))["status"] == "success"


async def test_the_rate_is_limited(world: World, connect: Connect) -> None:
    """Whoever sends too fast is told, and not thrown out."""
    client = await connect()
    for _ in range(130):
        await client.socket.send_json({"action": "ping", "auth_token": world.tokens["boss"]})
    replies = [await client.reply() for _ in range(130)]
    local = client.socket.get_extra_info("sockname")
    words = [f"rate limiting threshold hit for {local[0]}:{local[1]}!"]
    assert sum(reply["status"] == "success" for reply in replies) >= 100
    assert [reply["data"]["errors"] for reply in replies if reply["status"] == "error"][:1] == [words]


async def test_a_client_that_comes_back_misses_nothing(world: World, connect: Connect) -> None:
    """``since``: what is in the ring is replayed, else there is a snapshot."""
    conference_id = await world.create()
    text = f"conference.event.*.{conference_id}.*"
    client = await connect()
    begin = await client.subscribe(world.account, text, since=0)
    assert begin["gap"] is True
    assert begin["snapshots"][conference_id]["participants"] == []
    await world.start_room(conference_id, "name=Ann")
    seen = [await client.event() for _ in range(2)]
    assert [event["seq"] for event in seen] == [
        begin["snapshots"][conference_id]["seq"] + number for number in (1, 2)
    ]
    await client.socket.close()
    await world.cluster.perform(["join", conference_id, f"{conference_id}-2", "name=Bob"])
    await world.cluster.perform(["lock", conference_id])
    again = await connect()
    assert (await again.subscribe(world.account, text, since=seen[-1]["seq"]))["gap"] is False
    missed = [await again.event() for _ in range(2)]
    assert [event["data"]["event"] for event in missed] == ["add-member", "lock"]
    assert [event["seq"] for event in missed] == [seen[-1]["seq"] + number for number in (1, 2)]
    late = await connect()
    resumed = await late.subscribe(world.account, text, since={conference_id: 5})
    shown = resumed["snapshots"][conference_id]
    assert resumed["gap"] is True and shown["seq"] == missed[-1]["seq"]
    assert shown["locked"] is True
    assert [member["caller_id_name"] for member in shown["participants"]] == ["Ann", "Bob"]
    everything = await (await connect()).subscribe(world.account, "conference.event.*.*.*", since=0)
    assert everything["snapshots"][conference_id]["seq"] == missed[-1]["seq"]


async def test_events_for_plain_http(world: World) -> None:
    """Server-sent events: a snapshot, what happens, and ``Last-Event-ID``."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    url = f"{world.service.base_url}{world.path(conference_id, 'events')}"
    headers = {"X-Auth-Token": world.tokens["boss"]}
    async with world.http.get(url, headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream"
        name, number, snapshot = await next_event(response)
        assert name == "snapshot" and [m["participant_id"] for m in snapshot["participants"]] == [1]
        await world.cluster.perform(["lock", conference_id])
        name, locked, data = await next_event(response)
        assert (name, locked, data["conference_id"]) == ("lock", number + 1, conference_id)
    async with world.http.get(url, headers={**headers, "Last-Event-ID": str(number)}) as response:
        assert (await next_event(response))[:2] == ("lock", locked)
    async with world.http.get(url, headers={**headers, "Last-Event-ID": "7"}) as response:
        assert (await next_event(response))[:2] == ("snapshot", locked)
    assert (await world.call("GET", world.path(conference_id, "events"), who="other")).status == 403
    foreign = await world.create(account=world.other, who="other")
    assert (await world.call("GET", world.path(foreign, "events"))).status == 404


async def test_streams_do_not_use_up_the_requests(world: World) -> None:
    """A stream goes on for hours: it is not one of the requests in hand."""
    conference_id = await world.create()
    url = f"{world.service.base_url}{world.path(conference_id, 'events')}"
    before = len(world.service.streams)
    async with world.http.get(url, headers={"X-Auth-Token": world.tokens["boss"]}) as response:
        await next_event(response)
        assert len(world.service.streams) == before + 1
        assert world.service.load.running == 0


async def test_many_clients_hear_the_same(world: World, connect: Connect) -> None:
    """Fifty sessions, several conferences, each event once and in order."""
    rooms = [await world.create() for _ in range(3)]
    clients = [await connect() for _ in range(50)]
    for number, client in enumerate(clients):
        await client.subscribe(world.account, f"conference.event.*.{rooms[number % 3]}.*")
    for conference_id in rooms:
        await world.cluster.perform(["create", conference_id, world.account])
        for member in range(4):
            await world.cluster.perform(["join", conference_id, f"{conference_id}-{member}"])
    for number, client in enumerate(clients):
        events = [await client.event() for _ in range(5)]
        assert {event["data"]["conference_id"] for event in events} == {rooms[number % 3]}
        first = events[0]["seq"]
        assert [event["seq"] for event in events] == [*range(first, first + 5)]
        assert await client.nothing_came()


async def test_limits_and_shutdown_of_a_service(world: World) -> None:
    """W2 by its setting; and who is there when the sidecar goes is told so (1001)."""
    conference_id = await world.create()
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(beside(world, websocket_sessions_per_ip="2"))
        url, path = other.service.ws_url, world.path(conference_id, "events")
        clients = [Client(await world.http.ws_connect(url), world.tokens["boss"]) for _ in range(2)]
        for client in clients:
            await client.subscribe(world.account, f"conference.event.*.{conference_id}.*")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await world.http.ws_connect(url)
        assert caught.value.status == 429
        headers = {"X-Auth-Token": world.tokens["boss"]}
        stream = await world.http.get(other.service.base_url + path, headers=headers)
        await next_event(stream)
        leaving = asyncio.create_task(stack.pop_all().aclose())
        assert [await client.close_code() for client in clients] == [1001, 1001]
        async with asyncio.timeout(PATIENCE):
            await stream.read()
            await leaving


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, int, Any]:
    """Name, number and data of the next server-sent event."""
    found: dict[bytes, bytes] = {}
    async with asyncio.timeout(PATIENCE):
        while True:
            line = (await response.content.readuntil(b"\n")).rstrip(b"\n")
            if not line and b"data" in found:
                return found[b"event"].decode(), int(found[b"id"]), json.loads(found[b"data"])
            name, _, value = line.partition(b": ")
            found[name] = value
