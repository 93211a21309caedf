"""Two checkouts side by side: ``python -m bench.pair OTHER [SCENARIO …]``.

Both sidecars run at the same time on the same services and are asked in turn, a second each, so that what
the machine does meanwhile slows both down. What counts is the median of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from crossbar_conferences.demo.story import SwitchFailed
from crossbar_conferences.errors import CrossbarConferencesError
from scripts.daemons import ServiceFailed
from scripts.services import Services

from . import fanout, servers, table, wrk
from .measure import Target, checked, load, settle
from .processes import usage
from .run import World, machine, prepared_target
from .scenarios import SCENARIOS, Scenario, named
from .site import Site
from .table import per_request

CONNECTIONS = 16
COLUMNS = ("scenario", "rate, other", "rate, this", "of other", "CPU ms, other", "CPU ms, this", "of other")


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement: requests or events a second, CPU seconds for each request or frame, and how many
    went wrong."""

    rate: float
    cpu: float
    errors: int


def cells(name: str, other: Sequence[Turn], this: Sequence[Turn]) -> list[str]:
    """A row: medians of both, and the median of the ratios of what was measured one after the other."""
    rates = [mine.rate / its.rate for its, mine in zip(other, this, strict=True) if its.rate]
    costs = [mine.cpu / its.cpu for its, mine in zip(other, this, strict=True) if its.cpu]
    return [
        name,
        f"{median(turn.rate for turn in other):,.0f}",
        f"{median(turn.rate for turn in this):,.0f}",
        f"{median(rates):.2f}" if rates else table.NOTHING,
        f"{median(turn.cpu for turn in other) * 1000:.3f}",
        f"{median(turn.cpu for turn in this) * 1000:.3f}",
        f"{median(costs):.2f}" if costs else table.NOTHING,
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. The exit status is 1 when anything went wrong in any turn."""
    options = _options(arguments)
    try:
        wrk.find()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pair-")))
            services = stack.enter_context(Services())
            switch = stack.enter_context(servers.switch(services.amqp_url, folder))
            world = World(services.amqp_url, services.couchdb_url, switch.url, folder)
            print(machine(), flush=True)
            rows, errors = [], 0
            for name in options.scenario or [*(one.name for one in SCENARIOS), fanout.NAME]:
                print(f"… {name}", flush=True)
                other, this = _measured(world, name, options)
                rows.append(cells(name, other, this))
                errors += sum(turn.errors for turn in (*other, *this))
    except (CrossbarConferencesError, ServiceFailed, SwitchFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n" + table.render(COLUMNS, rows))
    if errors:
        print(f"bench: {errors} requests or frames went wrong", file=sys.stderr)
    return 1 if errors else 0


def _measured(world: World, name: str, options: argparse.Namespace) -> tuple[list[Turn], list[Turn]]:
    scenario = None if name == fanout.NAME else named([name])[0]
    flags = () if scenario is None else scenario.flags
    with ExitStack() as stack:
        # The other one first: what it makes and stores, this one reads.
        both = []
        for root in (options.other, servers.ROOT):
            folder = world.folder / f"sidecar-{len(both)}-{name}"
            folder.mkdir()
            running = servers.sidecar(world.amqp_url, world.couchdb_url, folder, flags=flags, root=root)
            both.append(stack.enter_context(running))
        target = asyncio.run(prepared_target(world, both[0].url))
        targets = [replace(target, site=Site(server.url, target.site.token)) for server in both]
        if scenario is not None:
            for each in targets:
                checked(scenario, each)
                load(scenario, each, CONNECTIONS, 2)
        turns: tuple[list[Turn], list[Turn]] = ([], [])
        for number in range(options.turns):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                turns[which].append(_turn(world, scenario, both[which], targets[which], options.seconds))
        return turns


def _turn(
    world: World, scenario: Scenario | None, server: servers.Server, target: Target, seconds: float
) -> Turn:
    if scenario is None:
        fan = asyncio.run(fanout.measure(server, target, world.switch_url, CONNECTIONS, seconds, 1))
        return Turn(fan.events / fan.seconds, per_request(fan.cpu, len(fan.delays)), fan.missing)
    settle(server)
    used = usage(server.pid).cpu
    done = load(scenario, target, CONNECTIONS, seconds)
    return Turn(done.rate, per_request(usage(server.pid).cpu - used, done.requests), done.errors)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pair", description=(__doc__ or "").splitlines()[0])
    names = [scenario.name for scenario in SCENARIOS] + [fanout.NAME]
    parser.add_argument("other", type=Path, help="a checkout of the other commit (git worktree add)")
    parser.add_argument("scenario", nargs="*", choices=[*names, []], help="all when none is named")
    parser.add_argument("--turns", type=int, default=12, help="measurements of each")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one")
    options = parser.parse_args(arguments)
    options.other = options.other.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
