"""Rules of recurrence as foreign engines read them, in zones on either side of Greenwich."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from crossbar_conferences.conference.calendar_file import calendar_file
from crossbar_conferences.conference.meeting import read_meeting
from crossbar_conferences.conference.meetings import Named
from tests.support.engines import ENGINES

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

#: A rule, and the days of March to June 2026 on which it leads to; all start on Monday, the 23rd of March.
RULES = [
    ("FREQ=WEEKLY;COUNT=4", ["0323", "0330", "0406", "0413"]),
    ("FREQ=WEEKLY;UNTIL=20260406", ["0323", "0330", "0406"]),
    ("FREQ=WEEKLY;UNTIL=20260405", ["0323", "0330"]),
    ("FREQ=WEEKLY;UNTIL=20260323", ["0323"]),
    ("FREQ=WEEKLY;UNTIL=20260406T{local}", ["0323", "0330", "0406"]),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=3", ["0323", "0406", "0420"]),
    ("FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260401", ["0323", "0325", "0330", "0401"]),
    ("FREQ=MONTHLY;BYDAY=4MO;COUNT=3", ["0323", "0427", "0525"]),
    ("FREQ=MONTHLY;BYMONTHDAY=23;UNTIL=20260523", ["0323", "0423", "0523"]),
    ("FREQ=DAILY;BYMONTH=3;UNTIL=20260326", ["0323", "0324", "0325", "0326"]),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "UTC"])
@pytest.mark.parametrize("clock", ["00:15", "23:45"])
def test_all_times_of_a_rule(engine: str, zone: str, clock: str) -> None:
    """Early and late in the day, so that an end that is a day there is not one of another day in UTC."""
    files, right = [], []
    for rule, days in RULES:
        recurrence = rule.format(local=f"{clock.replace(':', '')}00")
        request = {"start": f"2026-03-23T{clock}", "timezone": zone, "recurrence": recurrence}
        meeting, errors = read_meeting(request)
        assert meeting is not None, errors
        files.append(calendar_file({"_id": "c"}, [], meeting, Named("uid"), now=NOW).decode())
        local = (datetime.strptime(f"2026{day} {clock}", "%Y%m%d %H:%M") for day in days)
        right.append([each.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for each in local])
    assert ENGINES[engine](files, 9) == right
