"""The last line of a tz file: a zone's current rules, in the form of POSIX's ``TZ``. Pure.

It says which offset holds, and where two do, on which days of every year each begins. The same days are
what an RRULE of a calendar says. Source: RFC 9636 3.3, POSIX 8.3; RFC 5545 3.3.10, 3.6.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

WEEKDAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")

_NAME: Final = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_CLOCK: Final = r"[+-]?[0-9]{1,3}(?::[0-9]{2}(?::[0-9]{2})?)?"
_DAY: Final = r"(?:M[0-9]{1,2}\.[1-5]\.[0-6]|J?[0-9]{1,3})"
_FORM: Final = re.compile(
    rf"(?P<name>{_NAME})(?P<offset>{_CLOCK})"
    rf"(?:(?P<other>{_NAME})(?P<shifted>{_CLOCK})?"
    rf",(?P<begins>{_DAY})(?:/(?P<at>{_CLOCK}))?,(?P<ends>{_DAY})(?:/(?P<until>{_CLOCK}))?)?"
)

_EPOCH: Final = datetime(1970, 1, 1)
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A kind of local time: seconds east of Greenwich, whether the zone calls it daylight saving, a name."""

    offset: int
    is_dst: bool
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """The clocks are set: when, in seconds since 1970, from which local time to which."""

    at: int
    before: LocalTime
    after: LocalTime

    @property
    def local(self) -> datetime:
        """When it is by the clocks as they were before."""
        return _EPOCH + timedelta(seconds=self.at + self.before.offset)


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a month on which something happens once a year: on which days of the month it may be, and on
    which weekday (``SU``; ``None``: on the one day). ``nth``: which of the month's weekdays that is, -1 for
    the last, where it can be said so."""

    month: int
    days: tuple[int, ...]
    weekday: str | None
    nth: int | None = None

    def __contains__(self, day: date) -> bool:
        """Whether the day may be one of these, as far as its month and number say."""
        return day.month == self.month and day.day in self.days


@dataclass(frozen=True, slots=True)
class Onset:
    """When in a year the clocks are set: the day as POSIX writes it, and seconds after its midnight, which
    may lead into other days."""

    day: str
    seconds: int

    def at(self, year: int) -> datetime:
        """When it is in a year, by the clocks as they were before."""
        (day,) = (day for day in self._possible(year) if self._weekday in (None, day.isoweekday() % 7))
        return datetime.combine(day, datetime.min.time()) + timedelta(seconds=self.seconds)

    def days(self) -> list[Days]:
        """The days of every year on which it may be, by month.

        Raises `ValueError` where they are not the same in each year, which no rule of a calendar says."""
        shift = timedelta(days=self.seconds // _DAY_SECONDS)
        common, leap = ([day + shift for day in self._possible(year)] for year in (2001, 2000))
        if [(day.month, day.day) for day in common] != [(day.month, day.day) for day in leap]:
            raise ValueError(f"not the same days in each year: {self.day}")
        weekday = None if self._weekday is None else WEEKDAYS[(self._weekday + shift.days) % 7]
        nth = None if weekday is None or shift else self._nth
        by_month: dict[int, list[int]] = {}
        for day in common:
            by_month.setdefault(day.month, []).append(day.day)
        return [Days(month, tuple(days), weekday, nth) for month, days in by_month.items()]

    def _possible(self, year: int) -> list[date]:
        """The days in a year that it can be, before the seconds are counted: a week of them, or the one."""
        first = date(year, 1, 1)
        if self._month is None:
            number = int(self.day.lstrip("J"))
            if self.day.startswith("J"):
                # Counted as if there were no 29th of February.
                common = date(2001, 1, 1) + timedelta(days=number - 1)
                return [common.replace(year=year)]
            return [first + timedelta(days=number)]
        week = int(self.day.split(".")[1])
        if week < 5:
            begin = date(year, self._month, 7 * week - 6)
        else:
            begin = date(year + self._month // 12, self._month % 12 + 1, 1) - timedelta(days=7)
        return [begin + timedelta(days=number) for number in range(7)]

    @property
    def _month(self) -> int | None:
        return int(self.day[1:].split(".")[0]) if self.day.startswith("M") else None

    @property
    def _weekday(self) -> int | None:
        return int(self.day.split(".")[2]) if self.day.startswith("M") else None

    @property
    def _nth(self) -> int:
        week = int(self.day.split(".")[1])
        return -1 if week == 5 else week


@dataclass(frozen=True, slots=True)
class Switching:
    """One of the two changes of each year."""

    onset: Onset
    before: LocalTime
    after: LocalTime

    def change(self, year: int) -> Change:
        """The change of a year."""
        local = self.onset.at(year) - _EPOCH
        seconds = local.days * _DAY_SECONDS + local.seconds
        return Change(seconds - self.before.offset, self.before, self.after)


def read(text: str) -> tuple[LocalTime, tuple[Switching, ...]]:
    """The local time outside of daylight saving, and the two changes of each year, or none.

    Raises `ValueError` for what is no such text."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"no rules of a time zone: {text[:64]!r}")
    # POSIX counts westwards.
    standard = LocalTime(-_seconds(found["offset"]), False, found["name"].strip("<>"))
    if found["other"] is None:
        return standard, ()
    shifted = standard.offset + 3_600 if found["shifted"] is None else -_seconds(found["shifted"])
    other = LocalTime(shifted, True, found["other"].strip("<>"))
    begins = Onset(found["begins"], _seconds(found["at"] or "2"))
    ends = Onset(found["ends"], _seconds(found["until"] or "2"))
    return standard, (Switching(begins, standard, other), Switching(ends, other, standard))


def _seconds(clock: str) -> int:
    hours, minutes, seconds, *_ = (*(int(part) for part in clock.lstrip("+-").split(":")), 0, 0)
    total = hours * 3_600 + minutes * 60 + seconds
    return -total if clock.startswith("-") else total
