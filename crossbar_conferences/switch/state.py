"""What the nodes of a virtual switch share: realms, dial modes, and what they were told."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from .dialling import ANSWER

#: So many commands and dials are remembered; older ones go.
TOLD_LIMIT = 500

#: What is counted under its own name; everything else is ``other``.
_COUNTED = frozenset({"search_req", "query_channels_req", "command", "not_understood"})


@dataclass(slots=True)
class Realms:
    """The SIP realm of each account, for Channel-Presence-ID."""

    default: str | None = None
    by_account: dict[str, str] = field(default_factory=dict)

    def of(self, account_id: str | None) -> str:
        """An account's realm; without one known it is made up from the account id."""
        if account_id in self.by_account:
            return self.by_account[account_id]
        return self.default or f"{account_id or 'nobody'}.local"


@dataclass(slots=True)
class DialModes:
    """What calls that are dialled do: all of them, or those to one endpoint id or number."""

    mode: str = ANSWER
    by_endpoint: dict[str, str] = field(default_factory=dict)

    def of(self, endpoint_id: str | None) -> str:
        """What a call to this endpoint does."""
        return self.by_endpoint.get(endpoint_id or "", self.mode)

    def reset(self) -> None:
        """Everybody answers."""
        self.mode = ANSWER
        self.by_endpoint.clear()


@dataclass(frozen=True, slots=True)
class Heard:
    """A command or dial as a node heard it. ``outcome``: ``done``, ``nothing``, ``ignored``, ``failed``,
    ``refused: …`` or ``invalid: …``; ``at`` in gregorian seconds."""

    at: int
    node: str
    routing_key: str
    body: dict[str, Any]
    outcome: str


@dataclass(slots=True)
class Told:
    """Commands and dials that were heard, bounded, and how many messages of each kind were."""

    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=TOLD_LIMIT))
    counts: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, heard: Heard) -> None:
        """A command or dial was dealt with."""
        self.heard.append(heard)
        self._changed.set()
        self._changed = asyncio.Event()

    async def reached(self, count: int) -> None:
        """Return when so many are remembered: for tests, under a timeout of theirs."""
        while len(self.heard) < count:
            await self._changed.wait()

    def count(self, kind: str) -> None:
        """One more of a kind: an Event-Name, or ``not_understood``."""
        self.counts[kind if kind in _COUNTED else "other"] += 1

    def reset(self) -> None:
        """Forget everything."""
        self.heard.clear()
        self.counts.clear()
