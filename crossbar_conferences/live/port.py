"""What the rest of the house asks of live state: who is in which conference right now.

``live/search.py`` answers by asking the media side each time; ``live/tracker.py`` by following
its events. Source: http.md 3.8, design decisions "real-time data".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from ..conference.rooms import Room

#: Where an answer came from: followed events, a search, a search that told a part, or nowhere
#: (nobody could be asked).
Source = Literal["events", "search", "partial", "none"]

NOBODY_ASKED = "no media node could be asked, so the figures are those of a conference that does not run"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The running conferences of an account, or one of them, and how much that is worth.

    ``rooms`` by conference id. ``as_of`` in unix seconds. ``nodes_heard`` are the media nodes
    (ecallmgr) whose answers are in it, ``nodes_expected`` how many there should be.
    """

    rooms: Mapping[str, Room] = field(default_factory=dict)
    source: Source = "none"
    as_of: float | None = None
    nodes_expected: int = 0
    nodes_heard: tuple[str, ...] = ()
    #: Why it may not be the whole truth, in words for a client.
    doubts: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether absence means something: somebody who would know was heard."""
        return self.source in ("events", "search") and (self.source == "events" or bool(self.nodes_heard))

    @property
    def heard(self) -> bool:
        """Whether anybody was heard at all, whatever was left out."""
        return self.source != "none"

    def room(self, conference_id: str) -> Room | None:
        """One running conference, ``None`` when it is not seen running."""
        return self.rooms.get(conference_id)

    def only(self, conference_id: str) -> Sighting:
        """This sighting of one conference."""
        room = self.rooms.get(conference_id)
        return self.with_rooms({conference_id: room} if room else {})

    def with_rooms(self, rooms: Mapping[str, Room]) -> Sighting:
        """Other rooms from the same answer; ``partial`` when one of them is not wholly known."""
        if not self.heard:
            return replace(self, rooms=rooms)
        doubts = doubts_of(rooms.values())
        return replace(self, rooms=rooms, source="partial" if doubts else "search", doubts=doubts)

    @property
    def worth(self) -> tuple[Source, float | None, int, tuple[str, ...], tuple[str, ...]]:
        """What `stamp` is made of."""
        return self.source, self.as_of, self.nodes_expected, self.nodes_heard, self.doubts

    def stamp(self) -> dict[str, Any]:
        """What an answer's ``metadata`` says about its age and source."""
        stamp: dict[str, Any] = {
            "source": self.source,
            "nodes_expected": self.nodes_expected,
            "nodes_heard": list(self.nodes_heard),
        }
        why = self.doubts or ((NOBODY_ASKED,) if self.source == "none" else ())
        if why:
            stamp["reason"] = "; ".join(why)
        if self.as_of is not None:
            stamp["as_of"] = int(self.as_of)
        return stamp


def doubts_of(rooms: Iterable[Room]) -> tuple[str, ...]:
    """Why what is known of these rooms may not be all, each reason once."""
    found: dict[str, None] = {}
    for room in rooms:
        found.update(dict.fromkeys(room.doubts))
    return tuple(found)


class Live(Protocol):
    """Live state, with a bound on every wait and no exception for a silent media side."""

    async def start(self) -> None:
        """Begin following, in the background."""

    async def close(self) -> None:
        """Stop following."""

    async def conference(
        self, account_id: str, conference_id: str, *, fresh: bool = False, own: bool = False
    ) -> Sighting:
        """One conference of an account. ``rooms`` holds at most that one.

        ``own``: the account has a document of this id, so that a conference of which the media side
        does not say whose it is is the account's."""
        ...

    def peek(self, account_id: str, conference_id: str) -> Sighting | None:
        """What `conference` would answer without asking anybody; ``None`` when it would have to."""
        ...

    async def lookup(self, conference_id: str) -> Sighting:
        """A conference of whatever account, always by asking (`Room.account_id` tells whose)."""
        ...

    async def account(self, account_id: str, *, fresh: bool = False) -> Sighting:
        """Everything that runs for an account."""
        ...
