"""A whole media side: zones with a media server and ecallmgr nodes each, told what to do in steps.

This is what ``simulate``, embedded mode and tests use::

    cluster = Cluster([ZonePlan("local", transport)])
    await cluster.start()
    await cluster.perform(["create", room, account])
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..broker.port import Transport
from ..clock import Clock, gregorian_seconds
from ..errors import CrossbarConferencesError
from .commands import Create, Join
from .faults import NO_FAULTS, Faults, with_fault
from .media_server import Performed, VirtualMediaServer
from .messages import MediaServer
from .node import NodeOptions, VirtualSwitch
from .rooms import Member, Room, SwitchRefuses
from .state import DialModes, Realms, Told
from .steps import (
    InRoom,
    KillSwitch,
    Moment,
    Reset,
    RestartNode,
    SetDialMode,
    SetFault,
    SetRealm,
    StartSwitch,
    Step,
    parse,
)


class PlanInvalid(CrossbarConferencesError):
    """A media side can't be built so."""


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """A zone: its name, the transport to its broker, and how many ecallmgr nodes it has.

    Zones may have one transport in common: then they share a broker."""

    name: str
    transport: Transport
    nodes: int = 1
    media_server: MediaServer | None = None


@dataclass(frozen=True, slots=True)
class _Zone:
    name: str
    media_server: VirtualMediaServer
    nodes: tuple[VirtualSwitch, ...]


