"""``…/conferences/{ID}/participants`` and ``…/participants/{ID}``: who is there, and commands to them.

Source: http.md 3.7, 9.3, 9.4; design 3.3 (a participant that is not there is a 404).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..conference import guests, presentation
from ..conference.actions_plan import ambiguous_participant
from ..conference.isolation import participant_id
from ..conference.naming import meant
from ..conference.rooms import Room
from .actions import Actions
from .errors import bad_participant
from .exchange import Exchange
from .faults import as_api_error
from .reading import Reader


@dataclass(frozen=True, slots=True)
class ParticipantsHandler:
    """All participants of one conference."""

    reader: Reader
    actions: Actions

    async def validate(self, exchange: Exchange) -> None:
        """GET: the list, empty when the conference does not run."""
        await self.reader.conference(exchange)
        if exchange.verb == "GET":
            self.reader.show(exchange, await self.reader.sighting(exchange), _everybody)

    def recall(self, exchange: Exchange) -> bool:
        """Answer a GET, if nothing has to be waited for."""
        sighting = self.reader.recall(exchange)
        if sighting is not None:
            self.reader.show(exchange, sighting, _everybody)
        return sighting is not None

    async def execute(self, exchange: Exchange) -> None:
        """PUT: a command to many."""
        await self.actions.participants(exchange)


def _everybody(exchange: Exchange, room: Room | None, now: float) -> tuple[Any, dict[str, Any]]:
    return presentation.participants(room, now), {}


@dataclass(frozen=True, slots=True)
class ParticipantHandler:
    """One participant of a conference."""

    reader: Reader
    actions: Actions

    async def validate(self, exchange: Exchange) -> None:
        """GET: the participant; 404 when it is known not to be there, else ``{}``."""
        await self.reader.conference(exchange)
        if exchange.verb == "GET":
            room = await self.reader.live(exchange)
            found = self._participant(exchange, room)
            exchange.answer.data = guests.answered(exchange.route, found) if exchange.is_guest else found
            self.reader.tag(exchange, room)

    async def execute(self, exchange: Exchange) -> None:
        """PUT: a command to one."""
        await self.actions.participant(exchange)

    def _participant(self, exchange: Exchange, room: Room | None) -> dict[str, object]:
        wanted = exchange.parameters["participant_id"]
        number = participant_id(wanted)
        # A number is compared as text, so 02 is nobody (recorded). Which devices and users are there is not
        # for guests.
        may_look = str(number) == wanted if number is not None else not exchange.is_guest
        found = meant(room, wanted) if may_look else ()
        if len(found) > 1:
            raise as_api_error(ambiguous_participant(wanted, found))
        if found:
            return presentation.participant(found[0], self.reader.now())
        if exchange.answer.metadata.get("source") in ("events", "search"):
            raise bad_participant(int(wanted) if wanted.isdecimal() and len(wanted) < 16 else wanted)
        return {}
