"""How a node answers: searches, questions for channels, and dials.

Source: amqp.md 5.2, 7.2, 7.5, 10.1; dial.md 6.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..broker.nodes import NodesTable
from ..kapi import call, conference
from ..kapi.messages import MessageInvalid
from ..kapi.routing import reply_address
from . import messages
from .dialling import (
    ANSWER,
    SILENT,
    UNANSWERED,
    Leg,
    cause_of,
    check_variables,
    failed,
    join_of,
    legs,
    succeeded,
)
from .execution import is_commandable
from .media_server import VirtualMediaServer
from .memory import Memory
from .messages import Speaker
from .rooms import SwitchRefuses
from .state import DialModes, Realms

#: Legs of one dial, and seconds that one may ring; both far above what the API asks for.
LEGS_LIMIT = 1000
RING_LIMIT = 3600


@dataclass(frozen=True, slots=True)
class Request:
    """A question as it came. ``reply_to`` is a queue on ``targeted``; ``reply_headers`` name the
    process behind it, when the requester gave one (amqp.md 1.3)."""

    kind: str
    body: Mapping[str, Any]
    reply_to: str
    reply_headers: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Request:
        """The question in a message. Raises `MessageInvalid` when it can't be answered at all."""
        server_id = body.get("Server-ID")
        if not isinstance(server_id, str):
            raise MessageInvalid("Server-ID is missing")
        address = reply_address(server_id)
        if not address.routing_key:
            raise MessageInvalid("Server-ID names no queue")
        headers = {} if address.process is None else {"Deliver-To-PID": bytearray(address.process.encode())}
        kind = f"{body['Event-Category']}/{body['Event-Name']}"
        return cls(kind, body, address.routing_key, headers)


#: Tells the bus that a dialled leg is over: why, and whether it was answered.
HungUp = Callable[[Leg, str, bool], Awaitable[None]]


