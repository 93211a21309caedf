"""What the store's adapters count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Told after every request: what it was, how long it took (seconds), and whether it failed.
Observer = Callable[[str, float, bool], None]


@dataclass(slots=True)
class Counters:
    """Requests made so far; an error is one that did not do what was asked."""

    requests: int = 0
    errors: int = 0
