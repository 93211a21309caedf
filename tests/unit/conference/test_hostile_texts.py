"""Hostile text in every field of every action, and of every document that a dial is made of."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.actions import (
    plan_conference_action,
    plan_participant_action,
    plan_participants_action,
)
from crossbar_conferences.conference.actions_dial import plan_dial, read_dial
from crossbar_conferences.conference.actions_plan import (
    ActionContext,
    ActionError,
    conference_request,
    participants_request,
)
from crossbar_conferences.conference.actions_table import MediaSide
from crossbar_conferences.conference.actions_vars import custom_vars
from crossbar_conferences.conference.endpoints import resolve
from crossbar_conferences.conference.endpoints_context import RICH_MODULE, EndpointConfig
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.resources import schema
from tests.support.hostile import MANY
from tests.support.hostile_texts import ATTACKS, HOSTILE, Way, paths, replaced
from tests.support.media_line import FORMS, meant, read, said
from tests.support.schema_check import check

A, C = "a" * 32, "c" * 32
OWNER = "b" * 32
DEVICE = "d" * 32

#: A device with every field that the schema knows and every other one that the builders read.
FULL: dict[str, Any] = {
    "name": "Desk, phone",
    "id": DEVICE,
    "owner_id": OWNER,
    "device_type": "sip_device",
    "enabled": True,
    "exclude_from_queues": False,
    "mwi_unsolicited_updates": True,
    "register_overwrite_notify": False,
    "suppress_unregister_notifications": False,
    "presence_id": "1001",
    "endpoint_type": "",
    "mobile": {},
    "prefer_device_caller_id": False,
    "language": "en-us",
    "number": "1001",
    "call_restriction": {},
    "contact_list": {},
    "music_on_hold": {"media_id": "moh1"},
    "ringtones": {"internal": "Bellcore-dr2", "external": "Bellcore-dr3"},
    "caller_id": {
        "internal": {"name": "Ann Lee", "number": "1001"},
        "external": {"name": "Ann Lee", "number": "+14155551212"},
        "default": {"name": "Ann", "number": "1002"},
        "emergency": {"name": "Ann", "number": "1003"},
    },
    "caller_id_options": {"privacy_method": "kazoo", "ignore_completed_elsewhere": True},
    "privacy": {"method": "kazoo"},
    "privacy_mode": "kazoo",
    "Privacy-Method": "kazoo",
    "do_not_disturb": {"enabled": False},
    "call_waiting": {"enabled": True},
    "call_forward": {
        "enabled": False,
        "number": "+14155551213",
        "failover": True,
        "keep_caller_id": True,
        "require_keypress": False,
        "substitute": False,
        "ignore_early_media": False,
    },
    "hotdesk": {"users": {}},
    "outbound_flags": {"static": ["f"], "dynamic": ["zone"]},
    "metaflows": {"binding_digit": "*", "numbers": {"2": {"module": "hold", "data": {"a": ["b"]}}}},
    "formatters": {
        "outbound_caller_id_number": [{"regex": "^(.*)$", "prefix": "9", "suffix": "8"}],
        "outbound_callee_id_number": [{"direction": "outbound", "value": "77"}],
    },
    "media": {
        "audio": {"codecs": ["PCMU", "PCMA"]},
        "video": {"codecs": ["H264"]},
        "encryption": {"enforce_security": False, "methods": ["srtp"]},
        "fax_option": "auto",
        "ignore_early_media": True,
        "bypass_media": True,
        "progress_timeout": 8,
        "webrtc": False,
        "rtcp_mux": True,
    },
    "sip": {
        "username": "ann",
        "password": "pw",
        "realm": "h.example",
        "method": "password",
        "invite_format": "contact",
        "expire_seconds": 300,
        "ip": "10.0.0.3:5060",
        "number": "1001",
        "route": "sip:ann@h.example:5070;transport=tcp",
        "static_route": "sip:x@h",
        "static_invite": "ann2",
        "transport": "tls",
        "custom_sip_interface": "sipinterface_2",
        "proxy": "10.0.0.4",
        "forward": "10.0.0.5",
        "ignore_completed_elsewhere": True,
        "custom_sip_headers": {"X-Old": "1", "in": {"X-In": "a b"}, "out": {"X-Out": "c"}},
    },
}
PUSH = {
    "Token-Proxy": "sip:proxy.example.com:5060",
    "Token-ID": "t1:x",
    "Token-Type": "apple",
    "Token-App": "a",
}
#: The ways a device can be called.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "by route": {"sip": {**FULL["sip"], "invite_format": "route"}},
    "by user": {"sip": {key: FULL["sip"][key] for key in ("username", "custom_sip_headers")}},
    "forwarded": {"call_forward": {**FULL["call_forward"], "enabled": True, "require_keypress": True}},
    "push": {"push": PUSH},
    "skype": {"device_type": "skype", "skype": {"username": "sk", "static_invite": "sk2"}},
    "fax": {"device_type": "fax"},
    "no formatters": {"formatters": {}},
}
#: Everybody that a dial inherits from.
USER: dict[str, Any] = {
    **{key: FULL[key] for key in ("caller_id", "presence_id", "music_on_hold", "ringtones", "metaflows")},
    **{key: FULL[key] for key in ("formatters", "outbound_flags", "call_forward", "caller_id_options")},
    "pvt_type": "user",
    "first_name": "Ann",
    "last_name": "O'Neil",
    "name": "ann",
}
ACCOUNT: dict[str, Any] = {
    **{key: FULL[key] for key in ("caller_id", "music_on_hold", "ringtones", "metaflows", "outbound_flags")},
    "pvt_type": "account",
    "name": "Acme <Inc>",
    "realm": "acme.example",
}
CONFERENCE: dict[str, Any] = {
    "_id": C,
    "_rev": "1-x",
    "pvt_type": "conference",
    "name": "Weekly",
    "owner_id": OWNER,
    "profile_name": "default",
    "caller_id": FULL["caller_id"],
}

DIAL: dict[str, Any] = {
    "endpoints": ["1001"],
    "caller_id_name": "Acme",
    "caller_id_number": "100",
    "participant_flags": ["mute"],
    "profile_name": "default",
    "target_call_id": "x@h",
    "timeout": 5,
    "outbound_call_id": "y@h",
    "custom_application_vars": {"a": "b", "o": {"p": "q"}},
}
TONES = {"frequencies": [440], "duration_on": 100, "duration_off": 0, "volume": -3, "repeat": 2}
#: The other form of ``play``.
LIST = "play of a list"
#: Every action with every field that it reads: of the conference, of all participants, of one.
ACTIONS: dict[str, dict[str, Any]] = {
    "lock": {},
    "unlock": {},
    "play": {"media_id": "greeting"},
    LIST: {"media_ids": ["greeting", "conf-welcome", "tone_stream://%(500,0,440)"]},
    "record": {"action": "start"},
    "vars": {"custom_conference_vars": {"a": "b", "o": {"p": "q"}}},
    "say": {"text": "Hello, world!", "language": "en-us", "voice": "slt"},
    "stop_play": {"affects": "current"},
    "tones": {"tones": [TONES]},
    "set": {"max_members": 10, "endconf_grace_time": 5},
}
FOR_ALL: dict[str, dict[str, Any]] = {
    **{verb: {"ids": [1], "announce": True} for verb in ("mute", "unmute", "deaf", "undeaf", "kick")},
    "play": ACTIONS["play"],
    LIST: ACTIONS[LIST],
    "say": ACTIONS["say"],
    "stop_play": ACTIONS["stop_play"],
    "energy": {"level": 20, "ids": [1]},
    "volume_in": {"level": 1, "ids": [1]},
    "volume_out": {"level": 1, "ids": [1]},
    "relate": {"participant_id": 1, "other_participant": 2, "relationship": "mute"},
}


def context(document: Mapping[str, Any] = CONFERENCE) -> ActionContext:
    origin = Origin("crossbar", "4.0.0", "n@h")
    return ActionContext(A, C, document, origin, check, media_side=MediaSide(takes_set=True))


def device(variant: str) -> dict[str, Any]:
    """A device of a kind, by itself."""
    return copy.deepcopy({**FULL, **VARIANTS[variant]})


def dial(
    data: Mapping[str, Any],
    *,
    stored: Mapping[str, Any] | None = None,
    owner: Mapping[str, Any] = USER,
    account: Mapping[str, Any] = ACCOUNT,
    conference: Mapping[str, Any] = CONFERENCE,
    is_rich: bool = False,
    query: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The message of a dial; raises `ActionError`."""
    around = context(conference)
    body = {"action": "dial", "data": data}
    asked = read_dial(conference_request(data, query or {}, body), around)
    resolved = resolve(
        asked.elements,
        {A: account, OWNER: owner, **({DEVICE: stored} if stored else {})},
        account_id=A,
        conference_id=C,
        conference=conference,
        config=EndpointConfig(endpoint_module=RICH_MODULE) if is_rich else EndpointConfig(),
    )
    return dict(plan_dial(asked, resolved, around, lambda: "c" * 32).message("local", "REQ").body)


