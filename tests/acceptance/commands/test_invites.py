"""Invitations by e-mail: the message, what becomes of it, and the meeting as a file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from icalendar import Calendar

from crossbar_conferences.broker.port import Binding, Delivery
from tests.support.engines import ENGINES
from tests.support.world import Answer, World, beside, listen

_HI = {"guests": ["ann@example.com", "bob@example.com"], "invite_message": "Come, please"}


@asynccontextmanager
async def teletype(world: World, *statuses: str, failure: str | None = None) -> AsyncIterator[list[Any]]:
    """Somebody who takes invitations and says what becomes of them."""
    taken: list[Any] = []

    async def take(delivery: Delivery) -> None:
        body = orjson.loads(delivery.body)
        taken.append(body)
        for status in statuses:
            update = {
                "Event-Category": "notification",
                "Event-Name": "notify_update",
                "App-Name": "teletype",
                "App-Version": "4.0.0",
                "Node": "teletype@test",
                "Msg-ID": body["Msg-ID"],
                "Status": status,
            }
            if failure is not None:
                update["Failure-Message"] = failure
            await world.publish("targeted", body["Server-ID"], update)

    consumer = await world.ears.consume(
        take, [Binding("notifications", "notifications.conference.email_invite")]
    )
    try:
        yield taken
    finally:
        await consumer.close()


async def invite(world: World, conference_id: str, data: Mapping[str, Any], **options: Any) -> Answer:
    """Ask for an invitation."""
    return await world.put(world.path(conference_id, "email_invite"), {"data": data}, **options)


async def _conference(world: World) -> str:
    number = str(secrets.randbelow(10**9))
    return await world.create(
        name=f"Board, {number}; meeting",
        conference_numbers=[number],
        member={"pins": ["1234", "5678"], "numbers": [f"1{number}"]},
        moderator={"pins": ["9999"]},
    )


async def test_the_message(world: World) -> None:
    """Kazoo's message, with the account's id and the call-in numbers as a real list."""
    await world.add(
        {
            "_id": secrets.token_hex(16),
            "pvt_type": "callflow",
            "name": "MainConference",
            "numbers": ["+15551230001", "undefinedconf", "+15551230002"],
        }
    )
    conference_id = await _conference(world)
    document = await world.document(conference_id)
    async with teletype(world, "pending", "completed") as taken:
        before = world.service.inviter.counters.completed
        answer = await invite(world, conference_id, {**_HI, "conference_link": "https://x.example/?a=b"})
        await world.eventually(lambda: world.service.inviter.counters.completed > before)
    assert (answer.status, answer.data) == (201, "request accepted")
    assert answer.headers["location"] == world.path(conference_id, "email_invite")
    (sent,) = world.published
    assert sent[:2] == ("notifications", "notifications.conference.email_invite")
    body = taken[0]
    assert {**body, "Conference-Call-In-Numbers": sorted(body["Conference-Call-In-Numbers"])} == {
        "Account-ID": world.account,
        "App-Name": "crossbar",
        "App-Version": "4.0.0",
        "Conference-Call-In-Numbers": ["+15551230001", "+15551230002"],
        "Conference-ID": conference_id,
        "Conference-Link": "https://x.example/?a=b",
        "Conference-Name": document["name"],
        "Conference-Numbers": document["conference_numbers"],
        "Conference-Participant-Pins": ["1234", "5678"],
        "Event-Category": "notification",
        "Event-Name": "email_invite",
        "Guests": _HI["guests"],
        "Invite-Message": "Come, please",
        "Msg-ID": body["Msg-ID"],
        "Node": world.service.bus.node,
        "Server-ID": body["Server-ID"],
        **({"System-Log-ID": body["System-Log-ID"]} if "System-Log-ID" in body else {}),
    }


@pytest.mark.parametrize(
    ("statuses", "failure", "counted", "kept"),
    [
        (("completed",), None, "completed", False),
        (("pending", "disabled"), None, "completed", False),
        (("failed",), "no_to_addresses", "failed", False),
        (("pending", "failed"), "smtp server away", "failed", True),
    ],
)
async def test_delivery_is_followed(
    world: World, statuses: tuple[str, ...], failure: str | None, counted: str, kept: bool
) -> None:
    """What teletype says is counted; what may be tried again is kept for Kazoo's retry."""
    conference_id = await _conference(world)
    counters = world.service.inviter.counters
    before = (getattr(counters, counted), counters.kept)
    async with teletype(world, *statuses, failure=failure):
        assert (await invite(world, conference_id, _HI)).status == 201
        await world.eventually(lambda: getattr(counters, counted) > before[0])
        await world.eventually(lambda: counters.kept == before[1] + kept)
    pending = await _pending(world, conference_id)
    assert len(pending) == kept
    if kept:
        assert pending[0]["failure_reason"] == "smtp server away"
        assert pending[0]["payload"]["Guests"] == _HI["guests"]


