"""Exchanges that somebody deletes on a real broker, and makes again or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aio_pika
import pytest

from crossbar_conferences.broker.connections import Connection
from crossbar_conferences.broker.faults import EXCHANGE_DELETED, EXCHANGE_FLAGS, QUEUE_LOST
from crossbar_conferences.broker.markers import Markers
from crossbar_conferences.broker.port import Binding
from crossbar_conferences.broker.rabbit import RabbitTransport
from tests.support.brokers import FAST, Inbox, eventually, running, unique

WATCHFUL = replace(FAST, verify=0.1)


@pytest.fixture
async def stock(amqp_url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """Somebody else on the broker."""
    async with await aio_pika.connect(amqp_url) as connection:
        yield await connection.channel()


async def _connection(uri: str) -> Connection:
    return await Connection.open(uri, heartbeat=10, within=5, name="test")


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize(("kind", "key"), [("topic", "a.b"), ("direct", "a"), ("fanout", "")])
async def test_a_deleted_exchange_is_noticed_and_bound_anew(
    amqp_url: str, stock: aio_pika.abc.AbstractChannel, kind: str, key: str, again: bool
) -> None:
    """Whether or not somebody made it again, what was bound to it hears again, and is told of a gap."""
    name, other = unique("exchange"), unique("exchange")
    exchanges = {name: kind, other: "topic"}
    transport = RabbitTransport([amqp_url], options=WATCHFUL, exchanges=exchanges)
    inbox, bystander, gaps, others_gaps = Inbox(), Inbox(), [], []
    async with running(transport):
        await transport.consume(inbox, [Binding(name, key)], on_gap=lambda: gaps.append(1))
        await transport.consume(bystander, [Binding(other, "x")], on_gap=lambda: others_gaps.append(1))
        await stock.exchange_delete(name)
        if again:
            await stock.declare_exchange(name, kind, durable=False)
        await eventually(lambda: len(gaps) == 1)
        await transport.publish(name, key, b"1")
        assert await inbox.wait(1) == [b"1"]
        assert not others_gaps
        found = [(repair.fault.kind, repair.fault.subject) for repair in transport.repairs]
        assert found[0] == (EXCHANGE_DELETED, name) and found[1][0] == QUEUE_LOST
        assert not transport.faults
        assert transport.counters.lost == 0
    for exchange in exchanges:
        await stock.exchange_delete(exchange)


async def test_what_is_published_into_nothing_says_so(
    amqp_url: str, stock: aio_pika.abc.AbstractChannel
) -> None:
    """Publishing to an exchange that was just deleted makes the connection and the exchange anew."""
    name, inbox = unique("exchange"), Inbox()
    transport = RabbitTransport([amqp_url], options=replace(FAST, verify=60.0), exchanges={name: "topic"})
    async with running(transport):
        await transport.consume(inbox, [Binding(name, "a")])
        await stock.exchange_delete(name)
        await transport.publish(name, "a", b"lost")
        await eventually(lambda: transport.counters.connected == 2 and transport.connected)
        assert (EXCHANGE_DELETED, name) in [(one.fault.kind, one.fault.subject) for one in transport.repairs]
        await transport.publish(name, "a", b"heard")
        assert await inbox.wait(1) == [b"heard"]
    await stock.exchange_delete(name)


async def test_one_of_other_flags_is_put_right_once_it_is_deleted(
    amqp_url: str, stock: aio_pika.abc.AbstractChannel
) -> None:
    """An exchange that somebody declared otherwise is told of once, until it is deleted."""
    name = unique("exchange")
    foreign = await stock.declare_exchange(name, "topic", durable=True)
    transport = RabbitTransport([amqp_url], options=WATCHFUL, exchanges={name: "topic"})
    inbox = Inbox()
    async with running(transport):
        await transport.consume(inbox, [Binding(name, "a")])
        assert [fault.kind for fault in transport.faults] == [EXCHANGE_FLAGS]
        await foreign.delete()
        await eventually(lambda: not transport.faults and len(transport.repairs) == 2)
        await transport.publish(name, "a", b"1")
        await inbox.wait(1)
    await stock.exchange_delete(name)


async def test_two_processes_notice_each_for_itself(
    amqp_url: str, stock: aio_pika.abc.AbstractChannel
) -> None:
    """A marker is nobody else's, so that the first to notice hides nothing from the others."""
    name = unique("exchange")
    exchange = await stock.declare_exchange(name, "topic", durable=False)
    connections = [await _connection(amqp_url) for _ in range(3)]
    markers = [await Markers.open(connection, [name]) for connection in connections]
    assert [await one.vanished() for one in markers] == [[], [], []]
    await exchange.delete()
    await stock.declare_exchange(name, "topic", durable=False)
    assert [await one.vanished() for one in markers] == [[name], [name], [name]]
    assert [await one.vanished() for one in markers] == [[], [], []]
    for one in markers:
        await one.close()
    for connection in connections:
        await connection.close()
    await stock.exchange_delete(name)


async def test_what_a_killed_process_leaves_is_used_by_the_next(
    amqp_url: str, stock: aio_pika.abc.AbstractChannel
) -> None:
    """However often a process is killed, no more markers are left than there were processes at once."""
    name = unique("exchange")
    await stock.declare_exchange(name, "topic", durable=False)
    names = set()
    for _ in range(5):
        connection = await _connection(amqp_url)
        markers = await Markers.open(connection, [name])
        names.add(markers._name(name))
        # Without farewell, as with kill -9.
        await connection.close()
    # Others on this broker come and go, so a number may be taken now and then.
    assert len(names) < 5
    # With Kazoo's exchange goes what was left.
    await stock.exchange_delete(name)
    underlay = await stock.get_underlay_channel()
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await underlay.exchange_declare(names.pop(), passive=True)


async def test_nothing_is_left_behind(amqp_url: str, stock: aio_pika.abc.AbstractChannel) -> None:
    """Who leaves in order takes its markers along."""
    name = unique("exchange")
    await stock.declare_exchange(name, "topic", durable=False)
    connection = await _connection(amqp_url)
    markers = await Markers.open(connection, [name])
    left = markers._name(name)
    await markers.close()
    await connection.close()
    underlay = await stock.get_underlay_channel()
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await underlay.exchange_declare(left, passive=True)


async def test_a_broker_that_refuses_markers_is_used_all_the_same(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to make exchanges we are as blind as others are, and work."""

    async def refuse(*_: object) -> Markers:
        raise aio_pika.exceptions.ChannelAccessRefused("no")  # type: ignore[attr-defined]

    monkeypatch.setattr(Markers, "open", refuse)
    token, transport, inbox = unique(), RabbitTransport([amqp_url], options=WATCHFUL), Inbox()
    async with running(transport):
        await transport.consume(inbox, [Binding("conference", token)])
        for body in (b"1", b"2"):
            await transport.publish("conference", token, body)
            await asyncio.sleep(2 * WATCHFUL.verify)
        await inbox.wait(2)
        assert transport.counters.lost == 0
