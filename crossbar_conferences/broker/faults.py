"""What is wrong with a broker right now, for people: readiness, doctor, logs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: The broker cannot be reached; it refuses us; it refuses us the virtual host, or has none of that name.
UNREACHABLE = "unreachable"
CREDENTIALS_REFUSED = "credentials_refused"
VHOST_REFUSED = "vhost_refused"
#: Why there is no connection to a broker: one of these holds at a time.
NOT_CONNECTED: Final = frozenset({UNREACHABLE, CREDENTIALS_REFUSED, VHOST_REFUSED})
#: An exchange has other flags than Kazoo's.
EXCHANGE_FLAGS = "exchange_flags"
CONSUMER_REFUSED = "consumer_refused"
#: The broker takes no messages: it is short of memory or disk.
BLOCKED = "blocked"
#: A queue of ours was deleted, or lost its bindings, and is being made anew.
QUEUE_LOST = "queue_lost"
#: Somebody deleted an exchange.
EXCHANGE_DELETED = "exchange_deleted"

#: Repairs that are remembered, and for how many seconds.
MAX_REPAIRS: Final = 20
REPAIRS_KEPT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``broker`` is ``host:port``; ``subject`` the exchange or queue."""

    kind: str
    broker: str
    subject: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found wrong and is right again, ``age`` seconds ago."""

    fault: Fault
    age: float


class Faults:
    """The faults there are now, one of a kind per broker and subject, and what was repaired lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._faults: dict[tuple[str, str, str], Fault] = {}
        self._repairs: deque[tuple[Fault, float]] = deque(maxlen=MAX_REPAIRS)

    def add(self, fault: Fault) -> bool:
        """Note a fault; whether it is new."""
        key = (fault.kind, fault.broker, fault.subject)
        known = key in self._faults
        self._faults[key] = fault
        return not known

    def clear(self, broker: str, *kinds: str, subject: str | None = None) -> None:
        """Forget a broker's faults of these kinds, of one subject or of all."""
        for key in list(self._faults):
            if key[0] in kinds and key[1] == broker and subject in (None, key[2]):
                del self._faults[key]

    def repaired(self, fault: Fault) -> None:
        """Something was found wrong, and is right again."""
        self._repairs.append((fault, self._clock()))

    def lately(self) -> tuple[Repair, ...]:
        """What was repaired in the last minutes, oldest first."""
        now = self._clock()
        return tuple(Repair(fault, now - at) for fault, at in self._repairs if now - at < REPAIRS_KEPT)

    def list(self) -> tuple[Fault, ...]:
        """All faults."""
        return tuple(self._faults.values())
