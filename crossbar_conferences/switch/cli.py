"""``crossbar-conferences simulate``: the virtual switch as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import structlog

from ..broker.port import BrokerError
from ..broker.rabbit import RabbitTransport
from ..errors import CrossbarConferencesError
from ..loop import fast_loop
from .cluster import Cluster, ZonePlan
from .control import ControlServer
from .media_server import Likeness
from .messages import Core
from .node import OPTIONAL_EVENTS, PUBLISHED_EVENTS, NodeOptions
from .scenario import Scenario, load, run
from .state import Realms

DEFAULT_AMQP_URL = "amqp://guest:guest@127.0.0.1:5672"


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """What to simulate. ``zones`` are (name, AMQP URL); ``port`` 0 takes a free one. For
    ``broker_wait`` seconds the control interface waits for the brokers, so that steps are heard."""

    zones: tuple[tuple[str, str], ...]
    nodes: int = 1
    port: int = 0
    host: str = "virtual"
    realm: str | None = None
    scenario: Scenario | None = None
    node_options: NodeOptions | None = None
    broker_wait: float = 10.0


class Simulator:
    """The virtual switch with its transports and control interface.

    ``async with Simulator(options) as simulator:`` starts and stops everything."""

    def __init__(self, options: SimulatorOptions) -> None:
        self._options = options
        sizes = {zone.name: zone.nodes for zone in options.scenario.zones} if options.scenario else {}
        self._transports: dict[str, RabbitTransport] = {}
        for name, url in options.zones:
            if url not in self._transports:
                self._transports[url] = RabbitTransport([url], zone=name)
        plans = [
            ZonePlan(name, self._transports[url], sizes.get(name, options.nodes))
            for name, url in options.zones
        ]
        self.cluster = Cluster(
            plans, host=options.host, realms=Realms(options.realm), options=options.node_options
        )
        self.control = ControlServer(self.cluster, options.port)
        #: Whether every broker was reached in time.
        self.has_brokers = False
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Simulator:
        async with AsyncExitStack() as opened:
            for transport in self._transports.values():
                opened.push_async_callback(transport.close)
                await transport.start()
            opened.push_async_callback(self.cluster.close)
            await self.cluster.start()
            self.has_brokers = await self._connected()
            opened.push_async_callback(self.control.close)
            await self.control.start()
            self._exit = opened.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._exit.aclose()

    async def _connected(self) -> bool:
        waiting = [_connected(transport) for transport in self._transports.values()]
        try:
            async with asyncio.timeout(self._options.broker_wait):
                await asyncio.gather(*waiting)
        except TimeoutError:
            return False
        return True


async def _connected(transport: RabbitTransport) -> None:
    reached = asyncio.Event()
    transport.on_state(lambda connected: reached.set() if connected else None)
    if not transport.connected:
        await reached.wait()


async def simulate_until_stopped(options: SimulatorOptions) -> None:
    """Run until SIGINT or SIGTERM; says on standard output where the control interface is."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Simulator(options) as simulator:
        nodes = ", ".join(f"{node.name} ({node.zone})" for node in simulator.cluster.nodes)
        click.echo(f"virtual switch: {nodes}")
        if not simulator.has_brokers:
            click.echo("the message broker is not there yet; it is tried again and again", err=True)
        click.echo(f"control interface: {simulator.control.url}")
        story = asyncio.create_task(_play(options.scenario, simulator.cluster), name="scenario")
        await stopped.wait()
        story.cancel()
        with suppress(asyncio.CancelledError):
            await story


async def _play(scenario: Scenario | None, cluster: Cluster) -> None:
    if scenario is not None:
        refused = await run(scenario, cluster)
        click.echo(f"scenario: played, {refused} steps refused")


def _zones(zones: Sequence[str], amqp_url: str) -> tuple[tuple[str, str], ...]:
    """``east=amqp://…`` has a broker of its own, ``east`` the one of ``--amqp-url``."""
    pairs = (zone.partition("=") for zone in zones)
    return tuple((name, url or amqp_url) for name, _, url in pairs)


def _events(published: str) -> frozenset[str]:
    """The events that an operator's list publishes."""
    known = PUBLISHED_EVENTS | OPTIONAL_EVENTS
    if published in ("default", "all"):
        return PUBLISHED_EVENTS if published == "default" else known
    asked = frozenset(published.split(","))
    if asked - known:
        names = ", ".join(sorted(asked - known))
        raise click.BadParameter(f"{names} is no event; there are {', '.join(sorted(known))}")
    return asked


def _zones_of(scenario: Scenario | None, zones: tuple[str, ...]) -> tuple[str, ...]:
    if zones:
        return zones
    asked = tuple(zone.name for zone in scenario.zones) if scenario else ()
    return asked or ("local",)


@click.command()
@click.option("--amqp-url", envvar="AMQP_URL", default=DEFAULT_AMQP_URL, help="The message broker.")
@click.option(
    "--zone",
    "zones",
    multiple=True,
    help="A zone to play, NAME or NAME=AMQP-URL; may be repeated. Default: the scenario's, else local.",
)
@click.option("--nodes", default=1, type=click.IntRange(1, 100), help="ecallmgr nodes in each zone.")
@click.option(
    "--scenario",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A scenario (YAML) to play.",
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Of the control interface; 0: a free one."
)
@click.option("--realm", help="The realm in presence ids of accounts without one of their own.")
@click.option(
    "--host", default=socket.gethostname, help="What node names end with. Default: this host's name."
)
@click.option(
    "--core",
    type=click.Choice(["5", "master"]),
    default="5",
    help="Whose rules hold: which search answers are given and which commands are refused.",
)
@click.option(
    "--like",
    type=click.Choice(["stand-in", "freeswitch"]),
    default="stand-in",
    help="What the media server is like: FreeSWITCH as measured, or the stand-in of the recorded cases.",
)
@click.option(
    "--events",
    "published",
    default="default",
    help="Which events are published: default, all, or names with commas between them.",
)
@click.option(
    "--trust-unknown-nodes",
    is_flag=True,
    help="Dial for requesters that never advertised, where Kazoo stays silent.",
)
def simulate(
    amqp_url: str,
    zones: tuple[str, ...],
    nodes: int,
    path: Path | None,
    port: int,
    realm: str | None,
    host: str,
    core: Core,
    like: Likeness,
    published: str,
    trust_unknown_nodes: bool,
) -> None:
    """Play Kazoo's media side on a message broker: a virtual switch for demos and tests.

    Commands reach it over the bus as they reach ecallmgr, and over a control interface on loopback:

    \b
      curl -d '{"args": ["create", "room1", "ACCOUNT"]}' http://127.0.0.1:PORT/
    """
    if not structlog.is_configured():
        # Standard output is for whoever started us: it says where the control interface is.
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        scenario = load(path) if path else None
        options = SimulatorOptions(
            zones=_zones(_zones_of(scenario, zones), amqp_url),
            nodes=nodes,
            port=port,
            host=host,
            realm=realm,
            scenario=scenario,
            node_options=NodeOptions(core, trust_unknown_nodes, _events(published), like),
        )
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(simulate_until_stopped(options))
    except BrokerError as error:
        raise click.ClickException(f"the message broker: {error}") from None
    except (CrossbarConferencesError, OSError) as error:
        raise click.ClickException(str(error)) from None
