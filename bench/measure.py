"""One scenario on one sidecar: warmed up, then measured beside the floor and a peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from . import metrics, servers, wrk
from .processes import usage
from .scenarios import Scenario
from .site import Example, Rooms, Site, SiteFailed, example
from .table import Row, per_request

WARM_UP_SECONDS = 1
#: Numbers that one run may use up; see `wrk.NUMBER`.
_NUMBERS = 10_000_000

_first_numbers = count(1, _NUMBERS)


@dataclass(frozen=True, slots=True)
class Target:
    """A site with what was made there."""

    site: Site
    rooms: Rooms


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, over how many connections, and where logs go."""

    seconds: float
    connections: Sequence[int]
    folder: Path


def measure(
    plan: Plan, scenario: Scenario, server: servers.Server, target: Target, peer: Target | None, workers: int
) -> list[Row]:
    """The rows of a scenario, one for each number of connections. Raises `SiteFailed`."""
    told = checked(scenario, target)
    if peer is not None and not _can(scenario, peer):
        peer = None
    rows = []
    with ExitStack() as stack:
        floor = stack.enter_context(
            servers.floor(plan.folder, told.status, told.headers, told.body, workers=workers)
        )
        at_floor = Target(Site(floor.url, target.site.token), target.rooms)
        for each in (target, at_floor, *([peer] if peer else [])):
            load(scenario, each, 16, WARM_UP_SECONDS)
        for connections in plan.connections:
            settle(server)
            row = _row(plan, scenario, server, target, workers, connections)
            settle(server)
            used = usage(floor.pid)
            floor_load = load(scenario, at_floor, connections, plan.seconds)
            floor_cpu = per_request(usage(floor.pid).cpu - used.cpu, floor_load.requests)
            peer_load = load(scenario, peer, connections, plan.seconds) if peer else None
            rows.append(_beside(row, floor_load, floor_cpu if workers == 1 else None, peer_load))
    return rows


def checked(scenario: Scenario, target: Target) -> Example:
    """An answer of the scenario's first request. Raises `SiteFailed` when it is a wrong one."""
    first = scenario.requests(target.site, target.rooms)[0]
    told = asyncio.run(example(target.site, first))
    problem = scenario.problem(told)
    if problem:
        raise SiteFailed(f"{scenario.name} at {target.site.base_url}: {problem}: {told.body[:300]}")
    return told


def load(scenario: Scenario, target: Target, connections: int, seconds: float) -> wrk.Load:
    """Run wrk with a scenario's requests."""
    return wrk.run(
        target.site.base_url,
        scenario.requests(target.site, target.rooms),
        target.site.headers,
        connections=connections,
        seconds=seconds,
        first_number=next(_first_numbers),
    )


def settle(server: servers.Server, limit: float = 60.0) -> None:
    """Wait until commands on their way have been carried out and their events heard."""
    assert server.operations_url is not None
    last, quiet_since = -1.0, time.monotonic()
    end = time.monotonic() + limit
    while time.monotonic() < end and time.monotonic() - quiet_since < 0.5:
        heard = metrics.read(server.operations_url).get("events_heard", 0.0)
        if heard != last:
            last, quiet_since = heard, time.monotonic()
        time.sleep(0.1)


def _row(
    plan: Plan, scenario: Scenario, server: servers.Server, target: Target, workers: int, connections: int
) -> Row:
    assert server.operations_url is not None
    before, used = metrics.read(server.operations_url), usage(server.pid)
    done = load(scenario, target, connections, plan.seconds)
    after, using = metrics.read(server.operations_url), usage(server.pid)
    unconfirmed = metrics.grown("commands_unconfirmed", before, after) if scenario.is_confirmed else 0.0
    return Row(
        scenario=scenario.title,
        workers=workers,
        connections=connections,
        load=done,
        cpu=per_request(using.cpu - used.cpu, done.requests),
        store_trips=per_request(metrics.store_trips(before, after), done.requests),
        bus_trips=per_request(metrics.bus_trips(before, after), done.requests),
        resident=using.resident,
        unconfirmed=int(unconfirmed),
    )


def _beside(row: Row, floor: wrk.Load, floor_cpu: float | None, peer: wrk.Load | None) -> Row:
    return replace(
        row,
        floor=floor.rate,
        floor_cpu=floor_cpu,
        peer=peer.rate if peer else None,
        peer_errors=peer.errors if peer else 0,
    )


def _can(scenario: Scenario, peer: Target) -> bool:
    try:
        checked(scenario, peer)
    except SiteFailed as error:
        print(f"bench: the peer is not measured: {error}", flush=True)
        return False
    return True
