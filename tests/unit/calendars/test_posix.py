"""Rules of time zones in POSIX's form (``calendars/posix.py``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.calendars import posix
from crossbar_conferences.calendars.posix import LocalTime, Onset


def test_both_local_times_and_both_changes() -> None:
    """Offsets count eastwards, an hour is added where nothing else is said, names lose their brackets."""
    standard, (begins, ends) = posix.read("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1:30")
    assert standard == LocalTime(-10_800, False, "-03")
    assert (begins.before, begins.after) == (standard, LocalTime(-7_200, True, "-02"))
    assert (ends.before, ends.after) == (begins.after, standard)
    assert (begins.onset.seconds, ends.onset.seconds) == (-7_200, -5_400)


def test_without_daylight_saving_nothing_changes() -> None:
    """A zone with one local time has no changes; an offset may have minutes."""
    assert posix.read("IST-5:30") == (LocalTime(19_800, False, "IST"), ())


@pytest.mark.parametrize(
    ("onset", "year", "local"),
    [
        (Onset("M3.5.0", 7_200), 2026, "2026-03-29T02:00:00"),
        (Onset("M3.2.0", 7_200), 2027, "2027-03-14T02:00:00"),
        (Onset("M9.1.6", 86_400), 2026, "2026-09-06T00:00:00"),
        (Onset("M10.5.4", 86_400), 2030, "2030-11-01T00:00:00"),
        (Onset("M3.5.0", -3_600), 2026, "2026-03-28T23:00:00"),
        (Onset("M3.4.4", 180_000), 2027, "2027-03-27T02:00:00"),
        (Onset("M12.5.0", 0), 2026, "2026-12-27T00:00:00"),
        (Onset("J79", 86_400), 2024, "2024-03-21T00:00:00"),
        (Onset("J79", 86_400), 2025, "2025-03-21T00:00:00"),
        (Onset("78", 0), 2024, "2024-03-19T00:00:00"),
        (Onset("78", 0), 2025, "2025-03-20T00:00:00"),
    ],
)
def test_when_an_onset_is(onset: Onset, year: int, local: str) -> None:
    """Weeks, days with and without the 29th of February, hours beyond the day."""
    assert onset.at(year).isoformat() == local


@pytest.mark.parametrize(
    ("onset", "said"),
    [
        (Onset("M3.5.0", 7_200), [(3, "SU", -1)]),
        (Onset("M11.1.0", 7_200), [(11, "SU", 1)]),
        (Onset("M9.1.6", 86_400), [(9, "SU", None)]),
        (Onset("M10.5.4", 86_400), [(10, "FR", None), (11, "FR", None)]),
        (Onset("J79", 86_400), [(3, None, None)]),
        (Onset("5", 0), [(1, None, None)]),
    ],
)
def test_the_days_of_a_rule(onset: Onset, said: list[tuple[int, str | None, int | None]]) -> None:
    """A week that is shifted is no first or last one any more, and may lie in two months."""
    assert [(days.month, days.weekday, days.nth) for days in onset.days()] == said


@pytest.mark.parametrize(
    "onset", [Onset("M2.5.0", 7_200), Onset("M2.4.0", 86_400), Onset("M3.1.0", -3_600), Onset("78", 0)]
)
def test_days_that_leap_years_shift_are_no_rule(onset: Onset) -> None:
    """What a calendar's rule cannot say is refused, not said wrongly."""
    with pytest.raises(ValueError):
        onset.days()


@given(
    st.integers(1, 12).filter(lambda month: month not in (2, 3)),
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(-167, 167),
    st.integers(1970, 2199),
)
def test_each_years_day_is_one_of_the_rules(month: int, week: int, day: int, hours: int, year: int) -> None:
    """What the rule says for readers holds in every year."""
    onset = Onset(f"M{month}.{week}.{day}", hours * 3_600)
    local = onset.at(year).date()
    (days,) = (days for days in onset.days() if local in days)
    assert posix.WEEKDAYS[local.isoweekday() % 7] == days.weekday


@pytest.mark.parametrize(
    "text",
    ["", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "C-1", "CET-1CEST,M3.6.0,M10.5.0", "UTC0\n", "x" * 99],
)
def test_what_is_no_rule(text: str) -> None:
    """Anything else raises."""
    with pytest.raises(ValueError):
        posix.read(text)
