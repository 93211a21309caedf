"""What is wrong with a broker right now, for people: readiness, doctor, logs."""

from __future__ import annotations

from dataclasses import dataclass

#: The broker cannot be reached; it refuses us; an exchange has other flags than Kazoo's.
UNREACHABLE = "unreachable"
CREDENTIALS_REFUSED = "credentials_refused"
EXCHANGE_FLAGS = "exchange_flags"
CONSUMER_REFUSED = "consumer_refused"
#: The broker takes no messages: it is short of memory or disk.
BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``broker`` is ``host:port``; ``subject`` the exchange or queue."""

    kind: str
    broker: str
    subject: str = ""
    detail: str = ""


class Faults:
    """The faults there are now; one of a kind per broker and subject."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str, str], Fault] = {}

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

    def list(self) -> tuple[Fault, ...]:
        """All faults."""
        return tuple(self._faults.values())
