"""Following from where a client was: what it missed, or how things are now.

The difficulty is the order. A snapshot has to be waited for, and events come meanwhile: those
belong between the snapshot and what is pushed later. So the number of the newest event is noted
before the snapshot is asked for, and whatever came since is replayed on top of it, in the same
breath in which the subscriber is attached. An event that the snapshot knew already changes
nothing when it comes again: events say how things are, not how they differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from .bindings import Subscription
from .hub import Hub

#: How often a snapshot is taken again because too much happened meanwhile.
ATTEMPTS = 3

#: Conferences that are decided about before others have their turn.
_AT_ONCE: Final = 100


class ResumeFailed(CrossbarConferencesError):
    """More happens than can be told."""

    def __init__(self) -> None:
        super().__init__("too many events to resume")


class Looker(Protocol):
    """Who knows how things are now."""

    async def snapshot(self, account_id: str, conference_id: str) -> Room | None:
        """Who is in a conference."""
        ...

    async def rooms(self, account_id: str) -> Mapping[str, Room]:
        """What runs for an account."""
        ...


async def _anything(conference_id: str) -> bool:
    return True


class Resumption:
    """One event subscription that begins after a number, or with a snapshot.

    ``since`` is ``None`` when no number will do. ``may_show``: whether a conference that a wildcard
    means may be shown. `look` first, then `missed` and attach at once; when `missed` gives ``None``,
    begin again."""

    def __init__(
        self,
        hub: Hub,
        subscription: Subscription,
        since: int | None,
        may_show: Callable[[str], Awaitable[bool]] = _anything,
    ) -> None:
        self.rooms: Mapping[str, Room | None] = {}
        self.sequences: dict[str, int] = {}
        self.is_gap = False
        self._hub = hub
        self._subscription = subscription
        self._since = since
        self._may_show = may_show
        #: Of the conferences that a wildcard means.
        self._shown: dict[str, bool] = {}

    async def look(self, looker: Looker) -> None:
        """Take a snapshot, unless everything that was missed is still here."""
        account_id, conference_id = self._subscription.account_id, self._subscription.conference_id
        if conference_id == "*":
            # One number cannot stand for many conferences.
            self.is_gap = True
            self.sequences = self._hub.history.marks(account_id)
            rooms = await looker.rooms(account_id)
            for number, found in enumerate({**self.sequences, **rooms}):
                self._shown[found] = await self._may_show(found)
                if number % _AT_ONCE == _AT_ONCE - 1:
                    # What is decided from memory waits for nothing: others are to have their turn.
                    await asyncio.sleep(0)
            self.rooms = {found: room for found, room in rooms.items() if self._shown[found]}
            for found in self.rooms:
                self.sequences.setdefault(found, self._hub.begin(account_id, found))
        elif self._since is None or self._replay(conference_id, self._since) is None:
            self.is_gap = True
            self.sequences = {conference_id: self._hub.mark(account_id, conference_id)}
            self.rooms = {conference_id: await looker.snapshot(account_id, conference_id)}
        else:
            self.is_gap = False
            self.sequences = {conference_id: self._since}

    def missed(self) -> list[bytes] | None:
        """The frames to push after the snapshot; ``None`` when some of them are lost already."""
        sequences = dict(self.sequences)
        if self._subscription.conference_id == "*":
            account_id = self._subscription.account_id
            for began in self._hub.history.marks(account_id):
                sequences.setdefault(began, self._hub.begin(account_id, began))
            if not sequences.keys() <= self._shown.keys():
                # One began meanwhile, and nobody has said whether it may be shown.
                return None
            sequences = {found: since for found, since in sequences.items() if self._shown[found]}
        frames: list[bytes] = []
        for conference_id, since in sequences.items():
            replayed = self._replay(conference_id, since)
            if replayed is None:
                return None
            frames += replayed
        return frames

    def _replay(self, conference_id: str, since: int) -> list[bytes] | None:
        return self._hub.replay(self._subscription, conference_id, since)
