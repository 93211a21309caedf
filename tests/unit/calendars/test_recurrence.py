"""Recurrence rules (``calendars/recurrence.py``): what RFC 5545 has, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations, islice
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.calendars import days_of_rules, recurrence
from crossbar_conferences.calendars.recurrence import WrongPart, read

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 23, 9, 30, tzinfo=BERLIN)

RIGHT = [
    "FREQ=DAILY",
    "FREQ=WEEKLY;COUNT=4",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH",
    "FREQ=MONTHLY;BYDAY=1FR,-1FR",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=1,15,-1",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYDAY=53TH",
    "FREQ=YEARLY;BYWEEKNO=20,-1;BYDAY=MO",
    "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU;WKST=SU",
    "FREQ=YEARLY;BYYEARDAY=1,100,-366",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
    "FREQ=DAILY;BYMONTH=01;BYHOUR=9;BYMINUTE=0,30;BYSECOND=0",
    "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
    "FREQ=MONTHLY;BYDAY=+2TU",
    "FREQ=WEEKLY;COUNT=2147483647",
]


@pytest.mark.parametrize("rule", RIGHT)
def test_what_is_right_goes_out_as_it_came(rule: str) -> None:
    """Every part of RFC 5545, in range and beside what it may stand beside."""
    assert recurrence.read(rule, START).text == rule
    assert recurrence.read(f"RRULE:{rule.lower()}", START).text == rule


WRONG = [
    *(
        ("INTERVAL", f"FREQ=WEEKLY;INTERVAL={value}")
        for value in ("0", "-1", "+1", "1.5", "", "x", "1,2", "9" * 40)
    ),
    *(("COUNT", f"FREQ=WEEKLY;COUNT={value}") for value in ("0", "-5", "", "1e3", "2147483648")),
    ("UNTIL", "FREQ=WEEKLY;COUNT=3;UNTIL=20260601T000000Z"),
    ("UNTIL", "FREQ=WEEKLY;UNTIL=20260601;COUNT=3"),
    *(
        ("UNTIL", f"FREQ=DAILY;UNTIL={value}")
        for value in ("2026", "20260431", "20261301", "20260430T250000Z")
    ),
    *(("UNTIL", f"FREQ=DAILY;UNTIL={value}") for value in ("20260430T093000+0200", "00000101", "2026-04-30")),
    *(
        ("UNTIL", f"FREQ=DAILY;UNTIL={value}")
        for value in ("20260322", "20260323T082959Z", "20260323T092959")
    ),
    *(
        ("BYMONTHDAY", f"FREQ=MONTHLY;BYMONTHDAY={value}")
        for value in ("32", "0", "-32", "", "1,,2", "1,", "MO")
    ),
    *(("BYMONTH", f"FREQ=YEARLY;BYMONTH={value}") for value in ("0", "13", "-1", "+1", "JAN", "001")),
    *(("BYYEARDAY", f"FREQ=YEARLY;BYYEARDAY={value}") for value in ("0", "367", "-367")),
    *(("BYWEEKNO", f"FREQ=YEARLY;BYWEEKNO={value}") for value in ("0", "54", "-54")),
    *(("BYHOUR", f"FREQ=DAILY;BYHOUR={value}") for value in ("24", "-1", "9:30")),
    *(("BYMINUTE", f"FREQ=DAILY;BYMINUTE={value}") for value in ("60", "-1")),
    *(("BYSECOND", f"FREQ=DAILY;BYSECOND={value}") for value in ("61", "-1")),
    *(
        ("BYDAY", f"FREQ=MONTHLY;BYDAY={value}")
        for value in ("0MO", "54MO", "MO1", "XX", "", "1 MO", "MON", "-6FR", "1MO,6MO")
    ),
    *(("BYSETPOS", f"FREQ=MONTHLY;BYDAY=MO;BYSETPOS={value}") for value in ("0", "367", "-367", "x")),
    *(("WKST", f"FREQ=WEEKLY;WKST={value}") for value in ("", "1MO", "MO,TU", "XX")),
    ("BYSETPOS", "FREQ=MONTHLY;BYSETPOS=1"),
    ("BYDAY", "FREQ=WEEKLY;BYDAY=1MO"),
    ("BYDAY", "FREQ=DAILY;BYDAY=-1FR"),
    ("BYDAY", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO"),
    ("BYMONTHDAY", "FREQ=WEEKLY;BYMONTHDAY=1"),
    *(("BYYEARDAY", f"FREQ={often};BYYEARDAY=1") for often in ("DAILY", "WEEKLY", "MONTHLY")),
    *(("BYWEEKNO", f"FREQ={often};BYWEEKNO=1") for often in ("DAILY", "WEEKLY", "MONTHLY", "HOURLY")),
    ("FREQ", "COUNT=3"),
    ("FREQ", "FREQ=SOMETIMES"),
    ("FREQ", "FREQ="),
    ("FREQ", "FREQ=DAILY;FREQ=WEEKLY"),
    ("COUNT", "FREQ=DAILY;COUNT=1;COUNT=2"),
    ("X-OFTEN", "FREQ=DAILY;X-OFTEN=1"),
    ("RSCALE", "FREQ=DAILY;RSCALE=CHINESE"),
    ("DTSTART", "FREQ=DAILY;DTSTART=20260101"),
    ("", "FREQ=DAILY;"),
    ("", ";FREQ=DAILY"),
    ("", ""),
    ("EVERY DAY", "every day"),
    ("FREQ", "FREQ=DAILY\r\nX:1"),
    ("COUNT", "FREQ=DAILY;COUNT=1\n"),
    ("RRULE:FREQ", "RRULE:RRULE:FREQ=DAILY"),
    ("", "FREQ=DAİLY"),
    ("", "FREQ=WEEKLY;COUNT=٣"),
    ("", "FREQ=MONTHLY;BYDAY=MO;"),
    ("", "FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 500)),
    # Days that never come.
    ("BYMONTHDAY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
    ("BYMONTHDAY", "FREQ=DAILY;BYMONTH=2,4;BYMONTHDAY=31,-31"),
    ("BYYEARDAY", "FREQ=YEARLY;BYMONTH=12;BYYEARDAY=1"),
    ("BYWEEKNO", "FREQ=YEARLY;BYMONTH=7;BYWEEKNO=1"),
    ("BYDAY", "FREQ=MONTHLY;BYDAY=6MO"),
    ("BYDAY", "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=2MO"),
    ("BYDAY", "FREQ=YEARLY;BYMONTH=3;BYDAY=6MO"),
]


@pytest.mark.parametrize(("part", "rule"), WRONG)
def test_what_is_wrong_is_named(part: str, rule: str) -> None:
    """The part that makes it wrong is told."""
    with pytest.raises(WrongPart) as raised:
        recurrence.read(rule, START)
    assert raised.value.part == part and part in str(raised.value)


@pytest.mark.parametrize("value", [None, 7, ["FREQ=DAILY"], {"FREQ": "DAILY"}, True])
def test_what_is_no_text(value: object) -> None:
    """It is wrong as a whole."""
    with pytest.raises(WrongPart):
        recurrence.read(value, START)


@pytest.mark.parametrize(
    ("until", "zone", "said"),
    [
        # A day in the zone of the start ends there, in summer as in winter.
        ("20260430", "Europe/Berlin", "20260430T215959Z"),
        ("20261130", "Europe/Berlin", "20261130T225959Z"),
        ("20260430", "America/New_York", "20260501T035959Z"),
        ("20260430", "Asia/Kolkata", "20260430T182959Z"),
        ("20260430", "UTC", "20260430T235959Z"),
        ("20260323", "Europe/Berlin", "20260323T225959Z"),
        ("20260430T093000", "Europe/Berlin", "20260430T073000Z"),
        ("20260430T093000", "UTC", "20260430T093000Z"),
        ("20260430T093000Z", "Europe/Berlin", "20260430T093000Z"),
        ("20260323T083000Z", "Europe/Berlin", "20260323T083000Z"),
    ],
)
def test_an_end_goes_out_in_utc(until: str, zone: str, said: str) -> None:
    """However it was written, as RFC 5545 wants where the start has a zone."""
    start = datetime(2026, 3, 23, 9, 30, tzinfo=ZoneInfo(zone))
    if zone == "UTC":
        start = start.replace(tzinfo=UTC)
    read = recurrence.read(f"FREQ=WEEKLY;UNTIL={until}", start)
    assert read.text == f"FREQ=WEEKLY;UNTIL={said}"
    assert read.until == datetime.strptime(said, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_an_end_beyond_all_calendars() -> None:
    """The last year is no error of ours."""
    far = datetime(2026, 1, 1, tzinfo=ZoneInfo("America/New_York"))
    with pytest.raises(WrongPart, match="UNTIL"):
        recurrence.read("FREQ=DAILY;UNTIL=99991231", far)


@given(st.text(max_size=60) | st.text("FREQ=DAILYUNTCOVB0123456789;,-+ZT", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever is sent is a rule or is told to be none."""
    try:
        recurrence.read(text, START)
    except WrongPart as wrong:
        assert len(wrong.part) <= 32


