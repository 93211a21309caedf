"""The gate: everything that leaves has a type, and no text of it changes what the media server reads."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.kapi import gate
from crossbar_conferences.kapi.call import query_channels
from crossbar_conferences.kapi.commands import COMMANDS
from crossbar_conferences.kapi.messages import OPTIONAL_DEFAULT_HEADERS, MessageInvalid, Origin, Outgoing
from crossbar_conferences.kapi.routing import CONFERENCE
from crossbar_conferences.kapi.shapes import Refused, data, harmless_part
from tests.support.hostile import FEW, JSON, MANY
from tests.support.hostile_texts import HOSTILE, paths, replaced
from tests.support.media_line import FORMS, meant, read, said

HOSTILE_MARK = "x>null/zq1"
A, C, D = "a" * 32, "c" * 32, "d" * 32
ORIGIN = Origin("crossbar", "4.0.0", "n@h")

#: A leg with every header that a leg may have, in its two forms.
ANY_LEG: dict[str, Any] = {
    "Account-ID": A,
    "Bypass-Media": "true",
    "Codecs": ["PCMU", "G7221@16000h"],
    "Custom-Channel-Vars": {
        "Account-ID": A,
        "Authorizing-ID": D,
        "Authorizing-Type": "device",
        "Call-Forward": "true",
        "Call-Forward-From": "onnet",
        "Call-Waiting-Disabled": True,
        "Confirm-Cancel-Timeout": True,
        "Confirm-File": f"prompt://{A}/ivr-group_confirm/en-us",
        "Confirm-Key": "1",
        "Confirm-Read-Timeout": "7000",
        "Fax-Enabled": "true",
        "Ignore-Early-Media": "true",
        "Is-Failover": True,
        "Loopback-Bowout": "true",
        "Loopback-Request-URI": "sip:1@h",
        "Media-Encryption-Enforce-Security": False,
        "Media-Webrtc": True,
        "Owner-ID": D,
        "RTCP-MUX": True,
        "RTP-Secure-Media": "true",
        "Request-URI": "1@h",
        "Require-Fail-On-Single-Reject": "USER_BUSY,NO_ANSWER",
        "Require-Ignore-Early-Media": "true",
        "Retain-CID": "true",
        "SIP-Invite-Domain": "h",
        "Simplify-Loopback": "true",
        "ZRTP-Enrollment": "true",
        "ZRTP-Secure-Media": "true",
    },
    "Custom-SIP-Headers": {"Alert-Info": "Bellcore-dr2", "X-A": "b c", "X-N": 1},
    "Enable-T38-Fax": True,
    "Enable-T38-Fax-Request": True,
    "Enable-T38-Gateway": "self",
    "Enable-T38-Passthrough": True,
    "Endpoint-Actions": {},
    "Endpoint-Delay": 5,
    "Endpoint-ID": D,
    "Endpoint-Options": {"Skype-RR": "true"},
    "Endpoint-Progress-Timeout": "8",
    "Endpoint-Type": "skype",
    "Endpoint-URI": f"{D}@{A}",
    "Flags": {"dynamic": ["zone"], "static": ["f"]},
    "Forward-IP": "10.0.0.1",
    "Hold-Media": f"/{A}/moh",
    "Ignore-Completed-Elsewhere": True,
    "Ignore-Early-Media": "true",
    "Metaflows": {"binding_digit": "*", "numbers": {"2": {"module": "hold", "data": {"a": ["b"]}}}},
    "Outbound-Call-ID": "z-1@h",
    "Outbound-Callee-ID-Name": "Ann Lee",
    "Outbound-Callee-ID-Number": "1001",
    "Outbound-Caller-ID-Name": "Acme, Inc",
    "Outbound-Caller-ID-Number": "(415) 555-1212",
    "Presence-ID": "1001@h",
    "Privacy-Method": "kazoo",
    "Proxy-IP": "sip:10.0.0.2:5060",
    "SIP-Interface": "sipinterface_2",
    "SIP-Transport": "tls",
    "Simplify-Loopback": True,
    "To-DID": "1001",
    "To-IP": "10.0.0.3:5060",
    "To-Realm": "h.example",
    "To-User": "ann",
    "To-Username": "ann",
}
FORWARDED: dict[str, Any] = {
    key: value
    for key, value in {**ANY_LEG, "Invite-Format": "loopback", "Route": "+14155551212"}.items()
    # A loopback leg and a Skype one are two.
    if key not in ("Endpoint-Type", "Endpoint-Options")
}
SIP: dict[str, Any] = {
    **{key: value for key, value in FORWARDED.items() if key != "SIP-Transport"},
    "Invite-Format": "route",
    "Route": "sip:ann:pw@h:5070;transport=tcp?x=y",
    "Failover": FORWARDED,
}
LEGS = (SIP, FORWARDED, {**SIP, "Invite-Format": "contact"}, {**SIP, "Invite-Format": "username"}, ANY_LEG)

#: Every command with every header that it may have.
SPOKEN: dict[str, Any] = {
    "Call-ID": C,
    "Endless-Playback": True,
    "Engine": "flite",
    "Group-ID": "g",
    "Insert-At": "now",
    "Language": "en-us",
    "Leg": "A",
    "Loop-Count": 1,
    "Participant-ID": 7,
    "Terminators": ["1"],
    "Text": "Hello, world! $5?",
    "Voice": "slt",
}
WHO: dict[str, Any] = {"Participant-ID": 7}
RECORD: dict[str, Any] = {"Media-Name": f"{A}_{C}.mp3", "Call-ID": C}
SAMPLES: dict[str, dict[str, Any]] = {
    "deaf_participant": WHO,
    "dial": {
        "Caller-ID-Name": "Weekly",
        "Caller-ID-Number": "100",
        "Custom-Application-Vars": {"a": "b, c", "n": 1, "o": {"p": {"q": "r"}}},
        "Custom-Channel-Vars": {"Account-ID": A},
        "Endpoints": [SIP],
        "Outbound-Call-ID": "x-1@h",
        "Participant-Flags": ["mute", "is_moderator"],
        "Profile-Name": "default",
        "Target-Call-ID": "y-1@h",
        "Timeout": 20,
    },
    "kick": WHO,
    "lock": {},
    "mute_participant": WHO,
    "participant_energy": {**WHO, "Energy-Level": "20"},
    "participant_volume_in": {**WHO, "Volume-In-Level": "-2"},
    "participant_volume_out": {**WHO, "Volume-Out-Level": "2"},
    "play": {"Participant-ID": "7", "Call-ID": C, "Media-Name": "tone_stream://%(500,0,440)"},
    "play_macro": {**WHO, "Media-Macro": [f"/{A}/x", "tone_stream://%(500,0,440)", f"prompt://{A}/a-b"]},
    "record": RECORD,
    "recordstop": RECORD,
    "relate_participants": {**WHO, "Other-Participant": 8, "Relationship": "mute"},
    "say": SPOKEN,
    "set": {"Parameter": "Max-Members", "Value": "10"},
    "stop_play": {**WHO, "Affects": "all"},
    "tones": {
        **{key: SPOKEN[key] for key in ("Call-ID", "Group-ID", "Insert-At", "Terminators")},
        "Tones": [
            {
                "Frequencies": ["440", "480"],
                "Duration-ON": "5",
                "Duration-OFF": "0",
                "Volume": "-2",
                "Repeat": "3",
            }
        ],
    },
    "tts": SPOKEN,
    "undeaf_participant": WHO,
    "unlock": {},
    "unmute_participant": WHO,
    "vars": {"Custom-Conference-Vars": {"a": "b"}},
}


def body_of(name: str) -> dict[str, Any]:
    """A whole message of a kind."""
    return {
        "Application-Name": name,
        "Conference-ID": C,
        "Account-ID": A,
        "App-Name": "crossbar",
        "App-Version": "4.0.0",
        "Event-Category": "conference",
        "Event-Name": "command",
        "Msg-ID": "0a1b",
        "Node": "n@h",
        "Server-ID": "crossbar_conferences-00",
        "System-Log-ID": "0a1b",
        **copy.deepcopy(SAMPLES[name]),
    }


def bodies() -> Iterator[dict[str, Any]]:
    """Every kind with every header, and a dial with every form of a leg."""
    for name in SAMPLES:
        if name != "dial":
            yield body_of(name)
    for leg in LEGS:
        yield {**body_of("dial"), "Endpoints": [copy.deepcopy(leg)]}


BODIES = tuple(bodies())


def test_the_samples_have_every_header_that_is_described() -> None:
    """A header that the gate learns of and these samples do not have is not tested: that fails here."""
    assert set(SAMPLES) == set(gate.COMMAND_HEADERS) == set(COMMANDS)
    for name, described in gate.COMMAND_HEADERS.items():
        assert set(SAMPLES[name]) == set(described), name
    assert set(ANY_LEG) == set(gate.LEG_HEADERS)
    assert set(ANY_LEG["Custom-Channel-Vars"]) == set(gate.CHANNEL_VARIABLES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_header_of_a_message_has_a_type(name: str) -> None:
    """What the builder lets into a message and the gate does not describe could never leave."""
    never = OPTIONAL_DEFAULT_HEADERS - set(body_of(name))
    for header in COMMANDS[name].headers - set(body_of(name)) - never:
        pytest.fail(f"{name}: {header} has no type")


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body["Application-Name"]))
def test_harmless_messages_pass_and_are_read_as_meant(body: dict[str, Any]) -> None:
    """Every header with an ordinary text."""
    gate.admit_body(body)
    if not said(body):
        return
    for form in FORMS:
        found = read(said(body, form))
        assert found.is_as(meant(body)), found


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body["Application-Name"]))
def test_no_other_header_passes(body: dict[str, Any]) -> None:
    """Neither a header nor a key of a leg that nobody described, whatever it holds."""
    places: list[tuple[Any, ...]] = [()]
    if body["Application-Name"] == "dial":
        places += [("Endpoints", 0), ("Endpoints", 0, "Custom-Channel-Vars"), ("Endpoints", 0, "Flags")]
    for place in places:
        for new in ("Export-Variables", "Bridge-Execute-On-Answer", "Channel-Actions", "x"):
            with pytest.raises(Refused):
                gate.admit_body(replaced(body, (*place, new), "harmless"))


@FEW
@given(place=st.integers(0, len(BODIES) - 1), text=HOSTILE, data_=st.data())
def test_no_text_changes_what_is_read(place: int, text: str, data_: st.DataObject) -> None:
    """A hostile text in any place, a name or a value, is refused, or is read as the text it is."""
    _holds(BODIES[place], text, data_)


@MANY
@given(text=HOSTILE, data_=st.data())
def test_no_text_changes_a_dial(text: str, data_: st.DataObject) -> None:
    """The same for dials, which have the most places."""
    dials = [body for body in BODIES if body["Application-Name"] == "dial"]
    _holds(data_.draw(st.sampled_from(dials)), text, data_)


def _holds(body: dict[str, Any], text: str, draw: st.DataObject) -> None:
    path, is_name = draw.draw(st.sampled_from(list(paths(body))))
    changed = replaced(body, path, text, is_name=is_name)
    try:
        gate.admit_body(changed)
    except Refused as refused:
        # The way to the field: every step of it but the last may be a name of the message.
        assert refused.why
        return
    if not said(changed):
        return
    for form in FORMS:
        assert read(said(changed, form)).is_as(meant(changed)), (path, text)


@MANY
@given(
    st.dictionaries(st.sampled_from([*gate.COMMAND_HEADERS["dial"], "Application-Name", "Event-Name"]), JSON)
)
def test_any_json_is_admitted_or_refused(body: dict[str, Any]) -> None:
    """Nothing but `Refused` is ever raised."""
    for event in ({}, {"Event-Name": "command", "Application-Name": "dial"}):
        try:
            gate.admit_body({**body, **event})
        except Refused:
            continue


@MANY
@given(JSON)
def test_what_is_left_of_stored_metaflows_passes(value: Any) -> None:
    """Members that may not leave are left out, and the rest may."""
    data(harmless_part(value))


def test_metaflows_keep_what_is_harmless() -> None:
    """A pattern is a regular expression and goes; digits and modules stay."""
    kept = {"binding_digit": "*", "numbers": {"2": {"module": "transfer", "data": {"target": "1001"}}}}
    assert harmless_part({**kept, "patterns": {"^2([0-9]+)$": {"module": "x"}}, "a": "${x}"}) == {
        **kept,
        "patterns": {},
    }


def test_depth_and_size_are_bounded() -> None:
    """What is too deep or too large is refused, not gone through."""
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": deep}
    for value in (deep, {"a": ["x"] * 20_000}, {str(n): 1 for n in range(20_000)}):
        with pytest.raises(Refused):
            gate.admit_body({**body_of("vars"), "Custom-Conference-Vars": {"v": value}})
        with pytest.raises(Refused):
            data(value)
    assert harmless_part(deep) != deep


def test_nothing_is_admitted_without_a_look() -> None:
    """There is no admitted message that the gate refuses, and what leaves is what it looked at, whatever is
    done to the body afterwards."""
    with pytest.raises(Refused):
        gate.Admitted(CONFERENCE, "conference.command.x", {**body_of("lock"), "Unheard-Of": "x"})
    body = body_of("mute_participant")
    admitted = gate.Admitted(CONFERENCE, "conference.command.x", body)
    before = dict(body)
    body["Participant-ID"] = "${echo(166)}"
    assert json.loads(admitted.payload) == before


@pytest.mark.parametrize("header", ["App-Name", "App-Version", "Event-Category", "Node"])
def test_what_nearly_always_repeats_is_still_looked_at(header: str) -> None:
    """A header that was right before is refused when it is another one, and does not become the right one
    by having been refused."""
    right = body_of("lock")
    gate.admit_body(right)
    gate.admit_body(right)
    for _ in range(2):
        with pytest.raises(Refused):
            gate.admit_body({**right, header: HOSTILE_MARK})
    gate.admit_body(right)


async def test_nothing_is_published_around_the_gate() -> None:
    """The bus itself keeps back what was built by hand, by every way that it publishes and on every exchange
    that a media server hears, known to us or not; nobody hears it."""
    bus = Bus(MemoryTransport(MemoryBroker()), "n@h", advertise=False)
    heard: list[Mapping[str, Any]] = []
    bus.recorder = lambda message: heard.append(message.body)
    await bus.start()
    try:
        hostile = [
            {**body_of("mute_participant"), "Participant-ID": "${echo(166)}"},
            {**body_of("dial"), "Custom-Application-Vars": {"a": "x>null/zq1"}},
            {**body_of("dial"), "Unheard-Of": "x"},
            {**body_of("lock"), "Application-Name": "transfer"},
            {**body_of("lock"), "Event-Name": "event"},
        ]
        for body in hostile:
            message = Outgoing(CONFERENCE, "conference.command.x", body)
            with pytest.raises(MessageInvalid):
                await bus.cast(message)
            with pytest.raises(MessageInvalid):
                await bus.call(message, lambda _: True, 0.1)
            with pytest.raises(MessageInvalid):
                await bus.collect(message, timeout=0.1, until=lambda _: True)
        with pytest.raises(MessageInvalid):
            await bus.cast(query_channels("${echo(x)}", ORIGIN))
        call = {"Event-Category": "call", "Event-Name": "command", "Application-Name": "hold"}
        originate = {"Event-Category": "resource", "Event-Name": "originate_req"}
        for elsewhere in (
            Outgoing("targeted", "call-queue", {**call, "Hold-Media": "shell_stream://x"}),
            Outgoing("callctl", "callctl.leg", {**call, "Hold-Media": "shell_stream://x"}),
            Outgoing("callmgr", "originate.resource.req", originate),
            Outgoing("targeted", "call-queue", {**originate, "Event-Name": "originate_execute"}),
        ):
            with pytest.raises(MessageInvalid):
                await bus.cast(elsewhere)
        assert heard == []
        await bus.cast(query_channels("x@h", ORIGIN))
        await bus.cast(Outgoing(CONFERENCE, "conference.command.x", body_of("lock")))
        assert len(heard) == 2
    finally:
        await bus.close()
