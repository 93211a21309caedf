"""Listening on a real broker, with Kazoo's own stamps on the messages."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from crossbar_conferences.clock import gregorian_microseconds
from crossbar_conferences.replay.bus import Listener
from crossbar_conferences.replay.comparison import Published
from crossbar_conferences.replay.model import ExpectedMessage
from crossbar_conferences.replay.transport import TransportFailed

BODY = {"Event-Name": "command", "Application-Name": "lock"}


class Publisher:
    """Publishes like a Kazoo node."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def publish(self, exchange: str, routing_key: str, body: bytes) -> None:
        """One message with a stamp in microseconds since year 0."""
        target = await self._channel.get_exchange(exchange)
        # aio-pika's own type has no room for Kazoo's number; the patched encoder takes it.
        stamp: Any = gregorian_microseconds()
        await target.publish(
            aio_pika.Message(body, content_type="application/json", timestamp=stamp), routing_key
        )


@pytest.fixture
async def listener(amqp_url: str) -> AsyncIterator[Listener]:
    """A listener that is connected."""
    async with Listener(amqp_url) as listening:
        yield listening


@pytest.fixture
async def publisher(amqp_url: str, listener: Listener) -> AsyncIterator[Publisher]:
    """A publisher; the listener has declared the exchanges."""
    async with await aio_pika.connect(amqp_url) as connection:
        yield Publisher(await connection.channel())


async def test_a_message_is_heard_with_its_stamp(listener: Listener, publisher: Publisher) -> None:
    """A message with Kazoo's stamp is kept, and the connection lives on for the next."""
    for name in ("one", "two"):
        key = f"conference.command.{name}-{secrets.token_hex(4)}"
        await publisher.publish("conference", key, json.dumps(BODY).encode())
        await listener.settle([ExpectedMessage("conference", key, BODY)], 5, 0)
        assert Published("conference", key, BODY) in listener.take()


async def test_settling_has_an_end(listener: Listener) -> None:
    """Waiting for what never comes ends in time, and nothing is there."""
    listener.clear()
    never = ExpectedMessage("notifications", "x", {"Event-Name": secrets.token_hex(8)})
    await listener.settle([never], 0.05, 0)
    assert all(message.exchange != "notifications" for message in listener.take())


async def test_a_message_that_is_no_json(listener: Listener, publisher: Publisher) -> None:
    """What is no JSON is kept as text."""
    await publisher.publish("configuration", "x.y", b"\xffnot json")
    await listener.settle([ExpectedMessage("configuration", "x.y", "text")], 5, 0)
    assert "\ufffdnot json" in [message.body for message in listener.take()]


async def test_no_broker() -> None:
    """A broker that is not there is said so."""
    with pytest.raises(TransportFailed):
        await Listener("amqp://127.0.0.1:9/").__aenter__()
