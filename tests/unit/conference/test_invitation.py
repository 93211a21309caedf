"""Invitations and their calendar form (``conference/invitation.py``)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from crossbar_conferences.conference import calendar_file, dial_in, invitation
from crossbar_conferences.conference.meeting import Meeting, read_meeting
from crossbar_conferences.conference.meetings import Kept, Named

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DOCUMENT = {
    "_id": "c" * 32,
    "name": "Weekly; with, commas",
    "conference_numbers": ["7001"],
    "member": {"pins": ["1234"], "numbers": []},
}
NAMED = Named("uid@example", 3, "boss@example.com")
REQUEST = {"guests": ["a@example.com"], "invite_message": "hi", "conference_link": "https://x/?a=b"}


def _kept(meeting: Meeting) -> Kept:
    return Kept(NAMED, meeting)


def test_without_a_start_the_message_is_kazoos_own() -> None:
    """Every header of the recorded message, the account id, and nothing else."""
    fields = invitation.invitation_fields("acct", DOCUMENT, ["+1555"], REQUEST, now=NOW)
    assert fields == {
        "Account-ID": "acct",
        "Conference-ID": "c" * 32,
        "Conference-Name": "Weekly; with, commas",
        "Conference-Numbers": ["7001"],
        "Conference-Call-In-Numbers": ["+1555"],
        "Conference-Participant-Pins": ["1234"],
        "Conference-Link": "https://x/?a=b",
        "Invite-Message": "hi",
        "Guests": ["a@example.com"],
    }


def test_a_meeting_adds_a_text_and_a_calendar() -> None:
    """The message tells when and how to dial in, and carries a calendar that others can read."""
    request = {**REQUEST, "start": "2026-12-01T09:30:00", "timezone": "Europe/Berlin", "duration": 45}
    meeting, errors = read_meeting({**request, "recurrence": "FREQ=WEEKLY;COUNT=4"})
    assert errors == {} and meeting is not None
    fields = invitation.invitation_fields("acct", DOCUMENT, ["+1555"], request, _kept(meeting), now=NOW)
    assert fields["Invite-Message"].startswith("hi\n\nWhen: 2026-12-01 09:30 CET (45 minutes)")
    assert "PIN: 1234" in fields["Invite-Message"]
    calendar = Calendar.from_ical(fields["Invite-Calendar"])
    event = calendar.walk("VEVENT")[0]
    assert event["SUMMARY"] == "Weekly; with, commas"
    assert event.decoded("dtstart").astimezone(UTC) == datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    assert event["RRULE"]["COUNT"] == [4]
    assert str(event["ATTENDEE"]) == "mailto:a@example.com"
    assert event["ATTENDEE"].params["RSVP"] == "TRUE"
    assert (calendar["METHOD"], str(event["ORGANIZER"])) == ("REQUEST", "mailto:boss@example.com")
    assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == ("uid@example", 3, "CONFIRMED")
    assert calendar.walk("VTIMEZONE")


def test_a_cancelled_meeting_says_so() -> None:
    """Text and calendar say that it will not be, and nobody is asked for an answer."""
    meeting, _ = read_meeting({"start": "2026-12-01T09:30:00"})
    assert meeting is not None
    kept = replace(_kept(meeting), is_cancelled=True)
    fields = invitation.invitation_fields("acct", DOCUMENT, ["+1555"], REQUEST, kept, now=NOW)
    assert fields["Invite-Message"] == "hi\n\nCancelled: 2026-12-01 09:30 UTC (60 minutes)"
    calendar = Calendar.from_ical(fields["Invite-Calendar"])
    event = calendar.walk("VEVENT")[0]
    assert (calendar["METHOD"], event["STATUS"], event["SEQUENCE"]) == ("CANCEL", "CANCELLED", 3)
    assert str(event["ATTENDEE"]) == "mailto:a@example.com" and not event["ATTENDEE"].params


@pytest.mark.parametrize(
    ("organizer", "guests"), [(None, ["a@example.com"]), ("boss@example.com", []), (None, [])]
)
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_without_an_organizer_or_guests_it_is_published(
    organizer: str | None, guests: list[str], is_cancelled: bool
) -> None:
    """Nobody can be answered, or nobody is there to answer: no request, and no attendees (RFC 5546)."""
    meeting = Meeting(NOW)
    body = calendar_file.calendar_file(
        DOCUMENT, [], meeting, Named("uid", 1, organizer), now=NOW, guests=guests, is_cancelled=is_cancelled
    )
    calendar = Calendar.from_ical(body)
    event = calendar.walk("VEVENT")[0]
    assert (calendar["METHOD"], "ATTENDEE" in event) == ("PUBLISH", False)
    assert event["STATUS"] == ("CANCELLED" if is_cancelled else "CONFIRMED")
    assert ("ORGANIZER" in event) is (organizer is not None)


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        ({"start": "tomorrow"}, "start"),
        ({"start": 5}, "start"),
        ({"start": "2026-12-01T09:30:00", "timezone": "../etc/passwd"}, "timezone"),
        ({"start": "2026-12-01T09:30:00", "duration": 0}, "duration"),
        ({"start": "2026-12-01T09:30:00", "duration": "5"}, "duration"),
        ({"start": "2026-12-01T09:30:00", "recurrence": "OFTEN"}, "recurrence"),
        ({"duration": 5}, "start"),
    ],
)
def test_a_meeting_that_makes_no_sense_is_named(request_: dict[str, object], key: str) -> None:
    """Each wrong field is an error under its own name."""
    meeting, errors = read_meeting(request_)
    assert meeting is None and key in errors


def test_call_in_numbers_are_a_real_list() -> None:
    """Numbers of several callflows stay apart, once each, and the placeholder is left out."""
    callflows = [{"numbers": ["+1", "undefinedconf"]}, {"numbers": ["+2", "+1"]}, {"numbers": "x"}, {}]
    assert dial_in.call_in_numbers(callflows) == ["+1", "+2"]


#: Everything at which some reader of text begins a new line, and what is no text at all.
_BREAKS = st.sampled_from("\r\n\v\f\x00\x1b\x1c\x1d\x1e\x7f\x85\u2028\u2029\ud800\udfff")
_HOSTILE = st.lists(st.text(max_size=6) | _BREAKS | st.just("ATTENDEE:mailto:x@example.com"), max_size=6).map(
    "".join
)


@given(name=_HOSTILE, number=_HOSTILE, pin=_HOSTILE)
def test_texts_of_a_stored_document_stay_on_their_line(name: str, number: str, pin: str) -> None:
    """No name is two lines of a subject, no text a property of the calendar; and all of it is text."""
    document = {**DOCUMENT, "name": name, "conference_numbers": [number], "member": {"pins": [pin]}}
    fields = invitation.invitation_fields("acct", document, [number], REQUEST, _kept(Meeting(NOW)), now=NOW)
    subject = fields["Conference-Name"]
    lists = (fields[f"Conference-{of}"] for of in ("Numbers", "Call-In-Numbers", "Participant-Pins"))
    for text in (subject or "", *(text for listed in lists for text in listed)):
        assert len(text.splitlines()) <= 1 and not set(text) & set("\x00\x1b\x7f")
        text.encode()
    lines = fields["Invite-Calendar"].replace("\r\n ", "").splitlines()
    (guest,) = (line for line in lines if line.startswith("ATTENDEE"))
    assert guest.endswith(":mailto:a@example.com")
    assert sum(line.startswith("SUMMARY:") for line in lines) == 1
    for line in fields["Invite-Calendar"].encode().split(b"\r\n"):
        # Lines are folded by octets, between signs; controls are left out (RFC 5545 3.1).
        assert len(line) <= 75 and line.decode() is not None
        assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", line)


def test_lists_and_texts_of_a_stored_document_are_bounded() -> None:
    """A document of megabytes makes no mail of megabytes."""
    many = [f"{n:0100}" for n in range(5_000)]
    document = {"_id": "c", "name": "n" * 10**6, "conference_numbers": many, "member": {"pins": many}}
    numbers = dial_in.call_in_numbers([{"numbers": many}] * 3)
    fields = invitation.invitation_fields("a", document, numbers, REQUEST, _kept(Meeting(NOW)), now=NOW)
    assert sum(len(str(value)) for value in fields.values()) < 60_000


@given(
    st.dictionaries(
        st.sampled_from(["start", "duration", "timezone", "recurrence"]),
        st.one_of(
            st.none(), st.integers(), st.text(max_size=30), st.booleans(), st.lists(st.integers(), max_size=2)
        ),
    )
)
def test_no_request_raises(request_: dict[str, object]) -> None:
    """Whatever is sent is a meeting, none, or errors."""
    meeting, errors = read_meeting(request_)
    assert meeting is None or not errors
