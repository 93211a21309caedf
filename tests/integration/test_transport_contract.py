"""What every transport does alike: the one in memory may not lie about the real one."""

from __future__ import annotations

import asyncio

import pytest

from crossbar_conferences.broker.port import Binding, BrokerError, BrokerUnavailable, Delivery, Queue
from crossbar_conferences.clock import gregorian_microseconds
from tests.support.brokers import (
    Bench,
    Inbox,
    connected,
    eventually,
    running,
    unique,
)


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("conference.event.{}.*.#", ["event-of-one", "event-of-call"]),
        ("conference.event.{}.room.*", ["event-of-call"]),
        ("conference.event.{}.#", ["event-of-account", "event-of-one", "event-of-call"]),
        ("conference.*.{}.room", ["event-of-one", "other"]),
        ("#.{}.room", ["event-of-one", "other"]),
        ("conference.event.{}", ["event-of-account"]),
    ],
)
async def test_topics(bench: Bench, pattern: str, heard: list[str]) -> None:
    """``*`` is one token and ``#`` any number of them, in both."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        end = Binding("conference", f"end.{token}")
        await transport.consume(inbox, [Binding("conference", pattern.format(token)), end])
        for key, body in (
            (f"conference.event.{token}", b"event-of-account"),
            (f"conference.event.{token}.room", b"event-of-one"),
            (f"conference.event.{token}.room.call%2E1", b"event-of-call"),
            (f"conference.command.{token}.room", b"other"),
            (f"end.{token}", b"end"),
        ):
            await transport.publish("conference", key, body)
        while b"end" not in inbox.bodies:
            await inbox.wait(len(inbox.bodies) + 1)
        assert inbox.bodies == [text.encode() for text in [*heard, "end"]]


async def test_delivery(bench: Bench) -> None:
    """A delivery shows what Kazoo's properties say: JSON, and microseconds since year 0."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        await transport.consume(inbox, [Binding("targeted", token)])
        before = gregorian_microseconds()
        await transport.publish("targeted", token, b"{}", headers={"Deliver-To-PID": "<0.1.0>"})
        await transport.publish("targeted", token, b"{}")
        await inbox.wait(2)
        after = gregorian_microseconds()
        first, second = inbox.deliveries
        assert (first.exchange, first.routing_key, first.body) == ("targeted", token, b"{}")
        assert first.content_type == "application/json"
        assert dict(first.headers) == {"Deliver-To-PID": "<0.1.0>"}
        assert dict(second.headers) == {}
        assert first.broker_zone is None
        assert first.timestamp is not None
        assert before <= first.timestamp <= after


async def test_fanout(bench: Bench) -> None:
    """A fanout exchange reaches every queue whatever the key."""
    one, two = bench.transport(), bench.transport()
    inboxes, mark = (Inbox(), Inbox()), unique().encode()
    async with running(one, two):
        await one.consume(inboxes[0], [Binding("nodes", "")])
        await two.consume(inboxes[1], [Binding("nodes", "ignored")])
        await one.publish("nodes", "", mark)
        for inbox in inboxes:
            while mark not in inbox.bodies:
                await inbox.wait(len(inbox.bodies) + 1)


async def test_once_per_queue(bench: Bench) -> None:
    """A queue with two matching bindings gets a message once."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        await transport.consume(
            inbox, [Binding("conference", f"{token}.#"), Binding("conference", f"{token}.*")]
        )
        await transport.publish("conference", f"{token}.a", b"1")
        await transport.publish("conference", f"{token}.b", b"2")
        assert await inbox.wait(2) == [b"1", b"2"]


async def test_shared_queue(bench: Bench) -> None:
    """A work queue's messages go to its readers in turn."""
    token, one, two = unique(), bench.transport(), bench.transport()
    inboxes = Inbox(), Inbox()
    async with running(one, two):
        queue = Queue(token, shared=True)
        for transport, inbox in zip((one, two), inboxes, strict=True):
            await transport.consume(inbox, [Binding("conference", token)], queue=queue)
        for number in range(4):
            await one.publish("conference", token, str(number).encode())
        for inbox in inboxes:
            await inbox.wait(2)
        assert sorted(inboxes[0].bodies + inboxes[1].bodies) == [b"0", b"1", b"2", b"3"]


async def test_bind_and_unbind(bench: Bench) -> None:
    """A topic is heard from `bind` to `unbind`."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        consumer = await transport.consume(inbox)
        for step in ("deaf", "hearing", "deaf-again"):
            await transport.publish("conference", f"{token}.x", step.encode())
            if step == "deaf":
                await consumer.bind(Binding("conference", f"{token}.*"))
            if step == "hearing":
                await inbox.wait(1)
                await consumer.unbind(Binding("conference", f"{token}.*"))
        await consumer.bind(Binding("targeted", consumer.queue))
        await transport.publish("targeted", consumer.queue, b"end")
        assert await inbox.wait(2) == [b"hearing", b"end"]


async def test_mandatory(bench: Bench) -> None:
    """A mandatory publish says whether anybody heard."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        assert await transport.publish("conference", token, b"1", mandatory=True) is False
        assert await transport.publish("conference", token, b"1") is True
        await transport.consume(inbox, [Binding("conference", token)])
        assert await transport.publish("conference", token, b"2", mandatory=True) is True
        assert await inbox.wait(1) == [b"2"]


