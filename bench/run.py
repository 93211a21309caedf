"""``make bench``: how fast the API answers, beside a bare handler and beside any other server.

The sidecar runs as its own process (``crossbar-conferences serve``) with its default settings on a
real broker and a real document store, those that ``AMQP_URL`` and ``COUCHDB_URL`` name or private
ones; wrk sends the requests. The exit status is 1 when any request of any scenario failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.demo.story import SwitchFailed
from crossbar_conferences.errors import CrossbarConferencesError
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import ServiceFailed
from scripts.services import Services

from . import fanout, servers, table, wrk
from .measure import Plan, Target, measure
from .scenarios import Scenario, named
from .site import Site, SiteFailed, prepare


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is."""

    amqp_url: str
    couchdb_url: str
    switch_url: str
    folder: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    options = _options(arguments)
    try:
        wrk.find()
        # A name may be asked for that is no scenario of requests.
        scenarios = named([name for name in options.scenario if name != fanout.NAME])
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            services = stack.enter_context(Services())
            switch = stack.enter_context(servers.switch(services.amqp_url, folder))
            world = World(services.amqp_url, services.couchdb_url, switch.url, folder)
            print(machine(), flush=True)
            return _run(options, world, scenarios)
    except (CrossbarConferencesError, ServiceFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, world: World, scenarios: Sequence[Scenario]) -> int:
    plan = Plan(options.seconds, options.connections, world.folder)
    rows: list[table.Row] = []
    problems: list[str] = []
    peer = asyncio.run(_peer(options, world)) if options.peer else None
    only_fanout = options.scenario == [fanout.NAME]
    with_fanout = not options.scenario or fanout.NAME in options.scenario
    fans: list[fanout.Fan] = []
    for workers in options.workers:
        groups = {} if only_fanout else _by_flags(scenarios)
        for flags, group in groups.items():
            with servers.sidecar(
                world.amqp_url, world.couchdb_url, world.folder, workers=_flag(workers), flags=flags
            ) as server:
                target = asyncio.run(prepared_target(world, server.url))
                for scenario in group:
                    print(f"… {scenario.title}, workers: {workers}", flush=True)
                    try:
                        measured = measure(plan, scenario, server, target, peer, workers)
                        print(table.results(measured), flush=True)
                        rows += measured
                    except (SiteFailed, SwitchFailed, wrk.WrkFailed) as error:
                        problems.append(str(error))
        if with_fanout:
            print(f"… websocket fan-out, workers: {workers}", flush=True)
            try:
                fans += _fans(world, plan, workers)
            except (SiteFailed, SwitchFailed) as error:
                problems.append(str(error))
    print("\n" + table.results(rows))
    if fans:
        print("\n" + table.render(fanout.COLUMNS, [fan.cells() for fan in fans]))
    return verdict(rows, fans, problems)


def _fans(world: World, plan: Plan, workers: int) -> list[fanout.Fan]:
    with servers.sidecar(world.amqp_url, world.couchdb_url, world.folder, workers=_flag(workers)) as server:
        target = asyncio.run(prepared_target(world, server.url))
        return [
            asyncio.run(fanout.measure(server, target, world.switch_url, sessions, plan.seconds, workers))
            for sessions in plan.connections
        ]


def verdict(rows: Sequence[table.Row], fans: Sequence[fanout.Fan], problems: Sequence[str]) -> int:
    """The exit status; what went wrong is said."""
    for problem in problems:
        print(f"bench: not measured: {problem}", file=sys.stderr)
    failed = [row for row in rows if row.errors]
    for row in failed:
        print(
            f"bench: {row.scenario}, {row.workers} workers, {row.connections} connections: "
            f"{row.load.refused} refused, {row.load.broken} broken, {row.unconfirmed} unconfirmed",
            file=sys.stderr,
        )
    missed = [fan for fan in fans if fan.missing]
    for fan in missed:
        print(f"bench: fan-out to {fan.sessions}: {fan.missing} frames missing", file=sys.stderr)
    return 1 if problems or failed or missed else 0


def machine() -> str:
    """What this runs on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} CPUs ({model}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; load before the run: {load}"
    )


async def prepared_target(world: World, base_url: str) -> Target:
    """Accounts that no other run has, with an administrator's token."""
    data = DataSet.fresh()
    store = CouchStore(world.couchdb_url)
    await store.open()
    try:
        await seed(store, data)
        tokens = await mint_tokens(store, data)
    finally:
        await store.close()
    site = Site(base_url, tokens["boss"])
    return Target(site, await prepare(site, world.switch_url))


async def _peer(options: argparse.Namespace, world: World) -> Target:
    site = Site(options.peer.rstrip("/"), options.peer_token)
    return Target(site, await prepare(site, world.switch_url))


def _by_flags(scenarios: Sequence[Scenario]) -> dict[tuple[str, ...], list[Scenario]]:
    """Scenarios that can use the same sidecar."""
    groups: dict[tuple[str, ...], list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.flags, []).append(scenario)
    return groups


def _flag(workers: int) -> int:
    # One worker is measured as it is served by default, without a supervisor.
    return 0 if workers == 1 else workers


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=(__doc__ or "").splitlines()[0])
    names = [scenario.name for scenario in named(())] + [fanout.NAME]
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--scenario", action="append", default=[], choices=names, help="may be repeated")
    parser.add_argument("--workers", type=int, action="append", choices=(1, 2), help="may be repeated")
    parser.add_argument("--connections", type=int, action="append", help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="one worker, 16 connections, 2 seconds each")
    parser.add_argument("--peer", metavar="URL", help="another server with the same API")
    parser.add_argument("--peer-token", metavar="T", help="a token that the peer takes")
    options = parser.parse_args(arguments)
    if bool(options.peer) != bool(options.peer_token):
        parser.error("--peer and --peer-token belong together")
    if options.quick:
        options.seconds, options.workers = min(options.seconds, 2.0), options.workers or [1]
        options.connections = options.connections or [16]
    options.workers = options.workers or [1, 2]
    options.connections = options.connections or [1, 16, 64]
    return options


if __name__ == "__main__":
    sys.exit(main())
