"""What the bus can do and Kazoo's REST hides; and that no text gets off its place in a command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from crossbar_conferences.switch.rooms import Room
from tests.support.world import World, listen

PEOPLE = ("moderator=true name=Ann", "name=Bob")
_ALL: tuple[str, ...] = ("participants",)
_TWO: tuple[str, ...] = ("participants", "2")
_NOTHING: Callable[[Room], bool] = lambda room: True  # noqa: E731
_TONE = {"frequencies": [440, 480], "duration_on": 200, "duration_off": 100, "volume": -10, "repeat": 2}
_SENT_TONE = {
    "Frequencies": ["440", "480"],
    "Duration-ON": "200",
    "Duration-OFF": "100",
    "Volume": "-10",
    "Repeat": "2",
}

#: What quotes become where they may not end anything.
QUOTE = "\N{RIGHT SINGLE QUOTATION MARK}"

#: The action, its data, where, the messages without what each has, and the effect.
Case = tuple[str, Mapping[str, Any], tuple[str, ...], list[dict[str, Any]], Callable[[Room], bool]]
CASES: list[Case] = [
    ("say", {"text": "Hello all"}, (), [{"Text": "Hello all"}], _NOTHING),
    (
        "say",
        {"text": "It's “fine”", "language": "en-us", "voice": "slt"},
        (),
        [{"Text": f"It{QUOTE}s “fine”", "Language": "en-us", "Voice": "slt"}],
        _NOTHING,
    ),
    ("say", {"text": "Psst"}, _TWO, [{"Text": "Psst", "Participant-ID": 2}], _NOTHING),
    ("stop_play", {}, (), [{"Affects": "all"}], lambda room: room.playing == (("b.wav", 2),)),
    (
        "stop_play",
        {"affects": "current"},
        _TWO,
        [{"Affects": "current", "Participant-ID": 2}],
        lambda room: room.playing == (("a.wav", None),),
    ),
    ("tones", {"tones": [_TONE]}, (), [{"Tones": [_SENT_TONE]}], _NOTHING),
    (
        "energy",
        {"level": 300},
        _TWO,
        [{"Energy-Level": "300", "Participant-ID": 2}],
        lambda room: [member.energy_level for member in room.members] == [20, 300],
    ),
    ("volume_in", {"level": -4}, _TWO, [{"Volume-In-Level": "-4", "Participant-ID": 2}], _NOTHING),
    ("volume_out", {"level": 4}, _TWO, [{"Volume-Out-Level": "4", "Participant-ID": 2}], _NOTHING),
    (
        "volume_out",
        {"level": 0},
        _ALL,
        [{"Volume-Out-Level": "0", "Participant-ID": number} for number in (1, 2)],
        _NOTHING,
    ),
]
_NAMES = {
    "energy": "participant_energy",
    "volume_in": "participant_volume_in",
    "volume_out": "participant_volume_out",
}


@pytest.mark.parametrize(("action", "data", "on", "messages", "effect"), CASES)
async def test_further_actions(
    world: World,
    action: str,
    data: Mapping[str, Any],
    on: tuple[str, ...],
    messages: list[dict[str, Any]],
    effect: Callable[[Room], bool],
) -> None:
    """Exactly the messages that ecallmgr understands go out, and the switch does what they say."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    if action == "stop_play":
        await world.act(conference_id, "play", {"media_id": "http://media.example/a.wav"})
        await world.act(conference_id, "play", {"media_id": "http://media.example/b.wav"}, *_TWO)
        await world.done(conference_id, 2)
        world.sent.clear()
    before = len(world.told(conference_id))
    answer = await world.act(conference_id, action, data, *on)
    assert answer.status == 202, answer.text
    sent = world.commands
    assert [command.pop("Application-Name") for command in sent] == [_NAMES.get(action, action)] * len(
        messages
    )
    assert [command.pop("Conference-ID") for command in sent] == [conference_id] * len(messages)
    for command in sent:
        command.pop("Call-ID", None)
    assert sent == messages
    await world.done(conference_id, before + len(messages))
    assert set(world.told(conference_id)[before:]) <= {"done", "nothing"}
    playing = tuple((media.rpartition("/")[2], member) for media, member in world.room(conference_id).playing)
    if action == "stop_play":
        assert playing == ((("b.wav", 2),) if not on else (("a.wav", None),))
    else:
        assert effect(world.room(conference_id))