def holds(body: Mapping[str, Any], what: object) -> None:
    """The message is read as it was meant, in both generations' forms."""
    if said(body):
        for form in FORMS:
            assert read(said(body, form)).is_as(meant(body)), what


def is_refusal(error: ActionError) -> bool:
    """A 400 with paths, the 404 of media and participants, or the 503 of a name that nobody can look up."""
    if error.kind == "validation_error":
        return bool(error.data) and all(isinstance(path, str) and path for path in error.data)
    return error.kind in ("bad_media", "bad_identifier", "faulty_request", "live_unknown")


# --- nothing is forgotten ---


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield key
            yield from _keys(member)
    elif isinstance(value, list):
        for member in value:
            yield from _keys(member)


def _missing(described: Mapping[str, Any], sample: Any, way: str = "") -> Iterator[str]:
    for key, below in described.get("properties", {}).items():
        if not isinstance(sample, Mapping) or key not in sample:
            yield f"{way}{key}"
        else:
            yield from _missing(below, sample[key], f"{way}{key}.")


def test_the_samples_have_every_field_of_the_schemas() -> None:
    """A field that a schema learns of and that no sample here has fails."""
    assert not list(_missing(schema("devices"), FULL))
    assert not list(_missing(schema("conferences.dial"), DIAL))
    assert not list(_missing(schema("conferences.actions.play"), {**ACTIONS["play"], **ACTIONS[LIST]}))
    assert not list(_missing(schema("conferences.actions.mute"), FOR_ALL["mute"]))
    for name in ("say", "stop_play", "set"):
        assert not list(_missing(schema(f"conferences.actions.{name}"), ACTIONS[name]))
    assert not list(_missing(schema("conferences.actions.tones")["properties"]["tones"]["items"], TONES))
    for name in ("energy", "volume_in", "volume_out"):
        assert not list(_missing(schema(f"conferences.actions.{name}"), FOR_ALL[name]))


