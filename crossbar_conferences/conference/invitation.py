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
from .meetings import Kept


def invitation_fields(
    account_id: str,
    document: Mapping[str, Any],
    numbers: Sequence[str],
    request: Mapping[str, Any],
    sent: Kept | None = None,
    *,
    now: datetime,
) -> dict[str, Any]:
    """The headers of the invitation's message; ``sent``: the meeting that it is about, if it is about one."""
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
    if sent is not None:
        numbers, link = fields["Conference-Call-In-Numbers"], request.get("conference_link")
        text = _text(document, numbers, sent, link if isinstance(link, str) else None)
        message = request.get("invite_message")
        fields["Invite-Message"] = f"{message}\n\n{text}" if message else text
        fields["Invite-Calendar"] = calendar_file(
            document,
            numbers,
            sent.meeting,
            sent.named,
            now=now,
            guests=fields["Guests"],
            link=link,
            is_cancelled=sent.is_cancelled,
        ).decode()
    return fields


def _text(document: Mapping[str, Any], numbers: Sequence[str], sent: Kept, link: str | None) -> str:
    meeting = sent.meeting
    zone = meeting.start.tzname() or ""
    when = f"{meeting.start:%Y-%m-%d %H:%M} {zone} ({meeting.duration} minutes)"
    if sent.is_cancelled:
        return f"Cancelled: {when}"
    return f"When: {when}\n{dial_in_text(document, numbers, link)}"
