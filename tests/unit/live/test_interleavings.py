"""Readers, bindings, searches, events and letting go in any order (``live/tracker.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar_conferences.conference.live import event_from
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.live.feed import Heard, Listener
from crossbar_conferences.live.port import Sighting
from crossbar_conferences.live.tracker import Tracker

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
ROOM = "room"
#: Seconds that a read waits for a binding: less than a step, so that some bindings come too late.
BIND_WITHIN = 0.001


class _Nodes:
    def all(self, app: str) -> tuple[Any, ...]:
        return ()


class _Bus:
    connected = True
    nodes = _Nodes()

    def on_state(self, listener: Any) -> None:
        """The broker is there all the time."""


class _World:
    """A switch that people only join, and the ways to it, each held until a step lets it go."""

    def __init__(self) -> None:
        self.people = 1
        self.now = 0.0
        self.is_bound = False
        self.binding: list[asyncio.Future[None]] = []
        self.asking: list[asyncio.Future[None]] = []
        #: How many people there were when each search of the account began; the last answered one.
        self.begun: list[int] = []
        self.answered: int | None = None
        self.listeners: list[Listener] = []

    # The feed.

    def on_event(self, listener: Listener) -> None:
        self.listeners.append(listener)

    def on_gap(self, listener: Any) -> None:
        """No gaps."""

    async def hold(self, account_id: str) -> None:
        bound: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.binding.append(bound)
        await bound
        self.is_bound = True

    async def release(self, account_id: str) -> None:
        self.is_bound = False

    # The searches.

    async def account(self, account_id: str) -> Sighting:
        self.begun.append(self.people)
        here = self.people
        await self._answer()
        self.begun.remove(here)
        self.answered = here
        return self._sighting(here)

    async def lookup(self, conference_id: str) -> Sighting:
        here = self.people
        await self._answer()
        return self._sighting(here)

    async def _answer(self) -> None:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asking.append(answered)
        await answered

    def _sighting(self, people: int) -> Sighting:
        participants = tuple(Participant(number, call_id=f"call-{number}") for number in range(1, people + 1))
        room = Room(ROOM, ACCOUNT, "instance", run_time=1, participants=participants)
        return Sighting({ROOM: room}, "search", self.now, 1, ("ecallmgr@one",))

    # The steps.

    def join(self) -> None:
        self.people += 1
        if not self.is_bound:
            return
        body: Mapping[str, Any] = {
            "Event": "add-member",
            "Conference-ID": ROOM,
            "Instance-ID": "instance",
            "Participant-ID": self.people,
            "Call-ID": f"call-{self.people}",
            "Custom-Application-Vars": {},
        }
        event = event_from(body, self.now)
        assert event is not None
        for listener in self.listeners:
            listener(Heard(ACCOUNT, event, body, ""))

    def least(self) -> int:
        """What a reader who comes now must be told at least: what there was when the search began that
        it will share, or the one that was answered last, or else its own."""
        if self.begun:
            return min(self.begun)
        return self.people if self.answered is None else self.answered


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def _run(steps: list[str]) -> None:
    world = _World()
    tracker = Tracker(
        _Bus(),  # type: ignore[arg-type]
        world,  # type: ignore[arg-type]
        world,  # type: ignore[arg-type]
        lambda: world.now,
        bind_within=BIND_WITHIN,
        watch_every=3600,
    )
    await tracker.start()
    readers: list[tuple[int, asyncio.Task[Sighting]]] = []

    def release(waiting: list[asyncio.Future[None]]) -> None:
        if waiting:
            waiting.pop(0).set_result(None)

    async def take(step: str) -> None:
        if step in ("conference", "list"):
            reading = (
                tracker.conference(ACCOUNT, ROOM, own=True)
                if step == "conference"
                else tracker.account(ACCOUNT)
            )
            readers.append((world.least(), asyncio.create_task(reading)))
        elif step == "join":
            world.join()
        elif step == "bind":
            release(world.binding)
        elif step == "answer":
            release(world.asking)
        elif step == "too slow":
            await asyncio.sleep(BIND_WITHIN * 2)
        elif step == "idle" and ACCOUNT in tracker._accounts:
            # As when nobody read it for long, or too many others are followed.
            tracker._unfollow(ACCOUNT)
            world.answered = None if not world.begun else world.answered
        await _settle()

    try:
        for step in steps:
            world.now += 1
            await take(step)
        while any(not task.done() for _, task in readers):
            await take("bind")
            await take("answer")
            await take("too slow")
        for least, task in readers:
            sighting = task.result()
            room = sighting.room(ROOM)
            told = 0 if room is None else len(room.participants)
            assert sighting.heard and told >= least, (steps, sighting.source, told, least)
    finally:
        await tracker.close()


STEPS = ["conference", "list", "conference", "join", "bind", "answer", "too slow", "idle"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_no_reader_is_told_less_than_the_switch_knew(steps: list[str]) -> None:
    """In whatever order readers come, events are bound, searches are answered, people join and the
    account is let go: everybody gets at least what there was when the search began."""
    asyncio.run(_run(steps))


def test_two_first_reads_at_once_are_both_right() -> None:
    """What Monster UI's viewer sends: two reads before the account's events are bound."""
    asyncio.run(_run(["conference", "conference", "bind", "answer"]))