#: What the builders read of documents and what is no text of a leg: places of users' ids.
READERS = {"text_at", "value_at", "object_at", "list_at"}


def test_the_samples_have_every_field_that_the_builders_read() -> None:
    """Each key by which ``conference/endpoints*.py`` reads a document is in a sample."""
    there = set(_keys([FULL, USER, ACCOUNT, CONFERENCE, PUSH, *VARIANTS.values()]))
    source = Path(resolve.__code__.co_filename).parent
    for path in source.glob("endpoints*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in READERS or path.stem == "endpoints_formatters":
                continue
            for argument in node.args[1:]:
                # Headers of a leg have capitals.
                if isinstance(argument, ast.Constant) and not str(argument.value)[0].isupper():
                    assert argument.value in there, path.name


# --- what is ordinary ---


@pytest.mark.parametrize("is_rich", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_ordinary_devices_are_dialled(variant: str, is_rich: bool) -> None:
    """Inline and stored, with everything that they can have."""
    inline = dial({**DIAL, "endpoints": [device(variant)]})
    holds(inline, variant)
    assert inline["Endpoints"]
    stored = {**device(variant), "pvt_type": "device"}
    message = dial({**DIAL, "endpoints": [DEVICE]}, stored=stored, is_rich=is_rich)
    holds(message, variant)
    assert message["Endpoints"]


def test_names_are_put_right() -> None:
    """Names of people and companies have quotes and brackets; they are dialled all the same."""
    stored = {"pvt_type": "device", "owner_id": OWNER, "sip": {"username": "x"}}
    message = dial({"endpoints": [DEVICE]}, stored=stored, owner={**USER, "caller_id": {}, "formatters": {}})
    (leg,) = message["Endpoints"]
    assert leg["Outbound-Callee-ID-Name"] == "Ann O\u2019Neil"
    message = dial({"endpoints": ["1001"]}, conference={**CONFERENCE, "name": "${echo(owned)} 'x'"})
    assert message["Caller-ID-Name"] == "$echo(owned) \u2019x\u2019"


def test_a_formatter_names_no_other_device() -> None:
    """Who is called, and for which account, is no number to be rewritten."""
    rules = {
        key: [{"value": "e" * 32}] for key in ("endpoint_uri", "endpoint_id", "account_id", "invite_format")
    }
    for is_rich in (False, True):
        stored = {**device("plain"), "pvt_type": "device", "formatters": rules}
        (leg,) = dial({"endpoints": [DEVICE]}, stored=stored, owner={}, is_rich=is_rich)["Endpoints"][-1:]
        assert "e" * 32 not in str(leg)


@pytest.mark.parametrize(
    "rule",
    [
        {"value": "local_stream://other_conf.mp3"},
        {"value": "/" + "e" * 32 + "/theirs"},
        {"value": "http://127.0.0.1:5984/_users"},
        {"regex": "^.*$", "prefix": "shell_stream://"},
        {"strip": True},
    ],
)
def test_a_formatter_puts_no_other_sound_on_hold(rule: dict[str, Any]) -> None:
    """Music on hold is decided before the formatters, so that none puts another in its place."""
    rules = {"hold_media": [rule], "HOLD-MEDIA": rule}
    inline = {**device("plain"), "formatters": rules}
    stored = {**inline, "pvt_type": "device"}
    for leg in (
        dial({"endpoints": [inline]})["Endpoints"][-1],
        dial({"endpoints": [DEVICE]}, stored=stored, owner={}, is_rich=True)["Endpoints"][-1],
    ):
        assert leg["Hold-Media"] == f"/{A}/moh1"


@pytest.mark.parametrize("place", ["in", None])
def test_no_header_of_kazoos_own_is_a_callers(place: str | None) -> None:
    """The proxy finds whom to call by its own headers: a device's custom ones name nobody else to it."""
    headers = {"X-Kazoo-AOR": "sip:boss@other.example.com"}
    inline = device("plain")
    inline["sip"] = {**inline["sip"], "custom_sip_headers": {place: headers} if place else headers}
    with pytest.raises(ActionError) as refused:
        dial({"endpoints": [inline]})
    assert f"data.endpoints.1.sip.custom_sip_headers.{place + '.' if place else ''}X-Kazoo-AOR" in str(
        refused.value.data
    )


@pytest.mark.parametrize("presence", ["boss@other.example.com", "boss@x@other.example.com", "boss@"])
def test_presence_is_the_accounts_own(presence: str) -> None:
    """Whoever names a presence id, also by a formatter, lights no lamp of another account's."""
    own = dial({"endpoints": [device("plain")]})["Endpoints"][-1]["Presence-ID"].partition("@")[2]
    named = {**device("plain"), "presence_id": presence}
    ruled = {**device("plain"), "formatters": {"presence_id": [{"value": presence}]}}
    for inline in (named, ruled):
        leg = dial({"endpoints": [inline]}, owner={})["Endpoints"][-1]
        assert leg["Presence-ID"] == f"boss@{own}"


# --- what is hostile ---


def texts_of(value: Any) -> list[tuple[Way, bool]]:
    return list(paths(value))


@MANY
@given(variant=st.sampled_from(sorted(VARIANTS)), text=HOSTILE, draw=st.data())
def test_an_inline_device(variant: str, text: str, draw: st.DataObject) -> None:
    """Any text of a device in the request: the same legs and variables, or a refusal."""
    way, is_name = draw.draw(st.sampled_from(texts_of(device(variant))))
    _dialled({**DIAL, "endpoints": [replaced(device(variant), way, text, is_name=is_name)]}, (way, text))


@MANY
@given(variant=st.sampled_from(sorted(VARIANTS)), is_rich=st.booleans(), text=HOSTILE, draw=st.data())
def test_a_stored_device(variant: str, is_rich: bool, text: str, draw: st.DataObject) -> None:
    """Whoever may edit a device may not command the media server."""
    stored = {**device(variant), "pvt_type": "device"}
    way, is_name = draw.draw(st.sampled_from(texts_of(stored)))
    changed = replaced(stored, way, text, is_name=is_name)
    _dialled({**DIAL, "endpoints": [DEVICE]}, (way, text), stored=changed, is_rich=is_rich)


@MANY
@given(
    place=st.sampled_from(["owner", "account", "conference"]),
    element=st.sampled_from(["1001", DEVICE, OWNER, "sip:x@h", "inline"]),
    is_rich=st.booleans(),
    text=HOSTILE,
    draw=st.data(),
)
def test_what_a_dial_inherits(
    place: str, element: str, is_rich: bool, text: str, draw: st.DataObject
) -> None:
    """Texts of the owner, the account and the conference, in legs of every kind."""
    documents = {"owner": USER, "account": ACCOUNT, "conference": CONFERENCE}
    way, is_name = draw.draw(st.sampled_from(texts_of(documents[place])))
    if way == ("_id",):
        return
    changed = {place: replaced(documents[place], way, text, is_name=is_name)}
    stored = {**device("plain"), "pvt_type": "device"}
    endpoint = {"name": "x", "owner_id": OWNER, "sip": {"username": "x"}} if element == "inline" else element
    _dialled({**DIAL, "endpoints": [endpoint]}, (way, text), stored=stored, is_rich=is_rich, **changed)


@MANY
@given(text=HOSTILE, in_query=st.booleans(), draw=st.data())
def test_the_request_of_a_dial(text: str, in_query: bool, draw: st.DataObject) -> None:
    """Every field of the request, endpoints as text and the query among them."""
    if in_query:
        _dialled(DIAL, text, query={text: "v"})
        _dialled(DIAL, text, query={"v": text})
        return
    way, is_name = draw.draw(st.sampled_from(texts_of(DIAL)))
    _dialled(replaced(DIAL, way, text, is_name=is_name), (way, text))


def _dialled(data: Mapping[str, Any], what: object, **around: Any) -> None:
    try:
        message = dial(data, **around)
    except ActionError as error:
        assert is_refusal(error), (error.kind, error.data)
        return
    holds(message, what)


@MANY
@given(where=st.sampled_from(["conference", "all", "one"]), text=HOSTILE, draw=st.data())
def test_every_other_action(where: str, text: str, draw: st.DataObject) -> None:
    """Every field of every action, and the number of the participant."""
    samples = ACTIONS if where == "conference" else FOR_ALL
    action = draw.draw(st.sampled_from(sorted(samples)))
    data: Any = {"action": "play" if action == LIST else action, "data": samples[action]}
    participant = "1"
    choices = [*texts_of(data), None] if where == "one" else texts_of(data)
    chosen = draw.draw(st.sampled_from(choices))
    if chosen is None:
        participant = text
    else:
        data = replaced(data, chosen[0], text, is_name=chosen[1])
    try:
        if where == "conference":
            plan = plan_conference_action(conference_request(data, {}, {"data": data}), context())
        elif where == "all":
            plan = plan_participants_action(participants_request(data, {}, {"data": data}), context())
        else:
            request = participants_request(data, {}, {"data": data})
            plan = plan_participant_action(request, context(), participant)
    except ActionError as error:
        assert is_refusal(error), (error.kind, error.data)
        return
    for message in plan.messages:
        holds(message.body, (action, chosen, text))


# --- the refusal names the field ---

#: Texts that nobody reads in a dial, or whose wrong values count as none.
UNREAD = {
    *(
        "name",
        "language",
        "password",
        "method",
        "static_route",
        "device_type",
        "external",
        "out",
        "privacy",
        "emergency",
    ),
    *("privacy_method", "privacy_mode", "Privacy-Method", "methods", "fax_option", "transport", "default"),
    *("outbound_flags", "direction", "regex", "hotdesk", "enabled", "emergency"),
    "endpoint_type",
}


@pytest.mark.parametrize("attack", ATTACKS[::2])
@pytest.mark.parametrize("variant", ["plain", "no formatters", "forwarded", "push", "by route", "skype"])
def test_a_refusal_names_the_field_of_an_inline_device(variant: str, attack: str) -> None:
    """The path in the error is the path of the text in the request."""
    refused = 0
    for way, is_name in texts_of(device(variant)):
        if is_name and way[:-1] not in (("sip", "custom_sip_headers", "in"), ("push",)):
            continue
        changed = replaced(device(variant), way, attack, is_name=is_name)
        dotted = ".".join(map(str, (*way[:-1], attack[:64]) if is_name else way))
        try:
            dial({**DIAL, "endpoints": [changed]})
        except ActionError as error:
            if error.kind == "bad_media":
                assert way == ("music_on_hold", "media_id")
                continue
            refused += 1
            named = [path.removeprefix("data.endpoints.1.") for path in error.data]
            # Of a schema's error Kazoo names the element alone; without its proxy a push device has no leg.
            whole = ("endpoints.0", "data.endpoints")
            assert any(dotted.startswith(path) for path in named if path) or named[0] in whole, (way, named)
    assert refused >= 2


@pytest.mark.parametrize("attack", [text for text in ATTACKS if "," not in text and "/" not in text])
def test_every_text_that_is_written_is_refused_when_hostile(attack: str) -> None:
    """An attack in any text of a device that goes out refuses the dial: none slips through unread."""
    for way, is_name in texts_of(device("no formatters")):
        if is_name or UNREAD & set(map(str, way)) or way[-1] == "name":
            continue
        changed = replaced(device("no formatters"), way, attack)
        with pytest.raises(ActionError):
            dial({"endpoints": [changed]}, owner={})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("caller_id_number", "5',zq1='owned"),
        ("caller_id_number", "${echo(owned)}"),
        ("outbound_call_id", "a!zq1=owned"),
        ("target_call_id", "a!zq1=owned"),
        ("target_call_id", "${echo(owned)}"),
        ("profile_name", "x>null/zq1"),
    ],
)
def test_a_refusal_names_the_field_of_a_dial(field: str, value: str) -> None:
    """The request's own fields by their names."""
    with pytest.raises(ActionError) as error:
        dial({**DIAL, field: value})
    assert set(error.value.data) == {field}


