"""What the media side would not carry out is not said to be done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World, beside, listen

#: Action, data, settings, status and message.
CASES: list[tuple[str, dict[str, Any], dict[str, str], int, str]] = [
    ("set", {"max_members": 5}, {}, 501, "not_supported"),
    ("set", {"max_members": 5}, {"core": "master"}, 501, "not_supported"),
    ("vars", {"custom_conference_vars": {"a": "b"}}, {"core": "master"}, 501, "not_supported"),
    ("set", {"max_members": 5}, {"set_action": "true"}, 202, ""),
    ("vars", {"custom_conference_vars": {"a": "b"}}, {}, 202, ""),
    ("lock", {}, {"core": "master"}, 202, ""),
]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{CASES[n][0]}-{n}")
async def test_no_success_for_what_nothing_would_do(world: World, number: int) -> None:
    """An action that no ecallmgr of that core carries out is a 501 with the reason, and unheard."""
    action, data, settings, status, message = CASES[number]
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    async with beside(world, **settings) as other:
        heard = await listen(world)
        for query in ({}, {"dry_run": "true"}, {"wait": "100"}):
            answer = await other.act(conference_id, action, data, **query)
            if status == 501:
                assert (answer.status, answer.body["message"]) == (501, message), answer.text
                assert answer.data["action"] == action
                assert answer.data["message"]
            else:
                assert answer.status in (200, 202), answer.text
        commands = [body for _, body in await heard.all() if body.get("Conference-ID") == conference_id]
        assert bool(commands) is (status != 501)


async def test_a_dial_that_cannot_begin_a_conference_says_so(world: World) -> None:
    """On the open core a dial into a conference that does not run calls nobody: the answer says so."""
    conference_id = await world.create()
    dial = {"endpoints": ["2600123456"], "timeout": 30}
    async with beside(world, core="master") as other:
        answer = await other.act(conference_id, "dial", dial)
        assert (answer.status, answer.data["status"]) == (202, "error")
        assert "does not run" in answer.data["message"]
        assert other.commands == []
        await world.start_room(conference_id, "name=Ann")
        await other.until_shown(conference_id, 1)
        answer = await other.act(conference_id, "dial", dial)
        assert [one["status"] for one in answer.data["endpoint_responses"]] == ["success"]