async def _pending(world: World, conference_id: str) -> list[Mapping[str, Any]]:
    """What is kept of a conference's invitations."""
    store = world.new_store()
    await store.open()
    try:
        kept = [await store.get("pending_notifications", one) for one in world.kept_notifications]
    finally:
        await store.close()
    return [document for document in kept if document["payload"]["Conference-ID"] == conference_id]


async def test_without_a_broker_it_is_kept(world: World) -> None:
    """The client hears 201, and the invitation lies in Kazoo's own database for its retry."""
    conference_id = await _conference(world)
    async with beside(world) as other:
        await other.service.bus.transport.close()
        answer = await invite(other, conference_id, _HI)
        assert (answer.status, answer.data) == (201, "request accepted")
        await other.eventually(lambda: bool(other.kept_notifications))
        (pending,) = await _pending(other, conference_id)
        assert other.published == []
    assert pending["pvt_type"] == "failed_notify"
    assert pending["notification_type"] == "email_invite"
    assert pending["pvt_account_id"] == world.account
    assert pending["payload"]["Invite-Message"] == "Come, please"


async def test_what_lies_in_a_queue_is_left_there(world: World) -> None:
    """Somebody has it and has not answered until we go: it is not written down too, which would be a second
    mail. (That it is written down where nobody listens: tests/unit/commands/test_inviter.py.)"""
    conference_id = await _conference(world)
    async with teletype(world) as taken, beside(world) as other:
        assert (await invite(other, conference_id, _HI)).status == 201
    assert await _pending(other, conference_id) == []
    await world.eventually(lambda: [body["Conference-ID"] for body in taken] == [conference_id])
    assert taken[0]["Guests"] == _HI["guests"]


def _event(calendar: str) -> Any:
    """The one event of an iCalendar text."""
    (event,) = Calendar.from_ical(calendar).walk("VEVENT")
    return event


async def test_a_meeting(world: World) -> None:
    """Start, duration, time zone and recurrence add dial-in text and an iCalendar part."""
    conference_id = await _conference(world)
    name = (await world.document(conference_id))["name"]
    meeting = {
        "start": "2026-03-28T09:30:00",
        "duration": 45,
        "timezone": "Europe/Berlin",
        "recurrence": "FREQ=WEEKLY;COUNT=4",
    }
    answer = await invite(world, conference_id, {**_HI, **meeting}, dry_run="true")
    assert answer.status == 200, answer.text
    body = answer.data["messages"][0]["body"]
    assert body["Invite-Message"].startswith("Come, please\n\nWhen: 2026-03-28 09:30 CET (45 minutes)")
    assert "PIN: 1234" in body["Invite-Message"]
    assert "9999" not in body["Invite-Message"] + body["Invite-Calendar"]
    event = _event(body["Invite-Calendar"])
    assert str(event["summary"]) == name
    assert event["dtstart"].dt.isoformat() == "2026-03-28T09:30:00+01:00"
    assert event["duration"].dt.total_seconds() == 45 * 60
    assert event["rrule"] == {"FREQ": ["WEEKLY"], "COUNT": [4]}
    assert [str(guest) for guest in event["attendee"]] == [f"mailto:{guest}" for guest in _HI["guests"]]


