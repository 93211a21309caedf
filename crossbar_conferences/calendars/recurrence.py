"""Recurrence rules as strictly as RFC 5545 writes them, since their readers are not strict, and some hang.

A rule goes out only in parts that are known, each once, in range, and beside others that it may stand
beside. What is wrong is told with the part that it is in. Source: RFC 5545 3.3.10.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

#: What rules may have for letters, and how long they may be.
LONGEST: Final = 256

#: Readers keep these in 32 bits.
_MOST: Final = 2**31 - 1

_FREQUENCIES: Final = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_UNTIL: Final = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?", re.ASCII)
_BY_DAY: Final = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})", re.ASCII)

#: Frequencies with which a part may not be (RFC 5545 3.3.10).
_NOT_WITH: Final = {
    "BYWEEKNO": frozenset(_FREQUENCIES) - {"YEARLY"},
    "BYYEARDAY": frozenset({"DAILY", "WEEKLY", "MONTHLY"}),
    "BYMONTHDAY": frozenset({"WEEKLY"}),
}

#: Years after which days fall on the same weekdays again.
_CYCLE: Final = range(2000, 2028)


class WrongPart(ValueError):
    """A rule is none. ``part``: the name of the part that makes it so, or as much as can be said of it."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}" if part else why)
        self.part = part


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule in the form in which it goes out, such as ``FREQ=WEEKLY;COUNT=4``. ``until``: UTC."""

    text: str
    until: datetime | None = None


def read(value: Any, start: datetime) -> Recurrence:
    """The rule of something that begins at ``start``, which knows its zone. Raises `WrongPart`.

    An ``UNTIL`` goes out in UTC: without a zone it is meant in the start's, and a date means the end of that
    day there."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isascii():
        raise WrongPart("", "not a rule such as FREQ=WEEKLY;COUNT=4")
    parts: dict[str, str] = {}
    for text in value.upper().removeprefix("RRULE:").split(";"):
        name, given, content = text.partition("=")
        if name not in _PARTS or not given:
            raise WrongPart(name[:32], "no part of a recurrence rule")
        if name in parts:
            raise WrongPart(name, "is given twice")
        _PARTS[name](name, content)
        parts[name] = content
    _check_together(parts)
    until = _until(parts["UNTIL"], start) if "UNTIL" in parts else None
    if until is not None:
        parts["UNTIL"] = f"{until:%Y%m%dT%H%M%SZ}"
    _check_happens(parts)
    return Recurrence(";".join(f"{name}={content}" for name, content in parts.items()), until)


def _one_of(*values: str) -> Callable[[str, str], None]:
    def check(name: str, content: str) -> None:
        if content not in values:
            raise WrongPart(name, f"must be one of {', '.join(values)}")

    return check


def _number(most: int) -> Callable[[str, str], None]:
    """A whole number from 1 on."""

    def check(name: str, content: str) -> None:
        if not (content.isdigit() and len(content) <= 10 and 1 <= int(content) <= most):
            raise WrongPart(name, f"must be a whole number from 1 to {most}")

    return check


def _numbers(least: int, most: int, *, signed: bool = False) -> Callable[[str, str], None]:
    """A list of whole numbers; ``signed``: counted from the end too."""
    form = re.compile(rf"{'[+-]?' if signed else ''}[0-9]{{1,{len(str(most))}}}", re.ASCII)
    says = f"must be whole numbers from {least} to {most}{', or counted from the end with -' * signed}"

    def check(name: str, content: str) -> None:
        for item in content.split(","):
            if not form.fullmatch(item) or not least <= abs(int(item)) <= most:
                raise WrongPart(name, says)

    return check


def _weekdays(name: str, content: str) -> None:
    for item in content.split(","):
        found = _BY_DAY.fullmatch(item)
        if not found or (found[1] and not 1 <= abs(int(found[1])) <= 53):
            raise WrongPart(name, "must be days such as MO, 2TU or -1FR")


def _date(name: str, content: str) -> None:
    found = _UNTIL.fullmatch(content)
    try:
        if found is None:
            raise ValueError
        datetime.strptime(f"{found[1]}{found[2] or '000000'}", "%Y%m%d%H%M%S")
    except ValueError:
        raise WrongPart(name, "must be a date such as 20260430, or 20260430T093000Z") from None


_PARTS: Final[Mapping[str, Callable[[str, str], None]]] = {
    "FREQ": _one_of(*_FREQUENCIES),
    "UNTIL": _date,
    "COUNT": _number(_MOST),
    "INTERVAL": _number(_MOST),
    "BYSECOND": _numbers(0, 60),
    "BYMINUTE": _numbers(0, 59),
    "BYHOUR": _numbers(0, 23),
    "BYDAY": _weekdays,
    "BYMONTHDAY": _numbers(1, 31, signed=True),
    "BYYEARDAY": _numbers(1, 366, signed=True),
    "BYWEEKNO": _numbers(1, 53, signed=True),
    "BYMONTH": _numbers(1, 12),
    "BYSETPOS": _numbers(1, 366, signed=True),
    "WKST": _one_of(*_WEEKDAYS),
}


