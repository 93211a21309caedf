"""``GET …/conferences?running=true``: what runs for an account, with a document or without one.

Nobody else can show conferences without a document: Kazoo lists documents only. Source: issue "calendars,
clients" 10; http.md 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..conference.listing import ListQuery, matches
from ..live.port import Sighting
from ..store.documents import Documents, is_conference
from ..store.memory_views import summary
from ..store.port import Row
from .exchange import Exchange, is_true
from .reading import Reader


@dataclass(frozen=True, slots=True)
class RunningConferences:
    """Finds them."""

    reader: Reader
    documents: Documents

    async def page(self, exchange: Exchange, query: ListQuery) -> tuple[list[Row], str | None, Sighting]:
        """One page by id, the id that begins the next, and who is where."""
        account_id, owner = exchange.account_id, exchange.parameters.get("user_id")
        fresh = is_true(exchange.query.get("fresh"))
        sighting = await self.reader.live_state.account(account_id, fresh=fresh)
        exchange.answer.metadata.update(sighting.stamp())
        found = await self.documents.load_many(account_id, sorted(sighting.rooms))
        stored = {one: document for one, document in found.items() if is_conference(document)}
        own = await self._own(account_id, sighting, stored)
        rows = [_row(one, stored.get(one)) for one in sorted(own, reverse=query.descending)]
        meant = [row for row in rows if _is_meant(row, query, owner)]
        if query.start is not None:
            meant = [
                row for row in meant if (row.id <= query.start) is query.descending or row.id == query.start
            ]
        size = query.page_size if query.paginate else len(meant)
        following = meant[size].id if len(meant) > size else None
        return meant[:size], following, replace(sighting, rooms=own)

    async def _own(
        self, account_id: str, sighting: Sighting, stored: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The rooms that the account may see: those with a document of its own, and those without."""
        ownership, rooms = self.reader.ownership, sighting.rooms
        others = {one: rooms[one] for one in rooms if one not in stored}
        with_documents = await ownership.own_rooms(account_id, rooms, stored)
        return {**with_documents, **await ownership.own_rooms(account_id, others)}


def _row(conference_id: str, document: Mapping[str, Any] | None) -> Row:
    shown = {"id": conference_id} if document is None else summary(document)
    return Row(conference_id, conference_id, shown, None if document is None else dict(document))


def _is_meant(row: Row, query: ListQuery, owner: str | None) -> bool:
    document = row.doc or {"_id": row.id}
    return (owner is None or document.get("owner_id") == owner) and matches(document, query)
