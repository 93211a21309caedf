"""The line between the supervisor and one worker: JSON objects, one a line, over a socket pair.

It also is the worker's lifeline: when the supervisor is gone, however that came, the line ends.

From the worker: ``{"starting": CHECKS}`` until ``{"ready": OPERATIONS_URL, "unfit": WHY}``;
``{"charge": N, "name", "cost", "limits", "drain"}``;
``{"claim": N, "key", "fingerprint"}``, ``{"settle": KEY, "answer"}``, ``{"forgo": N, "key"}``;
``{"alive": true}``, when asked; ``{"store": DIGEST, "kind", "said", "pause"}``, which the others are told.
From the supervisor: ``{"leave": true}``; ``{"alive": true}``, a question;
``{"charged": N, "taken", "remaining"}``; ``{"bucket": NAME, "tokens", "limits"}`` when another worker
took from it; ``{"claimed": N, "state", "answer"}``.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

import orjson

#: Bytes that may wait for a peer that does not read; then messages are dropped.
MAX_WAITING = 1_000_000
_MAX_LINE = 1_048_576

Message = dict[str, Any]

#: What is heard of a worker last.
GONE: Final[Message] = {"gone": True}


class Channel:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """The end that this socket is; it is closed with the channel."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_MAX_LINE))

    def send(self, message: Message) -> bool:
        """Send without waiting; whether it was taken. A peer that is gone or stuck gets nothing."""
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > MAX_WAITING:
            return False
        self._writer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        return True

    async def receive(self) -> Message | None:
        """The next message; ``None`` when the line has ended."""
        try:
            line = await self._reader.readline()
            message = orjson.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            # Our own processes talk here: what cannot be read means that the peer is broken.
            return None
        return message if isinstance(message, dict) else None

    async def close(self) -> None:
        """End the line."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
