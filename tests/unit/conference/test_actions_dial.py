"""Dialling: the full exchange of dial.md E17, the errors of E18, and what the client is told."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from crossbar_conferences.conference.actions_dial import (
    MAXIMUM_WAIT_MS,
    NO_MEDIA_SERVER,
    DialPlan,
    dial_failure,
    plan_dial,
    read_dial,
    refusal_of,
)
from crossbar_conferences.conference.actions_plan import ActionContext, ActionError, conference_request
from crossbar_conferences.conference.endpoints import resolve
from crossbar_conferences.kapi.messages import Origin
from tests.support.schema_check import check

A = "acct0000000000000000000000000001"
C = "conf0000000000000000000000000001"
REALM = "acme.sip.example.com"
ACCOUNT = {"pvt_type": "account", "name": "Acme", "realm": REALM}


def dialled(
    body: Mapping[str, Any],
    query: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
) -> DialPlan:
    context = ActionContext(
        account_id=A,
        conference_id=C,
        document=document or {"_id": C, "name": "Weekly"},
        origin=Origin("crossbar", "4.0.0", "kazoo_apps@host"),
        check=check,
    )
    request = read_dial(conference_request(body.get("data"), query or {}, body), context)
    resolved = resolve(
        request.elements,
        {A: ACCOUNT},
        account_id=A,
        conference_id=C,
        conference=context.document,
    )
    made = (f"call-{number}" for number in count(1))
    return plan_dial(request, resolved, context, lambda: next(made))


def refused(body: Mapping[str, Any]) -> dict[str, Any]:
    with pytest.raises(ActionError) as error:
        dialled(body)
    assert error.value.kind == "validation_error"
    data: dict[str, Any] = error.value.data
    return data


def test_e17_message() -> None:
    """Every value of the request in its header; inner variables are ignored, reserved ones removed."""
    body = {
        "action": "dial",
        "data": {
            "custom_application_vars": {"foo": "bar", "Account-ID": "x"},
            "data": {
                "endpoints": ["1001"],
                "outbound_call_id": "xyz-abc",
                "participant_flags": ["deaf", "mute"],
                "timeout": 30,
                "profile_name": "pg",
                "target_call_id": "tc1",
                "custom_application_vars": {"inner": "ignored"},
            },
        },
    }
    plan = dialled(body, {"qk": "qv", "auth_token": "secret", "dry_run": "true"})
    message = plan.message("local", "REQID")
    assert (message.exchange, message.routing_key) == ("conference", "conference.command.local")
    sent = dict(message.body)
    (endpoint,) = sent.pop("Endpoints")
    assert (endpoint["Route"], endpoint["Outbound-Call-ID"]) == ("1001", "xyz-abc")
    assert sent == {
        "Application-Name": "dial",
        "Conference-ID": C,
        "Account-ID": A,
        "Caller-ID-Name": "Weekly",
        "Custom-Application-Vars": {"foo": "bar", "qk": "qv"},
        "Outbound-Call-ID": "xyz-abc",
        "Participant-Flags": ["deaf", "mute"],
        "Profile-Name": "pg",
        "Target-Call-ID": "tc1",
        "Timeout": 30,
        "Event-Category": "conference",
        "Event-Name": "command",
        "Msg-ID": "REQID",
        "App-Name": "crossbar",
        "App-Version": "4.0.0",
        "Node": "kazoo_apps@host",
    }
    assert (plan.timeout_ms, plan.target_call_id) == (30_000, "tc1")


def test_each_leg_has_a_call_id() -> None:
    """The request's goes to the first leg and nowhere else, or ecallmgr would give it to all; the other legs,
    and all of a request without one, have ids of their own."""
    named = dialled({"action": "dial", "data": {"endpoints": ["1001", "1002"], "outbound_call_id": "mine"}})
    message = named.message("local").body
    # Kazoo sends numbers the last one first, and tells of the first one first.
    assert [leg["Outbound-Call-ID"] for leg in message["Endpoints"]] == ["call-1", "mine"]
    assert "Outbound-Call-ID" not in message
    assert [(leg.call_id, leg.endpoint_id) for leg in named.legs] == [("mine", "1001"), ("call-1", "1002")]
    unnamed = dialled({"action": "dial", "data": {"endpoints": ["1001", "1001"]}})
    assert [leg.call_id for leg in unnamed.legs] == ["call-1", "call-2"]
    assert "Outbound-Call-ID" not in unnamed.message("local").body


def test_refusals() -> None:
    """A refusal is told in the media side's words; an answer about legs is none; an unreachable bus is an
    error inside a success."""
    assert refusal_of({"Event-Name": "error", "Error-Message": "no media servers available"}) == (
        "no media servers available"
    )
    assert refusal_of({"Event-Name": "error"}) == "unknown error"
    assert refusal_of({"Event-Name": "command", "Endpoint-Responses": []}) is None
    assert dial_failure() == {"status": "error", "message": NO_MEDIA_SERVER}


def test_defaults() -> None:
    """The conference's name and profile stand in, 20 seconds each, empty variables are sent."""
    plan = dialled(
        {"action": "dial", "data": {"endpoints": ["1001", "1002"]}},
        document={"name": "Weekly", "profile_name": "stored"},
    )
    body = plan.message("local").body
    assert body["Timeout"] == 20
    assert body["Profile-Name"] == "stored"
    assert body["Custom-Application-Vars"] == {}
    assert "Caller-ID-Number" not in body
    assert "Participant-Flags" not in body
    assert plan.timeout_ms == 40_000


