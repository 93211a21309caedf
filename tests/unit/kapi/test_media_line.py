"""The model of the media server's line is held to what a real one did (real-switch.md D.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from crossbar_conferences.kapi.gate import admit_body
from crossbar_conferences.kapi.shapes import Refused
from tests.support.media_line import FORMS, KAZOO5, MASTER, Read, meant, read, said

A, C = "a" * 32, "c" * 32
ENVELOPE = {"App-Name": "x", "App-Version": "1", "Event-Category": "conference", "Event-Name": "command"}
LEG: dict[str, Any] = {
    "Invite-Format": "route",
    "Route": "sip:bob@example.com",
    "To-User": "bob",
    "To-Realm": "example.com",
    "Codecs": ["PCMU", "PCMA"],
    "Hold-Media": f"/{A}/moh",
    "Presence-ID": "bob@example.com",
    "Outbound-Caller-ID-Name": "Acme",
    "Outbound-Caller-ID-Number": "100",
    "Outbound-Callee-ID-Name": "Bob",
    "Outbound-Callee-ID-Number": "101",
    "Custom-SIP-Headers": {"X-A": "b"},
    "Custom-Channel-Vars": {"Authorizing-ID": "d", "Request-URI": "101@example.com"},
}
DIAL: dict[str, Any] = {
    **ENVELOPE,
    "Application-Name": "dial",
    "Conference-ID": C,
    "Caller-ID-Name": "Weekly",
    "Caller-ID-Number": "100",
    "Custom-Application-Vars": {"a": "b"},
    "Participant-Flags": ["mute", "deaf"],
    "Timeout": 20,
    "Endpoints": [LEG],
}
RUNS = ("${echo(owned)}", "${md5(zq1)}", "${hostname}", "$${hostname}")
VARIABLES = ("v!zq1=owned", "v!zq1='owned'")

LEG_TEXTS = (
    ("Hold-Media",),
    ("Presence-ID",),
    ("Outbound-Caller-ID-Number",),
    ("Outbound-Callee-ID-Number",),
    ("To-Realm",),
    ("Custom-SIP-Headers", "X-A"),
    ("Custom-Channel-Vars", "Authorizing-ID"),
    ("Custom-Channel-Vars", "Request-URI"),
)
LEG_NAMES = (("Outbound-Caller-ID-Name",), ("Outbound-Callee-ID-Name",))


def leg_with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The dial with this at a leg's header, or at a key of one."""
    header, *rest = path
    changed = value if not rest else {**LEG[header], rest[0]: value}
    return {**DIAL, "Endpoints": [{**LEG, header: changed}]}


def variables(name: str, value: Any = "b") -> dict[str, Any]:
    return {**DIAL, "Custom-Application-Vars": {name: value}}


def effect(body: Mapping[str, Any], form: str) -> Read:
    return read(said(body, form))


def refused(body: Mapping[str, Any]) -> bool:
    try:
        admit_body({"Msg-ID": "m", **body})
    except Refused:
        return True
    return False


@pytest.mark.parametrize("form", FORMS)
def test_harmless_texts_are_what_they_are(form: str) -> None:
    """One leg of the kind that was meant, the variables that were meant, their values whole."""
    assert not refused(DIAL)
    found = effect(DIAL, form)
    assert found.is_as(meant(DIAL))
    (leg,) = found.legs
    assert leg.endpoint == "sofia/sipinterface_1/bob@example.com"
    assert leg.variables["absolute_codec_string"] == "^^:PCMU:PCMA"
    assert found.variables is not None
    assert found.variables["cav_a"] == "b"
    assert found.words == ("bgdial", "100", "Weekly")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", RUNS)
