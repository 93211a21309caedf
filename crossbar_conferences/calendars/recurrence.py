"""Recurrence rules as strictly as RFC 5545 writes them, since their readers are not strict, and some hang.

A rule goes out only in parts that are known, each once, in range, and beside others that it may stand
beside. What is wrong is told with the part that it is in. Source: RFC 5545 3.3.10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from typing import Any, Final

from . import days_of_rules

#: What rules may have for letters, and how long they may be.
LONGEST: Final = 256

#: Readers keep these in 32 bits.
_MOST: Final = 2**31 - 1

# No meeting is held each second or minute, and readers hang on some of these rules.
_FREQUENCIES: Final = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_UNTIL: Final = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?", re.ASCII)
_BY_DAY: Final = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})", re.ASCII)

#: Frequencies with which a part may not be (RFC 5545 3.3.10).
_NOT_WITH: Final = {
    "BYWEEKNO": frozenset(_FREQUENCIES) - {"YEARLY"},
    "BYYEARDAY": frozenset({"DAILY", "WEEKLY", "MONTHLY"}),
    "BYMONTHDAY": frozenset({"WEEKLY"}),
}

#: Longer pauses are no recurrence, and some readers count in 16 bits.
_LONGEST_INTERVAL: Final = 1_000


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


def read(value: Any, start: datetime, *, is_known: bool = False) -> Recurrence:
    """The rule of something that begins at ``start``, which knows its zone. Raises `WrongPart`.
    ``is_known``: it was read before, so that it is not looked for days that never come.

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
    if not is_known:
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
    "INTERVAL": _number(_LONGEST_INTERVAL),
    # A leap second comes to no reader.
    "BYSECOND": _numbers(0, 59),
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
    """A rule whose days never come, such as a 30th of February, and a place in a set that has fewer: some
    readers look for one for ever."""
    days = tuple((name, parts[name]) for name in days_of_rules.PARTS if name in parts)
    frequency, first = parts["FREQ"], parts.get("WKST", "MO")
    most = days_of_rules.most_in_a_period(days, frequency, first)
    if most == 0:
        raise WrongPart(days[-1][0], "names days that never come")
    if "BYSETPOS" in parts:
        times = prod(len(set(parts[name].split(","))) for name in _TIMES[frequency] if name in parts)
        if max(abs(int(place)) for place in parts["BYSETPOS"].split(",")) > most * times:
            raise WrongPart("BYSETPOS", f"names a place in a set of at most {most * times}")


#: Parts that make several times of one day or hour.
_TIMES: Final = {
    "HOURLY": ("BYMINUTE", "BYSECOND"),
    **dict.fromkeys(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"), ("BYHOUR", "BYMINUTE", "BYSECOND")),
}
