"""Public links: an administrator makes one, a guest logs in with names and a PIN.

``PUT …/accounts/{A}/conference_auth/{C}`` gives the link, ``PUT /v2/conference_auth`` the guest's
token. Both tokens are for one conference only (``gate.py`` holds guests to it), hold while what they
were given for does (``auth/guests.py``), and show names and flags (``conference/guests.py``).
Source: realtime-ui-tests.md D.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..addresses import limited_as
from ..auth import guesses
from ..auth.failures import AuthFailure, TooManyRequests
from ..auth.gate import AuthRoom
from ..auth.guesses import Guesses
from ..auth.guest_keys import GuestKeyUnavailable
from ..auth.guests import METHOD, is_open, member_pins, takes_guests
from ..auth.port import Documents as ReadDocuments
from ..auth.port import live_document
from ..auth.system_config import SystemConfig, integer
from ..clock import Clock
from ..conference.isolation import is_conference_id
from ..conference.validation import validate
from ..store.documents import Documents
from ..store.names import account_database, is_account_id
from ..store.port import DatabaseMissing, DocumentMissing
from .errors import ApiError, bad_identifier, validation_error
from .exchange import Exchange
from .gate import Gate, as_error

#: What a guest's login costs, in rate tokens, unless system_config says otherwise.
LOGIN_COST = 35

_CATEGORY = "crossbar.conference_auth"


@dataclass(frozen=True, slots=True)
class Links:
    """What both routes need: where links lead to, and tokens for one conference."""

    documents: Documents
    reads: ReadDocuments
    system: SystemConfig
    auth: AuthRoom
    clock: Clock

    async def domain(self, account: Mapping[str, Any]) -> str | None:
        """Where the account's links lead to: its own whitelabel, its ancestors', the system's."""
        tree = account.get("pvt_tree")
        ancestors = [entry for entry in tree if is_account_id(entry)] if isinstance(tree, list) else []
        for account_id in [account["_id"], *reversed(ancestors)]:
            document = await live_document(self.reads, account_database(account_id), "whitelabel")
            found = document.get("conference_public_domain") if document else None
            if isinstance(found, str) and found:
                return found
        found = await self.system.value(_CATEGORY, "conference_public_domain")
        return found if isinstance(found, str) and found else None

    async def ready(self) -> None:
        """Raises 503 when no token could be made: it would have to be signed with Kazoo's key."""
        try:
            await self.auth.guests.ready()
        except GuestKeyUnavailable:
            # The log says why.
            raise ApiError("guests_unavailable", {"message": "guest links are not available"}) from None

    async def token(self, account_id: str, conference: Mapping[str, Any]) -> str:
        """A token with which a guest may see one conference."""
        scope = await self.system.value(_CATEGORY, "invite_link_allowed_scope", "crossbar:conference_join")
        seconds = await self.system.value(
            "crossbar.auth", ("auth_modules", METHOD, "token_auth_expiry_s"), 3600
        )
        return await self.auth.guests.token(
            account_id, conference, scope=str(scope), seconds=float(integer(seconds, 3600))
        )


@dataclass(frozen=True, slots=True)
class PublicLinkHandler:
    """PUT: the link of a conference, for those who may administer it."""

    links: Links

    async def validate(self, exchange: Exchange) -> None:
        """The conference must be there, be shareable and have a PIN, and there must be a domain."""
        conference_id = exchange.conference_id
        if not is_conference_id(conference_id):
            raise bad_identifier(conference_id[:256])
        try:
            document = await self.links.documents.load(exchange.account_id, conference_id)
        except DocumentMissing:
            raise bad_identifier(conference_id) from None
        if document.get("allow_shareable_link") is not True:
            message = "Public link is disabled for the conference"
            raise validation_error({"allow_shareable_link": {"disabled": {"message": message}}})
        if not takes_guests(document):
            message = "There is no participant PIN number defined for the conference"
            raise validation_error({"member.pins": {"required": {"message": message}}})
        assert exchange.account is not None
        domain = await self.links.domain(exchange.account)
        if domain is None:
            message = "no public conference domain is configured"
            raise validation_error({"conference_public_domain": {"required": {"message": message}}})
        await self.links.ready()
        exchange.prepared = (domain, document)

    async def execute(self, exchange: Exchange) -> None:
        """Make the link."""
        domain, document = exchange.prepared
        token = await self.links.token(exchange.account_id, document)
        exchange.answer.status = 201
        exchange.answer.data = {"link": f"{domain}?auth={token}"}


@dataclass(frozen=True, slots=True)
class GuestLoginHandler:
    """PUT: a guest's token for the names of an account and a conference, and a PIN."""

    links: Links
    gate: Gate
    guesses: Guesses

    async def validate(self, exchange: Exchange) -> None:
        """Dear on purpose: PINs must not be guessed. Every failure looks the same."""
        cost = await self.links.system.value("crossbar", "conference_auth_tokens", LOGIN_COST)
        await self.gate.charge(exchange, max(integer(cost, LOGIN_COST), 0))
        checked = validate("conference_auth", exchange.data)
        if checked.errors:
            raise validation_error(checked.errors)
        # Before anything is looked up: whether there is a key must not tell whether the PIN was right.
        await self.links.ready()
        try:
            exchange.prepared = await self._find(checked.value, limited_as(exchange.client_ip))
        except TooManyRequests as failure:
            raise as_error(failure) from None

    async def execute(self, exchange: Exchange) -> None:
        """Answer like a login does: the token in the envelope, whom it is for in the data."""
        account_id, document = exchange.prepared
        exchange.token = await self.links.token(account_id, document)
        try:
            exchange.identity = await self.links.auth.authenticate("x-auth-token", exchange.token)
        except AuthFailure:
            # What was found by its name has changed since: the cache knows it otherwise already, or still.
            raise _invalid() from None
        exchange.answer.status = 201
        exchange.answer.data = {
            "account_id": account_id,
            "conference_id": document["_id"],
            "conference_name": document.get("name"),
        }

    async def _find(self, request: Mapping[str, Any], client: str) -> tuple[str, Mapping[str, Any]]:
        name = re.sub("[^a-z0-9]", "", request["account_name"].lower())
        accounts = await self.links.documents.accounts_named(name) if name else []
        if len(accounts) != 1:
            raise _invalid()
        account = await self.links.auth.account(accounts[0])
        if account is None or not is_open(account, self.links.clock()):
            raise _invalid()
        try:
            named = await self.links.documents.conferences_named(accounts[0], request["conference_name"])
        except DatabaseMissing:
            # The account was deleted, which nobody has told us.
            raise _invalid() from None
        # By what was found, since the store may find one under several spellings; what was not found is
        # limited alike, so that nobody learns which names there are.
        ids = [str(document["_id"]) for document in named] or [f"named {request['conference_name']}"]
        subjects = [guesses.guests(accounts[0]), *(guesses.conference(accounts[0], one) for one in ids)]
        async with self.guesses.guess(ApiError, *subjects, by=(accounts[0], *ids, client)):
            return accounts[0], await self._meant(account, named, request["conference_pin"])

    async def _meant(
        self, account: Mapping[str, Any], named: Sequence[Mapping[str, Any]], pin: str
    ) -> Mapping[str, Any]:
        meant = [document for document in named if takes_guests(document) and pin in member_pins(document)]
        if len(meant) != 1 or await self.links.domain(account) is None:
            raise _invalid()
        return meant[0]


def _invalid() -> ApiError:
    return ApiError("invalid_credentials", {"message": "invalid conference"})
