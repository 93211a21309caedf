"""What a process and its children have used so far, as Linux tells it in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds, and bytes of memory that are resident now, of a whole process tree."""

    cpu: float
    resident: int


def usage(pid: int) -> Usage:
    """What a process and all its descendants have used; one that is gone has used nothing."""
    cpu, resident = 0.0, 0
    for one in tree(pid):
        try:
            fields = stat_fields(Path(f"/proc/{one}/stat").read_text())
        except OSError:
            continue
        # proc(5): utime and stime are the 14th and 15th field, rss in pages the 24th.
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        resident += int(fields[21]) * _PAGE
    return Usage(cpu, resident)


def stat_fields(text: str) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second, a name, may hold spaces."""
    return text.rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for listing in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting.extend(int(child) for child in listing.read_text().split())
            except OSError:
                continue
    return found
