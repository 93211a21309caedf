from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.commands import COMMANDS
from crossbar_conferences.kapi.messages import MessageInvalid, Origin
from crossbar_conferences.kapi.origins import CROSSBAR, ECALLMGR, FREESWITCH, KAPPS_CONFERENCE

NODE = "conf_api@apps1.example.com"
CROSSBAR_ORIGIN = Origin(*CROSSBAR, NODE)
COMMAND_ORIGIN = Origin(*KAPPS_CONFERENCE, NODE)
ECALLMGR_ORIGIN = Origin(*ECALLMGR, "ecallmgr@e1")
DEFAULTS = {"App-Name", "App-Version", "Event-Category", "Event-Name", "Msg-ID", "Node"}

# As recorded from a real node: the header sets of `recordings/new`.
SENT = [
    ("lock", {}),
    ("unlock", {}),
    ("play", {"Media-Name": "/acct/media"}),
    ("play", {"Media-Name": "https://h/x.mp3", "Participant-ID": "7"}),
    ("stop_play", {"Affects": "all"}),
    ("record", {"Media-Name": "acct_room.mp3"}),
    ("recordstop", {"Media-Name": "acct_room.mp3"}),
    ("kick", {}),
    ("kick", {"Participant-ID": 7}),
    ("mute_participant", {"Participant-ID": 7}),
    ("unmute_participant", {"Participant-ID": 7}),
    ("deaf_participant", {"Participant-ID": 7}),
    ("undeaf_participant", {"Participant-ID": 7}),
    ("participant_energy", {"Participant-ID": 7, "Energy-Level": "30"}),
    ("participant_volume_in", {"Participant-ID": 7, "Volume-In-Level": 2}),
    ("participant_volume_out", {"Participant-ID": 7, "Volume-Out-Level": 2}),
    ("relate_participants", {"Participant-ID": 1, "Other-Participant": 2, "Relationship": "clear"}),
    ("set", {"Parameter": "Max-Members", "Value": "10"}),
    ("say", {"Call-ID": "room", "Text": "hello"}),
    ("tts", {"Call-ID": "room", "Text": "hello"}),
    ("tones", {"Call-ID": "room", "Tones": [{"Frequencies": ["440"], "Duration-ON": "5"}]}),
    ("play_macro", {"Media-Macro": ["/a/b", "prompt://a/b"]}),
    ("vars", {"Custom-Conference-Vars": {}}),
]


@pytest.mark.parametrize(("name", "fields"), SENT)
def test_command(name: str, fields: dict[str, Any]) -> None:
    """A command carries its own headers and the default ones, and is heard under the raw id."""
    outgoing = conference.command(name, "room.1", fields, COMMAND_ORIGIN, "0a1b2c3d4e5f6071")
    assert outgoing.exchange == "conference"
    assert outgoing.routing_key == "conference.command.room.1"
    assert set(outgoing.body) == DEFAULTS | {"Application-Name", "Conference-ID"} | set(fields)
    expected = {
        "Event-Category": "conference",
        "Event-Name": "command",
        "Application-Name": name,
        "Conference-ID": "room.1",
        "App-Name": "kapps_conference",
        "App-Version": "1.0.0",
        "Node": NODE,
        "Msg-ID": "0a1b2c3d4e5f6071",
    }
    assert outgoing.body == {**expected, **fields}
    conference.check_command(outgoing.body)


def test_every_command_is_shown() -> None:
    """The table of commands has no row without a test."""
    assert {name for name, _ in SENT} | {"dial"} == set(COMMANDS)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("record", {}),
        ("play", {"Media-Name": 7}),
        ("mute_participant", {}),
        ("mute_participant", {"Participant-ID": True}),
        ("relate_participants", {"Participant-ID": 1, "Other-Participant": 2, "Relationship": "love"}),
        ("set", {"Parameter": "Colour", "Value": "red"}),
        ("set", {"Parameter": "Max-Members", "Value": 10}),
        ("vars", {"Custom-Conference-Vars": "k=v"}),
        ("stop_play", {"Affects": "some"}),
        ("dance", {}),
    ],
)
def test_command_refused(name: str, fields: dict[str, Any]) -> None:
    """What Kazoo's own check would refuse is never published."""
    with pytest.raises(MessageInvalid):
        conference.command(name, "room", fields, COMMAND_ORIGIN)


def test_unknown_headers_are_dropped() -> None:
    """Only headers of the kind and default ones go out; empties go too, but not false, 0, [] or {}."""
    fields = {"Colour": "red", "Server-ID": "", "Call-ID": None, "Custom-Conference-Vars": {"a": "", "b": 0}}
    body = conference.command("vars", "room", fields, CROSSBAR_ORIGIN).body
    assert set(body) == DEFAULTS | {"Application-Name", "Conference-ID", "Custom-Conference-Vars"}
    assert body["Custom-Conference-Vars"] == {"b": 0}
    assert len(body["Msg-ID"]) == 16


def test_search_request() -> None:
    """A search asks for a conference or for an account's."""
    outgoing = conference.search_request(CROSSBAR_ORIGIN, conference_id="room", msg_id="m")
    assert (outgoing.exchange, outgoing.routing_key) == ("conference", "conference.discovery")
    assert outgoing.body == {
        "Event-Category": "conference",
        "Event-Name": "search_req",
        "Conference-ID": "room",
        "App-Name": "crossbar",
        "App-Version": "4.0.0",
        "Node": NODE,
        "Msg-ID": "m",
    }
    by_account = conference.search_request(CROSSBAR_ORIGIN, account_id="acct")
    assert set(by_account.body) == DEFAULTS | {"Account-ID"}
    with pytest.raises(MessageInvalid):
        conference.search_request(CROSSBAR_ORIGIN)


