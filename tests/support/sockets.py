"""A hub on a broker in memory, sessions on it, and a real client of the websocket."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from crossbar_conferences.auth.failures import InvalidCredentials
from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.conference import presentation
from crossbar_conferences.conference.rooms import Room
from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.live.feed import EventFeed
from crossbar_conferences.shares import Shares
from crossbar_conferences.sockets.commons import Commons, SessionLimits
from crossbar_conferences.sockets.hub import Hub
from crossbar_conferences.sockets.pace import Pace
from crossbar_conferences.sockets.reviews import Reviews, Ruling, Unauthorized
from crossbar_conferences.sockets.rights import Right
from crossbar_conferences.sockets.session import Session

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
CHILD = "c1b2c3d4e5f60718293a4b5c6d7e8f90"
OTHER = "b1b2c3d4e5f60718293a4b5c6d7e8f90"

#: Long enough for a slow machine; no test that passes waits for it.
PATIENCE = 10.0

_MEDIA_SIDE = Origin("freeswitch", "4.0.0", "ecallmgr@test.local")


@dataclass(frozen=True, slots=True)
class Known:
    """An identity as sessions see it."""

    account_id: str


@dataclass(slots=True)
class FakeGuard:
    """Knows the tokens of `ACCOUNT`, which has `CHILD` below it, and of `OTHER`; counts its questions."""

    running: dict[str, Room] = field(default_factory=dict)
    asked: int = 0
    failure: Exception | None = None
    #: Until when what is allowed is allowed.
    until: float = math.inf
    #: Tokens that are good no more, and conferences that restrictions name.
    gone: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    #: The rights that were asked for.
    ruled: list[Right] = field(default_factory=list)
    #: What happens while a snapshot is being taken.
    meanwhile: Any = None

    async def identify(self, token: str, source: str) -> Any:
        """`ACCOUNT` for ``good``, ``better`` and ``best``, `OTHER` for ``other``."""
        self.asked += 1
        return self._known(token)

    async def rule(self, right: Right) -> Ruling:
        """The account itself and what is below it; commands of ``room`` only; not what is hidden."""
        self.ruled.append(right)
        identity = self._known(right.token)
        if right.account_id is not None:
            if self.failure is not None:
                raise self.failure
            if right.account_id == "*" and right.token != "best":
                raise Unauthorized("unauthorized wildcard account id")
            known = (identity.account_id, ACCOUNT if right.account_id == "*" else right.account_id)
            if known[0] != known[1] and known != (ACCOUNT, CHILD):
                raise Unauthorized("unauthorized account id")
            if right.follows not in (None, "room"):
                raise Unauthorized("unauthorized conference id")
            if any(set(path) & self.hidden for path in right.paths):
                raise Unauthorized("access denied by token restrictions")
        return Ruling(self.until, frozenset({"db"}), right.follows)

    def _known(self, token: str) -> Known:
        if token in self.gone:
            raise InvalidCredentials("token_expired")
        if token not in ("good", "better", "best", "other"):
            raise InvalidCredentials("signature_invalid")
        return Known(OTHER if token == "other" else ACCOUNT)

    async def snapshot(self, account_id: str, conference_id: str) -> Room | None:
        """What is running."""
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.running.get(conference_id)

    async def rooms(self, account_id: str) -> Mapping[str, Room]:
        """All that is running."""
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.running


@dataclass(slots=True)
class HubWorld:
    """A hub, its broker, and whoever publishes there."""

    broker: MemoryBroker
    bus: Bus
    feed: EventFeed
    hub: Hub
    reviews: Reviews
    media_side: MemoryTransport
    waiting: Shares
    bindings: Shares
    guard: FakeGuard = field(default_factory=FakeGuard)
    now: float = 1_000.0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def commons(self, **limits: int) -> Commons:
        """What sessions with these limits share."""
        return Commons(
            self.hub,
            self.guard,
            self.reviews,
            lambda: self.now,
            SessionLimits(**limits),
            presentation.metadata,
            self.waiting,
            self.bindings,
            logins=Pace(1_000, 1_000),
            work=Pace(1_000, 10_000),
        )

    def session(self, **limits: int) -> Session:
        """One more session."""
        name = f"10.0.0.1:{next(self._numbers)}"
        return Session(name, "10.0.0.1", "10.0.0.2:5555", self.commons(**limits))

    async def publish(self, exchange: str, routing_key: str, body: Mapping[str, Any]) -> None:
        """Publish as the media side and wait until everybody heard it."""
        await self.media_side.publish(exchange, routing_key, orjson.dumps(body))
        await self.settle()

    async def event(self, kind: str = "add-member", room: str = "room", **more: Any) -> None:
        """A conference event of `ACCOUNT`, or of ``account``."""
        outgoing = conference.event(event_fields(kind, room, **more), _MEDIA_SIDE)
        await self.publish(outgoing.exchange, outgoing.routing_key, outgoing.body)

    async def settle(self) -> None:
        """Until what was published has been heard; the queues of this broker are in this process."""
        for _ in range(40):
            await asyncio.sleep(0)


def event_fields(
    kind: str, room: str, *, account: str = ACCOUNT, call: str | None = "call-1.2@10.0.0.1", number: int = 1
) -> dict[str, Any]:
    """The headers of a conference event; with a call also those of a participant."""
    fields: dict[str, Any] = {
        "Event": kind,
        "Account-ID": account,
        "Conference-ID": room,
        "Instance-ID": "8d2f6f3c-0000-4000-8000-000000000001",
    }
    if call is not None:
        flags = {"Is-Moderator": False, "Speak": True, "Hear": True, "Talking": False, "Floor": False}
        fields |= {"Call-ID": call, "Participant-ID": number, "Conference-Channel-Vars": flags}
    return fields


@asynccontextmanager
async def hub_world(**options: float) -> AsyncIterator[HubWorld]:
    """A started hub; ``options`` are the hub's."""
    broker = MemoryBroker()
    media_side = MemoryTransport(broker)
    bus = Bus(MemoryTransport(broker), "conferences@test.local", advertise=False)
    feed = EventFeed(bus, time.time)
    hub = Hub(bus, feed, time.time, **options)
    reviews = Reviews(lambda: 0.0, pause=0.0)
    await media_side.start()
    await bus.start()
    await feed.start()
    await hub.start()
    await reviews.start()
    shares = Shares(100_000_000, 50_000_000), Shares(100_000, 50_000)
    try:
        yield HubWorld(broker, bus, feed, hub, reviews, media_side, *shares)
    finally:
        await reviews.close()
        await hub.close()
        await feed.close()
        await bus.close()
        await media_side.close()


