"""One account that is followed: its rooms, how far they can be believed, and what was heard meanwhile.

The table of rooms is the account's own and is changed in place, one room for an event; rooms are
frozen values. Whoever asks for the whole account gets a copy of the table, made once for all who ask
until something changes, so what was handed out never changes under its reader. Whoever asks for one
room gets its value and costs no copy.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ..conference import live
from ..conference.rooms import Room
from .port import Sighting, Source, doubts_of

#: Events kept while one search is under way; with more, the search is done again.
LOG_LIMIT = 5_000
#: Conferences of an account of which it is remembered that they were asked for by their own id.
ASKED_LIMIT = 1_000
#: Conferences that are asked for in the background at once: of all accounts, and of one.
COMPLETING = 1_000
COMPLETING_EACH = 100


@dataclass(frozen=True, slots=True)
class Asking:
    """A question about one conference that is under way, and since when (seconds of the loop)."""

    task: asyncio.Task[None]
    begun: float


@dataclass(slots=True)
class Counters:
    """What the tracker counts; read by the metrics."""

    events: int = 0
    searches: int = 0
    drift: int = 0


@dataclass(slots=True)
class TrackedAccount:
    """The state of one account. Times in unix seconds, those of reads and rounds by the tracker's clock."""

    account_id: str

    #: Ours alone, see `snapshot`.
    rooms: live.MutableRooms = field(default_factory=dict)
    seeded: bool = False
    as_of: float | None = None
    nodes_expected: int = 0
    nodes_heard: tuple[str, ...] = ()
    last_used: float = 0.0
    #: When it was last asked for as a whole.
    last_round: float = 0.0
    #: Done when its events are bound.
    held: asyncio.Task[None] | None = None
    #: The search for the whole account that is under way; its answer is for everybody who waits.
    seeding: asyncio.Task[Sighting] | None = None
    #: Conferences that the account's answer does not list and that were asked for by id, with the
    #: time of the last read; the last used come last.
    asked: OrderedDict[str, float] = field(default_factory=OrderedDict)
    #: Conferences that are being asked for because events alone told of them.
    completing: dict[str, Asking] = field(default_factory=dict)
    #: One log for every search under way: what was heard since its question was sent.
    _logs: list[list[live.Event]] = field(default_factory=list)
    _copy: live.Rooms | None = None
    _doubts: tuple[str, ...] | None = None

    def snapshot(self) -> live.Rooms:
        """The rooms as they are now, for others to keep."""
        if self._copy is None:
            self._copy = MappingProxyType(dict(self.rooms))
        return self._copy

    def sighting(self, rooms: live.Rooms, source: Source) -> Sighting:
        """These rooms, and how much they are worth; none of them while nothing is believed."""
        if not self.seeded:
            return Sighting(nodes_expected=self.nodes_expected, nodes_heard=self.nodes_heard)
        return Sighting(rooms, source, self.as_of, self.nodes_expected, self.nodes_heard)

    def whole(self, source: Source) -> Sighting:
        """All rooms of the account; ``partial`` when one of them is not wholly known."""
        rooms = self.snapshot()
        if self._doubts is None:
            self._doubts = doubts_of(rooms.values())
        sighting = self.sighting(rooms, "partial" if self._doubts else source)
        return replace(sighting, doubts=self._doubts) if self._doubts and self.seeded else sighting

    def note(self, conference_id: str) -> None:
        """This conference was asked for by its id, and read now."""
        self.asked[conference_id] = self.last_used
        self.asked.move_to_end(conference_id)
        while len(self.asked) > ASKED_LIMIT:
            self.asked.popitem(last=False)

    def enter(self, event: live.Event) -> Room | None:
        """Do an event to its room; the room afterwards."""
        if live.enter(self.rooms, event):
            self._copy = self._doubts = None
        self.as_of = event.at
        return self.rooms.get(event.conference_id)

    def seed(self, rooms: live.MutableRooms, as_of: float | None) -> None:
        """These are all rooms there are."""
        self.rooms, self.seeded, self.as_of = rooms, True, as_of
        self._copy = self._doubts = None

    def put(self, conference_id: str, room: Room | None, as_of: float | None) -> None:
        """This is what one room is; ``None``: it does not run."""
        if room is None:
            self.rooms.pop(conference_id, None)
        else:
            self.rooms[conference_id] = room
        self.as_of, self._copy, self._doubts = as_of, None, None

    def log(self, event: live.Event) -> None:
        """Keep an event for the searches under way."""
        for logged in self._logs:
            if len(logged) <= LOG_LIMIT:
                logged.append(event)

    @contextmanager
    def logging(self) -> Iterator[list[live.Event]]:
        """What is heard from now on, up to one more than `LOG_LIMIT`."""
        heard: list[live.Event] = []
        self._logs.append(heard)
        try:
            yield heard
        finally:
            self._logs = [other for other in self._logs if other is not heard]
