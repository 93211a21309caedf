"""Checks of RabbitMQ: reachable, with Kazoo's exchanges, and with nodes of Kazoo's behind it."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress

from ..broker.bus import Bus
from ..broker.connections import broker_name
from ..broker.faults import (
    CONSUMER_REFUSED,
    CREDENTIALS_REFUSED,
    EXCHANGE_FLAGS,
    NOT_CONNECTED,
    VHOST_REFUSED,
    Fault,
)
from ..broker.nodes import Node
from ..broker.rabbit import RabbitTransport
from ..kapi.nodes import sidecar_host
from ..settings import Settings
from .findings import Finding, fail, ok, warn

#: Seconds beyond the broker's own time limit until what became of each connection is known.
GRACE = 1.0
_LOOK_EVERY = 0.1

APP = "ecallmgr"


async def check_brokers(
    settings: Settings, transport: RabbitTransport, listen_for: float, is_ours: bool = False
) -> AsyncGenerator[Finding, None]:
    """What is wrong with the brokers; then who is heard there within ``listen_for`` seconds (0: nobody is
    waited for). Our queues are gone afterwards; we are not advertised. ``is_ours``: a sidecar runs here."""
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
            yield _own_name(settings, bus, is_ours)
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
    return {fault.broker for fault in transport.faults if fault.kind in NOT_CONNECTED}


def _brokers(settings: Settings, transport: RabbitTransport) -> Iterator[Finding]:
    origin = settings.origins.get("amqp_urls", "amqp_urls")
    faults = {fault.broker: fault for fault in transport.faults if fault.kind in NOT_CONNECTED}
    own = list(dict.fromkeys(broker_name(url) for url in settings.amqp_urls))
    others = list(dict.fromkeys((zone, broker_name(url)) for zone, url in settings.amqp_zone_urls))
    nobody = not any(name in transport.brokers_up for name in own)
    for zone, name in [*((settings.zone, name) for name in own), *others]:
        # One of several is enough to go on with; another zone's is not needed for our own rooms.
        say = fail if nobody and name in own and zone == settings.zone else warn
        if name in transport.brokers_up:
            yield ok("broker", f"RabbitMQ at {name} (zone {zone}) is connected")
        else:
            yield say("broker", *_why(f"RabbitMQ at {name} (zone {zone})", faults.get(name), origin))


def _why(broker: str, fault: Fault | None, origin: str) -> tuple[str, str]:
    """What is wrong with a broker that is not connected, and what to do."""
    if fault is not None and fault.kind == CREDENTIALS_REFUSED:
        return f"{broker} refuses our credentials", f"correct user and password of its URI ({origin})"
    if fault is not None and fault.kind == VHOST_REFUSED:
        return (
            f"{broker} is there, but refuses the virtual host of its URI: {fault.detail}",
            f"correct what follows the last slash of the URI ({origin}), or give our user its rights: "
            "`rabbitmqctl list_vhosts`, `rabbitmqctl list_permissions -p VHOST`",
        )
    detail = f": {fault.detail}" if fault is not None and fault.detail else ""
    return (
        f"{broker} cannot be reached{detail}",
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


def _own_name(settings: Settings, bus: Bus, is_ours: bool) -> Finding:
    """Whether nobody else has our node name, as far as was heard."""
    node = bus.nodes.get(settings.node_name)
    host = None if node is None else sidecar_host(node.sidecar_id)
    if node is None or (is_ours and host in (None, socket.gethostname())):
        return ok("node_name", f"nobody else is heard as {settings.node_name}")
    return warn(
        "node_name",
        f"another process is heard as {settings.node_name}, on {host or 'a host that it does not name'}",
        "set node_name to NAME@HOST with a host name of its own on each host: the cluster takes two of one "
        "name for one",
    )


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