def test_search_response() -> None:
    """An answer is taken with odd figures, as Kazoo does; one without its id or its lists is refused."""
    body = conference.search_response(
        {"Conference-ID": "room", "Locked": False, "Participants": [], "Run-Time": 3, "Zone": "east"},
        ECALLMGR_ORIGIN,
        "m",
    )
    assert body["Locked"] is False
    assert body["Participants"] == []
    assert conference.is_search_response({**body, "Colour": "red"})
    assert conference.is_search_response({**body, "Conferences": {}})
    assert conference.is_search_response({**body, "Run-Time": "3", "Locked": "false", "Zone": None})
    faults: tuple[dict[str, Any], ...] = (
        {"Conference-ID": 7},
        {"Participants": "none"},
        {"Conferences": []},
        {"Conference-ID": None},
        {"Event-Name": "search_req"},
        {"Msg-ID": None},
    )
    for fault in faults:
        assert not conference.is_search_response({**body, **fault})
    assert not conference.is_search_response([body])


def test_conference_error() -> None:
    """A refusal quotes the request, and counts as an answer to a dial."""
    request = conference.search_request(CROSSBAR_ORIGIN, conference_id="room").body
    body = conference.conference_error("Conference room not found", "room", request, ECALLMGR_ORIGIN, "m")
    conference.check_conference_error(body)
    assert body["Request"] == request
    assert conference.is_dial_answer(body)
    assert not conference.is_search_response(body)
    assert set(conference.dial_error_request(request)) == {"Conference-ID", "Node"}


def test_dial() -> None:
    """A dial goes to a zone with a whole number of seconds; endpoints pass as they are."""
    endpoints = [{"Route": "5551234", "To-DID": "", "Custom-Channel-Vars": {"Account-ID": "a"}}]
    fields = {
        "Account-ID": "acct",
        "Conference-ID": "room",
        "Caller-ID-Name": "Conference XYZ",
        "Custom-Application-Vars": {},
        "Endpoints": endpoints,
        "Timeout": 20,
        "Profile-Name": None,
    }
    outgoing = conference.dial("east", fields, CROSSBAR_ORIGIN, "m")
    assert outgoing.routing_key == "conference.command.east"
    assert outgoing.body["Endpoints"] == endpoints
    assert outgoing.body["Custom-Application-Vars"] == {}
    assert "Profile-Name" not in outgoing.body
    assert outgoing.body["Application-Name"] == "dial"
    conference.check_dial(outgoing.body)
    mistakes: tuple[dict[str, Any], ...] = (
        {"Timeout": None},
        {"Timeout": "20"},
        {"Endpoints": []},
        {"Conference-ID": None},
    )
    for wrong in mistakes:
        with pytest.raises(MessageInvalid):
            conference.dial("east", {**fields, **wrong}, CROSSBAR_ORIGIN)


def test_dial_response() -> None:
    """The answer lists endpoints, and has no Application-Name on the wire."""
    body = conference.dial_response([{"Status": "success"}], ECALLMGR_ORIGIN, "m")
    assert set(body) == DEFAULTS | {"Endpoint-Responses"}
    conference.check_dial_response(body)
    conference.check_dial_response({**body, "Application-Name": "dial_resp"})
    assert not conference.is_dial_answer({**body, "Application-Name": "dial"})
    assert conference.is_dial_answer(body)
    assert not conference.is_dial_answer({**body, "Endpoint-Responses": []})


@pytest.mark.parametrize(
    ("fields", "routing_key"),
    [
        (
            {"Account-ID": "acct", "Call-ID": "abc@10.0.0.9"},
            "conference.event.lock.acct.room.abc%4010%2E0%2E0%2E9",
        ),
        (
            {"Custom-Channel-Vars": {"Account-ID": "acct"}, "Call-ID": "c"},
            "conference.event.lock.acct.room.c",
        ),
        ({"Account-ID": "acct"}, "conference.event.lock.acct.room.room"),
        ({}, "conference.event.lock..room.room"),
    ],
)
def test_event(fields: dict[str, Any], routing_key: str) -> None:
    """An event is heard under its account and call, the conference standing in for a missing call."""
    origin = Origin(*FREESWITCH, "freeswitch@fs1.example.com")
    full = {"Event": "lock", "Conference-ID": "room", "Instance-ID": "uuid", "Profile": "x", **fields}
    outgoing = conference.event(full, origin)
    assert outgoing.routing_key == routing_key
    assert "Profile" not in outgoing.body
    conference.check_event(outgoing.body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_headers = st.sampled_from(
    [
        "App-Name",
        "App-Version",
        "Application-Name",
        "Conference-ID",
        "Conferences",
        "Endpoint-Responses",
        "Event",
        "Event-Category",
        "Event-Name",
        "Msg-ID",
        "Participants",
    ]
)


@given(_json | st.dictionaries(_headers, _json | st.sampled_from(["conference", "command", "lock"])))
def test_checks_never_break(body: Any) -> None:
    """Whatever comes, a check raises its own error or nothing."""
    checks = (
        conference.check_command,
        conference.check_dial,
        conference.check_search_request,
        conference.check_search_response,
        conference.check_conference_error,
        conference.check_dial_response,
        conference.check_event,
    )
    for check in checks:
        try:
            check(body)
        except MessageInvalid:
            continue
