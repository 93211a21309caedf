"""``python -m bench.soak``: people come, go, talk and are muted without pause, and the broker restarts.

The sidecar runs as its own process beside the virtual switch, on a RabbitMQ of this run's own that
is killed and started again when half of the time is over. At the end the sidecar must show what
the switch holds: what it followed by events is compared with a search (`live_drift`), and with
the switch itself. Memory is read after a quarter of the time and at the end, with nobody left in
the rooms that came and went. The exit status is 1 when anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from crossbar_conferences.demo.story import SwitchFailed, command_switch
from crossbar_conferences.errors import CrossbarConferencesError
from scripts.daemons import ServiceFailed
from scripts.services import Services

from . import metrics, servers
from .measure import Target
from .processes import usage
from .run import World, machine, prepared_target

ROOMS = 20
PEOPLE = 10
SETTLE_SECONDS = 60.0
#: Time for the broker to be gone before it is started again.
_AWAY_SECONDS = 3.0


@dataclass(slots=True)
class Tally:
    """What was done and what came of it. ``memory`` in bytes: early, and at the end."""

    steps: int = 0
    refused: int = 0
    requests: int = 0
    failed: int = 0
    memory: list[int] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args(arguments)
    # This broker will be killed: it must be nobody else's.
    os.environ.pop("AMQP_URL", None)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
            services = stack.enter_context(Services())
            switch = stack.enter_context(servers.switch(services.amqp_url, folder))
            flags = ("--reconcile-seconds", "5")
            server = stack.enter_context(
                servers.sidecar(services.amqp_url, services.couchdb_url, folder, flags=flags)
            )
            world = World(services.amqp_url, services.couchdb_url, switch.url, folder)
            print(machine(), flush=True)
            return asyncio.run(_soak(services, world, server, options.seconds))
    except (CrossbarConferencesError, ServiceFailed) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


async def _soak(services: Services, world: World, server: servers.Server, seconds: float) -> int:
    target, tally = await prepared_target(world, server.url), Tally()
    rooms = target.rooms.conferences[2 : 2 + ROOMS]
    async with aiohttp.ClientSession() as http:
        restart = asyncio.create_task(_restart(services, seconds / 2))
        reading = asyncio.create_task(_read(http, target, rooms, tally))
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            await _flood(http, world, target, rooms, tally)
            if not tally.memory and passed > seconds / 4:
                tally.memory.append(usage(server.pid).resident)
        await restart
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        before = _drift(server)
        differing = await _settled(http, world, target, rooms)
        # Two more comparisons with the switch, now that nothing moves any more.
        await asyncio.sleep(12)
        drift = _drift(server) - before
        for room in rooms:
            await _step(http, world, tally, "destroy", room)
        await asyncio.sleep(2)
    tally.memory.append(usage(server.pid).resident)
    return _verdict(server, tally, differing, before, drift)


async def _flood(
    http: aiohttp.ClientSession, world: World, target: Target, rooms: Sequence[str], tally: Tally
) -> None:
    room = random.choice(rooms)
    person = random.randrange(PEOPLE)
    await _step(http, world, tally, "create", room, target.site.account_id)
    await _step(http, world, tally, "join", room, f"{room}-{person}", f"name=Caller {person}")
    for _ in range(10):
        await _step(http, world, tally, random.choice(("mute", "unmute", "talk", "quiet")), room, "last")
    if random.random() < 0.4:
        await _step(http, world, tally, "leave", room, "last")
    if random.random() < 0.05:
        await _step(http, world, tally, "destroy", room)


async def _step(http: aiohttp.ClientSession, world: World, tally: Tally, *args: str) -> None:
    tally.steps += 1
    try:
        await command_switch(http, world.switch_url, *args)
    except SwitchFailed:
        # Somebody is muted, or there already: then nothing happens, as on a real switch.
        tally.refused += 1


async def _read(http: aiohttp.ClientSession, target: Target, rooms: Sequence[str], tally: Tally) -> None:
    while True:
        status, _ = await _participants(http, target, random.choice(rooms))
        tally.requests += 1
        tally.failed += status >= 400
        await asyncio.sleep(0.02)


async def _participants(http: aiohttp.ClientSession, target: Target, room: str) -> tuple[int, Any]:
    url = f"{target.site.base_url}{target.site.collection}/{room}/participants"
    async with http.get(url, headers=target.site.headers) as answer:
        return answer.status, (await answer.json()).get("data")


async def _restart(services: Services, after: float) -> None:
    await asyncio.sleep(after)
    print("… the broker is killed", flush=True)
    await asyncio.to_thread(services.kill, "amqp")
    await asyncio.sleep(_AWAY_SECONDS)
    await asyncio.to_thread(services.start, "amqp")
    print("… the broker is back", flush=True)


async def _settled(
    http: aiohttp.ClientSession, world: World, target: Target, rooms: Sequence[str]
) -> list[str]:
    """Rooms that the sidecar shows otherwise than the switch, after it had time to hear everything."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        async with http.get(world.switch_url) as answer:
            held = (await answer.json())["rooms"]
        differing = []
        for room in rooms:
            _, data = await _participants(http, target, room)
            seen = {one["call_id"]: one.get("speak") for one in data if isinstance(one, dict)}
            members = held.get(room, {}).get("members", [])
            if seen != {one["call_id"]: one["speak"] for one in members}:
                differing.append(room)
        if not differing or time.monotonic() > end:
            return differing
        await asyncio.sleep(1)


def _drift(server: servers.Server) -> int:
    assert server.operations_url is not None
    return int(metrics.read(server.operations_url).get("live_drift", 0))


def _verdict(server: servers.Server, tally: Tally, differing: list[str], before: int, drift: int) -> int:
    assert server.operations_url is not None
    counted = metrics.read(server.operations_url)
    early, late = (f"{size / 2**20:.0f} MiB" for size in tally.memory)
    print(f"steps on the switch: {tally.steps:,}, refused as pointless: {tally.refused:,}")
    print(f"events heard: {counted.get('events_heard', 0):,.0f}")
    print(f"reads: {tally.requests:,}, of them not answered with success: {tally.failed}")
    print(f"rooms that comparisons found otherwise while the flood went on: {before}")
    print(f"drift after the flood: {drift}; rooms shown otherwise than the switch has them: {len(differing)}")
    print(f"memory after a quarter of the time: {early}, at the end: {late}")
    return 1 if drift or differing else 0


if __name__ == "__main__":
    sys.exit(main())
