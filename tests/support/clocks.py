"""A clock that stands until a test moves it."""

from __future__ import annotations


class Clock:
    """Seconds, as ``now`` says."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """What time it is."""
        return self.now
