"""Whose a conference is: asks the record and the media side, and decides.

Reads, commands and subscriptions come here, so that one answer holds for all of them.
Source: design 3.3 (account isolation); `conference.isolation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..conference.isolation import Access, conference_access
from ..conference.rooms import Room
from ..live.port import Live, Sighting
from ..store.owners import Owners
from ..store.port import Document


@dataclass(frozen=True, slots=True)
class Finding:
    """What was decided, and on what.

    ``sighting``: who is in the conference, for whoever may see it. ``is_certain``: everybody was heard
    who might run a conference of this id."""

    access: Access
    sighting: Sighting
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Ownership:
    """Decides about conferences of accounts."""

    live: Live
    owners: Owners

    def is_plain(self, account_id: str, conference_id: str, room: Room | None) -> bool:
        """Whether a conference that the account has a document of is its own, without asking anybody."""
        return self.owners.is_own(account_id, conference_id) and (
            room is None or room.account_id == account_id
        )

    async def find(
        self, account_id: str, conference_id: str, document: Document | None, sighting: Sighting
    ) -> Finding:
        """Decide about one id. ``document``: what the account has under it; ``sighting``: what was seen.

        Only an id without a document, or that nobody is on record for, costs questions to the media side."""
        owner = await self.owners.owner(account_id, conference_id, document)
        is_certain = True
        if document is None and owner in (None, account_id):
            sighting, is_certain = await self._seen(account_id, conference_id, sighting)
        elif owner is None and sighting.source == "none":
            # Nobody is on record yet, and nobody has looked: what runs may be another account's.
            sighting = await self.live.conference(account_id, conference_id)
            if sighting.room(conference_id) is None:
                sighting, is_certain = await self._seen(account_id, conference_id, sighting)
        room = sighting.room(conference_id)
        access = conference_access(
            account_id,
            conference_id,
            has_document=document is not None,
            owner=owner,
            running_for=room.account_id if room else None,
            is_running=room is not None,
            legs_for=room.legs_account_id if room else None,
        )
        return Finding(access, sighting, is_certain)

    async def own_rooms(
        self, account_id: str, rooms: Mapping[str, Room], stored: Iterable[str] | None = None
    ) -> Mapping[str, Room]:
        """Those of an account's rooms that it may see. ``stored``: the ids wanted, of documents that it has;
        ``None``: all, whether it has documents or not.

        Costs one question to the store, and only when something runs whose owner isn't remembered."""
        has_document = stored is not None
        running = rooms if stored is None else {each: rooms[each] for each in stored if each in rooms}
        await self.owners.look_up(account_id, running)
        return {
            conference_id: room
            for conference_id, room in running.items()
            if conference_access(
                account_id,
                conference_id,
                has_document=has_document,
                owner=self.owners.known(conference_id),
                running_for=room.account_id,
                is_running=True,
                legs_for=room.legs_account_id,
            )
            is Access.OWN
        }

    async def _seen(self, account_id: str, conference_id: str, sighting: Sighting) -> tuple[Sighting, bool]:
        """The running conference with its own account, as far as that is told; whether all were heard."""
        room, is_certain = sighting.room(conference_id), True
        if room is None:
            found = await self.live.lookup(conference_id)
            room = found.room(conference_id)
            is_certain = len(found.nodes_heard) >= found.nodes_expected
            if room is None:
                return sighting, is_certain
            sighting = found
        if room.account_id is None:
            # Asked for by its id, a conference does not say whose it is; its account's list does.
            listed = (await self.live.account(account_id, fresh=True)).room(conference_id)
            is_listed = listed is not None and listed.account_id == account_id
            if listed is not None and is_listed and listed.instance_id == room.instance_id:
                room = replace(room, account_id=account_id)
        return replace(sighting, rooms={conference_id: room}), is_certain
