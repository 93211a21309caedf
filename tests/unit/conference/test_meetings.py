"""Which meeting a request means, and by what a calendar knows it (``conference/meetings.py``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference import meetings
from crossbar_conferences.conference.meeting import Meeting
from crossbar_conferences.conference.meetings import MOST, Kept, Named, Request, WrongMeeting

CONFERENCE = "c" * 32
BOSS, JOE = "boss@example.com", "joe@example.com"


def _request(**data: Any) -> Request:
    request, errors = meetings.read_request(data)
    assert request is not None, errors
    return request


def _sent(*requests: Request, organizer: str | None = BOSS) -> list[Kept]:
    """What is kept after requests, one after another."""
    kept: list[Kept] = []
    for request in requests:
        kept = meetings.with_kept(kept, meetings.decide(kept, CONFERENCE, request, organizer))
    return kept


FIRST = _request(start="2026-12-01T09:30:00", timezone="Europe/Berlin")
OTHER = _request(start="2026-12-08T09:30:00", timezone="Europe/Berlin")


def test_a_meeting_keeps_its_name_wherever_it_is_moved() -> None:
    """The same UID, a higher sequence number each time, cancelled at last; the first organizer stays."""
    (first,) = _sent(FIRST)
    assert (first.named.sequence, first.named.organizer) == (0, BOSS)
    kept = [first]
    for number, request in enumerate(
        [
            _request(start="2026-12-02T10:00:00", update=True),
            _request(start="2026-12-02T10:00:00", duration=90, update=True, uid=first.named.uid),
            _request(cancel=True),
        ],
        1,
    ):
        last = meetings.decide(kept, CONFERENCE, request, JOE)
        assert last.named == Named(first.named.uid, number, BOSS)
        kept = meetings.with_kept(kept, last)
    assert len(kept) == 1 and kept[0].is_cancelled
    assert kept[0].meeting.start == datetime(2026, 12, 2, 10, tzinfo=UTC)
    assert kept[0].meeting.duration == 90


def test_the_same_meeting_sent_again_is_the_same() -> None:
    """More guests get the same; what changed of it counts up (RFC 5546 2.1.4)."""
    assert [each.named.sequence for each in _sent(FIRST, FIRST)] == [0]
    for change in ({"duration": 90}, {"recurrence": "FREQ=WEEKLY"}, {"timezone": "Europe/Paris"}):
        changed = _request(**{"start": "2026-12-01T09:30:00", "timezone": "Europe/Berlin", **change})
        (kept,) = _sent(FIRST, changed)
        assert kept.named == Named(_sent(FIRST)[0].named.uid, 1, BOSS)


def test_meetings_of_one_conference_have_names_of_their_own() -> None:
    """Also one that begins where another one began before it was moved, or was to be before it was
    cancelled; and nobody learns the conference's id."""
    moved = _request(start="2026-12-02T10:00:00", update=True)
    kept = _sent(FIRST, moved, FIRST, OTHER, _request(cancel=True, start="2026-12-01T08:30:00Z"), FIRST)
    uids = [each.named.uid for each in kept]
    assert len(set(uids)) == len(uids) == 4
    assert not any(CONFERENCE in uid for uid in uids)
    assert meetings.new_uid([], "d" * 32, kept[0].meeting) not in uids


def test_what_is_shown_is_what_was_sent() -> None:
    """A file of a meeting that was moved has the name and number of the invitation."""
    moved = _request(start="2026-12-02T10:00:00", update=True)
    kept = _sent(FIRST, moved)
    assert moved.meeting is not None and FIRST.meeting is not None
    assert meetings.shown(kept, CONFERENCE, moved.meeting, JOE) == kept[0].named
    fresh = meetings.shown(kept, CONFERENCE, FIRST.meeting, JOE)
    assert fresh.uid != kept[0].named.uid and (fresh.sequence, fresh.organizer) == (0, JOE)


