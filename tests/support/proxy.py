"""A TCP proxy that misbehaves on command, to put between a client and a real service."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

_CHUNK = 65_536


class TcpProxy:
    """Forwards ``127.0.0.1:port`` to a service; an async context manager.

    - `cut`: every open connection breaks, new ones are served;
    - `refuse` until `resume`: every connection breaks, new ones break at once;
    - `freeze` until `resume`: connections stay open but nothing passes, as with a host that hangs;
    - `deafen` until `resume`: what the client sends passes, what the service sends does not;
    - `delay`: seconds that every chunk waits, in both directions;
    - `corrupt`: the next chunk from the service arrives as zeros.
    """

    def __init__(self, host: str, port: int) -> None:
        self.delay = 0.0
        self.connections = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._hearing = asyncio.Event()
        self._hearing.set()
        self._refusing = False
        self._corrupt = False

    @property
    def port(self) -> int:
        """Where clients connect to."""
        if self._server is None:
            raise RuntimeError("the proxy is not started")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> TcpProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every open connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def refuse(self) -> None:
        """Break every connection, and every new one at once, until `resume`."""
        self._refusing = True
        self.cut()

    def freeze(self) -> None:
        """Let nothing pass until `resume`."""
        self._flowing.clear()

    def deafen(self) -> None:
        """Let nothing that the service sends pass until `resume`."""
        self._hearing.clear()

    def corrupt(self) -> None:
        """Spoil the next chunk that the service sends."""
        self._corrupt = True

    def resume(self) -> None:
        """Serve again."""
        self._refusing = False
        self._flowing.set()
        self._hearing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, sink, spoils in ((reader, far_writer, False), (far_reader, writer, True)):
            task = asyncio.create_task(self._forward(source, sink, spoils))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, spoils: bool) -> None:
        with suppress(OSError):
            while chunk := await source.read(_CHUNK):
                await self._flowing.wait()
                if spoils:
                    await self._hearing.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if spoils and self._corrupt:
                    self._corrupt = False
                    chunk = bytes(len(chunk))
                sink.write(chunk)
                await sink.drain()
        sink.transport.abort()
        self._writers.discard(sink)
