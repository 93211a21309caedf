"""Inviting people: what the invitation says, and its calendar form. Pure.

Without ``start`` the message is Kazoo's own. With it, a text with the date and how to dial in is
added to the message, and an iCalendar part of the same meeting.

Source: amqp.md 9, realtime-ui-tests.md D.1; RFC 5545.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar import Calendar, Event, vRecur, vText

#: Minutes of a meeting whose length was not given.
DEFAULT_DURATION = 60

#: Years in which a meeting may begin: what calendars know, far from the ends of time.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

#: The longest meeting, in minutes: a week.
MAX_DURATION = 7 * 24 * 60

#: Callflows whose numbers lead to every conference of the account (amqp.md 9).
CALL_IN_CALLFLOWS = ("Conference Call-In Number", "MainConference")

#: What Monster UI writes as a number while there is none (realtime-ui-tests.md B.3).
_PLACEHOLDER_NUMBER = "undefinedconf"

Errors = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Meeting:
    """When people meet. ``start`` knows its time zone; ``duration`` in minutes; ``recurrence`` is
    an RFC 5545 rule such as ``FREQ=WEEKLY;COUNT=4``."""

    start: datetime
    duration: int = DEFAULT_DURATION
    recurrence: str | None = None


def read_meeting(request: Mapping[str, Any]) -> tuple[Meeting | None, Errors]:
    """The meeting in a request's ``start``, ``duration``, ``timezone`` and ``recurrence``.

    ``None`` when no start is given. Errors are keyed like validation errors."""
    errors: Errors = {}
    if request.get("start") is None:
        for key in ("duration", "timezone", "recurrence"):
            if request.get(key) is not None:
                errors["start"] = _error("required", f"{key} needs a start")
        return None, errors
    zone = _zone(request.get("timezone"), errors)
    start = _start(request["start"], zone, errors)
    duration = _duration(request.get("duration"), errors)
    recurrence = _recurrence(request.get("recurrence"), errors)
    if errors or start is None:
        return None, errors
    return Meeting(start, duration, recurrence), {}


def call_in_numbers(callflows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The numbers of the account's conference callflows, as a real list (Kazoo glues them together)."""
    numbers: dict[str, None] = {}
    for callflow in callflows:
        listed = callflow.get("numbers")
        for number in listed if isinstance(listed, list) else ():
            if isinstance(number, str) and number != _PLACEHOLDER_NUMBER:
                numbers[number] = None
    return list(numbers)


def invitation_fields(
    account_id: str,
    document: Mapping[str, Any],
    numbers: Sequence[str],
    request: Mapping[str, Any],
    meeting: Meeting | None = None,
    *,
    now: datetime,
) -> dict[str, Any]:
    """The headers of the invitation's message."""
    fields: dict[str, Any] = {
        "Account-ID": account_id,
        "Conference-ID": document["_id"],
        "Conference-Name": document.get("name"),
        "Conference-Numbers": _texts(document.get("conference_numbers")),
        "Conference-Call-In-Numbers": list(numbers),
        "Conference-Participant-Pins": _texts(_member(document).get("pins")),
        "Conference-Link": request.get("conference_link"),
        "Invite-Message": request.get("invite_message"),
        "Guests": list(request.get("guests") or ()),
    }
    if meeting is not None:
        link = request.get("conference_link")
        text = dial_in_text(document, numbers, meeting, link if isinstance(link, str) else None)
        message = request.get("invite_message")
        fields["Invite-Message"] = f"{message}\n\n{text}" if message else text
        calendar = calendar_file(document, numbers, meeting, now=now, guests=fields["Guests"], link=link)
        fields["Invite-Calendar"] = calendar.decode()
    return fields


def dial_in_text(
    document: Mapping[str, Any], numbers: Sequence[str], meeting: Meeting | None, link: str | None = None
) -> str:
    """How to take part, in words: when, which numbers, which room, which PIN."""
    lines = []
    if meeting is not None:
        zone = meeting.start.tzname() or ""
        lines.append(f"When: {meeting.start:%Y-%m-%d %H:%M} {zone} ({meeting.duration} minutes)")
    if numbers:
        lines.append(f"Call in: {', '.join(numbers)}")
    rooms = _texts(document.get("conference_numbers")) + _texts(_member(document).get("numbers"))
    if rooms:
        lines.append(f"Conference number: {', '.join(rooms)}")
    pins = _texts(_member(document).get("pins"))
    if pins:
        lines.append(f"PIN: {pins[0]}")
    if link:
        lines.append(f"Link: {link}")
    return "\n".join(lines)


def calendar_file(
    document: Mapping[str, Any],
    numbers: Sequence[str],
    meeting: Meeting,
    *,
    now: datetime,
    guests: Sequence[str] = (),
    link: Any = None,
) -> bytes:
    """The meeting as an iCalendar file."""
    event = Event()
    # The same conference and start are the same meeting: sent again, it replaces itself.
    event.add("uid", f"{document['_id']}-{meeting.start.astimezone(UTC):%Y%m%dT%H%M%SZ}@crossbar-conferences")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", meeting.start)
    event.add("duration", timedelta(minutes=meeting.duration))
    event.add("summary", vText(str(document.get("name") or "Conference")))
    text_link = link if isinstance(link, str) and link else None
    event.add("description", vText(dial_in_text(document, numbers, None, text_link)))
    if numbers:
        event.add("location", vText(numbers[0]))
    if text_link and not any(ord(c) < 0x21 or ord(c) == 0x7F for c in text_link):
        event.add("url", text_link)
    if meeting.recurrence:
        event.add("rrule", vRecur.from_ical(meeting.recurrence))
    for guest in guests:
        event.add("attendee", f"mailto:{guest}")
    calendar = Calendar()
    calendar.add("prodid", "-//crossbar-conferences//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST" if guests else "PUBLISH")
    calendar.add_component(event)
    if meeting.start.tzinfo is not UTC:
        calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _zone(value: Any, errors: Errors) -> ZoneInfo | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > 64 or value.startswith(("/", ".")):
        errors["timezone"] = _error("enum", "not the name of a time zone", value)
        return None
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors["timezone"] = _error("enum", "not the name of a time zone", value)
        return None


def _start(value: Any, zone: ZoneInfo | None, errors: Errors) -> datetime | None:
    try:
        start = datetime.fromisoformat(value)
        if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
            raise ValueError
    except (TypeError, ValueError):
        errors["start"] = _error("wrong_format", "Field is not in the correct format", value)
        return None
    if start.tzinfo is None:
        return start.replace(tzinfo=zone or UTC)
    return start.astimezone(zone or UTC)


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


def _recurrence(value: Any, errors: Errors) -> str | None:
    if value is None:
        return None
    try:
        if not isinstance(value, str) or len(value) > 256 or any(ord(c) < 0x20 for c in value):
            raise ValueError
        rule = vRecur.from_ical(value.removeprefix("RRULE:"))
        if not rule.get("FREQ"):
            raise ValueError
    except (ValueError, KeyError):
        errors["recurrence"] = _error("wrong_format", "Field is not in the correct format", value)
        return None
    return str(rule.to_ical().decode())


def _error(rule: str, message: str, value: Any = None) -> dict[str, dict[str, Any]]:
    details = {"message": message}
    return {rule: details if value is None else {**details, "value": value}}


def _member(document: Mapping[str, Any]) -> Mapping[str, Any]:
    member = document.get("member")
    return member if isinstance(member, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
