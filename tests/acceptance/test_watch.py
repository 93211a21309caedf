"""`watch` follows a running sidecar, through lost connections (``cli/watch.py``)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner
from yarl import URL

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.cli.main import main
from crossbar_conferences.cli.roster import Roster
from crossbar_conferences.cli.watch import Place, WatchRefused, follow
from crossbar_conferences.store.memory import MemoryStore
from tests.support.proxy import TcpProxy
from tests.support.sockets import PATIENCE
from tests.support.world import World, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """A sidecar in memory."""
    async with AsyncExitStack() as stack:
        broker, store = MemoryBroker(), MemoryStore()
        yield await open_world(stack, lambda: store, lambda: MemoryTransport(broker), broker)


class Screen:
    """What was shown last, and a way to wait for something."""

    def __init__(self) -> None:
        self.roster: Roster = {}
        self.status = "nothing yet"
        self._changed = asyncio.Event()

    def show(self, roster: Roster, status: str) -> None:
        """Take it."""
        self.roster, self.status = roster, status
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what is shown is so."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def people(self, conference_id: str) -> list[str]:
        """The names in a conference."""
        found = self.roster.get(conference_id)
        return [person.name for person in found.people.values()] if found else []


@asynccontextmanager
async def watching(place: Place) -> AsyncIterator[Screen]:
    """A screen for as long as the block lasts."""
    screen = Screen()
    task = asyncio.create_task(follow(place, screen.show, back_off=(0.02,)))
    try:
        yield screen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_conference_is_followed(world: World) -> None:
    """Who was there before, who comes, what they do, who leaves, the end."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann moderator=true")
    place = Place(world.service.ws_url, world.tokens["boss"], world.account, conference_id)
    async with watching(place) as screen:
        await screen.until(lambda: screen.people(conference_id) == ["Ann"])
        await world.cluster.perform(["join", conference_id, f"{conference_id}-2", "name=Bob"])
        await screen.until(lambda: screen.people(conference_id) == ["Ann", "Bob"])
        assert (await world.act(conference_id, "mute", None, "participants", "2")).status == 202
        await screen.until(lambda: not screen.roster[conference_id].people[2].speak)
        await world.cluster.perform(["lock", conference_id])
        await screen.until(lambda: screen.roster[conference_id].locked)
        await world.cluster.perform(["leave", conference_id, "2"])
        await screen.until(lambda: screen.people(conference_id) == ["Ann"])
        await world.cluster.perform(["destroy", conference_id])
        await screen.until(lambda: not screen.roster[conference_id].is_running)


async def test_what_happened_while_the_connection_was_lost_is_shown(world: World) -> None:
    """For one conference and for all of an account."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    own = URL(world.service.ws_url)
    for watched in (conference_id, "*"):
        async with TcpProxy("127.0.0.1", own.port or 0) as proxy:
            place = Place(f"ws://127.0.0.1:{proxy.port}", world.tokens["joe"], world.account, watched)
            async with watching(place) as screen:
                await screen.until(lambda: "Ann" in screen.people(conference_id))
                proxy.refuse()
                await screen.until(lambda: screen.status.startswith("not connected"))
                call_id = f"{conference_id}-{len(watched)}"
                await world.cluster.perform(["join", conference_id, call_id, f"name={watched[:1]}Cem"])
                proxy.resume()
                await screen.until(lambda: f"{watched[:1]}Cem" in screen.people(conference_id))  # noqa: B023
                assert screen.status == ""


async def test_events_that_went_unheard_are_made_up_for(world: World) -> None:
    """The broker goes while the connection stays: the sidecar says so, and is asked again."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    place = Place(world.service.ws_url, world.tokens["boss"], world.account, conference_id)
    async with watching(place) as screen:
        await screen.until(lambda: screen.people(conference_id) == ["Ann"])
        assert world.broker is not None
        world.broker.stop()
        await world.cluster.perform(["join", conference_id, f"{conference_id}-2", "name=Bob"])
        world.broker.start()
        await screen.until(lambda: screen.people(conference_id) == ["Ann", "Bob"])


async def test_a_refusal_ends_it(world: World) -> None:
    """A bad token, and an account that is not below: trying again would not help; no token is told."""
    screen = Screen()
    with pytest.raises(WatchRefused, match="the token is not valid"):
        await follow(Place(world.service.ws_url, "bad", world.account), screen.show)
    with pytest.raises(WatchRefused, match="unauthorized account id"):
        await follow(Place(world.service.ws_url, world.tokens["boss"], world.other), screen.show)


async def test_the_command_shows_once(world: World, tmp_path: Path) -> None:
    """With what the demo's file says."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    file = tmp_path / "connection.json"
    content = {
        "ws_url": world.service.ws_url,
        "tokens": {"boss": world.tokens["boss"]},
        "accounts": {"main": {"id": world.account}},
    }
    file.write_text(json.dumps(content))
    arguments = ["watch", conference_id, "--once", "--connection", str(file)]
    shown = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert shown.exit_code == 0, shown.output
    assert conference_id in shown.output and "Ann" in shown.output
    refused = await asyncio.to_thread(CliRunner().invoke, main, [*arguments, "--token", "bad"])
    assert refused.exit_code == 1 and "the token is not valid" in refused.output
    unknown = await asyncio.to_thread(
        CliRunner().invoke, main, ["watch", "--connection", str(tmp_path / "no")]
    )
    assert unknown.exit_code == 2 and "--url" in unknown.output
