"""Requests that outlast their admission: an event stream, and a command that waits for its proof.

The gate decides once, when a request comes. What goes on for longer is decided again by the same
gate, on a bare copy of the request, whenever the answer may have changed (``sockets/reviews.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from ..auth.failures import AuthFailure
from ..sockets.guard import dependencies, valid_until
from ..sockets.reviews import EXPIRED, REVOKED, Reviews, Ruling, Unauthorized, Watch, reason_of
from ..sockets.rights import Path, paths_of_conference
from . import credentials
from .errors import ApiError, invalid_credentials
from .exchange import Answer, Exchange
from .gate import Gate, as_error
from .reading import Reader

#: The first status that says that it cannot be told now.
_FAULT: Final = 500


class Denied(Unauthorized):
    """The request would be refused now, with ``error``."""

    def __init__(self, error: ApiError, reason: str) -> None:
        super().__init__(reason)
        self.error = error


def error_of(refusal: Unauthorized) -> ApiError:
    """The answer to a request whose right ended before it began."""
    return refusal.error if isinstance(refusal, Denied) else invalid_credentials()


@dataclass(frozen=True, slots=True)
class Standing:
    """Keeps requests under review."""

    gate: Gate
    reader: Reader
    reviews: Reviews

    def stream(self, exchange: Exchange) -> Watch:
        """Of a stream of a conference's events: as for a GET of the conference and of who is in it."""
        return self._watch(exchange, paths_of_conference(exchange.conference_id), reads=True)

    def command(self, exchange: Exchange) -> Watch:
        """Of a command that waits."""
        return self._watch(exchange, (), reads=False)

    def _watch(self, exchange: Exchange, paths: tuple[Path, ...], *, reads: bool) -> Watch:
        found = credentials.find(exchange)
        assert found is not None
        claimed = exchange.headers.get("X-Auth-Account-ID")
        bare = _bare(exchange)

        async def decide() -> Ruling:
            # A copy each time: what is found out goes into it.
            asked = replace(bare, answer=Answer())
            try:
                return await self._decide(asked, found, claimed, paths, reads)
            except ApiError as error:
                if error.entry.status >= _FAULT:
                    raise
                raise Denied(error, REVOKED) from None

        key = (found, claimed, bare.client_ip, bare.verb, bare.path, reads)
        share = exchange.identity.share if exchange.identity is not None else ""
        return partial(self.reviews.holding, key, decide, owner=share)

    async def _decide(
        self,
        asked: Exchange,
        found: credentials.Credentials,
        claimed: str | None,
        paths: tuple[Path, ...],
        reads: bool,
    ) -> Ruling:
        auth = self.gate.auth
        try:
            identity = asked.identity = await auth.authenticate(found.kind, found.text, claimed)
            await auth.check_proxies(identity, [asked.client_ip])
        except AuthFailure as failure:
            reason = reason_of(failure)
            raise Denied(as_error(failure), EXPIRED if reason == EXPIRED else REVOKED) from None
        asked.account = await self.gate.account(asked.account_id)
        await self.gate.authorize(asked)
        arguments = asked.arguments
        for path in paths:
            asked.arguments = path
            await self.gate.authorize(asked)
        asked.arguments = arguments
        if reads:
            await self.reader.conference(asked)
            await self.reader.sighting(asked)
        until = valid_until(identity, auth.valid_until(found.kind, found.text, claimed))
        own = await auth.account(identity.account_id)
        return Ruling(until, dependencies(identity, own, asked.account), asked.conference_id)


def _bare(exchange: Exchange) -> Exchange:
    """The request without its body, which may be long."""
    return replace(exchange, query={}, data={}, envelope={}, raw=b"", answer=Answer())