_PARTS = [
    *(
        "BYMONTH=2",
        "BYMONTH=1,12",
        "BYMONTHDAY=29",
        "BYMONTHDAY=31,-31",
        "BYDAY=MO",
        "BYDAY=5FR",
        "BYDAY=-5TU,4SA",
    ),
    *("BYYEARDAY=60", "BYYEARDAY=-366", "BYWEEKNO=53", "BYWEEKNO=-52,10", "WKST=SU"),
]


@pytest.mark.parametrize("often", ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
@pytest.mark.parametrize("parts", list(combinations(_PARTS, 2)), ids=";".join)
def test_what_is_taken_comes_again(often: str, parts: tuple[str, ...]) -> None:
    """Another engine finds days of every rule that is taken, and none of one whose days never come."""
    rule = ";".join([f"FREQ={often}", *parts])
    start, is_taken = datetime(2026, 1, 1, 9, 30), True
    try:
        recurrence.read(rule, start.replace(tzinfo=UTC))
    except WrongPart as wrong:
        if "never come" not in str(wrong):
            return
        is_taken = False
    days = rrule.rrulestr(rule, dtstart=start).replace(until=start + timedelta(days=366 * 29))
    assert bool(list(islice(days, 1))) is is_taken


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29", "FREQ"),
        ("FREQ=MINUTELY", "FREQ"),
        ("FREQ=DAILY;BYSECOND=60", "BYSECOND"),
        ("FREQ=DAILY;BYHOUR=9;BYSETPOS=2", "BYSETPOS"),
        ("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3", "BYSETPOS"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-6", "BYSETPOS"),
        ("FREQ=YEARLY;BYMONTH=2,3;BYSETPOS=3", "BYSETPOS"),
        ("FREQ=WEEKLY;INTERVAL=2147483647", "INTERVAL"),
        ("FREQ=WEEKLY;INTERVAL=1001", "INTERVAL"),
    ],
)
def test_rules_that_readers_hang_on(rule: str, part: str) -> None:
    """Rules that RFC 5545 has and no meeting needs, and places that no set has: readers look for ever."""
    with pytest.raises(WrongPart) as wrong:
        read(rule, datetime(2026, 3, 23, 9, tzinfo=UTC))
    assert wrong.value.part == part


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5",
        "FREQ=YEARLY;BYMONTH=2,3;BYSETPOS=2",
        "FREQ=DAILY;BYHOUR=9,15;BYSETPOS=2",
        "FREQ=WEEKLY;INTERVAL=1000",
    ],
)
def test_places_that_sets_have(rule: str) -> None:
    """They are taken."""
    assert read(rule, datetime(2026, 3, 23, 9, tzinfo=UTC)).text == rule


def test_days_are_looked_for_once() -> None:
    """A rule that is read again, and one whose meeting is kept, costs no look at the days of 28 years."""
    days_of_rules.most_in_a_period.cache_clear()
    rule, start = "FREQ=YEARLY;BYWEEKNO=1;BYYEARDAY=1", datetime(2026, 1, 1, 9, tzinfo=UTC)
    read(rule, start, is_known=True)
    assert days_of_rules.most_in_a_period.cache_info().misses == 0
    read(rule, start)
    read(rule, start)
    assert days_of_rules.most_in_a_period.cache_info().misses == 1
