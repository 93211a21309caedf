"""Meetings as foreign engines read them: each at the instant that Python's own zones say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crossbar_conferences.calendars import zones
from crossbar_conferences.conference.calendar_file import calendar_file
from crossbar_conferences.conference.meeting import read_meeting
from crossbar_conferences.conference.meetings import Named
from tests.support.engines import ENGINES

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

#: Both hemispheres, negative daylight saving, Ramadan, half an hour, odd days and hours, none at all.
ZONES = [
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Nuuk",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "America/Phoenix",
    "Etc/GMT+5",
    "UTC",
]
WEEKS = 2 * 52 + 1


def _file(start: datetime, zone: str, recurrence: str | None = None) -> str:
    request = {"start": f"{start:%Y-%m-%dT%H:%M:%S}", "timezone": zone, "recurrence": recurrence}
    meeting, errors = read_meeting(request)
    assert meeting is not None, errors
    return calendar_file({"_id": "c" * 32, "name": "Weekly"}, [], meeting, Named("uid"), now=NOW).decode()


def _instant(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _weekly(start: datetime) -> list[datetime]:
    return [start + timedelta(weeks=week) for week in range(WEEKS)]


def _near_changes(zone: str, year: int, years: int) -> list[datetime]:
    """Local times three hours and a day before and after each time that the clocks are set."""
    hours = [datetime(year, 1, 1, 12) + timedelta(hours=hour) for hour in range(years * 366 * 24)]
    info = ZoneInfo(zone)
    offsets = [hour.replace(tzinfo=info).utcoffset() for hour in hours]
    changes = [hours[at] for at in range(1, len(hours)) if offsets[at] != offsets[at - 1]]
    return [change + timedelta(hours=after) for change in changes for after in (-24, -3, 3, 24)]


def _wrong(engine: str, cases: Sequence[tuple[str, datetime]], recurrence: str | None = None) -> list[str]:
    """What an engine reads otherwise than it is: of a meeting that comes each week, two years of it."""
    locals_ = [_weekly(start) if recurrence else [start] for _, start in cases]
    files = [_file(start, zone, recurrence) for zone, start in cases]
    read = ENGINES[engine](files, len(locals_[0]))
    return [
        f"{zone} {start}: {found[:3]}, right is {right[:3]}"
        for (zone, start), found, local in zip(cases, read, locals_, strict=True)
        if found != (right := [_instant(each, zone) for each in local])
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_weekly_meetings(engine: str) -> None:
    """Two years of a meeting that comes each week, begun in winter and in summer, in every zone."""
    starts = (datetime(2026, 1, 5, 9, 30), datetime(2026, 7, 1, 9, 30))
    assert _wrong(engine, [(zone, start) for zone in ZONES for start in starts], "FREQ=WEEKLY") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_single_meetings(engine: str) -> None:
    """One meeting a week over two years, and some on either side of each change of the clocks, to 2039."""
    weekly = _weekly(datetime(2026, 1, 5, 9, 30))
    near = {zone: _near_changes(zone, 2026, 3) + _near_changes(zone, 2039, 1) for zone in ZONES}
    assert _wrong(engine, [(zone, start) for zone in ZONES for start in (*weekly, *near[zone])]) == []


#: Local times that the clocks show twice, and that they skip.
AT_CHANGES = [
    ("Europe/Berlin", datetime(2026, 10, 25, 2, 30)),
    ("Europe/Berlin", datetime(2026, 3, 29, 2, 30)),
    ("Europe/Dublin", datetime(2026, 10, 25, 1, 30)),
    ("America/New_York", datetime(2026, 11, 1, 1, 30)),
    ("America/New_York", datetime(2026, 3, 8, 2, 30)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 10)),
    ("Africa/Cairo", datetime(2026, 4, 24, 0, 30)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, 30)),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_meetings_at_a_change(engine: str) -> None:
    """The first of two equal times, and a skipped one as long after the change, as zoneinfo has it."""
    assert _wrong(engine, AT_CHANGES) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_second_of_two_equal_times(engine: str) -> None:
    """It can be asked for by its offset."""
    meeting, _ = read_meeting({"start": "2026-10-25T02:30:00+01:00", "timezone": "Europe/Berlin"})
    assert meeting is not None
    text = calendar_file({"_id": "c"}, [], meeting, Named("uid"), now=NOW).decode()
    assert ENGINES[engine]([text], 1) == [[datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_zone_of_the_table(engine: str) -> None:
    """Each name of the tz database, in January and July."""
    starts = (datetime(2027, 1, 15, 9, 30), datetime(2027, 7, 15, 9, 30))
    assert _wrong(engine, [(zone, start) for zone in sorted(zones.names()) for start in starts]) == []
