"""Texts that took effect on a real media server, sent by an ordinary user: refused, and nothing goes out.

Each is one that ran a function, set a variable on answer, or dialled what the caller chose
(real-switch.md D.3), or one of its kind in another field.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.media_line import FORMS, meant, read, said
from tests.support.world import World, sip_device

NUMBER = "2600123456"
ON_ANSWER = "v!execute_on_answer='set zq1=owned'"


def _inline(**more: Any) -> dict[str, Any]:
    return {"name": "x", "sip": {"username": "iu", "realm": "h.example"}, **more}


def _sip(**more: Any) -> dict[str, Any]:
    return _inline(sip={"username": "iu", "realm": "h.example", **more})


def _dial(*endpoints: Any, **more: Any) -> dict[str, Any]:
    return {"endpoints": list(endpoints) or [NUMBER], "timeout": 1, **more}


#: Name: action, data, and the path that the refusal names.
REQUESTS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "function": (
        "dial",
        _dial(custom_application_vars={"a": "${echo(owned)}"}),
        "data.custom_application_vars.a",
    ),
    "global": (
        "dial",
        _dial(custom_application_vars={"a": "$${hostname}"}),
        "data.custom_application_vars.a",
    ),
    "end of block": (
        "dial",
        _dial(custom_application_vars={"a": "x>null/zq1"}),
        "data.custom_application_vars.a",
    ),
    "end of block, Kazoo 5": (
        "dial",
        _dial(custom_application_vars={"a": "x}null/zq1"}),
        "data.custom_application_vars.a",
    ),
    "name": ("dial", _dial(custom_application_vars={"k='1',zq1": "v"}), "data.custom_application_vars"),
    "nested": (
        "dial",
        _dial(custom_application_vars={"a": {"b": "x>null/zq1"}}),
        "data.custom_application_vars.a.b",
    ),
    "characters": (
        "dial",
        _dial(custom_application_vars={"a": list(b"${echo(owned)}")}),
        "data.custom_application_vars.a",
    ),
    "conference variable": (
        "vars",
        {"custom_conference_vars": {"a": "${system(id)}"}},
        "data.custom_conference_vars.a",
    ),
    "conference variable, quote": (
        "vars",
        {"custom_conference_vars": {"a": "x'y"}},
        "data.custom_conference_vars.a",
    ),
    "conference variable, end": (
        "vars",
        {"custom_conference_vars": {"a": "x>y|z!]"}},
        "data.custom_conference_vars.a",
    ),
    "call id": ("dial", _dial(outbound_call_id="a!zq1=owned"), "outbound_call_id"),
    "target": ("dial", _dial(target_call_id="${echo(owned)}"), "target_call_id"),
    "target, variable": ("dial", _dial(target_call_id="a!zq1=owned"), "target_call_id"),
    "number": ("dial", _dial(caller_id_number="5',zq1='owned"), "caller_id_number"),
    "profile": ("dial", _dial(profile_name="${echo(owned)}"), "profile_name"),
    "header": (
        "dial",
        _dial(_sip(custom_sip_headers={"in": {"X-A": ON_ANSWER}})),
        "data.endpoints.1.sip.custom_sip_headers.in.X-A",
    ),
    "header, function": (
        "dial",
        _dial(_sip(custom_sip_headers={"in": {"X-A": "${echo(owned)}"}})),
        "data.endpoints.1.sip.custom_sip_headers.in.X-A",
    ),
    "header, old place": (
        "dial",
        _dial(_sip(custom_sip_headers={"X-A": ON_ANSWER})),
        "data.endpoints.1.sip.custom_sip_headers.X-A",
    ),
    "header's name": (
        "dial",
        _dial(_sip(custom_sip_headers={"in": {"v!zq1": "owned"}})),
        "data.endpoints.1.sip.custom_sip_headers.in.v!zq1",
    ),
    "header, bracket": (
        "dial",
        _dial(_sip(custom_sip_headers={"in": {"X-A": "i]loopback/1005/context_2"}})),
        "data.endpoints.1.sip.custom_sip_headers.in.X-A",
    ),
    "header, channel variable": (
        "dial",
        _dial(_sip(custom_sip_headers={"in": {"X-ecallmgr_Account-ID": "b" * 32}})),
        "data.endpoints.1.sip.custom_sip_headers.in.X-ecallmgr_Account-ID",
    ),
    "music on hold": (
        "dial",
        _dial(_inline(music_on_hold={"media_id": ON_ANSWER})),
        "data.endpoints.1.music_on_hold.media_id",
    ),
    "ring tone": (
        "dial",
        _dial(_inline(ringtones={"internal": "<sip:a@b>!zq1=owned"})),
        "data.endpoints.1.ringtones.internal",
    ),
    "id": ("dial", _dial(_inline(id="i!zq1=owned")), "data.endpoints.1.id"),
    "caller id": (
        "dial",
        _dial(_inline(caller_id={"internal": {"number": "5!zq1=owned"}})),
        "data.endpoints.1.caller_id.internal.number",
    ),
    "forwarding": (
        "dial",
        _dial(_inline(call_forward={"enabled": True, "number": "1005/context_1"})),
        "data.endpoints.1.call_forward.number",
    ),
    "failover": (
        "dial",
        _dial(_inline(call_forward={"failover": True, "number": "1!zq1=owned"})),
        "data.endpoints.1.call_forward.number",
    ),
    "metaflows": (
        "dial",
        _dial(_inline(metaflows={"binding_digit": "${echo(owned)}"})),
        "data.endpoints.1.metaflows.binding_digit",
    ),
    "formatter": (
        "dial",
        _dial(_inline(formatters={"outbound_callee_id_number": [{"value": "v!zq1=owned"}]})),
        "data.endpoints.1.formatters.outbound_callee_id_number",
    ),
    "formatter, suffix": (
        "dial",
        _dial(
            _inline(
                caller_id={"internal": {"number": "100"}},
                formatters={"outbound_callee_id_number": [{"regex": "^(.*)$", "suffix": "]null/zq1"}]},
            )
        ),
        "data.endpoints.1.formatters.outbound_callee_id_number",
    ),
    "codec": (
        "dial",
        _dial(_inline(media={"audio": {"codecs": ["PCMU", "v!zq1=owned"]}})),
        "data.endpoints.1.media.audio.codecs.1",
    ),
    "route of another kind": (
        "dial",
        _dial(_sip(invite_format="route", route="loopback/1005")),
        "data.endpoints.1.sip.route",
    ),
    "gateway": (
        "dial",
        _dial(_sip(ip="sofia/gateway/carrier/1900")),
        "data.endpoints.1.sip.ip",
    ),
    "address of another kind": ("dial", _dial("sip:loopback/1005@h"), "data.endpoints.1"),
    "bracketed address": ("dial", _dial("sip:bob@[2001:db8::1]"), "data.endpoints.1"),
    "second element": ("dial", _dial(NUMBER, _inline(id="i!zq1=owned")), "data.endpoints.2.id"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_ordinary_user_commands_nothing(world: World, name: str) -> None:
    """A 400 that names the field; no dry run shows it, no message leaves."""
    action, data, path = REQUESTS[name]
    conference_id = await world.create(who="joe")
    for query in ("", "?dry_run=true"):
        body = {"action": action, "data": data}
        answer = await world.put(world.path(conference_id) + query, body, who="joe")
        assert (answer.status, answer.body["message"]) == (400, "validation error"), answer.text
        assert path in answer.data, answer.text
    assert world.commands == []


async def test_the_query_is_no_way_around(world: World) -> None:
    """Variables of the query are held to the same types."""
    conference_id = await world.create()
    for query in ("a=x%3Enull/zq1", "a=%24%7Becho(owned)%7D", "k='1',zq1=x"):
        answer = await world.put(world.path(conference_id) + f"?{query}", {"action": "dial", "data": _dial()})
        assert answer.status == 400, answer.text
    assert world.commands == []


_PUSH = {"Token-Proxy": "sip:proxy.example.com:5060", "Token-ID": "t", "Token-Type": "apple"}
_USER = {"username": "u1", "password": "x", "realm": "r.example"}

#: What somebody who may edit a device wrote into it, and the field that the refusal names.
STORED: Mapping[str, tuple[dict[str, Any], str]] = {
    "presence": ({"presence_id": "i!zq1=owned"}, "presence_id"),
    "number": ({"caller_id": {"internal": {"number": "${echo(owned)}"}}}, "caller_id.internal.number"),
    "formatter": (
        {"formatters": {"presence_id": {"value": ON_ANSWER}}},
        "formatters.presence_id",
    ),
    "flags": ({"outbound_flags": {"static": ["x]null/zq1"]}}, "outbound_flags.static.0"),
    "push, header": (
        {"push": _PUSH, "sip": {**_USER, "custom_sip_headers": {"in": {"X-A": ON_ANSWER}}}},
        "sip.custom_sip_headers.in.X-A",
    ),
    "push, music": ({"push": _PUSH, "music_on_hold": {"media_id": ON_ANSWER}}, "music_on_hold.media_id"),
    "push, proxy": ({"push": {**_PUSH, "Token-Proxy": "p'!zq1=owned"}}, "push.Token-Proxy"),
    "push, token": ({"push": {**_PUSH, "Token-ID": "${echo(owned)}"}}, "push.Token-ID"),
    "push, user": ({"push": _PUSH, "sip": {**_USER, "username": "loopback/1005"}}, "sip.username"),
    "push, realm": ({"push": _PUSH, "sip": {**_USER, "realm": "r|null/zq1"}}, "sip.realm"),
    "push, ring tone": ({"push": _PUSH, "ringtones": {"internal": "x!zq1=owned"}}, "ringtones.internal"),
    "skype": ({"device_type": "skype", "skype": {"username": "s,null/zq1"}, "sip": {}}, "skype.username"),
}


@pytest.mark.parametrize("name", STORED)
async def test_whoever_edits_a_device_commands_nothing(world: World, name: str) -> None:
    """A stored device with such a text is not dialled: a 400 names it and the field, and not the text."""
    more, field = STORED[name]
    device = sip_device(**more)
    await world.add(device)
    conference_id = await world.create()
    answer = await world.act(conference_id, "dial", _dial(NUMBER, device["_id"]), who="joe")
    assert answer.status == 400, answer.text
    (path,) = answer.data
    assert path == f"data.endpoints.2.{field}"
    message = answer.data[path]["wrong_format"]["message"]
    assert device["_id"] in message
    assert "zq1" not in message
    assert world.commands == []


async def test_whoever_edits_a_user_or_a_conference_commands_nothing(world: World) -> None:
    """What a leg inherits is held to the same types; names of people and rooms are put right."""
    owner = {
        "_id": secrets.token_hex(16),
        "pvt_type": "user",
        "first_name": "Ann${echo(owned)}",
        "last_name": "O'Neil>null/zq1",
        "enabled": True,
    }
    hostile = {**owner, "_id": secrets.token_hex(16), "caller_id": {"internal": {"number": "1!zq1=owned"}}}
    devices = [sip_device(owner_id=one["_id"]) for one in (owner, hostile)]
    await world.add(owner, hostile, *devices)
    conference_id = await world.create(name="${echo(owned)}>null/zq1", owner_id=owner["_id"])
    answer = await world.act(conference_id, "dial", _dial(devices[1]["_id"]))
    assert (answer.status, set(answer.data)) == (
        400,
        {"data.endpoints", "data.endpoints.1.caller_id.internal.number"},
    )
    answer = await world.act(conference_id, "dial", _dial(devices[0]["_id"]))
    assert answer.status == 202, answer.text
    (sent,) = [dict(body) for _, _, body in world.published if body.get("Application-Name") == "dial"]
    for form in FORMS:
        assert read(said(sent, form)).is_as(meant(sent))
    assert sent["Endpoints"][0]["Outbound-Callee-ID-Name"] == "Ann$echo(owned) O\u2019Neilnull/zq1"


async def test_ordinary_texts_go_out_as_they_are(world: World) -> None:
    """Punctuation, other scripts, numbers and nested values arrive whole, and are read as meant."""
    conference_id = await world.create(name="Vertrieb & Söhne, Büro 3")
    variables = {"a": "Doe, Jane; room=4/b", "n": 5, "yes": True, "名前": "東京", "o": {"p": "q r"}}
    inline = _sip(
        custom_sip_headers={"in": {"X-Info": "info=alert-internal;x=http://h/a?b=c"}},
        invite_format="route",
        route="sip:ann@h.example:5070;transport=tcp",
    )
    data = _dial(NUMBER, "sip:bob@example.com;transport=tcp", inline, custom_application_vars=variables)
    answer = await world.act(conference_id, "dial", data)
    assert answer.status == 202, answer.text
    (sent,) = [dict(body) for _, _, body in world.published if body.get("Application-Name") == "dial"]
    assert sent["Custom-Application-Vars"] == variables
    assert sent["Caller-ID-Name"] == "Vertrieb & Söhne, Büro 3"
    assert len(sent["Endpoints"]) == 3
    for form in FORMS:
        assert read(said(sent, form)).is_as(meant(sent))


async def test_a_request_s_own_id_may_be_any_text(world: World) -> None:
    """The id that a client gives its request is echoed; one that is no word does not travel on."""
    conference_id = await world.create()
    headers = {"X-Request-ID": "${echo(owned)} 'x'"}
    answer = await world.act(conference_id, "dial", _dial(), headers=headers)
    assert answer.status == 202, answer.text
    (sent,) = [body for _, _, body in world.published if body.get("Application-Name") == "dial"]
    assert "echo" not in sent["Msg-ID"]
