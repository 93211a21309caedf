"""Results as rows, and rows as a table of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .wrk import Load

#: Stands where there is no number.
NOTHING = "-"

COLUMNS = (
    "scenario",
    "workers",
    "conns",
    "req/s",
    "p50 ms",
    "p99 ms",
    "CPU ms/req",
    "store/req",
    "bus/req",
    "RSS MiB",
    "floor req/s",
    "of floor",
    "floor CPU",
    "CPU of floor",
    "peer req/s",
    "of peer",
    "errors",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. CPU in seconds per request, ``resident`` in bytes, both of every process of
    the sidecar; trips per request. ``floor`` and ``peer`` are requests per second, ``floor_cpu`` is
    like ``cpu``; ``unconfirmed``
    counts commands that were waited for in vain."""

    scenario: str
    workers: int
    connections: int
    load: Load
    cpu: float
    store_trips: float
    bus_trips: float
    resident: int
    floor: float | None = None
    floor_cpu: float | None = None
    peer: float | None = None
    peer_errors: int = 0
    unconfirmed: int = 0

    @property
    def errors(self) -> int:
        """What did not go as it should."""
        return self.load.errors + self.unconfirmed

    def cells(self) -> list[str]:
        """The row as text."""
        load = self.load
        return [
            self.scenario,
            str(self.workers),
            str(self.connections),
            f"{load.rate:,.0f}",
            f"{load.p50 * 1000:.2f}",
            f"{load.p99 * 1000:.2f}",
            f"{self.cpu * 1000:.3f}",
            f"{self.store_trips:.2f}",
            f"{self.bus_trips:.2f}",
            f"{self.resident / 2**20:.0f}",
            _rate(self.floor),
            ratio(load.rate, self.floor),
            NOTHING if self.floor_cpu is None else f"{self.floor_cpu * 1000:.3f}",
            ratio(self.cpu, self.floor_cpu),
            _rate(self.peer) + (f" ({self.peer_errors} errors)" if self.peer_errors else ""),
            ratio(load.rate, self.peer),
            str(self.errors),
        ]


def ratio(rate: float, other: float | None) -> str:
    """How many times the other's rate; a dash when there is none."""
    return f"{rate / other:.2f}" if other else NOTHING


def render(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown that is also readable as text; the first column is to the left."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def results(rows: Sequence[Row]) -> str:
    """The table of measurements; columns that say nothing anywhere are left out."""
    cells = [row.cells() for row in rows]
    kept = [
        index for index, _ in enumerate(COLUMNS) if not cells or any(line[index] != NOTHING for line in cells)
    ]
    return render([COLUMNS[index] for index in kept], [[line[index] for index in kept] for line in cells])


def per_request(total: float, requests: int) -> float:
    """A share of a total; nothing when nothing was answered."""
    return total / requests if requests else 0.0


def _rate(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return (
        "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"
    )
