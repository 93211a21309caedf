"""Who may come in: credentials, the account tree, token restrictions and rate tokens.

Source: http.md 1.4, 1.5, 2.3, 8; data.md 7, 8; design 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..auth import buckets
from ..auth.buckets import Limits
from ..auth.charging import Charger
from ..auth.failures import (
    AccessDenied,
    AccountDisabled,
    AccountExpired,
    AuthFailure,
    InvalidCredentials,
    TooManyRequests,
)
from ..auth.gate import AuthRoom, checks_proxies
from ..auth.identity import Identity
from ..auth.system_config import SystemConfig
from ..clock import Clock
from ..conference import guests
from ..store.derived import Derived
from ..store.names import SYSTEM_CONFIG, account_database
from . import credentials
from .errors import (
    ApiError,
    bad_identifier,
    forbidden,
    invalid_account,
    invalid_credentials,
    too_many_requests,
    validation_error,
)
from .exchange import Exchange
from .routes import Match, Route

#: Admissions that are remembered at most, in all and to one account, and the bytes of their keys.
ADMISSIONS = 20_000
ADMISSIONS_EACH = 10_000
ADMISSION_BYTES = 32 * 2**20

_ACCOUNT_PATH = len("/v2/accounts/") + 32

#: The token and the account that it is claimed to be of, to do what, where.
Asked = tuple[str, str, str | None, str, str]


@dataclass(frozen=True, slots=True)
class Admission:
    """That somebody may do something somewhere, until when (unix seconds), and what that costs."""

    identity: Identity
    until: float
    match: Match
    account: Mapping[str, Any]
    cost: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides about a request's caller, and charges those that Kazoo charges.

    ``charge_valid_tokens``: also take tokens for requests with a valid token, and refuse them
    when the bucket is empty; Kazoo does not.
    """

    auth: AuthRoom
    system: SystemConfig
    charger: Charger
    clock: Clock
    admissions: Derived[Asked, Admission]
    charge_valid_tokens: bool = False

    def readmit(self, exchange: Exchange) -> Route | None:
        """The route of a request like one that was let in before, if nothing has changed since.

        Then the exchange is as `authenticate_early`, `authenticate` and `authorize` would leave it."""
        found = credentials.find(exchange)
        if found is None:
            return None
        admission = self.admissions.get(_asked(exchange, found), _where(exchange))
        if admission is None or self.clock() >= admission.until:
            return None
        exchange.token, exchange.identity = found.text, admission.identity
        exchange.account = admission.account
        exchange.enter(admission.match)
        exchange.consumed = admission.cost
        exchange.remaining = self.charger.remaining(self._bucket(exchange), admission.limits)
        return admission.match.route

    async def remember(self, exchange: Exchange, match: Match, heard: int) -> None:
        """Keep what was found out about a request that was let in, for the next one like it.

        ``heard``: what ``admissions.changes`` had heard before anything was looked at."""
        identity, account, found = exchange.identity, exchange.account, credentials.find(exchange)
        if identity is None or account is None or found is None or self.charge_valid_tokens:
            return
        until = self.auth.valid_until(found.kind, found.text, exchange.headers.get("X-Auth-Account-ID"))
        if until is None:
            return
        if checks_proxies(identity):
            # Depends on where the request came from.
            return
        databases = [account_database(one) for one in (identity.account_id, exchange.account_id)]
        limits = await buckets.limits(self.system)
        self.admissions.keep(
            _asked(exchange, found),
            Admission(identity, until, match, account, exchange.consumed, limits),
            heard,
            (SYSTEM_CONFIG, *databases),
            owner=_where(exchange),
            size=len(found.text) + len(exchange.path),
        )

    async def authenticate_early(self, exchange: Exchange) -> None:
        """Look at the credentials, if there are any; bad ones are told about only after the path."""
        found = credentials.find(exchange)
        if found is None:
            # An empty header is echoed like any other token (recorded).
            exchange.token = exchange.headers.get("X-Auth-Token")
            return
        exchange.token = found.text
        if found.kind == "basic":
            # Basic credentials cost a token each time, valid or not (data.md 6.8).
            await self._charge(exchange)
        try:
            exchange.identity = await self.auth.authenticate(
                found.kind, found.text, exchange.headers.get("X-Auth-Account-ID")
            )
            await self.auth.check_proxies(exchange.identity, [exchange.client_ip])
        except InvalidCredentials:
            exchange.identity = None
        except AuthFailure as failure:
            raise as_error(failure) from None

    async def account(self, account_id: str) -> Mapping[str, Any]:
        """The document of the path's account. Raises `ApiError`: 404 for one that was deleted, 401 for
        one that never was (http.md 1.4, beside-kazoo.md 2)."""
        found = await self.auth.account(account_id)
        if found is not None:
            return found
        raise bad_identifier(account_id) if await self.auth.was_deleted(account_id) else invalid_account()

    async def authenticate(self, exchange: Exchange) -> None:
        """Refuse whoever is not known; that costs a token, and an empty bucket is told first."""
        if exchange.identity is None:
            if exchange.consumed == 0:
                await self._charge(exchange)
            raise invalid_credentials()
        if exchange.consumed:
            return
        if self.charge_valid_tokens:
            await self._charge(exchange)
            return
        # Shown as the seed shows it, 1 and 100: what it would cost and what is there (design 3.4).
        limits = await buckets.limits(self.system)
        exchange.consumed = await self._cost(exchange)
        exchange.remaining = self.charger.remaining(self._bucket(exchange), limits)

    async def authorize(self, exchange: Exchange) -> None:
        """Refuse whoever may not touch the path's account, or not in this way."""
        assert exchange.identity is not None
        if exchange.account is None:
            # Below no account: nobody but the cluster's master could mean anything by it.
            raise forbidden()
        identity = exchange.identity
        if identity.is_guest and not _is_guests_own(exchange, identity):
            # A public link's token opens one conference, to look at (links.py).
            raise forbidden()
        try:
            await self.auth.authorize(
                identity, exchange.account, exchange.verb, exchange.arguments, exchange.endpoint
            )
        except AuthFailure as failure:
            raise as_error(failure) from None

    async def charge(self, exchange: Exchange, cost: int) -> None:
        """Take tokens for something dear, such as a guest's login; raises 429."""
        await self._take(exchange, cost, drain=True)

    async def _charge(self, exchange: Exchange) -> None:
        await self._take(exchange, await self._cost(exchange))

    async def _take(self, exchange: Exchange, cost: int, *, drain: bool = False) -> None:
        limits = await buckets.limits(self.system)
        charge = await self.charger.charge(self._bucket(exchange), cost, limits, drain=drain)
        exchange.remaining = charge.remaining
        if not charge.taken:
            raise too_many_requests()
        exchange.consumed += cost

    async def _cost(self, exchange: Exchange) -> int:
        config = await self.system.crossbar()
        account_id = exchange.parameters.get("account_id")
        return buckets.cost(config.token_costs, account_id, exchange.endpoint, exchange.verb)

    def _bucket(self, exchange: Exchange) -> str:
        return buckets.bucket_name(exchange.client_ip, exchange.parameters.get("account_id"))