def _check_together(parts: Mapping[str, str]) -> None:
    """What stands beside what."""
    frequency = parts.get("FREQ")
    if frequency is None:
        raise WrongPart("FREQ", "is missing")
    if "COUNT" in parts and "UNTIL" in parts:
        raise WrongPart("UNTIL", "is not for a rule that has COUNT")
    for name, frequencies in _NOT_WITH.items():
        if name in parts and frequency in frequencies:
            raise WrongPart(name, f"is not for FREQ={frequency}")
    numbers = [abs(int(number)) for number in re.findall("[0-9]+", parts.get("BYDAY", ""))]
    if numbers:
        if frequency not in ("MONTHLY", "YEARLY"):
            raise WrongPart("BYDAY", f"has no numbers with FREQ={frequency}")
        if "BYWEEKNO" in parts:
            raise WrongPart("BYDAY", "has no numbers beside BYWEEKNO")
        if max(numbers) > 5 and (frequency == "MONTHLY" or "BYMONTH" in parts):
            raise WrongPart("BYDAY", "counts the weekdays of a month, which are five at most")
    if "BYSETPOS" in parts and not any(name != "BYSETPOS" and name.startswith("BY") for name in parts):
        raise WrongPart("BYSETPOS", "needs another part whose name begins with BY")


def _until(content: str, start: datetime) -> datetime:
    day, clock, is_utc = re.fullmatch(_UNTIL, content).groups()  # type: ignore[union-attr]
    local = datetime.strptime(f"{day}{clock or '235959'}", "%Y%m%d%H%M%S")
    try:
        until = local.replace(tzinfo=UTC if is_utc else start.tzinfo).astimezone(UTC)
    except OverflowError:
        raise WrongPart("UNTIL", "is beyond what calendars know") from None
    if until < start:
        raise WrongPart("UNTIL", "is before the start")
    return until


def _check_happens(parts: Mapping[str, str]) -> None:
    """A rule whose days never come, such as a 30th of February: some readers look for one for ever.

    Days are looked at, not hours, intervals or places in a set."""
    named = [name for name in _ON_DAYS if name in parts]
    if not named:
        return
    checks = [_ON_DAYS[name](parts) for name in named]
    days = (date(year, 1, 1) + timedelta(days=day) for year in _CYCLE for day in range(365 + isleap(year)))
    if not any(all(check(day) for check in checks) for day in days):
        raise WrongPart(named[-1], "names days that never come")


def _by_month(parts: Mapping[str, str]) -> Callable[[date], bool]:
    wanted = _listed(parts["BYMONTH"])
    return lambda day: day.month in wanted


def _by_month_day(parts: Mapping[str, str]) -> Callable[[date], bool]:
    wanted = _listed(parts["BYMONTHDAY"])
    return lambda day: _counted(day.day, monthrange(day.year, day.month)[1], wanted)


def _by_year_day(parts: Mapping[str, str]) -> Callable[[date], bool]:
    wanted = _listed(parts["BYYEARDAY"])
    return lambda day: _counted(day.timetuple().tm_yday, 365 + isleap(day.year), wanted)


def _by_week(parts: Mapping[str, str]) -> Callable[[date], bool]:
    wanted = _listed(parts["BYWEEKNO"])
    first = _WEEKDAYS.index(parts.get("WKST", "MO"))

    def check(day: date) -> bool:
        # A week belongs to the year that has most of it, and so the 28th of December to the last.
        middle = day + timedelta(days=3 - (day.weekday() - first) % 7)
        last = date(middle.year, 12, 28)
        last += timedelta(days=3 - (last.weekday() - first) % 7)
        number, weeks = ((each.timetuple().tm_yday - 1) // 7 + 1 for each in (middle, last))
        return _counted(number, weeks, wanted)

    return check


def _by_day(parts: Mapping[str, str]) -> Callable[[date], bool]:
    wanted = [(item[-2:], int(item[:-2] or 0)) for item in parts["BYDAY"].split(",")]
    in_year = parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts

    def check(day: date) -> bool:
        place = day.timetuple().tm_yday if in_year else day.day
        length = 365 + isleap(day.year) if in_year else monthrange(day.year, day.month)[1]
        nth = (0, (place - 1) // 7 + 1, -((length - place) // 7 + 1))
        return any(weekday == _WEEKDAYS[day.weekday()] and number in nth for weekday, number in wanted)

    return check


_ON_DAYS: Final[Mapping[str, Callable[[Mapping[str, str]], Callable[[date], bool]]]] = {
    "BYMONTH": _by_month,
    "BYWEEKNO": _by_week,
    "BYYEARDAY": _by_year_day,
    "BYMONTHDAY": _by_month_day,
    "BYDAY": _by_day,
}


def _listed(content: str) -> frozenset[int]:
    return frozenset(int(item) for item in content.split(","))


def _counted(place: int, length: int, wanted: frozenset[int]) -> bool:
    """Whether a place in a row is among those wanted, counted from the beginning or from the end."""
    return place in wanted or place - length - 1 in wanted
