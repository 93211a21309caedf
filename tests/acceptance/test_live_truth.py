"""What is shown is what the switch knows: first reads at once, restarted media nodes, late profiles, a
media server that dies (real-switch.md A2, A7, A9, A10; real-clients.md A)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
import pytest_asyncio

from tests.support.answers import Answer
from tests.support.brokers import eventually
from tests.support.house import House

PEOPLE = 3


@pytest_asyncio.fixture(loop_scope="module")
async def room(house: House) -> str:
    """A stored conference with three people in it, one of them a moderator, that nobody has read yet."""
    conference_id = await house.create()
    await house.cluster.perform(["create", conference_id, house.account])
    for number in range(1, PEOPLE + 1):
        flag = "true" if number == 1 else "false"
        await house.cluster.perform(
            ["join", conference_id, f"{conference_id}-{number}", f"moderator={flag}", f"name=Person {number}"]
        )
    return conference_id


@pytest_asyncio.fixture(loop_scope="module")
async def read_room(house: House, room: str) -> str:
    """The same, and the sidecar has shown them."""

    async def shown() -> bool:
        return [one["participant_id"] for one in await _people(house, room)] == [1, 2, 3]

    await eventually(shown)
    return room


def _forget(house: House) -> None:
    """As in a sidecar that has just started: the account is not followed."""
    tracker: Any = house.service.live
    if house.account in tracker._accounts:
        tracker._unfollow(house.account)


async def _people(house: House, conference_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = await house.get(house.path(conference_id, "participants") + query)
    assert answer.status == 200, answer.text
    people: list[dict[str, Any]] = answer.data
    return people


def _metadata(answer: Answer) -> dict[str, Any]:
    metadata: dict[str, Any] = answer.body["metadata"]
    return metadata


module = pytest.mark.asyncio(loop_scope="module")


@module
async def test_first_reads_at_once_are_all_right(house: House, room: str) -> None:
    """Monster UI's viewer opens with two reads at once, as the first thing of an account: nobody is told
    that the room is empty, whatever is read with them."""
    for _ in range(3):
        # As after a start, or when nobody read the account for ten minutes.
        _forget(house)
        answers = await asyncio.gather(
            house.get(house.path(room)),
            house.get(house.path(room, "participants")),
            house.get(house.path()),
            house.get(house.path(room, "participants")),
        )
        assert [answer.status for answer in answers] == [200] * 4
        one, first, listed, second = answers
        figures = one.data["_read_only"]
        assert (figures["members"], figures["moderators"]) == (2, 1), _metadata(one)
        assert len(first.data) == len(second.data) == PEOPLE
        assert [item["members"] for item in listed.data if item["id"] == room] == [2]


@module
async def test_a_restarted_media_node_takes_nothing_away(house: House, read_room: str) -> None:
    """The only ecallmgr is restarted: it lists the room no more and has call ids alone. Whoever was
    there is shown with all that was known, also after the next reconciliation."""
    before = await _people(house, read_room)
    await house.cluster.perform(["restart-ecallmgr", "all"])
    tracker: Any = house.service.live
    await tracker._reconcile_all()
    after = await _people(house, read_room)
    shown = ("call_id", "participant_id", "caller_id_name", "is_moderator", "join_time")
    assert [[one.get(key) for key in shown] for one in after] == [
        [one.get(key) for key in shown] for one in before
    ]
    await house.cluster.perform(["join", read_room, f"{read_room}-late"])
    await eventually(lambda: _count(house, read_room, PEOPLE + 1))
    await tracker._reconcile_all()
    assert await _count(house, read_room, PEOPLE + 1)


async def _count(house: House, conference_id: str, people: int) -> bool:
    return len(await _people(house, conference_id)) == people


@module
async def test_people_without_a_number_are_shown_and_nothing_is_claimed(house: House, room: str) -> None:
    """A sidecar that starts after the restart has call ids alone: they are shown, the answer says that it
    is partial, and no command claims to have reached them."""
    await house.cluster.perform(["restart-ecallmgr", "all"])
    _forget(house)
    answer = await house.get(house.path(room))
    assert len(answer.data["_read_only"]["participants"]) == PEOPLE
    assert {one["participant_id"] for one in answer.data["_read_only"]["participants"]} == {None}
    assert _metadata(answer)["source"] == "partial" and "ids" in _metadata(answer)["reason"]

    one = await house.put(house.path(room, "participants", f"{room}-1"), {"action": "mute"})
    assert (one.status, one.body["message"]) == (409, "participant_unknown_to_switch")
    other = await house.get(house.path(room, "participants", "99"))
    assert other.status == 200
    # Who has no number is not found under the word for that either.
    nobody = await house.get(house.path(room, "participants", "None"))
    assert (nobody.status, nobody.data) == (200, {})
    everybody = await house.put(house.path(room, "participants") + "?wait=500", {"action": "mute"})
    assert (everybody.status, _metadata(everybody)["confirmed"]) == (202, False)
    unlocked = await house.put(house.path(room) + "?wait=500", {"action": "unlock", "data": {}})
    assert (unlocked.status, _metadata(unlocked)["confirmed"]) == (202, False)
    chosen = await house.put(
        house.path(room, "participants"), {"action": "mute", "data": {"where": {"moderator": False}}}
    )
    assert {row["result"] for row in chosen.data["participants"]} == {"participant_unknown_to_switch"}


@module
async def test_an_event_tells_who_somebody_is(house: House, room: str) -> None:
    """After a restart, whoever is muted by somebody else is known again, and is one person, not two."""
    await house.cluster.perform(["restart-ecallmgr", "all"])
    _forget(house)
    assert len(await _people(house, room)) == PEOPLE
    await house.cluster.perform(["mute", room, "2"])

    async def known() -> bool:
        people = await _people(house, room)
        return len(people) == PEOPLE and [one["participant_id"] for one in people] == [2, None, None]

    await eventually(known)


@module
async def test_a_room_whose_profile_came_late_is_shown(house: House) -> None:
    """It publishes no event and is not listed under its account; asked for by its id, it is shown and
    marked. Another account is told nothing of it."""
    conference_id = await house.create()
    await house.cluster.perform(["create", conference_id, house.account, "late-profile=true"])
    await house.cluster.perform(["join", conference_id, "late-1"])
    answer = await house.get(house.path(conference_id))
    assert [one["call_id"] for one in answer.data["_read_only"]["participants"]] == ["late-1"]
    assert _metadata(answer)["source"] == "partial"
    await house.cluster.perform(["join", conference_id, "late-2"])
    assert {one["call_id"] for one in await _people(house, conference_id)} == {"late-1", "late-2"}
    await house.cluster.perform(["destroy", conference_id])
    assert await _people(house, conference_id) == []

    nameless = secrets.token_hex(16)
    await house.cluster.perform(["create", nameless, house.data.other.id, "late-profile=true"])
    await house.cluster.perform(["join", nameless, "theirs"])
    for query in ("", "?fresh=true"):
        refused = await house.get(house.path(nameless) + query)
        assert refused.status == 404, refused.text


@module
async def test_a_room_that_began_silently_is_noticed_by_reconciliation(house: House) -> None:
    """Somebody reads a conference that does not run; it begins without an event, and the next
    reconciliation shows it."""
    conference_id = await house.create()
    assert await _people(house, conference_id) == []
    await house.cluster.perform(["create", conference_id, house.account, "late-profile=true"])
    await house.cluster.perform(["join", conference_id, "late-1"])
    assert await _people(house, conference_id) == []
    tracker: Any = house.service.live
    await tracker._reconcile_all()
    assert await _count(house, conference_id, 1)


@module
async def test_nothing_is_confirmed_of_an_empty_room(house: House) -> None:
    """Mute and kick everybody where nobody is: carried out, and not confirmed."""
    conference_id = await house.create()
    for action in ("mute", "kick"):
        answer = await house.put(house.path(conference_id, "participants") + "?wait=300", {"action": action})
        assert (answer.status, _metadata(answer)["confirmed"]) == (202, False), answer.text


@module
async def test_the_rooms_of_a_media_server_that_died_go(house: House) -> None:
    """No event tells of it. The heartbeat says that the server is gone, ecallmgr tells of its rooms for
    some time, and then they are not shown any more, long before the next reconciliation."""
    conference_id = await house.create()
    await house.run_room(conference_id, 2)
    await house.cluster.perform(["kill-switch", "seconds=2"])
    assert await _count(house, conference_id, 2)
    # One second to notice, and a look every five.
    await eventually(lambda: _count(house, conference_id, 0))


@module
async def test_flags_that_came_out_of_order_are_settled(house: House, read_room: str) -> None:
    """Two events of one participant within a moment, the older one last: a search settles who is muted."""
    [answer] = [one for one in await _people(house, read_room) if one["participant_id"] == 2]
    assert answer["speak"] is True
    searches = house.service.live.counters.searches  # type: ignore[attr-defined]
    await house.cluster.perform(["mute", read_room, "2"])
    await house.cluster.perform(["unmute", read_room, "2"])
    await house.cluster.perform(["mute", read_room, "2"])

    async def asked() -> bool:
        return house.service.live.counters.searches > searches  # type: ignore[attr-defined]

    await eventually(asked)
    people = await _people(house, read_room)
    assert [one["speak"] for one in people] == [True, False, True]
