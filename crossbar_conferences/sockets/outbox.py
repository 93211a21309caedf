"""What waits to be sent to one client: bounded by number, by bytes, and by what its account's
clients may have waiting together."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from ..shares import ShareExceeded, Shares

#: Bytes that may wait for a client without counting for its account: who keeps up never pays for
#: others of its account who don't.
FREE: Final = 16_384


class Outbox:
    """Frames in the order of their coming. ``frames`` and ``size`` (bytes) at most; ``shares`` counts
    bytes. ``owner`` is the account, or what stands for it while that is unknown.

    What is being sent counts until `sent`."""

    def __init__(self, frames: int, size: int, shares: Shares, owner: str) -> None:
        self.size = 0
        self._frames = frames
        self._limit = size
        self._shares = shares
        self._owner = owner
        self._counted = 0
        self._waiting: deque[bytes] = deque()
        self._sending = 0
        self._something = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def frames_left(self) -> int:
        """How many more frames may be put."""
        return self._frames - len(self._waiting)

    @property
    def bytes_left(self) -> int:
        """How many more bytes may be put."""
        return self._limit - self.size

    def put(self, frame: bytes) -> bool:
        """Let a frame wait; whether there was room for it."""
        if len(self._waiting) >= self._frames or self.size + len(frame) > self._limit:
            return False
        if not self._count(self.size + len(frame)):
            return False
        self._waiting.append(frame)
        self._something.set()
        return True

    async def get(self) -> bytes:
        """The next frame, once there is one."""
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        return self.take()

    def take(self) -> bytes:
        """The next frame; there must be one."""
        frame = self._waiting.popleft()
        self._sending += len(frame)
        return frame

    def sent(self) -> None:
        """Whatever was taken is gone."""
        self._count(self.size - self._sending)
        self._sending = 0

    def charge(self, owner: str) -> bool:
        """Whose it is from now on; whether there is room for it there."""
        counted = self._counted
        self._shares.give(self._owner, counted)
        self._owner, self._counted = owner, 0
        try:
            self._shares.take(owner, counted)
        except ShareExceeded:
            return False
        self._counted = counted
        return True

    def close(self) -> None:
        """Forget everything."""
        self._shares.give(self._owner, self._counted)
        self._waiting.clear()
        self._counted = self._sending = self.size = 0

    def _count(self, size: int) -> bool:
        counted = size - FREE if size > FREE else 0
        if counted == self._counted:
            # As nearly always: it keeps up.
            self.size = size
            return True
        if counted > self._counted:
            try:
                self._shares.take(self._owner, counted - self._counted)
            except ShareExceeded:
                return False
        else:
            self._shares.give(self._owner, self._counted - counted)
        self._counted, self.size = counted, size
        return True
