"""What a websocket session may follow: the same tokens, account tree and restrictions as for a GET of
the same things.

Source: realtime-ui-tests.md A.6; design 3.3 (commands of a conference by ownership).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ..auth.access import account_tree, is_superduper_admin
from ..auth.failures import AccessDenied, TokenRestricted
from ..auth.gate import AuthRoom
from ..auth.identity import Identity
from ..commands.ownership import Finding, Ownership
from ..conference.isolation import Access
from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from ..kapi.routing import ALL_ACCOUNTS
from ..live.port import Live, Sighting
from ..store.documents import Documents
from ..store.names import SYSTEM_AUTH, SYSTEM_CONFIG, account_database
from ..store.own import DATABASE as OWN_DATABASE
from ..store.port import Document, DocumentMissing
from .reviews import Ruling, Unauthorized
from .rights import Right

#: How a token comes over a websocket.
_KIND: Final = "bearer"

_EVERYWHERE: Final = frozenset({SYSTEM_AUTH, SYSTEM_CONFIG, OWN_DATABASE})


class OwnerUnknown(CrossbarConferencesError):
    """The media side is silent, so it is not known whose a conference is."""


@dataclass(frozen=True, slots=True)
class SocketGuard:
    """Decides for the sessions."""

    auth: AuthRoom
    documents: Documents
    live: Live
    ownership: Ownership

    async def identify(self, token: str, source: str) -> Identity:
        """The identity of a token that comes from an address. Raises `AuthFailure`, and `Unauthorized` for
        a guest's."""
        identity = await self.auth.authenticate(_KIND, token)
        if identity.is_guest:
            # It is for one conference, over HTTP (api/gate.py).
            raise Unauthorized("unauthorized account id")
        await self.auth.check_proxies(identity, [source])
        return identity

    async def rule(self, right: Right) -> Ruling:
        """Whether somebody has a right. Raises `AuthFailure` for a token that is not good, and
        `Unauthorized` for what a good one may not do."""
        identity = await self.identify(right.token, right.source)
        accounts: list[Document | None] = [await self.auth.account(identity.account_id)]
        if right.account_id == ALL_ACCOUNTS:
            await self._may_see_all(identity, accounts[0], right)
        elif right.account_id is not None:
            accounts.append(await self._may_see(identity, right.account_id, right))
            if right.follows is not None and not await self.may_follow(right.account_id, right.follows):
                raise Unauthorized("unauthorized conference id")
        until = valid_until(identity, self.auth.valid_until(_KIND, right.token))
        return Ruling(until, dependencies(identity, *accounts), right.follows)

    async def _may_see(self, identity: Identity, account_id: str, right: Right) -> Document:
        requested = await self.auth.account(account_id)
        if requested is None:
            raise Unauthorized("unauthorized account id")
        await self._may_get(identity, requested, right)
        return requested

    async def _may_see_all(self, identity: Identity, caller: Document | None, right: Right) -> None:
        """Every account's: for the cluster's master, where it may GET the same of its own account."""
        if caller is None or not is_superduper_admin(caller) or identity.conference_id is not None:
            raise Unauthorized("unauthorized wildcard account id")
        await self._may_get(identity, caller, right)

    async def _may_get(self, identity: Identity, requested: Document, right: Right) -> None:
        for path in right.paths:
            try:
                await self.auth.authorize(identity, requested, "GET", path)
            except TokenRestricted as refusal:
                raise Unauthorized(str(refusal.cause)) from None
            except AccessDenied:
                raise Unauthorized("unauthorized account id") from None

    async def may_follow(self, account_id: str, conference_id: str) -> bool:
        """Commands name no account: the conference must be the account's own.

        An id that is nobody's yet is refused too: it may be another account's tomorrow. Raises
        `OwnerUnknown` while nobody can be asked."""
        sighting = await self.live.conference(account_id, conference_id)
        found = await self._find(account_id, conference_id, sighting)
        is_nobodys = found.access in (Access.FREE, Access.ABSENT)
        if is_nobodys and not (found.is_certain and found.sighting.heard):
            raise OwnerUnknown
        return found.access is Access.OWN

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


def dependencies(identity: Identity, *accounts: Document | None) -> frozenset[str]:
    """The databases that tell whether a token may do something to accounts: those of everybody, the
    accounts' own, and those above them, from one of which it may have come as somebody else."""
    ids = {identity.account_id}
    for account in accounts:
        if account is not None:
            ids.update((account["_id"], *account_tree(account)))
    return _EVERYWHERE | {database for one in ids if (database := _database(one)) is not None}


def _database(account_id: str) -> str | None:
    try:
        return account_database(account_id)
    except ValueError:
        # What stands in a document's tree was not checked by anybody.
        return None


def valid_until(identity: Identity, remembered: float | None) -> float:
    """Until when (unix seconds) a token counts at most; ``remembered``: see `AuthRoom.valid_until`.

    While nobody tells of changes that is not remembered, and the token itself says it."""
    if remembered is not None:
        return remembered
    return math.inf if identity.expires_at is None else float(identity.expires_at)
