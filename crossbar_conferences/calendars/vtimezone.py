"""A time zone as a calendar's readers want it: its current rules, each once, as yearly RRULEs.

Readers know nothing but what the file says, and some take one date of a list or none. So what a zone's
rules say is two yearly rules; what follows no rule (the past, and Ramadan in Morocco) is one part for each
change, as far as the meeting reaches. Source: RFC 5545 3.6.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from icalendar import Component, Timezone, TimezoneDaylight, TimezoneStandard

from .posix import Change, Days, Switching
from .zones import Zone

#: Years until a weekday falls on any day of a month again, whatever leap years come between.
_CYCLE: Final = 40

_Rule = dict[str, Any]


def vtimezone(zone: Zone, start: datetime, end: datetime | None) -> Timezone:
    """The zone for what begins and ends then (``None``: goes on for ever)."""
    begin = int(start.timestamp())
    last = None if end is None else int(end.timestamp())
    component = Timezone()
    component.add("tzid", zone.name)
    singles = _singles(zone, begin, last)
    for place, change in enumerate(singles):
        # Before all parts some readers take the first STANDARD one.
        component.add_component(_part(TimezoneStandard if place == 0 else _kind(change), change))
    if zone.ruled_from is not None and (last is None or zone.ruled_from <= last):
        for switching in zone.switchings:
            for change, rule in _ruled(switching, zone.ruled_from):
                component.add_component(_part(_kind(change), change, rule))
    return component


def _singles(zone: Zone, begin: int, last: int | None) -> list[Change]:
    """The changes that follow no rule, from the one in force at the beginning on."""
    if zone.ruled_from is not None and zone.ruled_from <= begin:
        return []
    always = Change(-zone.first.offset, zone.first, zone.first)
    reached = [always, *(change for change in zone.changes if last is None or change.at <= last)]
    in_force = max((place for place, change in enumerate(reached) if change.at <= begin), default=0)
    return reached[in_force:]


def _ruled(switching: Switching, ruled_from: int) -> Iterator[tuple[Change, _Rule]]:
    """One of the two changes of each year, from the first time that it follows the rule on."""
    year = datetime.fromtimestamp(ruled_from, UTC).year
    changes = [switching.change(each) for each in range(year - 1, year + _CYCLE)]
    for days in switching.onset.days():
        first = next(
            (change for change in changes if change.at >= ruled_from and change.local.date() in days), None
        )
        # A day that comes less than once in a cycle is no day of a rule.
        if first is not None:
            yield first, _rule(days)


def _kind(change: Change) -> type[Component]:
    # In Dublin winter is the exception and in Casablanca Ramadan; to readers the later clock is summer's.
    is_dst = change.before.is_dst or change.after.is_dst
    return TimezoneDaylight if is_dst and change.after.offset > change.before.offset else TimezoneStandard


def _part(kind: type[Component], change: Change, rule: _Rule | None = None) -> Component:
    part = kind()
    part.add("dtstart", change.local)
    part.add("tzoffsetfrom", timedelta(seconds=change.before.offset))
    part.add("tzoffsetto", timedelta(seconds=change.after.offset))
    part.add("tzname", change.after.name)
    if rule is not None:
        part.add("rrule", rule)
    return part


def _rule(days: Days) -> _Rule:
    rule: _Rule = {"freq": "yearly", "bymonth": days.month}
    if days.nth is not None:
        return {**rule, "byday": f"{days.nth}{days.weekday}"}
    rule["bymonthday"] = list(days.days)
    return rule if days.weekday is None else {**rule, "byday": days.weekday}
