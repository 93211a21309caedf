"""On which days of any years the parts of a recurrence rule let something happen.

After 28 years days fall on the same weekdays again, so that many days are looked at, once for all rules.
Source: RFC 5545 3.3.10.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

#: Parts that say something of days.
PARTS: Final = ("BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY")

_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CYCLE: Final = range(2000, 2028)


class _Day(NamedTuple):
    """Places of a day in its month and year, each counted from the beginning and from the end."""

    ordinal: int
    year: int
    month: int
    in_month: tuple[int, int]
    in_year: tuple[int, int]
    weekday: str
    nth_in_month: tuple[int, int]
    nth_in_year: tuple[int, int]


#: Says of a day, and the numbers of its week from the beginning and the end, whether a part lets it be.
_Check = Callable[[_Day, tuple[int, int]], bool]


@lru_cache(1_024)
def most_in_a_period(parts: tuple[tuple[str, str], ...], frequency: str, first: str) -> int:
    """The most days that any one period of a frequency has by these parts; 0 when none ever comes.

    ``first``: the weekday with which a week begins."""
    if not parts:
        return 1
    given = dict(parts)
    checks = [_MADE[name](content, given, frequency) for name, content in parts]
    begin = _WEEKDAYS.index(first)
    period: Callable[[_Day], object] = {
        "YEARLY": lambda day: day.year,
        "MONTHLY": lambda day: (day.year, day.month),
        "WEEKLY": lambda day: (day.ordinal - 1 - begin) // 7,
    }.get(frequency, lambda day: day.ordinal)
    found = Counter(
        period(day)
        for day, week in zip(_days(), _weeks(begin), strict=True)
        if all(check(day, week) for check in checks)
    )
    if not found:
        return 0
    # Without a day of its own a month, or a week, has the one of the start.
    names_months_only = set(given) == {"BYMONTH"} and frequency in ("MONTHLY", "WEEKLY", "YEARLY")
    if names_months_only:
        return len(set(given["BYMONTH"].split(","))) if frequency == "YEARLY" else 1
    return max(found.values())


@lru_cache(1)
def _days() -> tuple[_Day, ...]:
    days = (date(year, 1, 1) + timedelta(days=day) for year in _CYCLE for day in range(365 + isleap(year)))
    return tuple(map(_day, days))


def _day(day: date) -> _Day:
    of_month, of_year = monthrange(day.year, day.month)[1], 365 + isleap(day.year)
    in_year = day.timetuple().tm_yday
    return _Day(
        day.toordinal(),
        day.year,
        day.month,
        (day.day, day.day - of_month - 1),
        (in_year, in_year - of_year - 1),
        _WEEKDAYS[day.weekday()],
        ((day.day - 1) // 7 + 1, -((of_month - day.day) // 7 + 1)),
        ((in_year - 1) // 7 + 1, -((of_year - in_year) // 7 + 1)),
    )


@lru_cache(7)
def _weeks(first: int) -> tuple[tuple[int, int], ...]:
    """Of each day the number of its week. A week belongs to the year that has most of it, and so the 28th of
    December to the last."""
    numbers = []
    for one in _days():
        day = date.fromordinal(one.ordinal)
        middle = day + timedelta(days=3 - (day.weekday() - first) % 7)
        last = date(middle.year, 12, 28)
        last += timedelta(days=3 - (last.weekday() - first) % 7)
        number, weeks = ((each.timetuple().tm_yday - 1) // 7 + 1 for each in (middle, last))
        numbers.append((number, number - weeks - 1))
    return tuple(numbers)


def _listed(content: str) -> frozenset[int]:
    return frozenset(int(item) for item in content.split(","))


def _by_month(content: str, parts: Mapping[str, str], frequency: str) -> _Check:
    wanted = _listed(content)
    return lambda day, week: day.month in wanted


def _by_month_day(content: str, parts: Mapping[str, str], frequency: str) -> _Check:
    wanted = _listed(content)
    return lambda day, week: not wanted.isdisjoint(day.in_month)


def _by_year_day(content: str, parts: Mapping[str, str], frequency: str) -> _Check:
    wanted = _listed(content)
    return lambda day, week: not wanted.isdisjoint(day.in_year)


def _by_week(content: str, parts: Mapping[str, str], frequency: str) -> _Check:
    wanted = _listed(content)
    return lambda day, week: not wanted.isdisjoint(week)


def _by_day(content: str, parts: Mapping[str, str], frequency: str) -> _Check:
    wanted: dict[str, set[int]] = {}
    for item in content.split(","):
        wanted.setdefault(item[-2:], set()).add(int(item[:-2] or 0))
    in_year = frequency == "YEARLY" and "BYMONTH" not in parts
    nobody: frozenset[int] = frozenset()

    def check(day: _Day, week: tuple[int, int]) -> bool:
        numbers = wanted.get(day.weekday, nobody)
        places = day.nth_in_year if in_year else day.nth_in_month
        return 0 in numbers or not numbers.isdisjoint(places)

    return check


_MADE: Final[Mapping[str, Callable[[str, Mapping[str, str], str], _Check]]] = {
    "BYMONTH": _by_month,
    "BYWEEKNO": _by_week,
    "BYYEARDAY": _by_year_day,
    "BYMONTHDAY": _by_month_day,
    "BYDAY": _by_day,
}