async def test_the_calendar_file(world: World) -> None:
    """``GET …/invite.ics`` gives the same meeting, without guests."""
    conference_id = await _conference(world)
    path = world.path(conference_id, "invite.ics")
    answer = await world.call(
        "GET", path, start="2026-07-01T12:00:00+02:00", duration="30", timezone="America/New_York"
    )
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="invite.ics"'
    event = _event(answer.text)
    assert event["dtstart"].dt.isoformat() == "2026-07-01T06:00:00-04:00"
    assert "attendee" not in event
    again = await world.call("GET", path, start="2026-07-01T12:00:00+02:00", timezone="America/New_York")
    other = _event(again.text)
    # The same start is the same meeting: a calendar replaces it.
    assert (other["uid"], other["duration"].dt.total_seconds()) == (event["uid"], 3600)
    assert "start" in (await world.call("GET", path)).errors


async def _meeting(world: World, conference_id: str, **data: Any) -> tuple[Any, Mapping[str, Any]]:
    """The calendar that an invitation carries, and the answer's metadata."""
    world.sent.clear()
    answer = await invite(world, conference_id, {**_HI, **data})
    assert answer.status == 201, answer.text
    return Calendar.from_ical(world.sent[-1].body["Invite-Calendar"]), answer.body["metadata"]


async def test_a_meeting_that_is_moved_and_cancelled(world: World) -> None:
    """Calendars replace it: the same UID, a higher number, the same organizer; and take it away at last."""
    conference_id = await _conference(world)
    first, metadata = await _meeting(
        world, conference_id, start="2026-03-28T09:30:00", timezone="Europe/Berlin"
    )
    event = first.walk("VEVENT")[0]
    user = world.data.users["boss"]
    assert (first["METHOD"], event["SEQUENCE"]) == ("REQUEST", 0)
    assert str(event["ORGANIZER"]) == f"mailto:boss@{user.account.realm}"
    assert [guest.params["RSVP"] for guest in event["ATTENDEE"]] == ["TRUE", "TRUE"]
    assert metadata == {"uid": event["UID"], "sequence": 0}

    again, metadata = await _meeting(
        world, conference_id, start="2026-03-28T08:30:00Z", timezone="Europe/Berlin"
    )
    assert (again.walk("VEVENT")[0]["UID"], metadata["sequence"]) == (event["UID"], 0)

    moved, metadata = await _meeting(world, conference_id, start="2026-03-29T11:00:00Z", update=True)
    changed = moved.walk("VEVENT")[0]
    assert (moved["METHOD"], changed["UID"], changed["SEQUENCE"]) == ("REQUEST", event["UID"], 1)
    assert changed["ORGANIZER"] == event["ORGANIZER"]

    path = world.path(conference_id, "invite.ics")
    shown = Calendar.from_ical((await world.call("GET", path, start="2026-03-29T11:00:00Z")).text)
    assert (shown["METHOD"], shown.walk("VEVENT")[0]["UID"]) == ("PUBLISH", event["UID"])
    assert (shown.walk("VEVENT")[0]["SEQUENCE"], "ATTENDEE" in shown.walk("VEVENT")[0]) == (1, False)

    cancelled, metadata = await _meeting(world, conference_id, cancel=True, uid=event["UID"])
    gone = cancelled.walk("VEVENT")[0]
    assert (cancelled["METHOD"], gone["STATUS"], gone["UID"]) == ("CANCEL", "CANCELLED", event["UID"])
    assert (gone["SEQUENCE"], metadata["sequence"]) == (2, 2)
    assert gone["DTSTART"].dt == datetime(2026, 3, 29, 11, tzinfo=UTC)
    assert (
        world.sent[-1].body["Invite-Message"]
        == "Come, please\n\nCancelled: 2026-03-29 11:00 UTC (60 minutes)"
    )
    answer = await invite(world, conference_id, {**_HI, "cancel": True})
    assert "not_found" in answer.errors["uid"]


async def test_changes_count_up_wherever_they_are_made(world: World) -> None:
    """Two sidecars change one meeting at once: no number is given twice."""
    conference_id = await _conference(world)
    await _meeting(world, conference_id, start="2026-03-28T09:30:00Z")
    async with beside(world) as other:
        answers = await asyncio.gather(
            *(
                invite(at, conference_id, {**_HI, "update": True, "start": f"2026-04-{day:02}T09:30:00Z"})
                for day, at in enumerate((world, other) * 3, 1)
            )
        )
    assert sorted(answer.body["metadata"]["sequence"] for answer in answers) == [1, 2, 3, 4, 5, 6]
    assert len({answer.body["metadata"]["uid"] for answer in answers}) == 1


