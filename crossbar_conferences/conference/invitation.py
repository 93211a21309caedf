"""Inviting people: what the invitation says. Pure.

Without ``start`` the message is Kazoo's own. With it, a text with the date and how to dial in is
added to the message, and an iCalendar part of the same meeting.

Source: amqp.md 9, realtime-ui-tests.md D.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .calendar_file import calendar_file
from .dial_in import dial_in_text, member, name, texts
from .meeting import Meeting


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
        # Teletype writes it into the mail's subject.
        "Conference-Name": name(document),
        "Conference-Numbers": texts(document.get("conference_numbers")),
        "Conference-Call-In-Numbers": texts(list(numbers)),
        "Conference-Participant-Pins": texts(member(document).get("pins")),
        "Conference-Link": request.get("conference_link"),
        "Invite-Message": request.get("invite_message"),
        "Guests": list(request.get("guests") or ()),
    }
    if meeting is not None:
        numbers = fields["Conference-Call-In-Numbers"]
        link = request.get("conference_link")
        text = _when(meeting) + dial_in_text(document, numbers, link if isinstance(link, str) else None)
        message = request.get("invite_message")
        fields["Invite-Message"] = f"{message}\n\n{text}" if message else text
        calendar = calendar_file(document, numbers, meeting, now=now, guests=fields["Guests"], link=link)
        fields["Invite-Calendar"] = calendar.decode()
    return fields


def _when(meeting: Meeting) -> str:
    zone = meeting.start.tzname() or ""
    return f"When: {meeting.start:%Y-%m-%d %H:%M} {zone} ({meeting.duration} minutes)\n"