class Answerer:
    """Knows the answers of one node; `None` means that Kazoo would stay silent."""

    def __init__(
        self,
        speaker: Speaker,
        media_server: VirtualMediaServer,
        memory: Memory,
        realms: Realms,
        dial_modes: DialModes,
        call_elsewhere: Callable[[str], bool],
        hung_up: HungUp,
        trust_unknown_nodes: bool,
    ) -> None:
        self._speaker = speaker
        self._media_server = media_server
        self._memory = memory
        self._realms = realms
        self._dial_modes = dial_modes
        self._call_elsewhere = call_elsewhere
        self._hung_up = hung_up
        #: One for each leg that waits for a joining, and where; set when somebody joins there.
        self._waiting: dict[asyncio.Event, str] = {}
        self._trust_unknown_nodes = trust_unknown_nodes
        #: The nodes whose heartbeats were heard: a dial asks for its requester's zone.
        self.nodes = NodesTable(speaker.node, speaker.zone)

    async def answer(self, request: Request) -> dict[str, Any] | None:
        """The body of the answer. Raises `MessageInvalid` for what Kazoo would not understand."""
        if request.kind == "conference/search_req":
            return self._search(request.body)
        if request.kind == "conference/command":
            return await self._dial(request.body)
        if request.kind in ("channel/query_channels_req", "call_event/query_channels_req"):
            return self._channels(request.body)
        # The same topics carry more than is for us, such as discovery_req.
        return None

    def _search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("Conference-ID") or body.get("Account-ID"):
            conference.check_search_request(body)
        now, rooms = self._media_server.now(), self._media_server.told_rooms
        conference_id = body.get("Conference-ID")
        if conference_id:
            room = rooms.get(conference_id)
            if room is None:
                return messages.not_found(body, self._speaker)
            known = self._memory.of(room)
            return messages.search_by_conference(room, self._speaker, now, body["Msg-ID"], known)
        account_id = body.get("Account-ID")
        listed = [room for room in rooms.values() if self._memory.lists(room)]
        return messages.search_by_account(account_id, listed, self._speaker, now, body["Msg-ID"])

    def _channels(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        category = body["Event-Category"]
        call.check_query_channels({**body, "Event-Category": "channel"})
        call_id = body.get("Call-ID")
        found = [
            (room, member)
            for room in self._media_server.rooms.values()
            for member in room.members
            if call_id in (None, member.call_id)
        ]
        if not found and body.get("Active-Only") in (True, "true"):
            return None
        account_id = found[0][1].account_id if found else None
        realm = self._realms.of(account_id)
        return messages.channels(found, category, self._speaker, realm, body["Msg-ID"])

    async def _dial(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        conference.check_dial(body)
        if "Timeout" not in body:
            # Kazoo's process per endpoint dies of it, and the answer never comes (amqp.md 5.4).
            raise MessageInvalid("Timeout is missing")
        check_variables(body)
        if body["Conference-ID"] not in self._media_server.rooms:
            zone = self._dialling_zone(body)
            if zone is None:
                return None
            if zone != self._speaker.zone:
                return messages.no_media_server(body, self._speaker)
        fresh = [secrets.token_hex(16) for _ in range(min(len(body["Endpoints"]), LEGS_LIMIT))]
        done: list[dict[str, Any]] = []

        async def ring(leg: Leg) -> None:
            done.append(await self._ring(leg, body))

        async with asyncio.TaskGroup() as group:
            for leg in legs(body, fresh):
                group.create_task(ring(leg))
        # Last done, first told (dial.md 6).
        return messages.dial_response(done[::-1], self._speaker, body["Msg-ID"])

    def _dialling_zone(self, body: Mapping[str, Any]) -> str | None:
        """The zone whose media server begins a new conference; ``None``: Kazoo never answers."""
        target = body.get("Target-Call-ID")
        if isinstance(target, str) and target:
            if self._media_server.call(target) is not None:
                return self._speaker.zone
            if self._call_elsewhere(target):
                return ""
        node = body.get("Node")
        zone = self.nodes.zone_of(node) if isinstance(node, str) else None
        if zone is None and self._trust_unknown_nodes:
            return self._speaker.zone
        return zone

    async def _ring(self, leg: Leg, body: Mapping[str, Any]) -> dict[str, Any]:
        if not is_commandable(body["Conference-ID"]):
            # The command got no job id (dial.md 6).
            return failed(leg, "unknown failure")
        mode = self._dial_modes.of(leg.endpoint_id)
        if mode == SILENT:
            return await self._in_vain(leg, body)
        if mode == UNANSWERED:
            told = await self._in_vain(leg, body, "NO_ANSWER")
            await self._hung_up(leg, "NO_ANSWER", False)
            return told
        if mode != ANSWER:
            await self._hung_up(leg, cause_of(mode), False)
            return failed(leg, cause_of(mode))
        if body["Conference-ID"] not in self._media_server.rooms and self._speaker.core == "master":
            # Its dial string cannot begin a conference (real-switch.md A5).
            return await self._in_vain(leg, body)
        try:
            await self._media_server.dialled(join_of(leg, body, self._media_server.now()))
        except SwitchRefuses:
            # It answered and was hung up, as a full room does, and whoever waits for its joining waits on.
            await self._hung_up(leg, "NORMAL_CLEARING", True)
            return await self._in_vain(leg, body)
        return succeeded(leg)

    async def _in_vain(self, leg: Leg, body: Mapping[str, Any], message: str = "timeout") -> dict[str, Any]:
        """Nothing is heard of a leg until the time is up. Kazoo 5 takes anybody's joining for its own."""
        seconds = max(0, min(body["Timeout"], RING_LIMIT))
        if self._speaker.core == "master":
            await asyncio.sleep(seconds)
            return failed(leg, message)
        joined = asyncio.Event()
        self._waiting[joined] = body["Conference-ID"]
        try:
            async with asyncio.timeout(seconds):
                await joined.wait()
        except TimeoutError:
            return failed(leg, message)
        finally:
            del self._waiting[joined]
        return succeeded(leg)

    def joined(self, conference_id: str) -> None:
        """Somebody has joined a conference."""
        for waiter, where in self._waiting.items():
            if where == conference_id:
                waiter.set()