async def test_close_takes_queues_along(bench: Bench) -> None:
    """After a consumer's close nobody hears, and after a transport's nothing is left of it."""
    token, one, two = unique(), bench.transport(), bench.transport()
    async with running(one):
        async with running(two):
            consumer = await one.consume(Inbox(), [Binding("conference", token)])
            await consumer.close()
            assert not await one.publish("conference", token, b"", mandatory=True)
            await two.consume(Inbox(), [Binding("conference", token)])
            assert await one.publish("conference", token, b"", mandatory=True)
        assert not await one.publish("conference", token, b"", mandatory=True)
        with pytest.raises(BrokerUnavailable):
            await two.publish("conference", token, b"")


async def test_no_task_is_left(bench: Bench) -> None:
    """A closed transport leaves no task behind."""
    before = asyncio.all_tasks()
    transport = bench.transport()
    async with running(transport):
        await transport.consume(Inbox(), [Binding("conference", unique())])
    assert asyncio.all_tasks() == before


async def test_a_handler_that_raises(bench: Bench) -> None:
    """The listener goes on after a handler raised; it is counted."""
    token, transport, inbox = unique(), bench.transport(), Inbox()

    async def handler(delivery: Delivery) -> None:
        inbox(delivery)
        if delivery.body == b"bad":
            raise ValueError("no")

    async with running(transport):
        await transport.consume(handler, [Binding("conference", token)])
        await transport.publish("conference", token, b"bad")
        await transport.publish("conference", token, b"good")
        assert await inbox.wait(2) == [b"bad", b"good"]
        assert transport.counters.failed == 1


async def test_order(bench: Bench) -> None:
    """Deliveries are handled one after the other in the order they were published."""
    token, transport = unique(), bench.transport()
    seen: list[str] = []
    done = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        seen.append(f"begin {delivery.body.decode()}")
        await asyncio.sleep(0)
        seen.append(f"end {delivery.body.decode()}")
        if delivery.body == b"19":
            done.set()

    async with running(transport):
        await transport.consume(handler, [Binding("conference", token)])
        for number in range(20):
            await transport.publish("conference", token, str(number).encode())
        async with asyncio.timeout(10):
            await done.wait()
    assert seen == [f"{word} {number}" for number in range(20) for word in ("begin", "end")]


async def test_consume_before_start(bench: Bench) -> None:
    """A queue asked for while no broker is there is made when one comes."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    consumer = await transport.consume(inbox, [Binding("conference", token)])
    await consumer.bind(Binding("conference", f"{token}.more"))
    with pytest.raises(BrokerUnavailable):
        await transport.publish("conference", token, b"")
    async with running(transport):
        await transport.publish("conference", token, b"1")
        await transport.publish("conference", f"{token}.more", b"2")
        assert await inbox.wait(2) == [b"1", b"2"]


async def test_state(bench: Bench) -> None:
    """Listeners hear of coming and going, once each."""
    states: list[bool] = []
    transport = bench.transport()
    transport.on_state(states.append)
    async with running(transport):
        await connected(transport)
        assert states == [True]
    assert states == [True, False]
    assert not transport.connected


async def test_large_body(bench: Bench) -> None:
    """A body larger than a frame comes through whole, and so does an empty one."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    body = bytes(range(256)) * 2_000
    async with running(transport):
        await transport.consume(inbox, [Binding("conference", token)])
        await transport.publish("conference", token, body)
        await transport.publish("conference", token, b"")
        assert await inbox.wait(2) == [body, b""]


async def test_refusals(bench: Bench) -> None:
    """An unknown exchange and a key that does not fit are refused, and nothing breaks."""
    token, transport, inbox = unique(), bench.transport(), Inbox()
    async with running(transport):
        for exchange, key in (("nowhere", "k"), ("conference", "k" * 256), ("conference", "é" * 128)):
            with pytest.raises(BrokerError):
                await transport.publish(exchange, key, b"")
            with pytest.raises(BrokerError):
                await transport.consume(inbox, [Binding(exchange, key)])
        consumer = await transport.consume(inbox, [Binding("conference", token)])
        with pytest.raises(BrokerError):
            await consumer.bind(Binding("nowhere", "k"))
        await transport.publish("conference", token, b"1")
        assert await inbox.wait(1) == [b"1"]


async def test_backlog(bench: Bench) -> None:
    """Deliveries that wait for a slow handler are seen from outside."""
    token, transport = unique(), bench.transport()
    go = asyncio.Event()

    async def handler(_: Delivery) -> None:
        await go.wait()

    async with running(transport):
        await transport.consume(handler, [Binding("conference", token)])
        for _ in range(4):
            await transport.publish("conference", token, b"x")
        await eventually(lambda: transport.backlog == 3)
        go.set()
        await eventually(lambda: transport.backlog == 0)


async def test_private_queue_names(bench: Bench) -> None:
    """A private queue's name is fresh, and not one that Kazoo or a broker gives (amqp.md 3.1)."""
    transport = bench.transport()
    async with running(transport):
        names = {(await transport.consume(Inbox())).queue for _ in range(3)}
    assert len(names) == 3
    assert all(name.isascii() and not name.startswith("amq.") for name in names)


async def test_a_closing_handler(bench: Bench) -> None:
    """A handler may close its own consumer."""
    token, transport = unique(), bench.transport()
    closed = asyncio.Event()

    async def handler(_: Delivery) -> None:
        await consumer.close()
        closed.set()

    async with running(transport):
        consumer = await transport.consume(handler, [Binding("conference", token)])
        await transport.publish("conference", token, b"1")
        async with asyncio.timeout(10):
            await closed.wait()
        assert not await transport.publish("conference", token, b"2", mandatory=True)
