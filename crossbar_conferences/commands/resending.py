"""Sends commands to people who have just joined again, until an event proves them.

The tasks are owned here and bounded by account: what is beyond the bound is sent once, as any command.
Source: real-switch.md D.0, 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError
from ..clock import Clock
from ..conference.confirmation import Confirmation
from ..conference.newcomers import REPEATED_AT, Newcomer
from ..live.feed import EventFeed, Heard
from ..shares import ShareExceeded, Shares
from ..tasks import end

log = structlog.get_logger(__name__)

#: Commands that are repeated at once, of all accounts and of one.
_LIMIT: Final = 10_000
_EACH: Final = 1_000

#: Commands that take back each other: only the last of them is repeated.
_FAMILIES: Final = {"mute": "speak", "unmute": "speak", "deaf": "hear", "undeaf": "hear", "kick": "kick"}

#: Account and conference; participant and what is changed.
_Room = tuple[str, str]
_What = tuple[int | None, str]
_Key = tuple[_Room, _What]

#: Events after which nothing of that kind is repeated: it was done, or somebody did otherwise.
_SETTLES: Final = {
    "mute-member": "speak",
    "unmute-member": "speak",
    "deaf-member": "hear",
    "undeaf-member": "hear",
}


class Resender:
    """Sends commands again. ``clock``: unix seconds, the one of the live data."""

    def __init__(self, bus: Bus, feed: EventFeed, clock: Clock) -> None:
        self._bus = bus
        self._feed = feed
        self._clock = clock
        self._shares: Shares = Shares(_LIMIT, _EACH)
        self._open: dict[_Room, dict[_What, Newcomer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        feed.on_event(self._on_event)

    async def close(self) -> None:
        """Repeat nothing any more."""
        await end(*self._tasks)

    def supersede(self, account_id: str, confirms: Sequence[Confirmation]) -> None:
        """Commands are about to be sent: what they take back is not repeated after them."""
        if self._open:
            for confirm in confirms:
                self._settle(_key(account_id, confirm))

    def begin(self, account_id: str, newcomers: Sequence[Newcomer]) -> asyncio.Task[None] | None:
        """Commands are about to be sent: repeat those that an event can prove. The task may be cancelled."""
        kept = {_key(account_id, one.confirmation): one for one in newcomers if one.confirmation is not None}
        if not kept:
            return None
        try:
            self._shares.take(account_id, len(kept))
        except ShareExceeded:
            return None
        for (room, what), newcomer in kept.items():
            self._open.setdefault(room, {})[what] = newcomer
        task = asyncio.create_task(self._repeat(account_id, kept), name="commands_repeated")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _repeat(self, account_id: str, kept: dict[_Key, Newcomer]) -> None:
        began = self._clock()
        try:
            try:
                await self._feed.hold(account_id)
                for after in REPEATED_AT:
                    await asyncio.sleep(max(0.0, _latest(kept) + after - self._clock()))
                    due = [one for key, one in kept.items() if self._is_open(key, one)]
                    if not due:
                        return
                    for newcomer in due:
                        await self._bus.cast(newcomer.message)
            finally:
                await self._feed.release(account_id)
        except BrokerError as error:
            log.info("command_not_repeated", reason=type(error).__name__, after=self._clock() - began)
        finally:
            for key, newcomer in kept.items():
                if self._is_open(key, newcomer):
                    self._settle(key)
            self._shares.give(account_id, len(kept))

    def _on_event(self, heard: Heard) -> None:
        event = heard.event
        room = (heard.account_id, event.conference_id)
        if room not in self._open:
            return
        if event.kind == "conference-destroy":
            del self._open[room]
            return
        if event.participant is None:
            return
        number = event.participant.participant_id
        families = ("speak", "hear", "kick") if event.kind == "del-member" else (_SETTLES.get(event.kind),)
        for family in families:
            if family is not None:
                self._settle((room, (number, family)))

    def _is_open(self, key: _Key, newcomer: Newcomer) -> bool:
        room, what = key
        return self._open.get(room, {}).get(what) is newcomer

    def _settle(self, key: _Key) -> None:
        room, what = key
        there = self._open.get(room)
        if there is not None and there.pop(what, None) is not None and not there:
            del self._open[room]


def _key(account_id: str, confirm: Confirmation) -> _Key:
    family = _FAMILIES.get(confirm.action, confirm.action)
    return (account_id, confirm.conference_id), (confirm.participant_id, family)


def _latest(kept: dict[_Key, Newcomer]) -> float:
    return max(newcomer.joined_at for newcomer in kept.values())
