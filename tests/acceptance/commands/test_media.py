"""Media that a request names: what is not on the list is a 404 that names it, wherever it stands."""

from __future__ import annotations

import pytest

from tests.support.world import World

PEOPLE = ("moderator=true name=Ann", "name=Bob")

#: Other accounts' media, files of the switch, what it would run, and services inside.
REFUSED = (
    "{other}/secret",
    "/{other}/secret",
    "account%2Fx/secret",
    "local_stream://{other}_room.mp3",
    "local_stream://{account}_room.mp3",
    "shell_stream://id",
    "file:/etc/passwd",
    "http_cache://file:///etc/passwd",
    "rec://x",
    "av://x",
    "tone_stream://path=/etc/passwd",
    "tone_stream://l=-1;%(500,0,440)",
    "prompt://{other}/welcome/en-us",
    "http://127.0.0.1:5984/_all_dbs",
    "http://[::1]/x",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/",
    "http://a@10.0.0.1/x",
    "http://couchdb:5984/",
)


@pytest.mark.parametrize("on", [(), ("participants",), ("participants", "1")], ids=["room", "all", "one"])
async def test_play_takes_what_is_listed_alone(world: World, on: tuple[str, ...]) -> None:
    """Nothing of the list of refused media is played; the account's own is."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    for text in REFUSED:
        media = text.format(other=world.other, account=world.account)
        answer = await world.act(conference_id, "play", {"media_id": media}, *on)
        assert (answer.status, answer.data, answer.body["message"]) == (404, [media], "bad identifier")
    assert world.published == []
    own = f"/{world.account}/greeting"
    assert (await world.act(conference_id, "play", {"media_id": own}, *on)).status == 202


async def test_music_on_hold_is_of_the_same_list(world: World) -> None:
    """A device in a dial may bring no other music on hold than may be played."""
    conference_id = await world.create()
    device = {"name": "x", "sip": {"username": "x", "realm": "phones.example"}}
    for text in REFUSED:
        media = text.format(other=world.other, account=world.account)
        inline = {**device, "music_on_hold": {"media_id": media}}
        answer = await world.act(conference_id, "dial", {"endpoints": [inline], "timeout": 1})
        if "[" in media:
            # Ends a block on the switch's line, so it is no text of this kind at all.
            assert (answer.status, "data.endpoints.1.music_on_hold" in answer.text) == (400, True)
            continue
        assert (answer.status, answer.data, answer.body["message"]) == (404, [media], "bad identifier")
    assert world.published == []


async def test_tones_that_last_too_long_together(world: World) -> None:
    """The switch makes all of a tone before it plays any: its length is bounded."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    tone = {"frequencies": [440], "duration_on": 60_000, "duration_off": 0, "repeat": 100}
    answer = await world.act(conference_id, "tones", {"tones": [tone]})
    assert (answer.status, list(answer.data)) == (400, ["tones"])
    assert world.published == []