@pytest.mark.parametrize(
    "value", ["${system(id)}", "x'y", 'x"y', "x>y", "x|y", "x!y", "x]y", ["a"], list(b"${x}")]
)
@pytest.mark.parametrize("key", ["custom_application_vars", "custom_conference_vars"])
def test_a_refusal_names_the_variable(key: str, value: Any) -> None:
    """The variables of a dial and of a conference, nested ones too."""
    for variables, path in (({"k": value}, f"data.{key}.k"), ({"k": {"l": value}}, f"data.{key}.k.l")):
        data = {"action": "vars", key: variables}
        request = conference_request(data, {}, {"data": data})
        with pytest.raises(ActionError) as error:
            custom_vars(request, key)
        assert set(error.value.data) == {path}
        if key == "custom_application_vars":
            with pytest.raises(ActionError):
                dial({**DIAL, key: variables})
        else:
            with pytest.raises(ActionError):
                plan_conference_action(request, context())


def test_a_refusal_names_the_stored_device_and_not_its_text() -> None:
    """Whoever dials it need not be allowed to read it; the id and the field say where to look."""
    stored = {**device("plain"), "pvt_type": "device", "sip": {**FULL["sip"], "username": "i!zq1=secret"}}
    with pytest.raises(ActionError) as error:
        dial({**DIAL, "endpoints": ["1001", DEVICE]}, stored=stored, is_rich=True)
    (path,) = error.value.data
    assert path == "data.endpoints.2.sip.username"
    message = error.value.data[path]["wrong_format"]["message"]
    assert DEVICE in message
    assert "secret" not in str(error.value.data)
