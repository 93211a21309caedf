"""``/websockets``: what can be subscribed to, and who is connected.

Kazoo asks every blackhole node; here the sessions are those of this process.
Source: realtime-ui-tests.md A.11.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..sockets.bindings import catalogue
from ..sockets.server import SocketServer
from ..store.documents import Documents
from .errors import bad_identifier
from .exchange import Exchange


class CatalogueHandler:
    """``/v2/websockets``: no token is needed to know what there is."""

    async def validate(self, exchange: Exchange) -> None:
        """GET: the bindings by family."""
        exchange.answer.data = catalogue()

    async def execute(self, exchange: Exchange) -> None:
        """Never called: there is only GET."""


@dataclass(frozen=True, slots=True)
class SocketsHandler:
    """The sessions that an account's tokens opened."""

    sockets: SocketServer
    documents: Documents

    async def validate(self, exchange: Exchange) -> None:
        """GET: every session, in order of connecting."""
        # Nothing else here asks the store, so nothing would tell that the account is gone.
        await self.documents.check_account(exchange.account_id)
        exchange.answer.data = [
            session.describe() for session in self.sockets.of_account(exchange.account_id)
        ]

    async def execute(self, exchange: Exchange) -> None:
        """Never called: there is only GET."""


@dataclass(frozen=True, slots=True)
class SocketHandler:
    """One session, by the address and port of its client."""

    sockets: SocketServer
    documents: Documents

    async def validate(self, exchange: Exchange) -> None:
        """GET: the session; 404 when the account has none of this id."""
        await self.documents.check_account(exchange.account_id)
        wanted = exchange.parameters["session_id"]
        for session in self.sockets.of_account(exchange.account_id):
            if session.id == wanted:
                exchange.answer.data = session.describe()
                return
        raise bad_identifier(wanted[:256])

    async def execute(self, exchange: Exchange) -> None:
        """Never called: there is only GET."""