async def test_a_full_conference_refuses_joins(world: World) -> None:
    """A dialled call does not get in: it is called, and hung up when it answers. That is told at once, where
    ecallmgr says nothing until the timeout."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.cluster.perform(["limit", conference_id, "2"])
    began = time.monotonic()
    answer = await world.act(conference_id, "dial", {"endpoints": ["2600123456"], "timeout": 20})
    assert time.monotonic() - began < 10
    (leg,) = answer.data["endpoint_responses"]
    assert "hung up before it was in the conference" in leg.pop("reason")
    assert leg == {
        "endpoint_id": "2600123456",
        "status": "error",
        "message": "NORMAL_CLEARING",
        "answered": True,
    }


#: What would end a command and begin another, expand a variable, or reach the switch's files.
HOSTILE = (
    "x'; system rm -rf /",
    'x" system id',
    "x\nconference all kick all",
    "x\r\n\r\nbgapi system id",
    "${system(id)}",
    "$${external_ip}",
    "{ignore_early_media=true}x",
    "<cmd>",
    "x|system",
    "x^^y",
    "`id`",
    "back\\slash",
    "x\x00y",
    "x\u2028y",
    "  ",
)

#: Where such a text may be put: action, data around the text, path's parts, the error's keys.
PLACES: tuple[tuple[str, Callable[[str], Mapping[str, Any]], tuple[str, ...]], ...] = (
    ("say", lambda text: {"text": "fine", "voice": text}, ()),
    ("say", lambda text: {"text": "fine", "language": text}, ()),
    ("play", lambda text: {"media_id": text}, ()),
    ("play", lambda text: {"media_id": f"http://x/{text}"}, ("participants",)),
    ("play", lambda text: {"media_id": text}, ("participants", "1")),
    ("play", lambda text: {"media_ids": ["greeting", text]}, ()),
    ("play", lambda text: {"media_ids": [text]}, ("participants", "1")),
    ("mute", lambda text: {"announce": text}, ("participants", "1")),
    ("stop_play", lambda text: {"affects": text}, ()),
    ("tones", lambda text: {"tones": [{**_TONE, "volume": text}]}, ()),
    ("tones", lambda text: {"tones": [{**_TONE, "frequencies": [text]}]}, ()),
    ("energy", lambda text: {"level": text}, ("participants", "1")),
    ("volume_in", lambda text: {"level": text}, ("participants", "1")),
    ("record", lambda text: {"action": text}, ()),
    ("relate", lambda text: {"participant_id": text, "other_participant": 2}, ("participants",)),
    ("relate", lambda text: {"participant_id": 1, "other_participant": 2, "relationship": text}, _ALL),
    ("mute", lambda text: {"ids": [text]}, _ALL),
    ("mute", lambda text: {"where": {text: True}}, _ALL),
    ("vars", lambda text: {"custom_conference_vars": {text: "v"}}, ()),
    ("dial", lambda text: {"endpoints": [text]}, ()),
    ("dial", lambda text: {"endpoints": [f"sip:{text}@example.com"]}, ()),
    ("dial", lambda text: {"endpoints": ["2600123456"], "caller_id_number": text}, ()),
    ("dial", lambda text: {"endpoints": ["2600123456"], "outbound_call_id": text}, ()),
    ("dial", lambda text: {"endpoints": ["2600123456"], "profile_name": text}, ()),
    ("dial", lambda text: {"endpoints": ["2600123456"], "participant_flags": [text]}, ()),
)


@pytest.mark.parametrize("place", range(len(PLACES)), ids=lambda n: f"{PLACES[n][0]}-{n}")
async def test_hostile_texts_are_refused(world: World, place: int) -> None:
    """A text that could be more than a text is a 400 or 404, and nothing comes over the bus."""
    action, around, on = PLACES[place]
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    heard = await listen(world)
    for text in HOSTILE:
        answer = await world.act(conference_id, action, around(text), *on)
        assert answer.status in (400, 404), (text, answer.text)
        assert answer.body["status"] == "error"
    assert await heard.all() == []


@pytest.mark.parametrize("on", [(), ("participants", "1")])
async def test_spoken_quotes_are_made_harmless(world: World, on: tuple[str, ...]) -> None:
    """A text to be spoken may have quotes; they go out as typographic ones, which end nothing."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    for text in ("x'; system rm -rf /", 'x" system id'):
        assert (await world.act(conference_id, "say", {"text": text}, *on)).status == 202
    assert [command["Text"] for command in world.commands] == [
        f"x{QUOTE}; system rm -rf /",
        f"x{QUOTE} system id",
    ]
    for text in HOSTILE:
        if not set(text) & set("'\""):
            assert (await world.act(conference_id, "say", {"text": text}, *on)).status == 400
    assert len(world.commands) == 2


