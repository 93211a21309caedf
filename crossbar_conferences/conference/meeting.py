"""When people meet: the meeting in a request. Pure. Source: RFC 5545."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..calendars import recurrence, zones
from ..calendars.recurrence import Recurrence
from ..calendars.zones import Zone

#: Minutes of a meeting whose length was not given.
DEFAULT_DURATION = 60

#: Years in which a meeting may begin: what calendars know, far from the ends of time.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

#: The longest meeting, in minutes: a week.
MAX_DURATION = 7 * 24 * 60

#: Of a text that is refused so much is shown again.
_SHOWN = 256

Errors = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Meeting:
    """When people meet. ``start`` knows its offset; ``duration`` in minutes; ``zone`` is ``None`` for UTC."""

    start: datetime
    duration: int = DEFAULT_DURATION
    recurrence: Recurrence | None = None
    zone: Zone | None = None

    @property
    def end(self) -> datetime | None:
        """When all of it is over; ``None`` when that is never, or is not known."""
        length = timedelta(minutes=self.duration)
        if self.recurrence is None:
            return self.start + length
        until = self.recurrence.until
        return None if until is None else until + length


def read_meeting(request: Mapping[str, Any], *, is_known: bool = False) -> tuple[Meeting | None, Errors]:
    """The meeting in a request's ``start``, ``duration``, ``timezone`` and ``recurrence``; ``is_known``: it
    was read before.

    ``None`` when no start is given. Errors are keyed like validation errors."""
    errors: Errors = {}
    if request.get("start") is None:
        for key in ("duration", "timezone", "recurrence"):
            if request.get(key) is not None:
                errors["start"] = error("required", f"{key} needs a start")
        return None, errors
    zone = _zone(request.get("timezone"), errors)
    start = _start(request["start"], zone, errors)
    duration = _duration(request.get("duration"), errors)
    if start is None:
        return None, errors
    rule = _recurrence(request.get("recurrence"), start, errors, is_known=is_known)
    if errors:
        return None, errors
    if rule is None:
        # A time that the clocks skip is one that they show.
        start = start.astimezone(UTC).astimezone(start.tzinfo)
    return Meeting(start, duration, rule, zone), {}


def error(rule: str, message: str, value: Any = None) -> dict[str, dict[str, Any]]:
    """An error of validation under one rule."""
    details = {"message": message}
    shown = value[:_SHOWN] if isinstance(value, str) else value
    return {rule: details if value is None else {**details, "value": shown}}


def _zone(value: Any, errors: Errors) -> Zone | None:
    if value is None:
        return None
    try:
        if not isinstance(value, str):
            raise zones.UnknownZone
        zone = zones.zone(value)
    except zones.UnknownZone:
        errors["timezone"] = error("enum", "not the name of a time zone", value)
        return None
    return None if zone.is_utc else zone


def _start(value: Any, zone: Zone | None, errors: Errors) -> datetime | None:
    info = UTC if zone is None else zone.info
    try:
        start = datetime.fromisoformat(value)
        if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
            raise ValueError
    except (TypeError, ValueError):
        errors["start"] = error("wrong_format", "Field is not in the correct format", value)
        return None
    # A calendar has no parts of a second.
    start = start.replace(microsecond=0)
    return start.replace(tzinfo=info) if start.tzinfo is None else start.astimezone(info)


def _duration(value: Any, errors: Errors) -> int:
    if value is None:
        return DEFAULT_DURATION
    if isinstance(value, bool) or not isinstance(value, int):
        errors["duration"] = {
            "type": {"message": "Value did not match type(s): integer", "target": "integer", "value": value}
        }
    elif not 1 <= value <= MAX_DURATION:
        bound, target = ("at least", 1) if value < 1 else ("at most", MAX_DURATION)
        rule = "minimum" if value < 1 else "maximum"
        errors["duration"] = {
            rule: {"message": f"Value must be {bound} {target}", "target": target, "value": value}
        }
    else:
        return value
    return DEFAULT_DURATION


def _recurrence(value: Any, start: datetime, errors: Errors, *, is_known: bool) -> Recurrence | None:
    if value is None:
        return None
    try:
        return recurrence.read(value, start, is_known=is_known)
    except recurrence.WrongPart as wrong:
        errors["recurrence"] = error("wrong_format", str(wrong), value)
        errors["recurrence"]["wrong_format"]["part"] = wrong.part
        return None
