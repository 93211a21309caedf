"""Time zones by name: those of the tz database's own table, and Windows' names by CLDR's.

The table is that of the package ``tzdata``, so a name means the same on every machine. What a name stands
for is read where Python's ``zoneinfo`` looks for it: the machine's files first, which its updates keep new,
else the package's.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from . import posix, tzif
from .posix import Change, LocalTime, Switching

#: In the table, and no zone: a mark for clocks that nobody has set.
_NO_ZONES: Final = frozenset({"Factory"})

#: What the aliases of UTC have for rules.
_UTC: Final = "UTC0"

#: The year until which changes are told one by one that follow rules of no calendar.
_TOLD_UNTIL: Final = 2100


class UnknownZone(ValueError):
    """No time zone has this name."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone. ``info`` tells offsets; the rest is what a calendar needs to tell them to others.

    ``changes`` are those that follow no rule, or followed another one. From ``ruled_from`` on (seconds since
    1970; ``None``: never) the two of ``switchings`` follow each other, year by year."""

    name: str
    info: ZoneInfo
    first: LocalTime
    changes: tuple[Change, ...]
    switchings: tuple[Switching, ...]
    ruled_from: int | None
    is_utc: bool


@cache
def names() -> frozenset[str]:
    """The names of the tz database's table, links included."""
    table = (resources.files("tzdata") / "zones").read_text("ascii")
    return frozenset(table.split()) - _NO_ZONES


def zone(name: str) -> Zone:
    """The zone of an IANA or Windows name. Raises `UnknownZone`."""
    known = name if name in names() else WINDOWS_TO_OLSON.get(name)
    if known is None or known not in names():
        raise UnknownZone(name[:64])
    return _zone(known)


# Names are those of the table, which bounds it.
@cache
def _zone(name: str) -> Zone:
    for data in _files(name):
        try:
            return made(name, data)
        except ValueError:
            # Some machines have files of the version before rules.
            continue
    raise UnknownZone(name)


def made(name: str, data: bytes) -> Zone:
    """The zone of a compiled tz file. Raises `ValueError` for what is none."""
    compiled = tzif.read(data)
    switchings = posix.read(compiled.rules)[1] if compiled.rules else ()
    changes, ruled_from = _beyond_rules(compiled.changes, switchings)
    try:
        for switching in switchings:
            switching.onset.days()
    except ValueError:
        # No rule of a calendar says this one: its changes are told one by one.
        changes, switchings, ruled_from = _told(compiled.changes, switchings), (), None
    info = ZoneInfo.from_file(BytesIO(data), key=name)
    is_utc = compiled.rules == _UTC and not compiled.changes
    return Zone(name, info, compiled.first, changes, switchings, ruled_from, is_utc)


def _files(name: str) -> Iterator[bytes]:
    # The name is one of the table: it leads nowhere else.
    for folder in zoneinfo.TZPATH:
        with suppress(OSError):
            yield Path(folder, name).read_bytes()
    yield resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def _beyond_rules(
    changes: tuple[Change, ...], switchings: tuple[Switching, ...]
) -> tuple[tuple[Change, ...], int | None]:
    """The changes that the rules do not say, and from when on the rules say all.

    Files list changes that follow the rules too: some since these became law, some until 2037."""
    if not switchings:
        return changes, None
    if not changes:
        return (), min(switching.change(1970).at for switching in switchings)
    ruled = _ruled(switchings, _year(changes[-1]) + 3)
    following = dict(pairwise(ruled))
    kept, begin = len(changes), next(change for change in ruled if change.at > changes[-1].at)
    while kept and following.get(changes[kept - 1]) == begin:
        kept -= 1
        begin = changes[kept]
    return changes[:kept], begin.at


def _told(changes: tuple[Change, ...], switchings: tuple[Switching, ...]) -> tuple[Change, ...]:
    last = changes[-1].at if changes else 0
    return changes + tuple(change for change in _ruled(switchings, _TOLD_UNTIL) if change.at > last)


def _ruled(switchings: tuple[Switching, ...], end: int) -> list[Change]:
    """The changes of rules from 1970 until a year, in their order."""
    changes = [switching.change(year) for switching in switchings for year in range(1970, end)]
    return sorted(changes, key=lambda change: change.at)


def _year(change: Change) -> int:
    return max(1970, change.local.year)
