"""The mail that a guest gets with the template of ``docs/templates/``: put together as teletype does it,
then read as a mail program does."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Engine
from icalendar import Calendar

from crossbar_conferences.conference import invitation
from crossbar_conferences.conference.meeting import read_meeting
from crossbar_conferences.conference.meetings import Kept, Named
from crossbar_conferences.kapi import notifications
from crossbar_conferences.kapi.messages import Origin
from tests.support.engines import ENGINES

TEMPLATE = Path(__file__).parents[3] / "docs/templates/conference_email_invite.calendar"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DOCUMENT = {
    "_id": "c" * 32,
    "name": "Müller & Söhne <\"Größe\"> 'Überblick' {{ system.node }} {% if %} 会議 " + "🎉" * 20,
    "conference_numbers": ["7001"],
    "member": {"pins": ["1234"]},
}
START = {"start": "2026-07-01T09:30:00", "timezone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY;COUNT=4"}


def _message(*, is_cancelled: bool = False) -> Mapping[str, Any]:
    """The message on the bus, as JSON would bring it."""
    meeting, errors = read_meeting(START)
    assert meeting is not None, errors
    kept = Kept(Named("uid@example", 2, "boss@example.com"), meeting, is_cancelled)
    request = {"guests": ["ann@example.com", "bob@example.com"], "invite_message": "Come"}
    fields = invitation.invitation_fields("a" * 32, DOCUMENT, ["+15551230001"], request, kept, now=NOW)
    return notifications.email_invite(fields, Origin("crossbar", "4.0.0", "node@host"), "id").body


def _macros(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a template is given: keys in lower case, with low lines, without the guests (amqp.md 9)."""
    invite = {key.lower().replace("-", "_"): value for key, value in message.items()}
    del invite["guests"]
    return {"invite": invite, "system": {"node": "kazoo"}, "account": {}}


def _mail(message: Mapping[str, Any], *, auto_escape: bool) -> bytes:
    """Each rendered template is a part of the alternatives, the calendar's last; its line ends are made
    CRLF, and the part is named by the attachment's type with the charset behind it."""
    rendered = (
        Engine(autoescape=auto_escape).from_string(TEMPLATE.read_text()).render(Context(_macros(message)))
    )
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = "no_reply@kazoo", "ann@example.com", "Invitation"
    mail.set_content("Come")
    mail.add_alternative("<p>Come</p>", subtype="html")
    part = EmailMessage(policy=email.policy.SMTP)
    body = rendered.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    part.set_content(body, "text", "calendar", cte="base64")
    part.replace_header("Content-Type", "text/calendar;charset=utf-8")
    mail.attach(part)
    mail.make_mixed()
    return mail.as_bytes()


def _calendar(mail: bytes) -> str:
    """The part that a mail program shows, or offers."""
    read = email.message_from_bytes(mail, policy=email.policy.default)
    (part,) = (part for part in read.walk() if part.get_content_type() == "text/calendar")
    assert list(read.walk())[-1] is part
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_param("charset"))


# Kazoo's own templates are compiled without escaping, an account's own with it.
@pytest.mark.parametrize("auto_escape", [False, True])
def test_the_calendar_reaches_the_guest(auto_escape: bool) -> None:
    """As it was sent, to the octet, whatever the conference is called; and engines read it."""
    message = _message()
    text = _calendar(_mail(message, auto_escape=auto_escape))
    assert text == message["Invite-Calendar"]
    calendar = Calendar.from_ical(text)
    event = calendar.walk("VEVENT")[0]
    assert (calendar["METHOD"], event["SUMMARY"]) == ("REQUEST", DOCUMENT["name"])
    assert [str(guest) for guest in event["ATTENDEE"]] == ["mailto:ann@example.com", "mailto:bob@example.com"]
    assert str(event["ORGANIZER"]) == "mailto:boss@example.com"
    for read in ENGINES.values():
        (instants,) = read([text], 4)
        assert [f"{instant:%m%d%H%M}" for instant in instants] == [
            "07010730",
            "07080730",
            "07150730",
            "07220730",
        ]


def test_a_cancellation_reaches_the_guest() -> None:
    """By the same template."""
    calendar = Calendar.from_ical(_calendar(_mail(_message(is_cancelled=True), auto_escape=True)))
    event = calendar.walk("VEVENT")[0]
    assert (calendar["METHOD"], event["STATUS"], event["UID"]) == ("CANCEL", "CANCELLED", "uid@example")


def test_the_template_writes_no_text_of_its_own() -> None:
    """Nothing beside the calendar, which would spoil it; and nothing at all where there is none."""
    template = Engine().from_string(TEMPLATE.read_text())
    assert template.render(Context({"invite": {}})) == ""
    assert re.sub(r"\{[{%].*?[%}]\}", "", TEMPLATE.read_text()) == ""