@pytest.mark.parametrize(
    ("sent", "request_", "rule"),
    [
        ([], _request(cancel=True), "not_found"),
        ([], _request(update=True, start="2026-12-02T10:00:00"), "not_found"),
        ([FIRST], _request(cancel=True, uid="x"), "not_found"),
        ([FIRST], _request(cancel=True, start="2026-12-03T10:00:00"), "not_found"),
        ([FIRST, _request(cancel=True)], _request(cancel=True), "not_found"),
        ([FIRST, OTHER], _request(cancel=True), "required"),
        ([FIRST, OTHER], _request(update=True, start="2026-12-02T10:00:00"), "required"),
    ],
)
def test_a_meeting_that_is_none(sent: list[Request], request_: Request, rule: str) -> None:
    """What was not sent can't be changed, and of several one must be named: with their names to choose."""
    kept = _sent(*sent)
    with pytest.raises(WrongMeeting) as raised:
        meetings.decide(kept, CONFERENCE, request_, BOSS)
    details = raised.value.errors["uid"][rule]
    if rule == "required":
        assert details["target"] == [each.named.uid for each in kept]


def test_one_of_several_is_meant_by_its_name_or_its_start() -> None:
    """A start is enough to cancel."""
    kept = _sent(FIRST, OTHER)
    for request in (
        _request(cancel=True, uid=kept[1].named.uid),
        _request(cancel=True, start="2026-12-08T08:30:00Z"),
    ):
        assert meetings.decide(kept, CONFERENCE, request, BOSS).named.uid == kept[1].named.uid


@pytest.mark.parametrize(
    ("data", "key", "rule"),
    [
        ({"update": True}, "start", "required"),
        ({"update": True, "cancel": True, "start": "2026-12-02T10:00:00"}, "cancel", "forbidden"),
        ({"uid": "x"}, "uid", "forbidden"),
        ({"uid": "x", "start": "2026-12-02T10:00:00"}, "uid", "forbidden"),
        ({"cancel": True, "start": "soon"}, "start", "wrong_format"),
    ],
)
def test_requests_that_make_no_sense(data: dict[str, Any], key: str, rule: str) -> None:
    """Each wrong field is an error under its own name."""
    request, errors = meetings.read_request(data)
    assert request is None and rule in errors[key]


@pytest.mark.parametrize("data", [{}, {"update": False}, {"cancel": False, "update": None}])
def test_a_message_alone_is_about_no_meeting(data: dict[str, Any]) -> None:
    """As Kazoo's own."""
    assert meetings.read_request(data) == (None, {})


def test_so_many_are_kept() -> None:
    """Of more, those that were sent last."""
    start = datetime(2026, 12, 1, tzinfo=UTC)
    kept = _sent(*(Request("invite", Meeting(start + timedelta(days=day))) for day in range(MOST + 5)))
    assert len(kept) == MOST and kept[0].meeting.start == start + timedelta(days=5)


@pytest.mark.parametrize("organizer", [BOSS, None])
def test_what_is_kept_is_read_as_it_was_written(organizer: str | None) -> None:
    """Zone, recurrence and all."""
    request = _request(
        start="2026-10-25T01:30:00Z",
        timezone="Europe/Berlin",
        duration=45,
        recurrence="FREQ=WEEKLY;UNTIL=20261231",
    )
    kept = _sent(
        request, request, FIRST, _request(cancel=True, start="2026-12-01T08:30:00Z"), organizer=organizer
    )
    written = json.loads(json.dumps([meetings.to_json(each) for each in kept]))
    assert [meetings.from_json(each) for each in written] == kept


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
)


@given(_JSON | st.fixed_dictionaries({"uid": _JSON, "sequence": _JSON, "start": _JSON, "timezone": _JSON}))
def test_what_is_no_kept_meeting(value: Any) -> None:
    """Whatever somebody wrote there is left out."""
    found = meetings.from_json(value)
    assert found is None or isinstance(found.named.sequence, int)
