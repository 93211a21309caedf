"""``?running=true``: what runs, whether it has a document or not, and nothing of others."""

from __future__ import annotations

import secrets

from tests.support.world import World


async def _list(world: World, **query: str) -> list[dict[str, object]]:
    asked = "&".join(f"{name}={value}" for name, value in {"running": "true", **query}.items())
    answer = await world.call("GET", f"{world.path()}?{asked}")
    assert answer.status == 200, answer.text
    found: list[dict[str, object]] = answer.data
    return found


async def test_what_runs_is_listed(world: World) -> None:
    """A conference with a document is shown as in the list, an ad-hoc one by its id and figures; one that
    does not run is left out, and so is another account's."""
    name = f"Sales {secrets.token_hex(6)}"
    stored, idle = await world.create(name=name), await world.create()
    adhoc, foreign = f"room-{secrets.token_hex(6)}", f"room-{secrets.token_hex(6)}"
    await world.start_room(stored, "name=Ann")
    await world.start_room(adhoc, "moderator=true name=Bob", "name=Cid")
    await world.start_room(foreign, "name=Eve", account=world.data.other.id)
    await world.until_shown(adhoc, 2)
    await world.until_shown(stored, 1)
    found = {one["id"]: one for one in await _list(world)}
    assert set(found) == {stored, adhoc}
    assert idle not in found
    assert found[stored]["name"] == name
    assert set(found[adhoc]) == {"id", "members", "admins", "duration", "is_locked", "_read_only"}
    assert (found[adhoc]["members"], found[adhoc]["admins"]) == (1, 1)


async def test_pages_fields_and_filters(world: World) -> None:
    """Pages, chosen fields and filters are as in the list of documents; an ad-hoc conference has no field."""
    prefix = f"r{secrets.token_hex(4)}"
    rooms = [f"{prefix}-{number}" for number in range(4)]
    for room in rooms:
        await world.start_room(room, "name=Ann")
        await world.until_shown(room, 1)
    assert [one["id"] for one in await _list(world, ascending="true")] == rooms
    assert [one["id"] for one in await _list(world)] == rooms[::-1]
    first = await world.call("GET", f"{world.path()}?running=true&page_size=3")
    assert [one["id"] for one in first.data] == rooms[:0:-1]
    assert first.body["page_size"] == 3
    rest = await world.call("GET", f"{world.path()}?running=true&start_key={first.body['next_start_key']}")
    assert [one["id"] for one in rest.data] == rooms[:1]
    assert await _list(world, fields='["name"]') == [{"id": room} for room in rooms[::-1]]
    assert await _list(world, filter_name="Sales") == []


async def test_nobody_can_be_asked(world: World) -> None:
    """An empty list is not told as the truth when nobody knew it."""
    await world.cluster.perform(["fault", "all", "silent", "on"])
    answer = await world.call("GET", f"{world.path()}?running=true&fresh=true")
    assert (answer.status, answer.data, answer.body["metadata"]["source"]) == (200, [], "none")
    assert answer.body["metadata"]["reason"]


async def test_an_id_of_a_deleted_conference(world: World) -> None:
    """A room whose document was deleted is shown as one without a document."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    await world.until_shown(conference_id, 1)
    assert (await world.call("DELETE", world.path(conference_id))).status == 200
    (shown,) = await _list(world)
    assert (shown["id"], "name" in shown) == (conference_id, False)