def test_functions_run_everywhere_but_in_names(form: str, text: str) -> None:
    """``${…}`` in any value, key, number or address is expanded, functions run; a leg's names are cleaned."""
    bodies = [
        variables("a", text),
        variables(text),
        {**DIAL, "Caller-ID-Number": text},
        {**DIAL, "Caller-ID-Name": text},
        leg_with(("Route",), f"sip:{text}@example.com"),
        leg_with(("Custom-Application-Vars",), {"a": text}),
        *(leg_with(path, text) for path in LEG_TEXTS),
    ]
    for body in bodies:
        assert effect(body, form).functions
        assert refused(body)
    for path in LEG_NAMES:
        assert not effect(leg_with(path, text), form).functions


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", VARIABLES)
def test_an_exclamation_mark_begins_a_variable_of_a_leg(form: str, text: str) -> None:
    """In header names and values, media, channel variables, numbers, presence, codecs, users, quoted too."""
    bodies = [
        *(leg_with(path, text) for path in LEG_TEXTS),
        leg_with(("Codecs",), ["PCMU", text]),
        leg_with(("To-User",), text),
        leg_with(("Custom-SIP-Headers", "v!zq1"), "owned"),
        leg_with(("Custom-Channel-Vars", "v!zq1"), "owned"),
        leg_with(("Custom-Application-Vars",), {"a": text}),
    ]
    for body in bodies:
        assert "zq1" in effect(body, form).legs[0].variables
        assert refused(body)
    for path in LEG_NAMES:
        assert "zq1" not in effect(leg_with(path, text), form).legs[0].variables


@pytest.mark.parametrize("form", FORMS)
def test_what_runs_on_answer(form: str) -> None:
    """The worst of them: a command of the caller's choosing when the phone answers."""
    body = leg_with(("Custom-SIP-Headers", "X-A"), "v!execute_on_answer='set zq1=owned'")
    assert effect(body, form).legs[0].variables["execute_on_answer"] == "set zq1=owned"
    assert refused(body)


@pytest.mark.parametrize("form", FORMS)
def test_a_bracket_ends_the_block_of_a_leg(form: str) -> None:
    """The text behind it becomes the endpoint, from a quoted variable too."""
    for path in (("Custom-SIP-Headers", "X-A"), ("Custom-Channel-Vars", "Authorizing-ID")):
        body = leg_with(path, "i]loopback/1005/context_2")
        assert effect(body, form).legs[0].endpoint.startswith("loopback/1005/context_2")
        assert refused(body)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("separator", [",", "|", ":_:"])
def test_a_route_with_a_separator_is_another_endpoint(form: str, separator: str) -> None:
    """Another endpoint's text is made; no variable is set by it."""
    body = leg_with(("Route",), f"sip:bob@example.com{separator}null/zq1")
    found = effect(body, form)
    assert "null/zq1" in [leg.endpoint for leg in found.legs]
    assert "zq1" not in (found.variables or {})
    assert refused(body)


@pytest.mark.parametrize("before", ["x", "x'", 'x"', "x\\'"])
def test_the_end_of_the_block_dials_anything(before: str) -> None:
    """``>`` on master, ``}`` on Kazoo 5, in a custom variable; the other one's sign is a text."""
    for form, sign in ((MASTER, ">"), (KAZOO5, "}")):
        body = variables("a", f"{before}{sign}null/zq1")
        assert effect(body, form).legs[0].kind == "null"
        assert refused(body)
    for form, other in ((MASTER, "}"), (KAZOO5, ">")):
        body = variables("a", f"x{other}y")
        assert effect(body, form).is_as(meant(body))
        assert refused(body), "what is a text on one is an end on the other"


