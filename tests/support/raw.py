"""A client that says exactly the bytes it wants, for what no HTTP library would send."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL

from tests.support.sidecar import Sidecar


class Raw:
    """A client that says exactly what it wants, when it wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, text: bytes) -> None:
        """Send some bytes."""
        self._writer.write(text)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._writer.write_eof()

    async def status(self, within: float = 5.0) -> int | None:
        """The status of the answer; ``None`` when the connection ends without one."""
        async with asyncio.timeout(within):
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await self._reader.readuntil(b"\r\n")
                return int(head.split()[1])
        return None

    async def answer(self, within: float = 5.0) -> str:
        """Everything until the server ends the connection."""
        async with asyncio.timeout(within):
            return (await self._reader.read()).decode()

    async def ended(self, within: float = 5.0) -> float:
        """How many seconds it took until the server ended the connection."""
        begun = time.perf_counter()
        async with asyncio.timeout(within):
            with suppress(ConnectionError):
                while await self._reader.read(65_536):
                    pass
        return time.perf_counter() - begun


@asynccontextmanager
async def raw(sidecar: Sidecar, port: str = "api", *, reads: bool = True) -> AsyncIterator[Raw]:
    """A raw client of a port; one that does not read takes as little as it can."""
    client = socket.socket()
    if not reads:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    where = URL(sidecar.service.listeners.urls[port])
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", where.port))
    reader, writer = await asyncio.open_connection(sock=client)
    if not reads:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
