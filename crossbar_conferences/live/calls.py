"""The ends of calls that somebody waits for: one queue, on which each call is bound for as long.

ecallmgr publishes the end of every call, also of one that never came into a conference. Source: recordings
of a real switch (08, 14, 26).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..broker.bus import Bus
from ..broker.holds import HeldBindings
from ..broker.port import Binding, Consumer, Delivery, Queue
from ..kapi import call
from ..kapi.routing import CALL_EVENTS

_QUEUE = Queue(max_length=5_000)
_CAUSE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_NO_CAUSE = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """A call that is over: FreeSWITCH's hangup cause, whether it was answered, and the account that the
    event names."""

    call_id: str
    cause: str
    answered: bool
    account_id: str | None = None


#: Called for the end of each call that is waited for; must not block.
Listener = Callable[[CallEnd], None]


class CallEnds:
    """Hears how calls end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._consumer: Consumer | None = None
        self._bindings: HeldBindings | None = None
        self._listeners: dict[str, list[Listener]] = {}

    async def start(self) -> None:
        """Make the queue."""
        self._consumer = await self._bus.listen(self._on_message, (), queue=_QUEUE, federate=True)
        self._bindings = HeldBindings(self._consumer)

    async def close(self) -> None:
        """Let the queue go."""
        if self._consumer is not None:
            await self._consumer.close()
        self._listeners.clear()

    def __len__(self) -> int:
        """Calls that somebody waits for."""
        return len(self._listeners)

    @property
    def bound(self) -> int:
        """Calls that are bound on the broker."""
        return 0 if self._bindings is None else len(self._bindings)

    @asynccontextmanager
    async def hearing(self, call_ids: Collection[str], listener: Listener) -> AsyncIterator[None]:
        """Be told of the ends of these calls while the block lasts; bound when it is entered.

        Without a broker nothing is heard, which is no error here."""
        # What was begun to be held when this is cancelled has to be released, and nothing else.
        held: list[Binding] = []
        for call_id in call_ids:
            self._listeners.setdefault(call_id, []).append(listener)
        try:
            await asyncio.gather(*(self._hold(call_id, held) for call_id in call_ids))
            yield
        finally:
            for call_id in call_ids:
                listeners = self._listeners.get(call_id, [])
                if listener in listeners:
                    listeners.remove(listener)
                if not listeners:
                    self._listeners.pop(call_id, None)
            if self._bindings is not None:
                await asyncio.gather(*map(self._bindings.release, held))

    async def _hold(self, call_id: str, held: list[Binding]) -> None:
        if self._bindings is not None:
            binding = Binding(CALL_EVENTS, call.destroyed_key(call_id))
            held.append(binding)
            await self._bindings.hold(binding)

    def _on_message(self, body: Mapping[str, Any], delivery: Delivery) -> None:
        if not call.is_destroyed(body):
            return
        cause = body.get("Hangup-Cause")
        is_cause = isinstance(cause, str) and _CAUSE.fullmatch(cause) is not None
        answered = body.get("Disposition") == "ANSWER"
        account_id = (body.get("Custom-Channel-Vars") or {}).get("Account-ID")
        end = CallEnd(
            body["Call-ID"],
            str(cause) if is_cause else _NO_CAUSE,
            answered,
            account_id if isinstance(account_id, str) else None,
        )
        for listener in tuple(self._listeners.get(end.call_id, ())):
            listener(end)