def test_quotes_in_custom_variables() -> None:
    """ecallmgr's backslashes hold in a value, but for the second block of Kazoo 5; in a name nothing does."""
    for text in ("x',zq1='owned", "x\\',zq1='owned", "x\\\\',zq1='owned"):
        for form in FORMS:
            assert "zq1" not in (effect(variables("a", text), form).variables or {})
        assert refused(variables("a", text))
    second = variables("a", "x'}{zq1='owned")
    assert "zq1" not in (effect(second, MASTER).variables or {})
    assert "zq1" in (effect(second, KAZOO5).variables or {})
    name = variables("k='1',zq1")
    for form in FORMS:
        assert "zq1" in (effect(name, form).variables or {})
    assert refused(name)
    assert refused(second)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_and_flags_of_a_dial(form: str) -> None:
    """A quote in them begins another variable."""
    for body in (
        {**DIAL, "Caller-ID-Number": "5',zq1='owned"},
        {**DIAL, "Participant-Flags": ["mute',zq1='owned"]},
    ):
        assert "zq1" in (effect(body, form).variables or {})
        assert refused(body)


@pytest.mark.parametrize("form", FORMS)
def test_a_line_break_in_a_custom_variable_is_a_text(form: str) -> None:
    """It takes no effect, and is refused all the same."""
    body = variables("a", "x\ny")
    assert effect(body, form).is_as(meant(body))
    assert refused(body)


@pytest.mark.parametrize("form", FORMS)
def test_a_list_is_read_as_the_characters_of_a_text(form: str) -> None:
    """Numbers in a list spell a function, since Erlang takes lists of bytes for text."""
    body = variables("a", list(b"${echo(owned)}"))
    assert effect(body, form).functions
    assert refused(body)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "change",
    [
        {"Route": "sip:loopback/1005@x"},
        {"Route": "sip:sofia/gateway/carrier/1900@x"},
        {"Invite-Format": "contact", "To-IP": "sofia/external/1900@x"},
        {"Invite-Format": "username", "To-User": "loopback/1005"},
        {"SIP-Interface": "sofia/gateway"},
        {"Codecs": ["PCMU", "_", "PCMA"]},
        {"Forward-IP": "_:null/zq1"},
        {"Proxy-IP": "_:x"},
    ],
)
def test_harmless_signs_that_make_another_endpoint(form: str, change: Mapping[str, Any]) -> None:
    """No sign of these is alive by itself, but ecallmgr or FreeSWITCH reads another endpoint in them."""
    body = {**DIAL, "Endpoints": [{**LEG, **change}]}
    harmless = effect(DIAL, form)
    assert [leg.endpoint for leg in effect(body, form).legs] != [leg.endpoint for leg in harmless.legs]
    assert refused(body)


@pytest.mark.parametrize("text", RUNS)
def test_commands_are_expanded_too(text: str) -> None:
    """say, play and mute run functions; the name of a recording does not, ecallmgr codes it."""
    common = {**ENVELOPE, "Conference-ID": C}
    for fields in (
        {"Application-Name": "say", "Call-ID": C, "Text": text},
        {"Application-Name": "play", "Media-Name": text},
        {"Application-Name": "mute_participant", "Participant-ID": text},
        {"Application-Name": "set", "Parameter": "Max-Members", "Value": text},
    ):
        assert read(said({**common, **fields})).functions
        assert refused({**common, **fields})
    record = {**common, "Application-Name": "record", "Media-Name": text}
    assert not read(said(record)).functions
    assert refused(record)


def test_a_quote_splits_the_arguments() -> None:
    """say and play: what is behind the quote is another argument."""
    common = {**ENVELOPE, "Conference-ID": C}
    say = {**common, "Application-Name": "say", "Call-ID": C, "Text": "a' 'b"}
    play = {**common, "Application-Name": "play", "Media-Name": "x' 3"}
    for body in (say, play):
        assert len(read(said(body)).words) == 3
        assert not read(said(body)).is_as(meant(body))
        assert refused(body)


def test_variables_of_a_conference_reach_no_command() -> None:
    """On master nothing is sent to the switch; the texts are held to the same types all the same."""
    body = {**ENVELOPE, "Application-Name": "vars", "Conference-ID": C}
    hostile = {**body, "Custom-Conference-Vars": {"a": "${system(id)}"}}
    assert said(hostile) == ""
    assert refused(hostile)
