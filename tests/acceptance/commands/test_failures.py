"""Nothing is published on any failure: somebody listens on the bus while every error is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.addresses import elsewhere
from tests.support.world import World, beside, listen

_ALL = ("participants",)
_TWO = ("participants", "2")
_TONE = {"frequencies": [440], "duration_on": 200, "duration_off": 100}

#: The body as it stands, the path's parts, status, message, and a key of the error's data.
Case = tuple[Mapping[str, Any], tuple[str, ...], int, str, str]


def _at_top(action: Any, /, **data: Any) -> Mapping[str, Any]:
    return {"action": action, "data": data}


def _inside(action: Any, /, **data: Any) -> Mapping[str, Any]:
    return {"data": {"action": action, "data": data}}


_INVALID = "validation error"
CASES: list[Case] = [
    ({"action": "lock"}, (), 400, _INVALID, "data"),
    ({"action": "lock", "data": "x"}, (), 400, _INVALID, "data"),
    ({"data": {}}, (), 400, _INVALID, "action"),
    (_at_top("dance"), (), 400, _INVALID, "action"),
    (_at_top(["lock"]), (), 400, _INVALID, "action"),
    (_at_top({"lock": 1}), (), 400, _INVALID, "action"),
    (_at_top(7), (), 400, _INVALID, "action"),
    (_at_top("mute"), (), 400, _INVALID, "action"),
    (_at_top("play"), (), 400, _INVALID, "data.media_id"),
    (_at_top("play", media_id=""), (), 400, _INVALID, "data.media_id"),
    (_at_top("play", media_id=7.5), (), 400, _INVALID, "data.media_id"),
    (_at_top("play", media_id="file:///x"), (), 404, "bad identifier", ""),
    (_at_top("record"), (), 400, _INVALID, "data.action"),
    (_at_top("record", action="pause"), (), 400, _INVALID, "data.action"),
    (_at_top("record", action="stop"), (), 400, _INVALID, "data.action"),
    (_at_top("vars", custom_conference_vars="x"), (), 400, _INVALID, "data.custom_conference_vars"),
    (_at_top("say"), (), 400, _INVALID, "text"),
    (_at_top("say", text="x" * 1001), (), 400, _INVALID, "text"),
    (_at_top("stop_play", affects="x"), (), 400, _INVALID, "affects"),
    (_at_top("tones", tones=[]), (), 400, _INVALID, "tones"),
    (_at_top("tones", tones=[{**_TONE, "frequencies": []}]), (), 400, _INVALID, "tones.0.frequencies"),
    (_at_top("set", max_members=5), (), 501, "not_supported", "message"),
    (_at_top("dial"), (), 400, _INVALID, "endpoints"),
    (_at_top("dial", endpoints=[]), (), 400, _INVALID, "data.endpoints"),
    (_at_top("dial", endpoints=["?"]), (), 400, _INVALID, "data.endpoints.1"),
    (_at_top("dial", endpoints=["2600123456", "sip:"]), (), 400, _INVALID, "data.endpoints.2"),
    (_at_top("dial", endpoints=["0" * 32]), (), 400, _INVALID, "data.endpoints"),
    (_at_top("dial", endpoints=["2600123456"], timeout=0), (), 400, _INVALID, "timeout"),
    (_at_top("dial", endpoints=["2600123456"], participant_flags=["x"]), (), 400, _INVALID, ""),
    (_inside("dance"), _ALL, 404, "faulty_request", "message"),
    ({"data": {}}, _ALL, 404, "faulty_request", "message"),
    (_inside(["mute"]), _ALL, 404, "faulty_request", "message"),
    (_inside("lock"), _ALL, 404, "faulty_request", "message"),
    (_inside("relate"), _ALL, 400, _INVALID, "participant_id"),
    (_inside("relate", participant_id=1), _ALL, 400, _INVALID, "other_participant"),
    (_inside("relate", participant_id=1, other_participant=9), _ALL, 404, "bad_identifier", "id"),
    (_inside("relate", participant_id=2, other_participant=2), _ALL, 404, "bad_identifier", "id"),
    (_inside("relate", participant_id="x", other_participant=2), _ALL, 404, "bad_identifier", "id"),
    (_inside("play"), _ALL, 400, _INVALID, "data.media_id"),
    (_inside("mute", ids="all"), _ALL, 400, _INVALID, "ids"),
    (_inside("energy"), _ALL, 400, _INVALID, "level"),
    (_inside("energy", level=2000), _ALL, 400, _INVALID, "level"),
    (_inside("dance"), _TWO, 400, _INVALID, "action"),
    ({"data": {}}, _TWO, 400, _INVALID, "action"),
    (_inside("relate", participant_id=1, other_participant=2), _TWO, 400, _INVALID, "action"),
    (_inside("mute"), ("participants", "9"), 404, "bad_identifier", "id"),
    (_inside("mute"), ("participants", "x"), 404, "bad_identifier", "id"),
    (_inside("play"), _TWO, 400, _INVALID, "data.media_id"),
    (_inside("volume_in", level=5), _TWO, 400, _INVALID, "level"),
    (_inside("volume_out", level="1.5"), _TWO, 400, _INVALID, "level"),
    ({"data": {"guests": ["a@b.example"]}}, ("email_invite",), 400, _INVALID, "invite_message"),
    ({"data": {"invite_message": "x"}}, ("email_invite",), 400, _INVALID, "guests"),
]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n][0].get('action', 'in')}")
async def test_nothing_is_published_on_a_failure(world: World, number: int) -> None:
    """The error is in the envelope, with Kazoo's status and key, and nobody hears anything."""
    body, on, status, message, key = CASES[number]
    conference_id = await world.create()
    await world.start_room(conference_id, "moderator=true name=Ann", "name=Bob")
    if body.get("action") == "record":
        # So that the sidecar knows that nothing is recorded.
        path = world.path(conference_id)
        await world.act(conference_id, "record", {"action": "start"}, wait="1000")
        await world.act(conference_id, "record", {"action": "stop"}, wait="1000")
        assert (await world.call("GET", path)).status == 200
        world.sent.clear()
    heard = await listen(world)
    answer = await world.put(world.path(conference_id, *on), body)
    assert (answer.status, answer.body["message"]) == (status, message), answer.text
    assert (answer.body["status"], answer.body["error"]) == ("error", str(status))
    assert not key or key in answer.data
    assert (world.published, await heard.all()) == ([], [])


