"""A meeting as an iCalendar file. Pure. Source: RFC 5545, 5546."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from icalendar import Calendar, Event, vCalAddress, vRecur, vText

from ..calendars.vtimezone import vtimezone
from .addresses import is_link
from .dial_in import dial_in_text, name
from .meeting import Meeting
from .meetings import Named

_ASKS_FOR_ANSWER: Final = {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"}


def calendar_file(
    document: Mapping[str, Any],
    numbers: Sequence[str],
    meeting: Meeting,
    named: Named,
    *,
    now: datetime,
    guests: Sequence[str] = (),
    link: Any = None,
    is_cancelled: bool = False,
) -> bytes:
    """The meeting as an iCalendar file: a request to guests to come, or not to come, by an organizer whom
    they may answer; without guests or without one it is only published."""
    calendar = Calendar()
    calendar.add("prodid", "-//crossbar-conferences//EN")
    calendar.add("version", "2.0")
    invited = list(guests) if named.organizer is not None else []
    requested = "CANCEL" if is_cancelled else "REQUEST"
    calendar.add("method", requested if invited else "PUBLISH")
    event = Event()
    event.add("uid", named.uid)
    event.add("sequence", named.sequence)
    event.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("dtstamp", now.astimezone(UTC))
    if meeting.zone is None or _is_at_a_change(meeting):
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
    if named.organizer is not None:
        event.add("organizer", vCalAddress(f"mailto:{named.organizer}"))
    for guest in invited:
        event.add("attendee", vCalAddress(f"mailto:{guest}"), {} if is_cancelled else _ASKS_FOR_ANSWER)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _is_at_a_change(meeting: Meeting) -> bool:
    """Whether the clocks show the start's time twice, or skip it: engines do not agree on what is meant then
    (RFC 5545 3.3.5 says it). A meeting that comes again goes by the clocks all the same."""
    first, second = (meeting.start.replace(fold=fold).utcoffset() for fold in (0, 1))
    return first != second and meeting.recurrence is None