def test_empty_flags_are_sent() -> None:
    """An empty list of flags stays one (recorded)."""
    body = {"action": "dial", "data": {"endpoints": ["1001"], "participant_flags": []}}
    assert dialled(body).message("local").body["Participant-Flags"] == []


def test_no_wait_is_endless() -> None:
    """A huge timeout is sent as asked for, but the request does not wait so long."""
    plan = dialled({"action": "dial", "data": {"endpoints": ["1001"], "timeout": 10**9}})
    assert plan.fields["Timeout"] == 10**9
    assert plan.timeout_ms == MAXIMUM_WAIT_MS


def test_inline_devices_get_the_schema_s_defaults() -> None:
    """A device in the request is addressed by its contact unless it says otherwise (E14)."""
    plan = dialled({"action": "dial", "data": {"endpoints": [{"name": "x", "sip": {"username": "iu"}}]}})
    assert plan.fields["Endpoints"][0]["Invite-Format"] == "contact"


def test_e18_errors() -> None:
    """Elements count from 1 and stop everything; schema errors count from 0 and have a companion."""
    found = refused({"action": "dial", "data": {"endpoints": ["1001", "12345", "abcde"]}})
    assert set(found) == {"data.endpoints.2", "data.endpoints.3"}
    found = refused({"action": "dial", "data": {"endpoints": [{"sip": {"username": "u"}}]}})
    assert found["endpoints.0"] == {
        "not_one_schema_valid": {"message": "failed to validate", "value": {"sip": {"username": "u"}}}
    }
    assert set(found) == {"endpoints.0", "data.endpoints"}
    found = refused(
        {"action": "dial", "data": {"endpoints": ["1"], "timeout": "30", "participant_flags": ["zap"]}}
    )
    assert set(found) == {"timeout", "participant_flags.0", "data.endpoints"}
    assert set(refused({"action": "dial", "data": {}})) == {"endpoints", "data.endpoints"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("caller_id_number", "1' hup all"),
        ("caller_id_number", "1 x 2"),
        ("caller_id_name", "a\nb"),
        ("outbound_call_id", "x}y{"),
        ("outbound_call_id", "a,b"),
        ("target_call_id", "a\r\nb"),
        ("profile_name", "a\x00"),
    ],
)
def test_texts_cannot_break_out(key: str, value: str) -> None:
    """What would end or split the switch's dial command is refused by name."""
    assert set(refused({"action": "dial", "data": {"endpoints": ["1001"], key: value}})) == {key}


@pytest.mark.parametrize("name", ["Bob's room", 'The "big" one', "a|b`c", "${x}", "line\nbreak"])
def test_a_stored_name_is_made_harmless(name: str) -> None:
    """A conference's own name never keeps it from dialling."""
    plan = dialled({"action": "dial", "data": {"endpoints": ["1001"]}}, document={"name": name})
    shown = plan.message("local").body["Caller-ID-Name"]
    assert shown
    assert not set(shown) & set("'\"`|{}\n\\")


def test_fifty_endpoints() -> None:
    """Fifty numbers are one message."""
    plan = dialled({"action": "dial", "data": {"endpoints": [str(1000 + n) for n in range(50)]}})
    assert len(plan.message("local").body["Endpoints"]) == 50


def test_a_dial_has_a_hundred_endpoints() -> None:
    """A longer list is refused before any element is looked at, and so is one that comes to more legs."""
    dialled({"data": {"action": "dial", "endpoints": ["2600123456"] * 100}})
    too_many = {"endpoints": {"maxItems": {"message": "The list is more than 100 items", "target": 100}}}
    assert refused({"data": {"action": "dial", "endpoints": [{"sip": 5}] * 101}}) == too_many
    forward = {"enabled": True, "number": "2600", "substitute": False}
    forwarded = {"name": "x", "sip": {"username": "x"}, "call_forward": forward}
    assert refused({"data": {"action": "dial", "endpoints": [forwarded] * 51}}) == too_many


def test_a_shown_number_as_people_write_it() -> None:
    """What carries nothing is taken off; what is no number stays as it is."""
    for given, shown in [("+1 (415) 555-0100", "+14155550100"), ("tel:5551212", "5551212"), ("ann", "ann")]:
        plan = dialled({"action": "dial", "data": {"endpoints": ["1001"], "caller_id_number": given}})
        assert plan.message("local").body["Caller-ID-Number"] == shown
