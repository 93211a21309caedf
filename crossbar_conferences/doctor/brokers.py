"""Checks of RabbitMQ: reachable, with Kazoo's exchanges, and with nodes of Kazoo's behind it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress

from ..broker.bus import Bus
from ..broker.connections import broker_name
from ..broker.faults import CONSUMER_REFUSED, CREDENTIALS_REFUSED, EXCHANGE_FLAGS, UNREACHABLE, Fault
from ..broker.nodes import Node
from ..broker.rabbit import RabbitTransport
from ..settings import Settings
from .findings import Finding, fail, ok, warn

#: Seconds beyond the broker's own time limit until what became of each connection is known.
GRACE = 1.0
_LOOK_EVERY = 0.1

APP = "ecallmgr"


async def check_brokers(
    settings: Settings, transport: RabbitTransport, listen_for: float
) -> AsyncGenerator[Finding, None]:
    """What is wrong with the brokers; then who is heard there within ``listen_for`` seconds (0: nobody is
    waited for). Our queues are gone afterwards; we are not advertised."""
    host = settings.node_name.partition("@")[2]
    bus = Bus(transport, f"doctor_{secrets.token_hex(4)}@{host}", advertise=False)
    try:
        await bus.start()
        await _until_known(settings, transport)
        for finding in _brokers(settings, transport):
            yield finding
        for finding in _exchanges(transport.faults):
            yield finding
        if bus.connected and listen_for > 0:
            yield await _nodes(settings, bus, listen_for)
    finally:
        await bus.close()


async def _until_known(settings: Settings, transport: RabbitTransport) -> None:
    """Wait until every broker is connected or has failed, for a bounded time."""
    wanted = {broker_name(url) for url in settings.amqp_urls}
    wanted |= {broker_name(zone.url) for zone in settings.amqp_zone_urls}
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.broker_timeout_seconds + GRACE):
            while not (transport.connected and wanted <= transport.brokers_up | _down(transport)):
                if wanted <= _down(transport):
                    return
                await asyncio.sleep(_LOOK_EVERY)


def _down(transport: RabbitTransport) -> set[str]:
    return {fault.broker for fault in transport.faults if fault.kind in (UNREACHABLE, CREDENTIALS_REFUSED)}


def _brokers(settings: Settings, transport: RabbitTransport) -> Iterator[Finding]:
    origin = settings.origins.get("amqp_urls", "amqp_urls")
    refused = {fault.broker for fault in transport.faults if fault.kind == CREDENTIALS_REFUSED}
    own = list(dict.fromkeys(broker_name(url) for url in settings.amqp_urls))
    others = list(dict.fromkeys((zone, broker_name(url)) for zone, url in settings.amqp_zone_urls))
    nobody = not any(name in transport.brokers_up for name in own)
    for zone, name in [*((settings.zone, name) for name in own), *others]:
        # One of several is enough to go on with; another zone's is not needed for our own rooms.
        say = fail if nobody and name in own and zone == settings.zone else warn
        if name in transport.brokers_up:
            yield ok("broker", f"RabbitMQ at {name} (zone {zone}) is connected")
        elif name in refused:
            yield say(
                "broker",
                f"RabbitMQ at {name} (zone {zone}) refuses our credentials or virtual host",
                f"correct user, password and virtual host of its URI ({origin})",
            )
        else:
            yield say(
                "broker",
                f"RabbitMQ at {name} (zone {zone}) cannot be reached",
                f"check that it runs and that host and port of its URI are right ({origin})",
            )


def _exchanges(faults: Sequence[Fault]) -> Iterator[Finding]:
    found = [fault for fault in faults if fault.kind in (EXCHANGE_FLAGS, CONSUMER_REFUSED)]
    for fault in found:
        if fault.kind == EXCHANGE_FLAGS:
            yield fail(
                "exchanges",
                f"{fault.broker}: {fault.detail}",
                f"delete the exchange {fault.subject} and let a Kazoo node declare it; until then "
                "Kazoo's own nodes cannot use this broker either",
            )
        else:
            yield fail(
                "exchanges",
                f"{fault.broker}: our queue {fault.subject} is refused ({fault.detail})",
                "our user needs configure, write and read permissions in the virtual host",
            )
    if not found:
        yield ok("exchanges", "the exchanges are as Kazoo declares them")


async def _nodes(settings: Settings, bus: Bus, listen_for: float) -> Finding:
    """Who drives the media servers, and whether they are in our zone."""
    with suppress(TimeoutError):
        async with asyncio.timeout(listen_for):
            # The table tells nobody that it has grown, and nothing here is in a hurry.
            while not bus.nodes.count(APP, settings.zone):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY)
    nodes: tuple[Node, ...] = bus.nodes.all(APP)
    here = [node.name for node in nodes if node.zone == settings.zone]
    if here:
        return ok("nodes", f"ecallmgr in our zone {settings.zone}: {', '.join(here)}")
    if nodes:
        elsewhere = ", ".join(f"{node.name} in {node.zone}" for node in nodes)
        return fail(
            "zone",
            f"we are in zone {settings.zone} ({settings.origins.get('zone', 'default')}), but ecallmgr "
            f"runs elsewhere: {elsewhere}",
            "set zone, or KAZOO_ZONE, to the zone of the media servers: dials ask those of our zone",
        )
    others = len(bus.nodes)
    return fail(
        "nodes",
        f"no ecallmgr node is heard within {listen_for:g} s"
        + (f", but {others} other nodes" if others else ""),
        "start ecallmgr, or check that it uses this broker and virtual host; until then documents are "
        "served, but nothing live",
    )
