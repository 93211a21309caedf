"""What this process takes of its host, under the standard names of Prometheus.

prometheus_client's own collector reads `/proc/stat`, which a unit with ``ProcSubset=pid`` does not have,
and tells nothing then; here only what the process may always read of itself is read. Where there is no
`/proc`, only what the interpreter knows is told.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_SELF: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class ProcessMetric:
    """One number of a process; ``read`` raises `OSError` where it cannot be told."""

    name: str
    kind: str
    help: str
    read: Callable[[], float]


def measured() -> list[tuple[ProcessMetric, float]]:
    """What can be told of this process now. Reads files: not for the event loop."""
    found = []
    for metric in PROCESS_METRICS:
        with suppress(OSError, ValueError, IndexError):
            found.append((metric, metric.read()))
    return found


def _pages(column: int) -> float:
    return float((_SELF / "statm").read_text().split()[column]) * resource.getpagesize()


@cache
def _started_at() -> float:
    # What stands before the last bracket is the program's name, which may hold anything.
    ticks = int((_SELF / "stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


PROCESS_METRICS: Final[tuple[ProcessMetric, ...]] = (
    ProcessMetric("process_resident_memory_bytes", "gauge", "Resident memory", lambda: _pages(1)),
    ProcessMetric("process_virtual_memory_bytes", "gauge", "Virtual memory", lambda: _pages(0)),
    ProcessMetric("process_cpu_seconds", "counter", "CPU time, user and system", time.process_time),
    ProcessMetric(
        "process_open_fds", "gauge", "Open file descriptors", lambda: float(len(os.listdir(_SELF / "fd")))
    ),
    ProcessMetric(
        "process_max_fds",
        "gauge",
        "File descriptors that may be open",
        lambda: float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ),
    ProcessMetric(
        "process_start_time_seconds", "gauge", "When the process was started, in unix seconds", _started_at
    ),
)