@pytest.mark.parametrize(
    ("headers", "raw", "status"),
    [
        ({"content-type": "text/plain"}, b'{"action":"lock","data":{}}', 415),
        ({"accept": "image/png"}, b'{"action":"lock","data":{}}', 406),
        ({"if-none-match": "*"}, b'{"action":"lock","data":{}}', 202),
        ({}, b'{"action":"lock","data":{}', 400),
        ({}, b'["lock"]', 400),
        ({}, b"", 400),
        ({"x-auth-token": "nobody"}, b'{"action":"lock","data":{}}', 401),
    ],
)
async def test_requests_that_are_no_action(
    world: World, headers: Mapping[str, str], raw: bytes, status: int
) -> None:
    """What fails before the action is looked at publishes nothing either."""
    conference_id = await world.create()
    heard = await listen(world)
    token = {} if "x-auth-token" in headers else {"x-auth-token": world.tokens["boss"]}
    forwarded = {"x-forwarded-for": elsewhere()}
    answer = await world.call(
        "PUT",
        world.path(conference_id),
        raw=raw,
        who=None,
        headers={**token, **forwarded, **headers},
    )
    assert answer.status == status, answer.text
    expected = 1 if status == 202 else 0
    assert (len(world.published), len(await heard.all())) == (expected, expected)


async def test_recording_twice_is_said(world: World) -> None:
    """Starting what runs and stopping what does not are errors once the state is known."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    await world.call("GET", world.path(conference_id))
    assert (await world.act(conference_id, "record", {"action": "start"}, wait="1400")).status == 200
    again = await world.act(conference_id, "record", {"action": "start"})
    assert "already being recorded" in again.errors["data.action"]["state"]["message"]
    assert (await world.act(conference_id, "record", {"action": "stop"}, wait="1400")).status == 200
    again = await world.act(conference_id, "record", {"action": "stop"})
    assert "not being recorded" in again.errors["data.action"]["state"]["message"]
    assert len(world.commands) == 2


async def test_without_a_broker_a_command_is_a_503(world: World) -> None:
    """A command that cannot be published is not accepted; invitations are (test_invites)."""
    conference_id = await world.create()
    async with beside(world) as other:
        await other.service.bus.transport.close()
        for action, data, on in (
            ("lock", {}, ()),
            ("dial", {"endpoints": ["2600123456"], "timeout": 1}, ()),
            ("kick", {"ids": []}, _ALL),
        ):
            answer = await other.act(conference_id, action, data, *on)
            expected = (202, None) if action == "kick" else (503, "bus_unavailable")
            assert (answer.status, answer.body.get("message")) == expected, answer.text
        answer = await other.act(conference_id, "lock", wait="100")
        assert answer.status == 503
        assert other.published == []
