"""A meeting as an iCalendar file. Pure. Source: RFC 5545."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event, vRecur, vText

from ..calendars.vtimezone import vtimezone
from .addresses import is_link
from .dial_in import dial_in_text, name
from .meeting import Meeting


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
    calendar = Calendar()
    calendar.add("prodid", "-//crossbar-conferences//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST" if guests else "PUBLISH")
    event = Event()
    event.add("uid", _uid(document["_id"], meeting))
    event.add("dtstamp", now.astimezone(UTC))
    if meeting.zone is None or _is_second_time(meeting):
        event.add("dtstart", meeting.start.astimezone(UTC))
    else:
        event.add("dtstart", meeting.start)
        calendar.add_component(vtimezone(meeting.zone, meeting.start, meeting.end))
    event.add("duration", timedelta(minutes=meeting.duration))
    event.add("summary", vText(name(document) or "Conference"))
    text_link = link if isinstance(link, str) and is_link(link) else None
    event.add("description", vText(dial_in_text(document, numbers, text_link)))
    if numbers:
        event.add("location", vText(numbers[0]))
    if text_link:
        event.add("url", text_link)
    if meeting.recurrence is not None:
        event.add("rrule", vRecur.from_ical(meeting.recurrence.text))
    for guest in guests:
        event.add("attendee", f"mailto:{guest}")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _is_second_time(meeting: Meeting) -> bool:
    """Whether the clock shows the start's time twice, and the second one is meant. In a calendar a local time
    is the first of two (RFC 5545 3.3.5), which is what a meeting that comes again goes by."""
    return meeting.start.fold == 1 and meeting.recurrence is None


def _uid(conference_id: str, meeting: Meeting) -> str:
    """What names a meeting: the same conference and start are the same one, which replaces itself when sent
    again. A guest does not learn the conference's id from it: the id is enough to ask for the conference."""
    meant = f"{conference_id} {meeting.start.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{hashlib.sha256(meant.encode()).hexdigest()[:40]}@crossbar-conferences"
