"""Finding out that somebody deleted an exchange, also when it is there again.

RabbitMQ tells a consumer that its queue was deleted, and nobody that an exchange was, though every
binding goes with it: a queue that was bound is read on, and hears nothing for ever. What can be asked
without publishing anything is whether an exchange is there. So each of Kazoo's gets a marker: an exchange
of ours that has one binding, to Kazoo's exchange, and that the broker deletes with its last binding. When
Kazoo's exchange is deleted, the marker is gone, and it does not come back with it. No message ever
passes through a marker.

A marker is deleted when we leave. What a process leaves behind that was killed is used by the next one:
markers are numbered, and a number belongs to whoever holds the exclusive queue of that number.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import aiormq.abc
import aiormq.exceptions

from .connections import Connection
from .port import BrokerError

#: Processes that may watch one broker.
MAX_NUMBERS: Final = 1_000
_PREFIX: Final = "crossbar_conferences-marker"


class Markers:
    """The markers of one connection. Raises what aiormq raises, when the broker refuses or is gone."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._marked: set[str] = set()

    @classmethod
    async def open(cls, connection: Connection, exchanges: Iterable[str]) -> Markers:
        """Mark exchanges, which must be there."""
        made = cls(connection, await _free_number(connection))
        for exchange in exchanges:
            await made._mark(exchange)
        return made

    async def vanished(self) -> list[str]:
        """The exchanges that were deleted since they were last asked about; they must be there again."""
        gone = []
        channel = await _channel(self._connection)
        for exchange in sorted(self._marked):
            try:
                await channel.exchange_declare(self._name(exchange), passive=True)
            except aiormq.exceptions.ChannelNotFoundEntity:
                gone.append(exchange)
                channel = await _channel(self._connection)
        await channel.close()
        for exchange in gone:
            await self._mark(exchange)
        return gone

    async def close(self) -> None:
        """Leave nothing behind."""
        channel = await _channel(self._connection)
        for exchange in self._marked:
            await channel.exchange_delete(self._name(exchange))
        await channel.close()

    async def _mark(self, exchange: str) -> None:
        channel, name = await _channel(self._connection), self._name(exchange)
        await channel.exchange_declare(name, exchange_type="fanout", auto_delete=True, internal=True)
        await channel.exchange_bind(destination=exchange, source=name)
        await channel.close()
        self._marked.add(exchange)

    def _name(self, exchange: str) -> str:
        return f"{_PREFIX}-{self._number}-{exchange}"


async def _free_number(connection: Connection) -> int:
    for number in range(MAX_NUMBERS):
        channel = await _channel(connection)
        with suppress(aiormq.exceptions.ChannelLockedResource):
            await channel.queue_declare(f"{_PREFIX}-{number}", exclusive=True)
            await channel.close()
            return number
    raise BrokerError("too many processes watch the exchanges of this broker")


async def _channel(connection: Connection) -> aiormq.abc.AbstractChannel:
    return await (await connection.channel()).get_underlay_channel()