def _asked(exchange: Exchange, found: credentials.Credentials) -> Asked:
    claimed = exchange.headers.get("X-Auth-Account-ID")
    return found.kind, found.text, claimed, exchange.verb, exchange.path


def _where(exchange: Exchange) -> str:
    """Whose admissions these are: the beginning of the path, which names the account."""
    return exchange.path[:_ACCOUNT_PATH]


def _is_guests_own(exchange: Exchange, guest: Identity) -> bool:
    # Of this very account: in one below it the same id would be another conference.
    is_here = exchange.parameters.get("account_id") == guest.account_id
    is_this = exchange.parameters.get("conference_id") == guest.conference_id
    # Below a user the answer would tell whether there is such a user.
    is_plain = exchange.route in guests.ROUTES and "user_id" not in exchange.parameters
    return exchange.verb == "GET" and is_here and is_this and is_plain


def as_error(failure: AuthFailure) -> ApiError:
    """The answer for a failure of the auth room."""
    if isinstance(failure, AccountExpired):
        return validation_error(
            {"account": {"expired": {"message": "account expired", "cause": failure.expired_at}}}
        )
    if isinstance(failure, AccountDisabled):
        return validation_error({"account": {"disabled": {"message": "account disabled"}}})
    if isinstance(failure, AccessDenied):
        return forbidden(failure.cause)
    if isinstance(failure, TooManyRequests):
        return too_many_requests()
    return invalid_credentials()