def frames(session: Session) -> list[dict[str, Any]]:
    """What waits to be sent to a session's client."""
    taken = [orjson.loads(session.outgoing.take()) for _ in range(len(session.outgoing))]
    session.outgoing.sent()
    return taken


async def ask(session: Session, action: str, **more: Any) -> dict[str, Any]:
    """One frame to a session and its reply, which must be all that comes."""
    await session.receive(orjson.dumps({"action": action, "request_id": "r", "auth_token": "good", **more}))
    (reply,) = frames(session)
    return reply


class Client:
    """A real websocket client. Replies are found by their request id, events wait their turn."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str | None) -> None:
        self.socket = socket
        self.events: deque[dict[str, Any]] = deque()
        self._token = token
        self._numbers = itertools.count(1)

    async def receive(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        message = await self.socket.receive(timeout=PATIENCE)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        value: dict[str, Any] = orjson.loads(message.data)
        return value

    async def reply(self, request_id: str | None = None) -> dict[str, Any]:
        """The next reply, or the one to a request; events that come before it are kept."""
        while True:
            frame = await self.receive()
            if frame["action"] == "reply" and request_id in (None, frame["request_id"]):
                return frame
            self.events.append(frame)

    async def ask(self, action: str, data: Any = None, **more: Any) -> dict[str, Any]:
        """Send a frame and wait for its reply."""
        request_id = f"r{next(self._numbers)}"
        frame = {"action": action, "request_id": request_id, **more}
        if self._token is not None:
            frame.setdefault("auth_token", self._token)
        if data is not None:
            frame["data"] = data
        await self.socket.send_str(orjson.dumps(frame).decode())
        return await self.reply(request_id)

    async def subscribe(self, account_id: str, *bindings: str, **more: Any) -> dict[str, Any]:
        """Subscribe, successfully; the reply's data."""
        reply = await self.ask("subscribe", {"account_id": account_id, "bindings": [*bindings], **more})
        assert reply["status"] == "success", reply
        data: dict[str, Any] = reply["data"]
        return data

    async def errors(self, action: str, data: Any = None, **more: Any) -> list[str]:
        """Send a frame that is refused; why."""
        reply = await self.ask(action, data, **more)
        assert reply["status"] == "error", reply
        errors: list[str] = reply["data"]["errors"]
        return errors

    async def event(self) -> dict[str, Any]:
        """The next pushed frame."""
        return self.events.popleft() if self.events else await self.receive()

    async def nothing_came(self) -> bool:
        """Whether nothing was pushed so far: an answer overtakes nothing."""
        await self.ask("ping")
        return not self.events

    async def close_code(self) -> int | None:
        """The code with which the server closes, after whatever it still had to say."""
        async with asyncio.timeout(PATIENCE):
            while (await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        return self.socket.close_code
