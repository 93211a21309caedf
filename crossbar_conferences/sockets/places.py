"""How many websocket sessions and event streams there may be: in all, of an address, of an account."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from ..shares import ShareExceeded, Shares

#: The bytes of headers that a connection may come with that stays for hours: they stay as long.
MAX_HEADERS: Final = 16_384


def header_bytes(request: web.BaseRequest) -> int:
    """The length of all headers of a request, names included."""
    return sum(len(name) + len(value) for name, value in request.raw_headers)


class PlaceRefused(Exception):
    """There is no place. ``of``: ``all``, ``address``, ``account`` or ``token``."""

    def __init__(self, of: str) -> None:
        super().__init__(f"no place: {of}")
        self.of = of


@dataclass(slots=True, eq=False)
class Place:
    """One that is taken. Give it back with `leave`."""

    _held: list[tuple[Shares, str]] = field(default_factory=list)

    def leave(self) -> None:
        """Give it back; any number of times."""
        while self._held:
            shares, name = self._held.pop()
            shares.give(name)


class Places:
    """Counts them all. 0 means no limit. ``per_token`` is for streams: whoever wants more of them
    than that follows several conferences by one websocket."""

    def __init__(
        self, total: int = 0, per_address: int = 0, per_account: int = 0, per_token: int = 0
    ) -> None:
        endless = total or sys.maxsize
        self._addresses = Shares(endless, per_address or sys.maxsize)
        self._accounts = Shares(endless, per_account or sys.maxsize)
        self._tokens = Shares(endless, per_token or sys.maxsize)

    def __len__(self) -> int:
        return self._addresses.held()

    def enter(self, address: str, place: Place | None = None) -> Place:
        """One more from an address: a place that was not taken yet, or a new one. Raises
        `PlaceRefused`."""
        place = place or Place()
        self._take(place, self._addresses, address, "address")
        return place

    def claim(self, place: Place, account_id: str, token: str | None = None) -> None:
        """It is an account's, and maybe one of a token's. Raises `PlaceRefused`; the place stays taken."""
        self._take(place, self._accounts, account_id, "account")
        if token is not None:
            self._take(place, self._tokens, token, "token")

    def _take(self, place: Place, shares: Shares, name: str, of: str) -> None:
        try:
            shares.take(name)
        except ShareExceeded as refusal:
            raise PlaceRefused(of if refusal.of_account else "all") from None
        place._held.append((shares, name))