@pytest.mark.parametrize("key", ["caller_id_number", "outbound_call_id", "profile_name"])
async def test_blank_words_of_a_dial_count_as_absent(world: World, key: str) -> None:
    """An empty word is no word: the header is left out."""
    conference_id = await world.create()
    data = {"endpoints": ["2600123456"], "timeout": 1, key: ""}
    assert (await world.act(conference_id, "dial", data)).status == 202
    assert len(world.commands) == 1
    assert not set(world.commands[0]) & {"Caller-ID-Number", "Outbound-Call-ID", "Profile-Name"}


@pytest.mark.parametrize(
    "path",
    [
        "file:///etc/passwd",
        "vlc://x",
        "lua://x",
        "api://system",
        "file_string://a.wav!file:///etc/passwd",
        "../../etc/passwd",
        "/{other}/secret",
        "/tmp/{other}_room.mp3",
    ],
)
async def test_files_of_the_switch_and_of_others_are_out_of_reach(world: World, path: str) -> None:
    """Media outside the account's own is a 404 that names it, and nothing is played."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    media = path.replace("{other}", world.other)
    for on in ((), _ALL, _TWO):
        answer = await world.act(conference_id, "play", {"media_id": media}, *on)
        assert (answer.status, answer.data, answer.body["message"]) == (404, [media], "bad identifier")
    assert world.published == []


async def test_a_name_cannot_leave_its_place_in_a_dial(world: World) -> None:
    """Caller names, of the request or of the conference, keep their quotes as typographic ones."""
    conference_id = await world.create(name='Bob\'s "big" room ${x} \\ `id`')
    await world.act(conference_id, "dial", {"endpoints": ["2600123456"], "timeout": 2})
    given = "O'Neil'; system x"
    await world.act(
        conference_id, "dial", {"endpoints": ["2600123456"], "timeout": 2, "caller_id_name": given}
    )
    names = [command["Caller-ID-Name"] for command in world.commands]
    assert names == [f"Bob{QUOTE}s {QUOTE}big{QUOTE} room $x  id", f"O{QUOTE}Neil{QUOTE}; system x"]
    assert not any(set(name) & set("'\"\n\\`{}") for name in names)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**70), 10**40])
async def test_numbers_of_any_size_do_no_harm(world: World, number: int) -> None:
    """A number that no switch has is refused, and as a variable it travels as it is."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    for action, data, on in (
        ("energy", {"level": number}, _TWO),
        ("mute", {"ids": [number]}, _ALL),
        ("relate", {"participant_id": number, "other_participant": 1}, _ALL),
        ("dial", {"endpoints": ["2600123456"], "timeout": -abs(number)}, ()),
    ):
        answer = await world.act(conference_id, action, None, *on, raw=_raw(action, data, on))
        assert answer.status in (400, 404), answer.text
    assert world.published == []
    body = b'{"action":"vars","data":{"custom_conference_vars":{"n":%d}}}' % number
    answer = await world.call("PUT", world.path(conference_id), raw=body)
    assert answer.status in (202, 400), answer.text


def _raw(action: str, data: Mapping[str, Any], on: tuple[str, ...]) -> bytes:
    inner = {"action": action, "data": data}
    return json.dumps({"data": inner} if on else inner).encode()