async def test_what_is_not_sent_changes_no_meeting(world: World) -> None:
    """A dry run, a repetition under a key, and what is refused leave the number as it is."""
    conference_id = await _conference(world)
    start, other = "2026-03-28T09:30:00Z", "2026-03-30T09:30:00Z"
    dry = await invite(world, conference_id, {**_HI, "start": start}, dry_run="true")
    assert dry.body["metadata"]["sequence"] == 0
    answer = await invite(world, conference_id, {**_HI, "start": other, "update": True})
    assert "not_found" in answer.errors["uid"]
    await _meeting(world, conference_id, start=start)
    for _ in range(2):
        answer = await invite(world, conference_id, {**_HI, "start": other, "update": True}, dry_run="true")
        assert answer.body["metadata"]["sequence"] == 1
    key = {"idempotency-key": secrets.token_hex(8)}
    for _ in range(2):
        answer = await world.put(
            world.path(conference_id, "email_invite"),
            {"data": {**_HI, "start": other, "update": True}},
            headers=key,
        )
        assert answer.body["metadata"]["sequence"] == 1
    _, metadata = await _meeting(world, conference_id, start="2026-03-31T09:30:00Z", update=True)
    assert metadata["sequence"] == 2


async def test_one_of_several_meetings_is_named(world: World) -> None:
    """A standing room has many: which one is meant is said, and asked for with the names to choose from."""
    conference_id = await _conference(world)
    uids = [
        (await _meeting(world, conference_id, start=f"2026-03-{day}T09:30:00Z"))[1]["uid"] for day in (28, 29)
    ]
    answer = await invite(world, conference_id, {**_HI, "update": True, "start": "2026-04-01T09:30:00Z"})
    assert answer.errors["uid"]["required"]["target"] == uids
    for choice in ({"uid": uids[0]}, {"start": "2026-03-28T09:30:00Z"}):
        answer = await invite(world, conference_id, {**_HI, "cancel": True, **choice}, dry_run="true")
        assert answer.body["metadata"]["uid"] == uids[0]
    foreign = await _conference(world)
    answer = await invite(world, foreign, {**_HI, "cancel": True, "uid": uids[0]})
    assert "not_found" in answer.errors["uid"]


