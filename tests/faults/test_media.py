"""The media side forgets, or dies: an ecallmgr that is restarted, a media server that is gone.

Source: real-switch.md A2, A7.
"""

from __future__ import annotations

from typing import Any

import pytest

from scripts.daemons import RabbitMQ
from tests.faults.conftest import House, Watch, open_house
from tests.support.brokers import eventually
from tests.support.sidecar import Sidecar

PEOPLE = 3


async def _shown(sidecar: Sidecar, watch: Watch, conference_id: str) -> list[Any]:
    """The call ids of the people that a client is shown."""
    answer = await watch.ask(sidecar.call("GET", sidecar.path(conference_id, "participants")))
    assert answer.status == 200
    return sorted(one["call_id"] for one in answer.data)


async def _restart(sidecar: Sidecar, watch: Watch, which: str) -> None:
    """Restart while a room runs that is shown: nobody is lost, then or by the next reconciliation, and
    events of newcomers go on."""
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id, PEOPLE)
    people = sorted(f"{conference_id}-{number}@example.com" for number in range(1, PEOPLE + 1))

    async def is_shown() -> bool:
        return await _shown(sidecar, watch, conference_id) == people

    await eventually(is_shown)
    await sidecar.cluster.perform(["restart-ecallmgr", which])
    watch.lifted()
    tracker: Any = sidecar.service.live
    for _ in range(2):
        await tracker._reconcile_all()
        assert await is_shown()
    await sidecar.cluster.perform(["join", conference_id, "late@example.com"])
    people.append("late@example.com")
    people.sort()
    await eventually(is_shown)
    watch.is_back()


@pytest.mark.fault(
    fault="one of two ecallmgrs is restarted, and has forgotten who is where",
    sees="the same people as ever",
    keeps="what was known of each of them; a poorer answer takes nothing away",
    recovers="by itself: the other node tells",
)
async def test_one_ecallmgr_restarted(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """Of two answers the one that knows more of somebody counts."""
    async with open_house(couchdb_url, broker, nodes=2) as house:
        node = house.sidecar.cluster.nodes[0].name
        await _restart(house.sidecar, watch, node)


@pytest.mark.fault(
    fault="the only ecallmgr is restarted, and has forgotten who is where",
    sees="the same people as ever; a sidecar that starts later shows them by call id alone, and says "
    '`metadata.source: "partial"`',
    keeps="what was known of each of them; no command is confirmed to whom nobody knows",
    recovers="by itself: each event of somebody tells who that is",
)
async def test_only_ecallmgr_restarted(house: House, watch: Watch) -> None:
    """It lists no room under its account, and of people it has call ids."""
    await _restart(house.sidecar, watch, "all")


@pytest.mark.fault(
    fault="a media server dies with its rooms, and no event tells",
    sees="its people for as long as ecallmgr tells of them (some ten seconds), then nobody",
    keeps="documents",
    recovers="by itself: the heartbeat says that the server is gone, and a search that its rooms are",
)
async def test_media_server_dies(house: House, watch: Watch) -> None:
    """No ghosts, long before the next reconciliation; the next room is shown as ever."""
    sidecar = house.sidecar
    conference_id = await sidecar.created()
    await sidecar.run_room(conference_id, PEOPLE)
    assert len(await _shown(sidecar, watch, conference_id)) == PEOPLE
    await sidecar.cluster.perform(["kill-switch", "seconds=2"])
    watch.lifted()

    async def is_empty() -> bool:
        return await _shown(sidecar, watch, conference_id) == []

    await eventually(is_empty)
    watch.is_back()
    after = await sidecar.created()
    await sidecar.run_room(after, 1)

    async def is_shown() -> bool:
        return len(await _shown(sidecar, watch, after)) == 1

    await eventually(is_shown)
