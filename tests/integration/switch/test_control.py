"""The control interface and the ``simulate`` command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from click.testing import CliRunner

from crossbar_conferences.switch.cli import Simulator, SimulatorOptions, simulate
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from crossbar_conferences.switch.control import ControlServer

if TYPE_CHECKING:
    from .conftest import Api, NewTransport


@pytest.fixture
async def control(new_transport: NewTransport, api: Api) -> AsyncIterator[ControlServer]:
    """A served control interface."""
    cluster = Cluster([ZonePlan("local", await new_transport("local"))])
    await cluster.start()
    server = ControlServer(cluster)
    await server.start()
    yield server
    await server.close()
    await cluster.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def test_steps_over_http(
    control: ControlServer, http: aiohttp.ClientSession, api: Api, room: str, account_id: str
) -> None:
    """A step is answered with its events, after they were told; GET shows what there is."""
    await api.hear_events(account_id)
    async with http.post(control.url, json={"args": f"create {room} {account_id}"}) as response:
        assert response.status == 200
        assert await response.json() == {
            "ok": True,
            "events": [{"event": "conference-create", "conference_id": room, "participant_id": None}],
            "lost": 0,
        }
    args = ["join", room, "c@h", "moderator=true", "name=Ann Mod", "Owner-ID=u1"]
    async with http.post(control.url, json={"args": args}) as response:
        assert (await response.json())["events"][0]["participant_id"] == 1
    assert await api.names(2) == ["conference-create", "add-member:1"]
    async with http.get(control.url) as response:
        held = await response.json()
    member = held["rooms"][room]["members"][0]
    assert (member["name"], member["moderator"], member["channel_vars"]) == (
        "Ann Mod",
        True,
        {"Owner-ID": "u1"},
    )
    assert held["nodes"][0]["node"] == "ecallmgr@virtual"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "list of words"),
        (b'{"args": ["fly"]}', "there is no step fly"),
        (b'{"args": ["lock", "nowhere"]}', "not running"),
        (b'{"args": ["fault", "all", "wrong", "x"]}', "wrong is one of"),
        (b'{"args": ["fault", "nobody", "silent", "on"]}', "no node nobody"),
    ],
)
async def test_mistakes(control: ControlServer, http: aiohttp.ClientSession, body: bytes, said: str) -> None:
    """A mistake is a 400 that says what is wrong."""
    async with http.post(control.url, data=body) as response:
        assert response.status == 400
        assert said in (await response.json())["error"]


async def test_only_this_machine(control: ControlServer, http: aiohttp.ClientSession) -> None:
    """Pages of other origins, and names that only lead here, are refused."""
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        async with http.post(control.url, json={"args": ["reset"]}, headers=headers) as response:
            assert response.status == 403


async def test_simulator(amqp_url: str, room: str, account_id: str) -> None:
    """The pieces of the command come up on a real broker and go away again."""
    options = SimulatorOptions(zones=(("east", amqp_url), ("west", amqp_url)), nodes=2)
    async with Simulator(options) as simulator:
        assert simulator.has_brokers
        assert len(simulator.cluster.nodes) == 4
        performed = await simulator.cluster.perform(["create", room, account_id])
        assert performed.lost == 0


async def test_without_a_broker(room: str, account_id: str) -> None:
    """Without a broker the switch works on and says that nobody heard it."""
    options = SimulatorOptions(zones=(("local", "amqp://127.0.0.1:1"),), broker_wait=0.1)
    async with Simulator(options) as simulator:
        assert not simulator.has_brokers
        performed = await simulator.cluster.perform(["create", room, account_id])
        assert performed.lost == 1
        assert simulator.cluster.room(room) is not None


async def test_the_command(amqp_url: str, tmp_path: Path, room: str, account_id: str) -> None:
    """``simulate`` runs as a process until it is told to stop."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(f"conferences: [{{id: {room}, account: {account_id}}}]")
    code = "from crossbar_conferences.switch.cli import simulate; simulate()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        "--scenario",
        str(scenario),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "AMQP_URL": amqp_url},
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        assert lines[0].startswith("virtual switch: ecallmgr@")
        assert lines[2] == "scenario: played, 0 steps refused\n"
        url = lines[1].removeprefix("control interface: ").strip()
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert room in (await response.json())["rooms"]
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.wait() == 0


def test_command_mistakes(tmp_path: Path) -> None:
    """A scenario that is none, or a broker that can't be, ends with a sentence."""
    path = tmp_path / "scenario.yaml"
    path.write_text("rooms: 1")
    result = CliRunner().invoke(simulate, ["--scenario", str(path)])
    assert result.exit_code == 1
    assert "'rooms' was unexpected" in result.output
    result = CliRunner().invoke(simulate, ["--amqp-url", "http://nowhere"])
    assert result.exit_code == 1
    assert "the message broker" in result.output
