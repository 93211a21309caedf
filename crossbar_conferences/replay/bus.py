"""Listens on the message bus and keeps what is published, so that a step's messages can be told.

Answers on ``targeted`` go to private queues by name and cannot be overheard.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterable
from types import TracebackType

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

from ..broker import timestamps
from .comparison import Published
from .model import ExpectedMessage
from .transport import TransportFailed

#: Exchanges that are listened to, all of them topic exchanges (amqp.md 2).
EXCHANGES = ("conference", "configuration", "notifications", "callevt")

#: Messages kept at most between two looks; a busy cluster must not fill the memory.
LIMIT = 10_000

#: Seconds that connecting and declaring may take.
CONNECT_TIMEOUT = 10.0


class Listener:
    """What was published since the last look."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractRobustConnection | None = None
        self._messages: deque[Published] = deque(maxlen=LIMIT)
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Listener:
        timestamps.install()
        try:
            await asyncio.wait_for(self._open(), CONNECT_TIMEOUT)
        except (TimeoutError, OSError, aio_pika.exceptions.AMQPError) as error:
            await self._close()
            raise TransportFailed(f"the message broker cannot be reached: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        self._connection = await aio_pika.connect_robust(self._url)
        channel = await self._connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for name in EXCHANGES:
            # The flags are Kazoo's: with others the declaration would break its listeners (amqp.md 2).
            exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=False)
            await queue.bind(exchange, "#")
        await queue.consume(self._on_message, no_ack=True)

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            body = json.loads(message.body)
        except ValueError:
            body = message.body.decode("utf-8", "replace")
        self._messages.append(Published(message.exchange or "", message.routing_key or "", body))
        self._arrived.set()

    def clear(self) -> None:
        """Forget what was published so far."""
        self._messages.clear()

    def take(self) -> list[Published]:
        """What was published since the last look."""
        taken = list(self._messages)
        self._messages.clear()
        return taken

    async def settle(self, expected: Iterable[ExpectedMessage], within: float, grace: float) -> None:
        """Wait until messages of the expected kinds are there, at most ``within`` seconds, and
        then ``grace`` seconds more for what should not come."""
        wanted = Counter(_kind(message.exchange, message.body) for message in expected)
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while wanted - Counter(_kind(message.exchange, message.body) for message in self._messages):
            self._arrived.clear()
            left = end - loop.time()
            if left <= 0:
                break
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        await asyncio.sleep(grace)


def _kind(exchange: str, body: object) -> tuple[str, ...]:
    names = ("Event-Name", "Event", "Application-Name")
    return (exchange, *(str(body.get(name)) if isinstance(body, dict) else "" for name in names))
