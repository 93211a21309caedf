"""What a sidecar counted, read from its operations port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from urllib.request import urlopen

PREFIX = "crossbar_conferences_"

#: What goes out on the bus: commands, questions to one, questions to every node.
_BUS = ("bus_casts", "bus_calls", "bus_collects")


def read(operations_url: str) -> dict[str, float]:
    """Every number without the common prefix, summed over its labels. Raises `OSError`."""
    with urlopen(f"{operations_url}/metrics", timeout=10) as answer:
        return parse(answer.read().decode())


def parse(text: str) -> dict[str, float]:
    """The numbers in Prometheus' text form; a counter's ``_total`` is left out of its name."""
    found: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if not name.startswith(PREFIX):
            continue
        plain = name.partition("{")[0].removeprefix(PREFIX).removesuffix("_total")
        found[plain] += float(value)
    return dict(found)


def store_trips(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Requests to the document store between two readings."""
    return grown("store_requests", before, after)


def bus_trips(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Commands and questions sent over the bus between two readings."""
    return sum(grown(name, before, after) for name in _BUS)


def grown(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """By how much a counter has grown."""
    return after.get(name, 0.0) - before.get(name, 0.0)
