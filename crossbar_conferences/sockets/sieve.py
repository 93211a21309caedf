"""Which conferences of those that a wildcard means may be shown.

A wildcard takes the right to the list and to any conference; token restrictions may still name one
that is not to be seen. So each is decided about when it is first heard of, and anew after every
review of the wildcard itself. What is told meanwhile waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ..auth.failures import AuthFailure
from ..errors import CrossbarConferencesError
from .reviews import Hold, Unauthorized

#: Conferences that are remembered, and frames that wait for decisions, all together.
_CONFERENCES: Final = 10_000
_FRAMES: Final = 256

#: Seconds for which a decision holds at least, so that a burst of changes is no burst of work.
_KEEP: Final = 1.0


class Sieve:
    """Lets through what may be shown, of one binding. ``may_show`` raises what `Reviews` calls a
    refusal, or an error of ours when it cannot tell. ``lost`` is called when frames are dropped that
    might have been for the client."""

    def __init__(
        self,
        hold: Hold,
        may_show: Callable[[str], Awaitable[object]],
        push: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        self._hold = hold
        self._may_show = may_show
        self._push = push
        self._lost = lost
        self._known: dict[str, bool] = {}
        self._ruling: object = hold.ruling
        self._since = 0.0
        self._waiting: dict[str, list[bytes]] = {}
        self._frames = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, frame: bytes, conference_id: str) -> None:
        """Push a frame about a conference, if that may be shown and once it is known."""
        waiting = self._waiting.get(conference_id)
        known = self._remembered(conference_id) if waiting is None else None
        if known is not None:
            if known:
                self._push(frame)
            return
        if self._frames >= _FRAMES:
            self._lost()
            return
        self._frames += 1
        if waiting is not None:
            waiting.append(frame)
        else:
            self._waiting[conference_id] = [frame]
            task = asyncio.create_task(self._ask(conference_id), name="websocket_sieve")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def shows(self, conference_id: str) -> bool:
        """Whether a conference may be shown. Raises an error of ours when that cannot be told."""
        try:
            await self._may_show(conference_id)
        except (AuthFailure, Unauthorized):
            return False
        return True

    def close(self) -> None:
        """Push no more."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _remembered(self, conference_id: str) -> bool | None:
        now = asyncio.get_running_loop().time()
        if self._hold.ruling is not self._ruling and now - self._since >= _KEEP:
            self._known.clear()
            self._ruling, self._since = self._hold.ruling, now
        return self._known.get(conference_id)

    async def _ask(self, conference_id: str) -> None:
        try:
            shows = await self.shows(conference_id)
        except CrossbarConferencesError:
            if self._taken(conference_id):
                self._lost()
            return
        if len(self._known) >= _CONFERENCES:
            self._known.clear()
        self._known[conference_id] = shows
        for frame in self._taken(conference_id):
            if shows:
                self._push(frame)

    def _taken(self, conference_id: str) -> list[bytes]:
        frames = self._waiting.pop(conference_id, [])
        self._frames -= len(frames)
        return frames
