"""One aio-pika connection: opened within a bound, watched, and closed within a bound."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, ConnectionParameter
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from .port import BrokerError

#: Seconds for a polite farewell; then the socket is dropped.
CLOSE_TIMEOUT = 1.0


class _Sockets:
    """Makes a connection's socket and keeps it, so that a peer that went mute cannot hold us."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def create(self, url: URL, **arguments: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await factory.create(url, **arguments)
        self._writers.append(writer)
        return reader, writer

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


class _AioPikaConnection(aio_pika.Connection):
    """aio-pika's connection, with a say in how the socket is made."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda value: value, is_kwarg=True),
    )


class Connection:
    """A connection to one broker. ``lost`` is set when it is gone, for whatever reason."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection, sockets: _Sockets) -> None:
        self.lost = asyncio.Event()
        self._connection = connection
        self._sockets = sockets
        connection.close_callbacks.add(self._on_close)
        if connection.transport is None or connection.transport.connection.is_closed:
            self.lost.set()

    @classmethod
    async def open(cls, uri: str, *, heartbeat: float, within: float, name: str) -> Connection:
        """Connect. Raises whatever aio-pika, the socket or the time limit has to say."""
        url = URL(uri)
        if "heartbeat" not in url.query:
            url = url.update_query(heartbeat=str(int(heartbeat)))
        sockets = _Sockets()
        try:
            async with asyncio.timeout(within):
                connection = _AioPikaConnection(
                    url, client_properties={"connection_name": name}, transport_factory=sockets
                )
                await connection.connect()
        except BaseException:
            sockets.abort()
            raise
        return cls(connection, sockets)

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """A channel of its own."""
        channel = self._connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        await channel.initialize()
        return channel

    async def close(self) -> None:
        """Say farewell, or drop the socket when nobody answers."""
        self.lost.set()
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close()
        self._sockets.abort()

    def _on_close(self, *_: Any) -> None:
        self.lost.set()


def broker_name(uri: str) -> str:
    """``host:port`` of a broker, without what must stay secret. Raises `BrokerError`."""
    try:
        url = URL(uri)
        port = url.port or (5671 if url.scheme == "amqps" else 5672)
    except ValueError as error:
        raise BrokerError("a broker's URI is malformed") from error
    if url.scheme not in ("amqp", "amqps") or not url.host:
        raise BrokerError("a broker's URI begins with amqp:// or amqps:// and names a host")
    return f"{url.host}:{port}"
