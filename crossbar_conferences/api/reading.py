"""What every route of one conference does first: find its document, and who is in it.

Source: http.md 3.6; design 3.3 (account isolation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from ..commands.ownership import Ownership
from ..conference import document as documents
from ..conference import guests, presentation
from ..conference.isolation import is_conference_id
from ..conference.rooms import Room
from ..live.port import Live, Sighting
from ..store.documents import Documents
from ..store.port import DocumentMissing
from . import envelope
from .errors import bad_identifier, live_unknown
from .exchange import Exchange, is_true
from .renderings import Renderings, rendered

#: Gives an answer's data, and what goes into its metadata beside the sighting's worth.
Maker = Callable[[Exchange, Room | None, float], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads conferences for the handlers."""

    documents: Documents
    live_state: Live
    ownership: Ownership
    clock: Clock
    renderings: Renderings

    def now(self) -> float:
        """Unix seconds."""
        return self.clock()

    async def conference(self, exchange: Exchange) -> Mapping[str, Any]:
        """The stored conference of the path, or an ad-hoc one made from the request.

        Kazoo makes an ad-hoc one for whatever reason the document cannot be had; here a store
        that is away is a 503, and an id that could do harm on its way to the store, the bus or
        the switch is a 404."""
        conference_id = exchange.conference_id
        if not is_conference_id(conference_id):
            raise bad_identifier(conference_id[:256])
        found: Mapping[str, Any]
        try:
            found = await self.documents.load(exchange.account_id, conference_id)
        except DocumentMissing:
            found = documents.adhoc(conference_id, exchange.data_object)
        exchange.answer.document = found
        exchange.answer.revision = found.get("_rev")
        if exchange.verb == "PUT":
            exchange.answer.location = f"{exchange.path}/{conference_id}"
        return found

    def recall(self, exchange: Exchange) -> Sighting | None:
        """What `conference` and `sighting` would find, if nobody need be asked for any of it."""
        parameters, answer = exchange.parameters, exchange.answer
        account_id, conference_id = parameters["account_id"], parameters["conference_id"]
        document = self.documents.peek(account_id, conference_id)
        sighting = self.live_state.peek(account_id, conference_id) if document is not None else None
        if document is None or sighting is None:
            return None
        room = sighting.rooms.get(conference_id)
        if not self.ownership.is_plain(account_id, conference_id, room):
            return None
        answer.document, answer.revision = document, document.get("_rev")
        return sighting

    async def sighting(self, exchange: Exchange) -> Sighting:
        """Who is in the conference, as far as this account may know."""
        # Strangers are not worth a question to every media node.
        fresh = is_true(exchange.query.get("fresh")) and not exchange.is_guest
        own = _stored(exchange) is not None
        sighting = await self.live_state.conference(
            exchange.account_id, exchange.conference_id, fresh=fresh, own=own
        )
        return await self.checked(exchange, sighting)

    async def checked(self, exchange: Exchange, sighting: Sighting | None = None) -> Sighting:
        """The sighting (an empty one when none is given), checked for isolation.

        An id may name a conference of another account, which must neither be shown nor commanded:
        then it is a 404, and so is one of Kazoo's form that nobody is known to have."""
        account_id, conference_id, stored = exchange.account_id, exchange.conference_id, _stored(exchange)
        sighting = sighting or Sighting()
        if stored is not None and self.ownership.is_plain(
            account_id, conference_id, sighting.room(conference_id)
        ):
            # As nearly always.
            return sighting
        found = await self.ownership.find(account_id, conference_id, stored, sighting)
        is_running = found.sighting.room(conference_id) is not None
        if exchange.verb == "PUT" and not is_running and not found.is_certain:
            # A node that is slow to answer would still do what it is told, whoever says it.
            raise live_unknown()
        if not found.access.is_allowed:
            raise bad_identifier(conference_id)
        return found.sighting

    async def live(self, exchange: Exchange) -> Room | None:
        """The running conference, its age and source noted in the answer's metadata."""
        sighting = await self.sighting(exchange)
        exchange.answer.metadata.update(sighting.stamp())
        return sighting.room(exchange.conference_id)

    def show(self, exchange: Exchange, sighting: Sighting, make: Maker) -> None:
        """Answer a GET with what ``make`` gives, or with what it gave before when that is the same."""
        parameters, answer = exchange.parameters, exchange.answer
        conference_id = parameters["conference_id"]
        room = sighting.rooms.get(conference_id)
        account_id, key = parameters["account_id"], (exchange.route, conference_id, exchange.is_guest)
        now = self.clock()
        # In an empty room nothing changes while time passes.
        second = int(now) if room is not None else 0
        objects, values = (answer.document, room), (second, sighting.worth)
        found = self.renderings.get(account_id, key, objects, values)
        if found is None:
            data, metadata = make(exchange, room, now)
            answer.metadata.update(sighting.stamp() | metadata)
            answer.data = guests.answered(exchange.route, data) if exchange.is_guest else data
            self.tag(exchange, room)
            found = rendered(answer.data, envelope.answer_metadata(exchange), answer.revision, answer.etag)
            if found is None or answer.revision is None:
                return
            self.renderings.keep(account_id, key, objects, values, found)
        answer.show(found)

    def tag(self, exchange: Exchange, room: Room | None) -> None:
        """The entity tag: the document's revision, or one that also covers who is there."""
        revision = exchange.answer.revision
        if revision is None:
            return
        exchange.answer.also_matches = (revision,)
        if room:
            stable = guests.stable if exchange.is_guest else presentation.stable
            exchange.answer.etag = f'"{envelope.live_tag(revision, stable(room))}"'
        else:
            exchange.answer.etag = envelope.entity_tag(revision)


def _stored(exchange: Exchange) -> Mapping[str, Any] | None:
    """The stored document of the path, ``None`` when there is only an ad-hoc one."""
    document = exchange.answer.document
    return document if document is not None and document.get("_rev") is not None else None