BAD: list[tuple[Mapping[str, Any], str, str]] = [
    ({"guests": ["nobody", "a@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["a@b"]}, "guests%2E0", "minLength"),
    ({"guests": ["a@example.com", f"{'x' * 250}@example.com"]}, "guests%2E1", "maxLength"),
    ({"guests": ["a@example.com", 7]}, "guests%2E1", "type"),
    ({"guests": ["a@example.com\r\nBcc: all@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["a@example.com\n"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["mailto:a@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["a%0d%0aBcc%3Aall@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["a?bcc=all@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": ["a\u2028@example.com"]}, "guests%2E0", "wrong_format"),
    ({"guests": [f"a{number}@example.com" for number in range(101)]}, "guests", "maxItems"),
    ({"guests": "a@example.com"}, "guests", "type"),
    ({"guests": None}, "guests", "type"),
    ({"invite_message": 7}, "invite_message", "type"),
    ({"invite_message": "x" * 20_001}, "invite_message", "maxLength"),
    ({"conference_link": []}, "conference_link", "type"),
    ({"conference_link": "javascript:alert(1)"}, "conference_link", "wrong_format"),
    ({"conference_link": "https://"}, "conference_link", "wrong_format"),
    ({"conference_link": "https://good.example@evil.example"}, "conference_link", "wrong_format"),
    ({"conference_link": "https://x\r\nATTENDEE:mailto:evil@example.com"}, "conference_link", "wrong_format"),
    ({"conference_link": f"https://x.example/{'a' * 2_048}"}, "conference_link", "maxLength"),
    ({"start": "tomorrow"}, "start", "wrong_format"),
    ({"start": 7}, "start", "wrong_format"),
    ({"start": "0001-01-01T00:00:00", "timezone": "Pacific/Kiritimati"}, "start", "wrong_format"),
    ({"start": "9999-12-31T23:59:59", "timezone": "America/New_York"}, "start", "wrong_format"),
    ({"start": "2026-01-01T10:00:00", "duration": 0}, "duration", "minimum"),
    ({"start": "2026-01-01T10:00:00", "duration": 10**30}, "duration", "maximum"),
    ({"start": "2026-01-01T10:00:00", "duration": "60"}, "duration", "type"),
    ({"start": "2026-01-01T10:00:00", "timezone": "../../etc/passwd"}, "timezone", "enum"),
    ({"start": "2026-01-01T10:00:00", "timezone": "Mars/Base"}, "timezone", "enum"),
    ({"start": "2026-01-01T10:00:00", "recurrence": "every day"}, "recurrence", "wrong_format"),
    ({"start": "2026-01-01T10:00:00", "recurrence": "FREQ=DAILY\r\nX:1"}, "recurrence", "wrong_format"),
    ({"start": "2026-01-01T10:00:00", "recurrence": "FREQ=SOMETIMES"}, "recurrence", "wrong_format"),
    *(
        ({"start": "2026-03-23T09:30:00", "recurrence": rule}, "recurrence", "wrong_format")
        for rule in (
            "FREQ=WEEKLY;INTERVAL=0",
            "FREQ=DAILY;COUNT=2;UNTIL=20260601",
            "FREQ=DAILY;UNTIL=20260322",
        )
    ),
    ({"update": True}, "start", "required"),
    ({"update": "maybe", "start": "2026-03-23T09:30:00"}, "update", "type"),
    ({"update": True, "start": "2026-03-23T09:30:00"}, "uid", "not_found"),
    ({"update": True, "cancel": True, "start": "2026-03-23T09:30:00"}, "cancel", "forbidden"),
    ({"cancel": True}, "uid", "not_found"),
    ({"cancel": True, "uid": "x\r\nATTENDEE:mailto:evil@example.com"}, "uid", "not_found"),
    ({"cancel": True, "uid": 7}, "uid", "type"),
    ({"cancel": True, "uid": "x" * 129}, "uid", "maxLength"),
    ({"uid": "x", "start": "2026-03-23T09:30:00"}, "uid", "forbidden"),
    *(
        ({"start": "2026-01-01T10:00:00", "timezone": zone}, "timezone", "enum")
        for zone in (
            "localtime",
            "posixrules",
            "Factory",
            "right/UTC",
            "posix/Europe/Berlin",
            "europe/berlin",
            7,
        )
    ),
    ({"duration": 5}, "start", "required"),
]


@pytest.mark.parametrize(("change", "key", "rule"), BAD)
async def test_what_is_no_invitation(world: World, change: Mapping[str, Any], key: str, rule: str) -> None:
    """It is a 400 whose keys are escaped as Kazoo escapes them here (http.md 5.6); nothing is sent."""
    conference_id = await world.create()
    heard = await listen(world)
    answer = await invite(world, conference_id, {**_HI, **change})
    assert rule in answer.errors[key], answer.errors
    assert (world.published, await heard.all()) == ([], [])


@pytest.mark.parametrize("engine", ENGINES)
async def test_other_calendars_read_the_right_hour(world: World, engine: str) -> None:
    """The files as they come, whatever the half of the year or the hemisphere, and after 2037."""
    path = world.path(await world.create(), "invite.ics")
    cases = [
        ("2026-07-01T09:30:00", "Europe/Berlin", "Europe/Berlin"),
        ("2026-07-01T09:30:00", "America/New_York", "America/New_York"),
        ("2026-12-15T09:30:00", "Australia/Sydney", "Australia/Sydney"),
        ("2026-12-15T09:30:00", "Europe/London", "Europe/London"),
        ("2039-07-01T09:30:00", "Europe/Berlin", "Europe/Berlin"),
        ("2026-07-01T09:30:00", "W. Europe Standard Time", "Europe/Berlin"),
        ("2026-07-01T09:30:00", "UTC", "UTC"),
    ]
    answers = [await world.call("GET", path, start=start, timezone=zone) for start, zone, _ in cases]
    assert [answer.status for answer in answers] == [200] * len(cases)
    read = await asyncio.to_thread(ENGINES[engine], [answer.text for answer in answers], 1)
    assert read == [
        [datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)]
        for start, _, zone in cases
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize(
    ("until", "said"),
    [("20260430", "T215959Z"), ("20260430T093000", "T073000Z"), ("20260430T093000Z", "T093000Z")],
)
async def test_an_end_goes_out_in_utc(world: World, zone: str, until: str, said: str) -> None:
    """A start in a zone, and one in UTC, want an end in UTC (RFC 5545, 3.3.10), however it was written."""
    path = world.path(await world.create(), "invite.ics")
    answer = await world.call(
        "GET", path, start="2026-03-23T09:30:00", timezone=zone, recurrence=f"FREQ=WEEKLY;UNTIL={until}"
    )
    expected = {"T215959Z": "T235959Z", "T073000Z": "T093000Z"}.get(said, said) if zone == "UTC" else said
    assert f"RRULE:FREQ=WEEKLY;UNTIL=20260430{expected}\r\n" in answer.text


async def test_both_required_fields_are_missed_at_once(world: World) -> None:
    """All errors are told together."""
    conference_id = await world.create()
    answer = await invite(world, conference_id, {"conference_link": 1})
    assert set(answer.errors) == {"guests", "invite_message", "conference_link"}


async def test_hostile_texts_stay_in_their_place(world: World) -> None:
    """A message or a name with line breaks begins no line of subject or calendar of its own."""
    name = f"Room\r\nATTENDEE:mailto:x@example.com\u2028\x85\v{secrets.token_hex(3)}"
    conference_id = await world.create(name=name)
    data = {**_HI, "invite_message": "hi\r\nEND:VCALENDAR", "start": "2026-01-01T10:00:00"}
    answer = await invite(world, conference_id, data, dry_run="true")
    assert answer.status == 200, answer.text
    body = answer.data["messages"][0]["body"]
    assert body["Conference-Name"] == " ".join(name.split())
    path = world.path(conference_id, "invite.ics")
    published = (await world.call("GET", path, start="2026-01-01T10:00:00")).text
    for calendar, guests in ((body["Invite-Calendar"], _HI["guests"]), (published, [])):
        lines = calendar.replace("\r\n ", "").splitlines()
        named = [line for line in lines if line.startswith("ATTENDEE")]
        assert [line.rpartition("mailto:")[2] for line in named] == guests
        assert len([line for line in lines if line == "END:VCALENDAR"]) == 1


async def test_an_empty_list_of_guests(world: World) -> None:
    """Kazoo takes it: the template's own recipients get the mail."""
    conference_id = await world.create()
    answer = await invite(world, conference_id, {"guests": [], "invite_message": ""}, dry_run="true")
    assert answer.status == 200
    assert answer.data["messages"][0]["body"]["Guests"] == []


@pytest.mark.parametrize("kind", ["none", "deleted", "a device", "ad hoc"])
async def test_unknown_conferences(world: World, kind: str) -> None:
    """Only a stored conference can be invited to: 404, whatever Kazoo's 500 or 201 would be."""
    conference_id = await world.create()
    if kind == "none":
        conference_id = secrets.token_hex(16)
    elif kind == "deleted":
        assert (await world.call("DELETE", world.path(conference_id))).status == 200
    elif kind == "a device":
        conference_id = world.data.devices["joe"].id
    else:
        conference_id = f"room-{secrets.token_hex(4)}"
        await world.start_room(conference_id, "name=Ann")
    world.sent.clear()
    answer = await invite(world, conference_id, _HI)
    assert (answer.status, answer.body["message"]) == (404, "bad_identifier")
    assert answer.data == {"cause": conference_id, "message": "bad identifier"}
    path = world.path(conference_id, "invite.ics")
    assert (await world.call("GET", path, start="2026-01-01T10:00:00")).status == 404
    assert world.published == []
