"""The tokens of one session. A client may log in again before its token ends, or follow several
accounts with a token of each; what a token asked for ends with it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from ..addresses import limited_as
from ..auth.identity import Identity
from .pace import Pace
from .reviews import Hold, Reviews, Unauthorized
from .rights import Right
from .subscriptions import Judge

#: Tokens of a session that are good at the same time.
MAX_TOKENS: Final = 16


class Gatekeeper(Judge, Protocol):
    """Who knows whose a token is."""

    async def identify(self, token: str, source: str) -> Identity:
        """The identity of a token that comes from an address. Raises `AuthFailure`, and `Unauthorized` for
        one that opens no websocket."""
        ...


@dataclass(slots=True, eq=False)
class Login:
    """A token that is good, for as long as it is among the logins."""

    token: str = field(repr=False)
    identity: Identity
    hold: Hold

    @property
    def account_id(self) -> str:
        """Whose it is."""
        return self.identity.account_id


class Logins:
    """Tokens that were taken. ``on_end`` is told of a token that is not good any more, and why.
    ``pace`` is that of new tokens, by address."""

    def __init__(
        self,
        source: str,
        reviews: Reviews,
        keeper: Gatekeeper,
        pace: Pace,
        on_end: Callable[[str, str], None],
    ) -> None:
        #: The one that counts for frames without a token.
        self.current: Login | None = None
        self._source = source
        self._reviews = reviews
        self._keeper = keeper
        self._pace = pace
        self._on_end = on_end
        self._logins: dict[str, Login] = {}

    def __len__(self) -> int:
        return len(self._logins)

    async def use(self, token: str, in_use: Collection[str] = ()) -> Login:
        """Take a token, new or known; from now on it is the current one. ``in_use``: those that are
        still needed. Raises `AuthFailure`, `Unauthorized` for too many and for guests, and what the store
        raises."""
        login = self._logins.get(token)
        if login is None:
            login = await self._new(token, in_use)
        self.current = login
        return login

    def close(self) -> None:
        """Forget them all."""
        for login in self._logins.values():
            login.hold.release()
        self._logins.clear()
        self.current = None

    async def _new(self, token: str, in_use: Collection[str]) -> Login:
        if not await self._pace.keep(limited_as(self._source)):
            raise Unauthorized("too many tokens at once")
        identity = await self._keeper.identify(token, self._source)
        for spare in [one for one in self._logins if one not in in_use]:
            # It was replaced.
            self._logins.pop(spare).hold.release()
        if len(self._logins) >= MAX_TOKENS:
            raise Unauthorized("too many tokens")
        right = Right(token, self._source)
        rule, ended = partial(self._keeper.rule, right), partial(self._ended, token)
        hold = await self._reviews.hold(right, rule, ended, identity.account_id)
        login = self._logins[token] = Login(token, identity, hold)
        return login

    def _ended(self, token: str, reason: str) -> None:
        login = self._logins.pop(token, None)
        if login is None:
            return
        if self.current is login:
            self.current = None
        self._on_end(token, reason)
