"""The Idempotency-Key header: what was asked twice is done once."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from tests.support.world import Answer, World

PEOPLE = ("moderator=true name=Ann", "name=Bob")
_DIAL = {"endpoints": ["2600123456"], "timeout": 2}


def _key() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(8)}


REQUESTS: list[tuple[str, dict[str, Any] | None, tuple[str, ...]]] = [
    ("lock", None, ()),
    ("vars", {"custom_conference_vars": {"a": "b"}}, ()),
    ("dial", _DIAL, ()),
    ("mute", None, ("participants",)),
    ("kick", None, ("participants", "2")),
]


def _comparable(answer: Answer) -> tuple[int, Any, Any]:
    return answer.status, answer.data, answer.body.get("revision")


@pytest.mark.parametrize(("action", "data", "on"), REQUESTS)
async def test_a_repeated_key_gives_the_stored_answer(
    world: World, action: str, data: dict[str, Any] | None, on: tuple[str, ...]
) -> None:
    """The second answer is the first one, marked as repeated, and nothing more is published."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    key = _key()
    first = await world.act(conference_id, action, data, *on, headers=key)
    sent = len(world.published)
    assert sent == 1
    again = await world.act(conference_id, action, data, *on, headers=key)
    assert _comparable(again) == _comparable(first)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    assert again.body["request_id"] != first.body["request_id"]
    assert len(world.published) == sent


async def test_invitations_too(world: World) -> None:
    """An invitation under a repeated key is sent once."""
    conference_id = await world.create()
    key, body = _key(), {"data": {"guests": ["a@example.com"], "invite_message": "hi"}}
    path = world.path(conference_id, "email_invite")
    first = await world.put(path, body, headers=key)
    await world.eventually(lambda: len(world.published) == 1)
    again = await world.put(path, body, headers=key)
    assert _comparable(again) == _comparable(first)
    assert (first.status, len(world.published)) == (201, 1)
    other = await world.put(path, {"data": {**body["data"], "invite_message": "ho"}}, headers=key)
    assert other.status == 422
    counters = world.service.inviter.counters
    # Whether somebody takes invitations in this world depends on the tests before.
    await world.eventually(lambda: counters.sent + counters.kept >= 1)
    assert len(world.published) == 1


async def test_a_concurrent_duplicate_waits_for_the_first(world: World) -> None:
    """Five at once are one dial with one answer."""
    conference_id = await world.create()
    await world.start_room(conference_id, *PEOPLE)
    await world.cluster.perform(["fault", "all", "slow", "300"])
    key = _key()
    answers = await asyncio.gather(*(world.act(conference_id, "dial", _DIAL, headers=key) for _ in range(5)))
    assert len({str(_comparable(answer)) for answer in answers}) == 1
    assert answers[0].data["endpoint_responses"][0]["status"] == "success"
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    assert len(world.commands) == 1


@pytest.mark.parametrize("change", ["body", "path", "query"])
async def test_another_request_under_the_same_key_is_refused(world: World, change: str) -> None:
    """422 in the envelope, and nothing is published for it."""
    conference_id, other = await world.create(), await world.create()
    key = _key()
    assert (await world.act(conference_id, "lock", headers=key)).status == 202
    action = "unlock" if change == "body" else "lock"
    target = other if change == "path" else conference_id
    query = {"wait": "1"} if change == "query" else {}
    answer = await world.act(target, action, headers=key, **query)
    assert (answer.status, answer.body["error"], answer.body["message"]) == (
        422,
        "422",
        "idempotency_key_reused",
    )
    assert answer.data == {"message": "this Idempotency-Key was used with another request"}
    assert len(world.commands) == 1


async def test_accounts_do_not_share_keys(world: World) -> None:
    """The same key of another account is another request."""
    ours = await world.create()
    theirs = await world.create(account=world.other, who="other")
    key = _key()
    assert (await world.act(ours, "lock", headers=key)).status == 202
    answer = await world.act(theirs, "unlock", headers=key, account=world.other, who="other")
    assert answer.status == 202
    assert "idempotency-replayed" not in answer.headers
    assert [command["Application-Name"] for command in world.commands] == ["lock", "unlock"]


async def test_a_stored_answer_is_for_those_who_may_ask(world: World) -> None:
    """A key is no way past the token: who may not act gets no stored answer either."""
    conference_id = await world.create()
    key = _key()
    assert (await world.act(conference_id, "lock", headers=key)).status == 202
    assert (await world.act(conference_id, "lock", headers=key, who="other")).status == 403
    assert (await world.act(conference_id, "lock", headers=key, who=None)).status == 401


async def test_failures_are_not_stored(world: World) -> None:
    """What failed may be tried again under its key."""
    conference_id = await world.create()
    key = _key()
    assert (await world.act(conference_id, "mute", None, "participants", "1", headers=key)).status == 404
    await world.start_room(conference_id, *PEOPLE)
    assert (await world.act(conference_id, "mute", None, "participants", "1", headers=key)).status == 202
    key = _key()
    bad = {"endpoints": ["no such endpoint"]}
    for _ in range(2):
        answer = await world.act(conference_id, "dial", bad, headers=key)
        assert answer.status == 400
        assert "idempotency-replayed" not in answer.headers


async def test_a_dry_run_does_not_take_the_place_of_the_real_one(world: World) -> None:
    """The query counts: a key used for a dry run is not good for the real request."""
    conference_id = await world.create()
    key = _key()
    assert (await world.act(conference_id, "lock", headers=key, dry_run="true")).status == 200
    assert (await world.act(conference_id, "lock", headers=key)).status == 422
    assert world.published == []


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
async def test_a_key_that_is_none(world: World, key: str) -> None:
    """An empty or endless key is refused before anything is done."""
    conference_id = await world.create()
    answer = await world.act(conference_id, "lock", headers={"idempotency-key": key})
    assert "Idempotency-Key" in answer.errors
    assert world.published == []
