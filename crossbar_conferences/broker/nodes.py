"""The table of nodes that Kazoo's heartbeats tell of. No I/O: messages in, answers out.

Source: amqp.md 3.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..kapi.nodes import Advertisement, App, advertisement_of

#: A node is kept for this many times the life it named (amqp.md 3.4).
GRACE = 1.25
#: More nodes than this are no cluster but a flood; further ones are not taken in.
MAX_NODES = 1_000


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is heard of. ``deadline`` and ``heard_at`` are on the table's clock."""

    name: str
    zone: str
    apps: Mapping[str, App]
    version: str | None
    media_servers: tuple[str, ...]
    deadline: float
    heard_at: float = 0.0
    sidecar_id: str | None = None


class NodesTable:
    """The nodes that are alive, by name. A node that falls silent is forgotten."""

    def __init__(
        self,
        own_node: str,
        own_zone: str,
        *,
        sidecar_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_node = own_node
        self._own_zone = own_zone
        self._sidecar_id = sidecar_id
        #: Who speaks under our name and isn't us.
        self._namesake: Node | None = None
        self._clock = clock
        self._nodes: dict[str, Node] = {}
        #: Nobody falls silent before this: every command asks who is there.
        self._soonest = float("inf")
        #: How often media servers were lost: no node that is alive has them any more.
        self.losses = 0

    def hear(self, body: Any, broker_zone: str | None = None) -> Node | None:
        """Take in a heartbeat, read from a broker of that zone (``None``: our own).

        Returns the node, or ``None`` for our own. Raises `MessageInvalid` for what is none."""
        advertisement = advertisement_of(body)
        if advertisement.node == self._own_node:
            if self._sidecar_id is not None and advertisement.sidecar_id != self._sidecar_id:
                self._namesake = self._node(advertisement, broker_zone)
            return None
        if advertisement.node not in self._nodes and len(self._nodes) >= MAX_NODES:
            self._expire()
            if len(self._nodes) >= MAX_NODES:
                return None
        node = self._node(advertisement, broker_zone)
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node
        self._soonest = min(self._soonest, node.deadline)
        if before is not None:
            self._count_losses(before)
        return node

    @property
    def namesake(self) -> Node | None:
        """Another process that was heard under our own name of late: the cluster takes the two for one."""
        found = self._namesake
        return found if found is not None and found.deadline > self._clock() else None

    def all(self, app: str | None = None, zone: str | None = None) -> tuple[Node, ...]:
        """The nodes alive, of one app and one zone when given, by name."""
        self._expire()
        return tuple(
            self._nodes[name]
            for name in sorted(self._nodes)
            if (app is None or app in self._nodes[name].apps) and zone in (None, self._nodes[name].zone)
        )

    def count(self, app: str, zone: str | None = None) -> int:
        """How many nodes run an app, in one zone or in all."""
        self._expire()
        return sum(1 for node in self._nodes.values() if app in node.apps and zone in (None, node.zone))

    def has(self, app: str, since: float = 0.0) -> bool:
        """Whether any node that was heard ``since`` then runs an app; asked for every command."""
        self._expire()
        for node in self._nodes.values():  # noqa: SIM110 - any() would cost twice as much
            if node.heard_at >= since and app in node.apps:
                return True
        return False

    def get(self, name: str) -> Node | None:
        """A node that is alive."""
        self._expire()
        return self._nodes.get(name)

    def zone_of(self, name: str) -> str | None:
        """The zone of a node; ``None`` when it is not heard of."""
        if name == self._own_node:
            return self._own_zone
        node = self.get(name)
        return None if node is None else node.zone

    def __len__(self) -> int:
        self._expire()
        return len(self._nodes)

    def _node(self, advertisement: Advertisement, broker_zone: str | None) -> Node:
        return Node(
            name=advertisement.node,
            zone=advertisement.zone or broker_zone or self._own_zone,
            apps=advertisement.apps,
            version=advertisement.version,
            media_servers=advertisement.media_servers,
            deadline=self._clock() + advertisement.expires_ms / 1000 * GRACE,
            heard_at=self._clock(),
            sidecar_id=advertisement.sidecar_id,
        )

    def _expire(self) -> None:
        now = self._clock()
        if now < self._soonest:
            return
        for name in [name for name, node in self._nodes.items() if node.deadline <= now]:
            self._count_losses(self._nodes.pop(name))
        self._soonest = min((node.deadline for node in self._nodes.values()), default=float("inf"))

    def _count_losses(self, before: Node) -> None:
        after = self._nodes.get(before.name)
        gone = set(before.media_servers).difference(after.media_servers if after else ())
        if gone:
            left = {server for node in self._nodes.values() for server in node.media_servers}
            self.losses += not gone <= left
