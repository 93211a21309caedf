"""A publisher that writes AMQP's frames byte by byte: what no library would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pamqp.frame
from pamqp import commands
from pamqp.base import Frame
from pamqp.header import ProtocolHeader
from yarl import URL

from tests.support.brokers import PATIENCE

#: Bits of the properties' flags.
CONTENT_TYPE: Final = 1 << 15
CONTENT_ENCODING: Final = 1 << 14
HEADERS: Final = 1 << 13
PRIORITY: Final = 1 << 11
CORRELATION_ID: Final = 1 << 10
MESSAGE_ID: Final = 1 << 7
TIMESTAMP: Final = 1 << 6

JSON: Final = b"\x10application/json"


def short(text: bytes) -> bytes:
    """A short string."""
    return bytes([len(text)]) + text


def table(*fields: bytes) -> bytes:
    """A field table of fields that are encoded already."""
    content = b"".join(fields)
    return struct.pack(">I", len(content)) + content


def field(value: bytes, name: bytes = b"x") -> bytes:
    """A field of a table: ``value`` begins with its type's letter."""
    return short(name) + value


def properties(flags: int, *values: bytes) -> bytes:
    """A message's properties, as they follow the size of its body."""
    return struct.pack(">H", flags) + b"".join(values)


class RawPublisher:
    """One channel on which the broker confirms what it has taken."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def publish(self, exchange: str, routing_key: bytes, props: bytes, body: bytes = b"{}") -> bool:
        """Publish; whether the broker took it. One that it refuses costs this connection or channel."""
        method = struct.pack(">HHH", 60, 40, 0) + short(exchange.encode()) + short(routing_key) + b"\0"
        header = struct.pack(">HHQ", 60, 0, len(body)) + props
        self._writer.write(_frame(1, method) + _frame(2, header) + _frame(3, body))
        answer = await self.answer()
        return isinstance(answer, commands.Basic.Ack)

    async def answer(self) -> Frame | None:
        """The next method of the broker's; ``None`` when it has closed the connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    head = await self._reader.readexactly(7)
                    rest = await self._reader.readexactly(struct.unpack(">I", head[3:])[0] + 1)
                    _, _, frame = pamqp.frame.unmarshal(head + rest)
                    if isinstance(frame, Frame):
                        return frame
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def ask(self, method: Frame, channel: int = 1) -> Frame | None:
        """Send a method and wait for the answer."""
        self._writer.write(pamqp.frame.marshal(method, channel))
        return await self.answer()


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


@asynccontextmanager
async def raw_publisher(uri: str) -> AsyncIterator[RawPublisher]:
    """A connection of its own."""
    url = URL(uri)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        raw = RawPublisher(reader, writer)
        writer.write(ProtocolHeader().marshal())
        assert isinstance(await raw.answer(), commands.Connection.Start)
        plain = f"\0{url.user or 'guest'}\0{url.password or 'guest'}"
        tune = await raw.ask(commands.Connection.StartOk({}, "PLAIN", plain, "en_US"), 0)
        assert isinstance(tune, commands.Connection.Tune)
        agreed = commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0)
        writer.write(pamqp.frame.marshal(agreed, 0))
        host = url.path.removeprefix("/") or "/"
        assert isinstance(await raw.ask(commands.Connection.Open(host), 0), commands.Connection.OpenOk), (
            "no such virtual host"
        )
        assert isinstance(await raw.ask(commands.Channel.Open()), commands.Channel.OpenOk)
        assert isinstance(await raw.ask(commands.Confirm.Select()), commands.Confirm.SelectOk)
        yield raw
    finally:
        writer.close()
