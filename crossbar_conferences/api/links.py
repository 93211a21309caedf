"""Public links: an administrator makes one, a guest logs in with names and a PIN.

``PUT …/accounts/{A}/conference_auth/{C}`` gives the link, ``PUT /v2/conference_auth`` the guest's
token. Both tokens are for one conference only (``gate.py`` holds guests to it).
Source: realtime-ui-tests.md D.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ..addresses import limited_as
from ..auth import guesses
from ..auth.access import expired_at, is_enabled
from ..auth.failures import TooManyRequests
from ..auth.gate import AuthRoom
from ..auth.guesses import Guesses
from ..auth.mint import MintError, mint
from ..auth.port import Documents as ReadDocuments
from ..auth.port import live_document
from ..auth.system_config import SystemConfig, integer
from ..clock import Clock
from ..conference.isolation import is_conference_id
from ..conference.validation import validate
from ..store.documents import Documents
from ..store.names import account_database
from ..store.port import DocumentMissing
from .errors import ApiError, bad_identifier, validation_error
from .exchange import Exchange
from .gate import Gate, as_error

log = structlog.get_logger(__name__)

METHOD = "cb_conference_auth"

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
    node_name: str
    zone: str

    async def domain(self, account: Mapping[str, Any]) -> str | None:
        """Where the account's links lead to: its own whitelabel, its ancestors', the system's."""
        tree = account.get("pvt_tree")
        ancestors = [entry for entry in tree if isinstance(entry, str)] if isinstance(tree, list) else []
        for account_id in [account["_id"], *reversed(ancestors)]:
            document = await live_document(self.reads, account_database(account_id), "whitelabel")
            found = document.get("conference_public_domain") if document else None
            if isinstance(found, str) and found:
                return found
        found = await self.system.value(_CATEGORY, "conference_public_domain")
        return found if isinstance(found, str) and found else None

    async def token(self, account_id: str, conference_id: str, pin: str) -> str:
        """A token with which a guest may see one conference."""
        scope = await self.system.value(_CATEGORY, "invite_link_allowed_scope", "crossbar:conference_join")
        seconds = await self.system.value(
            "crossbar.auth", ("auth_modules", METHOD, "token_auth_expiry_s"), 3600
        )
        claims = {"conference_id": conference_id, "pin_number": pin, "scope": str(scope)}
        return await mint(
            self.reads,
            account_id,
            expires_in=float(max(integer(seconds, 3600), 60)),
            method=METHOD,
            claims=claims,
            node_name=self.node_name,
            zone=self.zone,
            clock=self.clock,
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
        pins = _pins(document)
        if not pins:
            message = "There is no participant PIN number defined for the conference"
            raise validation_error({"member.pins": {"required": {"message": message}}})
        assert exchange.account is not None
        domain = await self.links.domain(exchange.account)
        if domain is None:
            message = "no public conference domain is configured"
            raise validation_error({"conference_public_domain": {"required": {"message": message}}})
        exchange.prepared = (domain, pins[0])

    async def execute(self, exchange: Exchange) -> None:
        """Make the link."""
        domain, pin = exchange.prepared
        token = await self.links.token(exchange.account_id, exchange.conference_id, pin)
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
        try:
            exchange.prepared = await self._find(checked.value, limited_as(exchange.client_ip))
        except TooManyRequests as failure:
            raise as_error(failure) from None

    async def execute(self, exchange: Exchange) -> None:
        """Answer like a login does: the token in the envelope, whom it is for in the data."""
        account_id, document, pin = exchange.prepared
        try:
            exchange.token = await self.links.token(account_id, document["_id"], pin)
        except MintError as error:
            log.error("guest_token_not_made", reason=str(error))
            raise _invalid() from None
        exchange.identity = await self.links.auth.authenticate("x-auth-token", exchange.token)
        exchange.answer.status = 201
        exchange.answer.data = {
            "account_id": account_id,
            "conference_id": document["_id"],
            "conference_name": document.get("name"),
        }

    async def _find(self, request: Mapping[str, Any], client: str) -> tuple[str, Mapping[str, Any], str]:
        name = re.sub("[^a-z0-9]", "", request["account_name"].lower())
        accounts = await self.links.documents.accounts_named(name) if name else []
        if len(accounts) != 1:
            raise _invalid()
        account = await self.links.auth.account(accounts[0])
        if account is None or not is_enabled(account) or expired_at(account, self.links.clock()) is not None:
            raise _invalid()
        named = await self.links.documents.conferences_named(accounts[0], request["conference_name"])
        # By what was found, since the store may find one under several spellings; what was not found is
        # limited alike, so that nobody learns which names there are.
        ids = [str(document["_id"]) for document in named] or [f"named {request['conference_name']}"]
        pin = request["conference_pin"]
        subjects = [guesses.guests(accounts[0]), *(guesses.conference(accounts[0], one) for one in ids)]
        async with self.guesses.guess(ApiError, *subjects, by=(accounts[0], *ids, client)):
            return accounts[0], await self._meant(account, named, pin), pin

    async def _meant(
        self, account: Mapping[str, Any], named: Sequence[Mapping[str, Any]], pin: str
    ) -> Mapping[str, Any]:
        meant = [
            document
            for document in named
            if document.get("allow_shareable_link") is True and pin in _pins(document)
        ]
        if len(meant) != 1 or await self.links.domain(account) is None:
            raise _invalid()
        return meant[0]


def _pins(document: Mapping[str, Any]) -> list[str]:
    member = document.get("member")
    pins = member.get("pins") if isinstance(member, Mapping) else None
    return [pin for pin in pins if isinstance(pin, str)] if isinstance(pins, list) else []


def _invalid() -> ApiError:
    return ApiError("invalid_credentials", {"message": "invalid conference"})
