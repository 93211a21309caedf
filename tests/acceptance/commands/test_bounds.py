"""Lengths are looked at before contents: lists and texts that are too long cost nothing but their answer."""

from __future__ import annotations

import secrets

import pytest

from tests.support.world import World


def _numbers(count: int) -> list[str]:
    start = secrets.randbelow(10**9) * 10**4
    return [str(start + number) for number in range(count)]


@pytest.mark.parametrize("place", ["conference_numbers", "member", "moderator"])
async def test_a_conference_has_a_hundred_numbers(world: World, place: str) -> None:
    """More are refused, by the list that has the first too many, before the store is asked for any."""
    many = _numbers(3_000)
    fields = {place: many} if place == "conference_numbers" else {place: {"numbers": many}}
    path = place if place == "conference_numbers" else f"{place}.numbers"
    conference_id = await world.create()
    world.operations.clear()
    for answer in (
        await world.call("PUT", world.path(), {"data": {"name": secrets.token_hex(4), **fields}}),
        await world.call(
            "POST", world.path(conference_id), {"data": {"name": secrets.token_hex(4), **fields}}
        ),
        await world.call("PATCH", world.path(conference_id), {"data": fields}),
    ):
        assert (answer.status, list(answer.data)) == (400, [path])
        assert answer.data[path]["maxItems"]["target"] == 100
    assert len(world.operations) <= 1
    split = {"conference_numbers": _numbers(40), "member": {"numbers": _numbers(61)}}
    answer = await world.call("PUT", world.path(), {"data": {"name": secrets.token_hex(4), **split}})
    assert (answer.status, list(answer.data)) == (400, ["member.numbers"])
    await world.create(conference_numbers=_numbers(100))


async def test_a_dial_has_a_hundred_endpoints(world: World) -> None:
    """A longer list is refused, before any of its documents is read."""
    conference_id = await world.create()
    await world.act(conference_id, "dial", {"endpoints": ["2600"], "timeout": 1})
    world.operations.clear()
    sent = len(world.published)
    answer = await world.act(
        conference_id, "dial", {"endpoints": [secrets.token_hex(16) for _ in range(101)]}
    )
    assert (answer.status, list(answer.data)) == (400, ["endpoints"])
    assert (world.operations, len(world.published)) == ([], sent)


@pytest.mark.parametrize("key", ["caller_id_name", "caller_id_number", "outbound_call_id", "target_call_id"])
async def test_texts_of_a_dial_are_short(world: World, key: str) -> None:
    """Hundreds of thousands of letters are refused for their number."""
    conference_id = await world.create()
    data = {"endpoints": ["2600123456"], "timeout": 1, key: "x" * 900_000}
    answer = await world.act(conference_id, "dial", data)
    assert (answer.status, list(answer.data)) == (400, [key])
    assert world.published == []


async def test_formatters_of_a_dial_have_one_budget(world: World) -> None:
    """A body of some kilobytes with patterns that would run for years is an error, and nobody waits."""
    conference_id = await world.create()
    rules = [{"regex": f"(a?){{{count}}}(a?){{100}}b"} for count in range(1, 9)]
    device = {"name": "x", "sip": {"username": "a" * 120}, "formatters": {"to_user": rules}}
    answer = await world.act(conference_id, "dial", {"endpoints": [device] * 90, "timeout": 1})
    (place,) = answer.data
    assert (answer.status, place.startswith("data.endpoints."), list(answer.data[place])) == (
        400,
        True,
        ["maximum"],
    )
    assert world.published == []
