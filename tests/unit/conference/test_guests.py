"""What guests are shown: nothing that is not on the list, whatever stands in documents and events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference import guests, presentation
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.sockets.protocol import event_data

#: Stands in everything that no guest may see.
SECRET = "s3cr3t"
NUMBER = "+15551230001"

MEMBER = Participant(
    participant_id=1,
    call_id=f"{SECRET}@host",
    join_time=63_900_000_000,
    caller_id_name="Ann Example",
    caller_id_number=NUMBER,
    conference_channel_vars={
        "Is-Moderator": True,
        "Speak": "true",
        "Hear": True,
        "Talking": False,
        "Energy-Level": 100,
        "Member-ID": 1,
        SECRET: SECRET,
    },
    custom_channel_vars={"Authorizing-ID": SECRET, "Account-ID": SECRET},
    custom_application_vars={SECRET: SECRET},
    switch_hostname=SECRET,
    conference_name=SECRET,
    conference_uuid=SECRET,
)
ROOM = Room(
    conference_id="c" * 32,
    account_id=SECRET,
    instance_id=SECRET,
    locked=True,
    start_time=63_900_000_000,
    zone=SECRET,
    switch_hostname=SECRET,
    custom_conference_vars={SECRET: SECRET},
    recording=True,
    participants=(MEMBER,),
    extra={"Switch-URL": SECRET},
    active_speaker=1,
)
DOCUMENT = {
    "id": "c" * 32,
    "name": "Sales",
    "allow_shareable_link": True,
    "member": {"join_muted": True, "pins": [SECRET], "numbers": [NUMBER], SECRET: True},
    "moderator": {"join_muted": False, "pins": [SECRET], "numbers": [NUMBER]},
    "conference_numbers": [NUMBER],
    "owner_id": SECRET,
    "bridge_password": SECRET,
    "bridge_username": SECRET,
    "domain": SECRET,
    "focus": SECRET,
    "profile": {SECRET: SECRET},
    "caller_controls": SECRET,
    "flags": [SECRET],
    "conference_passcode": SECRET,
    SECRET: SECRET,
}
NOW = 1_700_000_000.0


def _hides(shown: Any) -> bool:
    text = orjson.dumps(shown).decode()
    return SECRET not in text and NUMBER.strip("+") not in text


def test_a_conference_as_a_guest_sees_it() -> None:
    """Its name and switches, and who is there as names and flags."""
    data = {**DOCUMENT, "_read_only": presentation.read_only(ROOM, NOW)}
    shown = guests.answered("document", data)
    assert _hides(shown)
    assert set(shown) == {"id", "name", "allow_shareable_link", "member", "moderator", "_read_only"}
    assert (shown["member"], shown["moderator"]) == ({"join_muted": True}, {"join_muted": False})
    (ann,) = shown["_read_only"]["participants"]
    assert ann == {
        "participant_id": 1,
        "join_time": 63_900_000_000,
        "duration": ann["duration"],
        "caller_id_name": "Ann Example",
        "is_moderator": True,
        "speak": True,
        "hear": True,
        "talking": False,
    }
    assert guests.answered("participants", presentation.participants(ROOM, NOW)) == [ann]
    assert guests.answered("participant", presentation.participant(MEMBER, NOW)) == ann
    metadata = guests.seen("room", {"id": "x", "created": 5, **presentation.metadata(ROOM, NOW)})
    assert _hides(metadata)
    assert metadata["participants"] == [ann]
    assert (metadata["moderators"], metadata["is_recording"], metadata["active_speaker"]) == (1, True, 1)
    assert not {"created", "uuid", "zone", "switch_hostname", "custom_conference_vars"} & set(metadata)


def test_an_event_as_a_guest_sees_it() -> None:
    """What happened to whom."""
    body = {
        "Event": "add-member",
        "Event-Name": "event",
        "Conference-ID": "c" * 32,
        "Participant-ID": 1,
        "Call-ID": SECRET,
        "Account-ID": SECRET,
        "Caller-ID-Name": "Ann",
        "Caller-ID-Number": NUMBER,
        "Instance-ID": SECRET,
        "Profile": SECRET,
        "DTMF-Key": SECRET,
        "Conference-Channel-Vars": {"Is-Moderator": False, "Speak": True, SECRET: SECRET},
        "Custom-Channel-Vars": {SECRET: SECRET},
    }
    assert guests.seen("event", event_data(body)) == {
        "event": "add-member",
        "conference_id": "c" * 32,
        "participant_id": 1,
        "caller_id_name": "Ann",
        "is_moderator": False,
        "speak": True,
    }
    assert guests.seen("event", event_data({**body, "Event": f"{SECRET}\n"})).get("event") is None


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("Ann", NUMBER, True),
        ("Ann 2", NUMBER, True),
        ("Ännchen Ünal", None, True),
        ("Room 101", "1001", True),
        (NUMBER, NUMBER, False),
        ("15551230001", None, False),
        ("+1 (555) 123-0001", None, False),
        ("Ann +1 555 123 0001", None, False),
        ("1001", "1001", False),
        ("1001", None, False),
        ("ext 1001", "1001", False),
        ("ext 1-0-0-1", "1001", False),
        ("Ann 12345", None, False),
        ("\uff11\uff10\uff10\uff11", None, False),
        ("x \u0661\u0660\u0660\u0661", "1001", False),
        ("\u00b9\u00b2\u00b3\u2074\u2075 x", None, False),
        ("ann@example.com", None, False),
        ("sip:ann@10.0.0.1", None, False),
        ("7", None, False),
    ],
)
def test_names_that_are_numbers_are_none(name: str, number: str | None, shown: bool) -> None:
    """Switches put the number, or an address, where there is no name."""
    found = guests.seen("participant", {"caller_id_name": name, "caller_id_number": number})
    assert found == ({"caller_id_name": name} if shown else {})


def test_long_names_are_cut() -> None:
    """However long they are, they cost little."""
    assert guests.name_of("A" * 1_000_000) == "A" * 128


ALL_FIELDS = sorted({field for fields in guests._FIELDS.values() for field in fields})
JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 7, 10**40, 0.5, SECRET, NUMBER, "\ud800", "true"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ALL_FIELDS, SECRET, "pvt_x", "pins"]), inner, max_size=6)
    ),
    max_leaves=20,
)
#: Fields whose text is the conference's own, not a caller's.
OWN_TEXTS = {"id", "name", "conference_id"}


def _texts(shown: Any) -> list[str]:
    if isinstance(shown, dict):
        assert set(shown) <= set(ALL_FIELDS)
        return [text for key, value in shown.items() if key not in OWN_TEXTS for text in _texts(value)]
    if isinstance(shown, list):
        return [text for value in shown for text in _texts(value)]
    assert isinstance(shown, bool | int | str)
    return [shown] if isinstance(shown, str) else []


@given(st.sampled_from(sorted(guests._FIELDS)), st.dictionaries(st.sampled_from(ALL_FIELDS), JSON))
def test_whatever_stands_in_a_field(kind: Any, shown: dict[str, Any]) -> None:
    """Only fields on the list, only values of their kind, and the same again when it is done twice."""
    once = guests.seen(kind, shown)
    assert guests.seen(kind, once) == once
    for text in _texts(once):
        assert "555123" not in text


def test_the_tag_covers_what_guests_see_and_nothing_else() -> None:
    """A number that changes leaves it, a flag or a name does not; seconds that pass do not."""

    def tag(**change: Any) -> Any:
        return guests.stable(replace(ROOM, participants=(replace(MEMBER, **change),)))

    assert guests.stable(None) is None
    assert _hides(tag())
    assert tag(caller_id_number="+4930", call_id="other") == tag()
    assert tag(caller_id_name="Bob") != tag()
    assert tag(conference_channel_vars={"Speak": False}) != tag()
    assert tag(talk_time=50.0) == tag()
    assert guests.stable(replace(ROOM, locked=False)) != guests.stable(ROOM)


def test_routes_that_guests_have_no_business_at() -> None:
    """What is not on the list is not answered."""
    for route in ("collection", "websockets", "email_invite", "none"):
        with pytest.raises(KeyError):
            guests.answered(route, {})
    assert guests.answered("document", SECRET) is None
    assert guests.answered("participant", {}) == {}
    assert guests.answered("participants", [SECRET, 7]) == []
