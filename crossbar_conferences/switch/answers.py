"""How a node answers: searches, questions for channels, and dials.

Source: amqp.md 5.2, 7.2, 7.5, 10.1; dial.md 6.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..kapi import call, conference
from ..kapi.messages import MessageInvalid
from ..kapi.nodes import Advertisement
from . import messages
from .dialling import ANSWER, SILENT, Leg, cause_of, failed, join_of, legs, succeeded
from .media_server import VirtualMediaServer
from .messages import Speaker
from .rooms import SwitchRefuses
from .state import DialModes, Realms

#: Legs of one dial, and seconds that one may ring; both far above what the API asks for.
LEGS_LIMIT = 1000
RING_LIMIT = 3600
#: Nodes whose zone is remembered.
NODES_LIMIT = 10_000
#: A node is known this much longer than it says (amqp.md 3.4).
_GRACE = 1.25


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
        if not isinstance(server_id, str) or not server_id or not isinstance(body.get("Msg-ID"), str):
            raise MessageInvalid("Server-ID or Msg-ID is missing")
        kind = f"{body.get('Event-Category')}/{body.get('Event-Name')}"
        if server_id.startswith("pid://"):
            process, slash, queue = server_id.removeprefix("pid://").partition("/")
            if not slash or not queue:
                raise MessageInvalid("Server-ID names no queue")
            return cls(kind, body, queue, {"Deliver-To-PID": process})
        return cls(kind, body, server_id)


class Answerer:
    """Knows the answers of one node; `None` means that Kazoo would stay silent."""

    def __init__(
        self,
        speaker: Speaker,
        media_server: VirtualMediaServer,
        realms: Realms,
        dial_modes: DialModes,
        call_elsewhere: Callable[[str], bool],
        trust_unknown_nodes: bool,
    ) -> None:
        self._speaker = speaker
        self._media_server = media_server
        self._realms = realms
        self._dial_modes = dial_modes
        self._call_elsewhere = call_elsewhere
        self._trust_unknown_nodes = trust_unknown_nodes
        self._zones: dict[str, tuple[str, float]] = {}

    def advertised(self, heartbeat: Advertisement, broker_zone: str) -> None:
        """Remember the zone of a node, for as long as it says."""
        now = time.monotonic()
        if len(self._zones) >= NODES_LIMIT:
            self._zones = {node: known for node, known in self._zones.items() if known[1] > now}
        if len(self._zones) < NODES_LIMIT or heartbeat.node in self._zones:
            until = now + heartbeat.expires_ms * _GRACE / 1000
            self._zones[heartbeat.node] = (heartbeat.zone or broker_zone, until)

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
        conference.check_search_request(body)
        now, rooms = self._media_server.now(), self._media_server.rooms
        conference_id = body.get("Conference-ID")
        if conference_id:
            room = rooms.get(conference_id)
            if room is None:
                return messages.not_found(body, self._speaker)
            return messages.search_by_conference(room, self._speaker, now, body["Msg-ID"])
        account_id = body["Account-ID"]
        return messages.search_by_account(account_id, rooms.values(), self._speaker, now, body["Msg-ID"])

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
        zone, until = self._zones.get(str(body.get("Node")), ("", 0.0))
        if time.monotonic() < until:
            return zone
        return self._speaker.zone if self._trust_unknown_nodes else None

    async def _ring(self, leg: Leg, body: Mapping[str, Any]) -> dict[str, Any]:
        mode = self._dial_modes.of(leg.endpoint_id)
        if mode == SILENT:
            await asyncio.sleep(max(0, min(body["Timeout"], RING_LIMIT)))
            return failed(leg, "timeout")
        if mode != ANSWER:
            return failed(leg, cause_of(mode))
        # Two legs may bear one call id (dial.md 6): then the second one is the first one.
        room = self._media_server.rooms.get(body["Conference-ID"])
        if room is None or room.call(leg.call_id) is None:
            try:
                await self._media_server.dialled(join_of(leg, body, self._media_server.now()))
            except SwitchRefuses:
                return failed(leg, "CALL_REJECTED")
        return succeeded(leg)
