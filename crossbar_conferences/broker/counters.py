"""What the broker's room counts. Plain numbers; metrics read them, nobody resets them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TransportCounters:
    """Of a transport: messages and connections."""

    published: int = 0
    delivered: int = 0
    #: Deliveries thrown away because a consumer's inbox was full.
    dropped: int = 0
    #: Times that a consumer was told that messages may have passed unheard.
    gaps: int = 0
    #: Deliveries whose handler raised.
    failed: int = 0
    connected: int = 0
    lost: int = 0


@dataclass(slots=True)
class BusCounters:
    """Of a bus: what was asked, what came, and what was thrown away."""

    casts: int = 0
    calls: int = 0
    collects: int = 0
    replies: int = 0
    #: Replies that nobody waits for (any more).
    unmatched: int = 0
    timeouts: int = 0
    #: Requests that were in flight when the broker went.
    interrupted: int = 0
    advertised: int = 0
    #: Messages dropped, by reason.
    not_json: int = 0
    no_content_type: int = 0
    no_headers: int = 0
    invalid: int = 0
    too_large: int = 0
    #: Their properties could not be read (``leniency.py``).
    unreadable: int = 0

    def malformed(self) -> int:
        """All messages that were dropped for what they are."""
        return (
            self.not_json
            + self.no_content_type
            + self.no_headers
            + self.invalid
            + self.too_large
            + self.unreadable
        )
