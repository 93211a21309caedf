"""What a websocket session may do: the same tokens and the same account tree as the API.

Source: realtime-ui-tests.md A.6; design 3.3 (commands of a conference by ownership).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..auth.access import may_access
from ..auth.gate import AuthRoom
from ..auth.identity import Identity
from ..commands.ownership import Finding, Ownership
from ..conference.isolation import Access
from ..conference.rooms import Room
from ..live.port import Live, Sighting
from ..store.documents import Documents
from ..store.port import Document, DocumentMissing


@dataclass(frozen=True, slots=True)
class SocketGuard:
    """Decides for the sessions."""

    auth: AuthRoom
    documents: Documents
    live: Live
    ownership: Ownership

    async def identify(self, token: str) -> Identity:
        """The identity of a token; raises `AuthFailure`."""
        return await self.auth.authenticate("bearer", token)

    async def may_access(self, identity: Identity, account_id: str) -> bool:
        """The account itself, one below it, or the cluster's master."""
        if identity.conference_id is not None:
            # A guest's token is for one conference, over HTTP (api/gate.py).
            return False
        caller = await self.auth.account(identity.account_id)
        requested = await self.auth.account(account_id)
        return caller is not None and requested is not None and may_access(caller, requested)

    async def may_follow(self, account_id: str, conference_id: str) -> bool:
        """Commands name no account: the conference must be the account's own.

        An id that is nobody's yet is refused too: it may be another account's tomorrow, when this
        is not asked again."""
        sighting = await self.live.conference(account_id, conference_id)
        return (await self._find(account_id, conference_id, sighting)).access is Access.OWN

    async def snapshot(self, account_id: str, conference_id: str) -> Room | None:
        """Who is in a conference now; nobody, for whom it is not."""
        sighting = await self.live.conference(account_id, conference_id)
        if sighting.room(conference_id) is None:
            return None
        found = await self._find(account_id, conference_id, sighting)
        return found.sighting.room(conference_id) if found.access is Access.OWN else None

    async def rooms(self, account_id: str) -> Mapping[str, Room]:
        """What runs for an account now."""
        rooms = (await self.live.account(account_id)).rooms
        return await self.ownership.own_rooms(account_id, rooms)

    async def _find(self, account_id: str, conference_id: str, sighting: Sighting) -> Finding:
        document: Document | None = None
        with suppress(DocumentMissing):
            document = await self.documents.load(account_id, conference_id)
        return await self.ownership.find(account_id, conference_id, document, sighting)
