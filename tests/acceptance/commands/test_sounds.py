"""Prompts by name, lists of media, and telling people that they were muted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crossbar_conferences.conference.newcomers import WAITED_OUT
from tests.acceptance.commands.test_media import REFUSED
from tests.support.world import World, listen

PEOPLE = ("moderator=true name=Ann", "name=Bob", "name=Cid speak=false")
_ALL = ("participants",)
_TWO = ("participants", "2")
PLACES: tuple[tuple[str, ...], ...] = ((), _ALL, _TWO)


async def _known(world: World, *people: str) -> str:
    """A room whose people are no newcomers any more, so that each command goes out once."""
    conference_id = await world.create()
    await world.start_room(conference_id, *people)
    await asyncio.sleep(WAITED_OUT)
    return conference_id


def _who(on: tuple[str, ...], number: object) -> dict[str, Any]:
    return {"Participant-ID": number} if on == _TWO else {}


@pytest.mark.parametrize("on", PLACES)
@pytest.mark.parametrize("language", [None, "fr-fr"])
async def test_a_prompt_by_its_name(world: World, on: tuple[str, ...], language: str | None) -> None:
    """What media_mgr finds goes out: the account's prompt, in the conference's language or its own."""
    conference_id = await world.create(**({} if language is None else {"language": language}))
    await world.start_room(conference_id, *PEOPLE)
    answer = await world.act(conference_id, "play", {"media_id": "conf-welcome"}, *on)
    assert (answer.status, answer.data) == (202, "ok")
    media = "/".join(filter(None, (f"prompt://{world.account}/conf-welcome", language)))
    assert world.commands == [
        {
            "Application-Name": "play",
            "Conference-ID": conference_id,
            "Media-Name": media,
            **_who(on, "2"),
        }
    ]
    await world.done(conference_id)
    assert world.room(conference_id).playing == ((media, 2 if on == _TWO else None),)


@pytest.mark.parametrize("on", PLACES)
async def test_a_list_is_played(world: World, on: tuple[str, ...]) -> None:
    """One command for all of it, which the switch plays as one medium; ``stop_play`` ends it."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    media_ids = ["greeting", "conf-welcome", "tone_stream://%(500,0,440)"]
    answer = await world.act(conference_id, "play", {"media_ids": media_ids}, *on)
    assert (answer.status, answer.data) == (202, "ok")
    sent = [f"/{world.account}/greeting", f"prompt://{world.account}/conf-welcome", media_ids[2]]
    assert world.commands == [
        {
            "Application-Name": "play_macro",
            "Conference-ID": conference_id,
            "Media-Macro": sent,
            **_who(on, 2),
        }
    ]
    await world.done(conference_id)
    whom = 2 if on == _TWO else None
    assert world.room(conference_id).playing == (("file_string://" + "!".join(sent), whom),)
    await world.act(conference_id, "stop_play", {}, *on)
    await world.done(conference_id, 2)
    assert world.room(conference_id).playing == ()


@pytest.mark.parametrize("on", PLACES)
async def test_no_list_takes_what_is_refused_alone(world: World, on: tuple[str, ...]) -> None:
    """Wherever in the list it stands: nothing of the list is played, and the answer names it."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    heard = await listen(world)
    for text in (*REFUSED, "a!b", "https://media.example.com/a!/etc/passwd"):
        media = text.format(other=world.other, account=world.account)
        for media_ids in ([media], ["greeting", media], [media, "greeting"]):
            answer = await world.act(conference_id, "play", {"media_ids": media_ids}, *on)
            assert (answer.status, answer.data) == (404, [media]), answer.text
    for media_ids in ([], ["x"] * 21, "greeting", ["greeting", "a'b"], ["greeting", "${x}"], [7]):
        answer = await world.act(conference_id, "play", {"media_ids": media_ids}, *on)
        assert (answer.status, answer.body["message"]) == (400, "validation error"), media_ids
        assert all(path.startswith("media_ids") for path in answer.errors)
    both = {"media_id": "greeting", "media_ids": ["greeting"]}
    assert (await world.act(conference_id, "play", both, *on)).status == 400
    assert await heard.all() == []


async def test_one_is_told_that_he_is_muted(world: World) -> None:
    """The mute and then the prompt for him alone; confirmed is what the event proves, the mute."""
    for action, wait in (("mute", {}), ("unmute", {"wait": "1400"}), ("mute", {"wait": "1400"})):
        conference_id = await _known(world, "name=Ann", f"name=Bob speak={str(action == 'mute').lower()}")
        world.sent.clear()
        answer = await world.act(conference_id, action, {"announce": True}, *_TWO, **wait)
        assert answer.status == (200 if wait else 202), answer.text
        assert (answer.data["result"] if wait else answer.data) == "ok"
        media = f"prompt://{world.account}/conf-{action}d"
        names = ("Application-Name", "Participant-ID", "Media-Name")
        assert [[one.get(name) for name in names] for one in world.commands] == [
            [f"{action}_participant", 2, None],
            ["play", "2", media],
        ]
        await world.done(conference_id, 2)
        room = world.room(conference_id)
        assert room.members[1].speak is (action == "unmute")
        assert room.playing == ((media, 2),)


async def test_an_announcement_is_not_taken_for_the_mute(world: World) -> None:
    """A switch that does nothing: no confirmation, however many commands went out."""
    conference_id = await _known(world, *PEOPLE)
    await world.cluster.perform(["fault", "all", "ignore-commands", "on"])
    answer = await world.act(conference_id, "mute", {"announce": True}, *_TWO, wait="200")
    assert (answer.status, answer.data["confirmed"]) == (202, False)
    assert [one["Application-Name"] for one in world.commands] == ["mute_participant", "play"]


@pytest.mark.parametrize("data", [{}, {"where": {"moderator": False}}, {"ids": [2, 3, 9]}])
async def test_many_are_told(world: World, data: dict[str, Any]) -> None:
    """Those whose state changes and nobody else, after all of them were muted."""
    conference_id = await _known(world, *PEOPLE, "name=Dee")
    if "ids" in data:
        data = {"ids": [*data["ids"], 4]}
    answer = await world.act(conference_id, "mute", {**data, "announce": True}, *_ALL, wait="1400")
    assert answer.status == 200, answer.text
    assert [one["Application-Name"] for one in world.commands] == ["mute_participant"] * 2 + ["play"] * 2
    await world.done(conference_id, 4)
    room = world.room(conference_id)
    assert sorted(whom for _, whom in room.playing if isinstance(whom, int)) == [2, 4]
    assert [member.speak for member in room.members] == [True, False, False, False]


async def test_an_announcement_that_is_none(world: World) -> None:
    """Nobody is muted when it is refused."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    for on in (_ALL, _TWO):
        for value in ("yes", "True", 1, None, "conf-welcome", "${x}"):
            answer = await world.act(conference_id, "mute", {"announce": value}, *on)
            assert (answer.status, list(answer.errors)) == (400, ["announce"]), answer.text
    assert world.published == []


async def test_more_than_can_be_told(world: World) -> None:
    """Beyond the bound the request is refused as a whole; without announcement it is done."""
    conference_id = await _known(world, *(f"name=P{number}" for number in range(101)))
    answer = await world.act(conference_id, "mute", {"announce": True}, *_ALL)
    assert (answer.status, answer.errors["announce"]["maximum"]["target"]) == (400, 100)
    assert world.published == []
    answer = await world.act(conference_id, "mute", {"announce": True, "except": [101]}, *_ALL)
    assert (answer.status, len(world.commands)) == (202, 200)