class Cluster:
    """Zones of ecallmgr nodes. The nodes of a zone see the same rooms: each answers a search, one
    publishes the events, one of them takes a command or a dial (amqp.md 7.1)."""

    def __init__(
        self,
        plans: Sequence[ZonePlan],
        *,
        host: str = "virtual",
        realms: Realms | None = None,
        options: NodeOptions | None = None,
        clock: Clock = time.time,
    ) -> None:
        if not plans or any(plan.nodes < 1 for plan in plans):
            raise PlanInvalid("a media side has at least one zone, and a zone at least one node")
        if len({plan.name for plan in plans}) != len(plans):
            raise PlanInvalid("every zone has a name of its own")
        self.realms = realms or Realms()
        self.dial_modes = DialModes()
        self.told = Told()
        self._clock = clock
        self._options = options
        self._zones = tuple(self._zone(plan, plans, host) for plan in plans)

    async def start(self) -> None:
        """Every node listens and advertises. The transports are already started, by their owner."""
        for node in self.nodes:
            await node.start()

    async def close(self) -> None:
        """Every node stops, without ending a conference: as if the hosts had gone."""
        for node in self.nodes:
            await node.close()

    @property
    def nodes(self) -> tuple[VirtualSwitch, ...]:
        """Every node of every zone."""
        return tuple(node for zone in self._zones for node in zone.nodes)

    def room(self, conference_id: str) -> Room | None:
        """A running room, whichever zone it is in."""
        zone = self._zone_of(conference_id)
        return None if zone is None else zone.media_server.rooms[conference_id]

    async def perform(self, args: Sequence[str]) -> Performed:
        """Do one step of the control language; returns when it was told on the bus.

        Raises `StepInvalid`, `SwitchRefuses`."""
        moment = Moment(gregorian_seconds(self._clock()), str(uuid.uuid4()))
        return await self.do(parse(args, moment))

    async def do(self, step: Step) -> Performed:
        """Do one step."""
        if isinstance(step, InRoom):
            return await self._media_server_for(step).perform(step.command)
        if isinstance(step, Reset):
            return await self._reset()
        if isinstance(step, SetDialMode):
            self._set_dial_mode(step)
        elif isinstance(step, SetRealm):
            self._set_realm(step)
        elif isinstance(step, SetFault):
            for node in self._nodes_named(step.node):
                node.faults = with_fault(node.faults, step.name, step.value)
        elif isinstance(step, RestartNode):
            for node in self._nodes_named(step.node):
                await node.restart()
        elif isinstance(step, KillSwitch):
            for zone in self._zones_named(step.zone):
                await self._changed(zone, zone.media_server.kill(step.seconds))
        elif isinstance(step, StartSwitch):
            for zone in self._zones_named(step.zone):
                zone.media_server.start()
                await self._changed(zone)
        else:
            self.set_faults(NO_FAULTS)
        return Performed(())

    @staticmethod
    async def _changed(zone: _Zone, ended: Iterable[str] = ()) -> None:
        for node in zone.nodes:
            await node.switch_changed(ended)

    def set_faults(self, faults: Faults) -> None:
        """Give every node these faults."""
        for node in self.nodes:
            node.faults = faults

    def snapshot(self) -> dict[str, Any]:
        """What the media side holds and what it was told, as the control interface shows it."""
        return {
            "nodes": [
                {"node": node.name, "zone": node.zone, "faults": asdict(node.faults)} for node in self.nodes
            ],
            "dial_mode": self.dial_modes.mode,
            "dial_modes": dict(self.dial_modes.by_endpoint),
            "realms": {"default": self.realms.default, **self.realms.by_account},
            "rooms": {
                room.conference_id: _room(room, zone.name)
                for zone in self._zones
                for room in zone.media_server.rooms.values()
            },
            "counts": dict(self.told.counts),
            "told": [asdict(heard) for heard in self.told.heard],
        }

    def _zone(self, plan: ZonePlan, plans: Sequence[ZonePlan], host: str) -> _Zone:
        like = (self._options or NodeOptions()).like
        media_server = VirtualMediaServer(plan.media_server, self._clock, like)
        names = [self._node_name(plan, plans, host, number) for number in range(1, plan.nodes + 1)]
        remotes: list[Transport] = []
        for other in plans:
            if other.transport is not plan.transport and other.transport not in remotes:
                remotes.append(other.transport)
        nodes = tuple(
            VirtualSwitch(
                plan.transport,
                media_server,
                name=name,
                zone=plan.name,
                conference_node=names[0],
                realms=self.realms,
                dial_modes=self.dial_modes,
                told=self.told,
                remotes=remotes,
                call_elsewhere=self._knows_call,
                options=self._options,
            )
            for name in names
        )
        return _Zone(plan.name, media_server, nodes)

    @staticmethod
    def _node_name(plan: ZonePlan, plans: Sequence[ZonePlan], host: str, number: int) -> str:
        zone = f".{plan.name}" if len(plans) > 1 else ""
        return f"ecallmgr@{host}{number if plan.nodes > 1 else ''}{zone}"

    def _knows_call(self, call_id: str) -> bool:
        return any(zone.media_server.call(call_id) is not None for zone in self._zones)

    def _zone_of(self, conference_id: str) -> _Zone | None:
        return next((zone for zone in self._zones if conference_id in zone.media_server.rooms), None)

    def _media_server_for(self, step: InRoom) -> VirtualMediaServer:
        running = self._zone_of(step.command.conference_id)
        if running is not None:
            return running.media_server
        if isinstance(step.command, Join):
            for zone in self._zones:
                if zone.media_server.begins_with(step.command):
                    return zone.media_server
        if not isinstance(step.command, Create):
            raise SwitchRefuses(f"conference {step.command.conference_id} is not running")
        for zone in self._zones:
            if step.zone in (None, zone.name):
                return zone.media_server
        raise SwitchRefuses(f"there is no zone {step.zone}")

    def _nodes_named(self, name: str) -> tuple[VirtualSwitch, ...]:
        found = tuple(node for node in self.nodes if name in ("all", node.name))
        if not found:
            raise SwitchRefuses(f"there is no node {name}")
        return found

    def _zones_named(self, name: str | None) -> tuple[_Zone, ...]:
        found = tuple(zone for zone in self._zones if name in (None, zone.name))
        if not found:
            raise SwitchRefuses(f"there is no zone {name}")
        return found

    def _set_dial_mode(self, step: SetDialMode) -> None:
        if step.endpoint_id is None:
            self.dial_modes.reset()
            self.dial_modes.mode = step.mode
        else:
            self.dial_modes.by_endpoint[step.endpoint_id] = step.mode

    def _set_realm(self, step: SetRealm) -> None:
        if step.account_id is None:
            self.realms.default = step.realm
        else:
            self.realms.by_account[step.account_id] = step.realm

    async def _reset(self) -> Performed:
        self.set_faults(NO_FAULTS)
        self.dial_modes.reset()
        events: tuple[Any, ...] = ()
        lost = 0
        for zone in self._zones:
            ended = await zone.media_server.end_all()
            if not zone.media_server.serving:
                zone.media_server.start()
                await self._changed(zone)
            events += ended.events
            lost += ended.lost
        self.told.reset()
        return Performed(events, lost)


def _room(room: Room, zone: str) -> dict[str, Any]:
    return {
        "account_id": room.account_id,
        "instance_id": room.instance_id,
        "zone": zone,
        "locked": room.locked,
        "start_time": room.start_time,
        "variables": dict(room.variables),
        "recordings": list(room.recordings),
        "playing": [{"media": media, "member": member} for media, member in room.playing],
        "relations": [list(link) for link in room.relations],
        "parameters": dict(room.parameters),
        "members": [_member(member, room.floor == member.member_id) for member in room.members],
    }


def _member(member: Member, has_floor: bool) -> dict[str, Any]:
    return {**asdict(member), "floor": has_floor}
