"""One websocket session: its account, its subscriptions, and what it does with a frame.

The order of checks decides which error a client sees: rate, token, form of the binding, right to
the account, then the action. Nothing in here knows the socket: frames come in as text and go out
through a bounded queue.

Source: realtime-ui-tests.md A.4-A.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..clock import Clock, gregorian_seconds
from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from . import protocol
from .bindings import BindingInvalid, Subscription, parse
from .hub import Hub


class Refused(CrossbarConferencesError):
    """The session may not do this."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session. ``rate`` tokens at most, ``refill`` of them each second."""

    rate: int = 100
    refill: int = 10
    subscriptions: int = 1_000
    queue: int = 1_000


class Guard(Protocol):
    """What a session asks about tokens and accounts."""

    async def identify(self, token: str) -> Any:
        """The identity of a token; raises `CrossbarConferencesError` when it is not valid."""

    async def may_access(self, identity: Any, account_id: str) -> bool:
        """Whether the account tree lets this identity touch an account."""
        ...

    async def may_follow(self, account_id: str, conference_id: str) -> bool:
        """Whether the commands of a conference are this account's to see."""
        ...

    async def snapshot(self, account_id: str, conference_id: str) -> Room | None:
        """Who is in a conference now."""
        ...


@dataclass(slots=True)
class Session:
    """One client. `id` is ``address:port`` of its socket."""

    id: str
    source: str
    destination: str
    hub: Hub
    guard: Guard
    clock: Clock
    limits: SessionLimits
    show_room: Callable[[Room | None, float], Mapping[str, Any]]
    identity: Any = None
    name: str | None = None
    metadata: Any = None
    started: float = 0.0
    #: Set when the client is too slow: nothing more is queued, the socket is closed.
    overrun: asyncio.Event = field(default_factory=asyncio.Event)
    outgoing: asyncio.Queue[bytes] = field(init=False)
    subscriptions: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    _tokens: float = field(init=False)
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        self.outgoing = asyncio.Queue(self.limits.queue)
        self.started = self._filled = self.clock()
        self._tokens = self.limits.rate

    @property
    def account_id(self) -> str | None:
        """The account that the session's token named."""
        return None if self.identity is None else self.identity.account_id

    @property
    def bindings(self) -> list[str]:
        """The client's own texts, in order of subscribing."""
        return [subscription.text for subscription in self.subscriptions.values()]

    def describe(self) -> dict[str, Any]:
        """The session as the list of sessions shows it (realtime-ui-tests.md A.11)."""
        shown = {
            "bindings": self.bindings,
            "websocket_session_id": self.id,
            "timestamp": gregorian_seconds(self.started),
            "name": self.name,
            "metadata": self.metadata,
            "destination": self.destination,
            "source": self.source,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def push(self, frame: bytes) -> None:
        """Queue a frame; a full queue ends the session instead of growing."""
        try:
            self.outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self.overrun.set()

    async def close(self) -> None:
        """Forget every subscription."""
        for subscription in list(self.subscriptions.values()):
            await self.hub.unsubscribe(self, subscription)
        self.subscriptions.clear()

    async def receive(self, text: str) -> None:
        """Handle one text frame; its reply goes through the queue like everything else."""
        try:
            frame = protocol.read(text)
        except protocol.FrameInvalid as error:
            self.push(protocol.failure(protocol.new_request_id(), [str(error)]))
            return
        try:
            self._take_token()
            await self._authenticate(frame)
            self.name, self.metadata = frame.name, frame.metadata
            action = _ACTIONS.get(frame.action, Session._nothing)
            await action(self, frame)
        except (BindingInvalid, Refused) as error:
            self.push(protocol.failure(frame.request_id, [str(error)]))

    def _take_token(self) -> None:
        now = self.clock()
        self._tokens = min(self.limits.rate, self._tokens + (now - self._filled) * self.limits.refill)
        self._filled = now
        if self._tokens < 1:
            raise Refused(f"rate limiting threshold hit for {self.id}!")
        self._tokens -= 1

    async def _authenticate(self, frame: protocol.Frame) -> None:
        if self.identity is not None:
            # Once known, later tokens are not looked at (A.4).
            return
        if frame.token is None:
            raise Refused("authentication token required")
        try:
            self.identity = await self.guard.identify(frame.token)
        except CrossbarConferencesError:
            # Monster UI looks for this beginning; it sent the token itself.
            raise Refused(f"failed to authenticate token {frame.token}") from None

    async def _subscribe(self, frame: protocol.Frame) -> None:
        wanted = self._wanted(frame)
        for subscription in wanted:
            await self._authorize(subscription)
        added = [s for s in wanted if (s.account_id, s.text) not in self.subscriptions]
        if len(self.subscriptions) + len(added) > self.limits.subscriptions:
            raise Refused("too many subscriptions")
        since = frame.data.get("since")
        for subscription in added:
            await self.hub.subscribe(self, subscription)
            self.subscriptions[(subscription.account_id, subscription.text)] = subscription
        reply: dict[str, Any] = {"subscribed": self.bindings, "subscriptions": self.bindings}
        missed: list[bytes] = []
        if isinstance(since, int) and not isinstance(since, bool):
            for subscription in wanted:
                missed += await self._resume(subscription, since, reply)
        self.push(protocol.success(frame.request_id, reply))
        for pushed in missed:
            self.push(pushed)

    async def _resume(self, subscription: Subscription, since: int, reply: dict[str, Any]) -> list[bytes]:
        if subscription.kind != "event" or subscription.conference_id == "*":
            return []
        missed = self.hub.replay(subscription, since)
        if missed is not None:
            return missed
        account_id, conference_id = subscription.account_id, subscription.conference_id
        room = await self.guard.snapshot(account_id, conference_id)
        reply["gap"] = True
        reply.setdefault("snapshots", {})[conference_id] = {
            "seq": self.hub.history.last(account_id, conference_id),
            **self.show_room(room, self.clock()),
        }
        return []

    async def _unsubscribe(self, frame: protocol.Frame) -> None:
        if frame.data.get("all") is True or frame.data.get("binding") == "*":
            gone = list(self.subscriptions.values())
            texts = self.bindings
        else:
            wanted = self._wanted(frame)
            gone = [s for s in wanted if (s.account_id, s.text) in self.subscriptions]
            texts = [subscription.text for subscription in wanted]
        for subscription in gone:
            held = self.subscriptions.pop((subscription.account_id, subscription.text))
            await self.hub.unsubscribe(self, held)
        reply = {"unsubscribed": texts, "subscribed": self.bindings, "subscriptions": self.bindings}
        self.push(protocol.success(frame.request_id, reply))

    async def _ping(self, frame: protocol.Frame) -> None:
        self.push(protocol.success(frame.request_id, {"response": "pong"}))

    async def _nothing(self, frame: protocol.Frame) -> None:
        self.push(protocol.success(frame.request_id, {}))

    def _wanted(self, frame: protocol.Frame) -> list[Subscription]:
        data = frame.data
        if not data:
            raise Refused("missing required keys in data object")
        texts = data.get("bindings", data.get("binding"))
        if texts is None or texts in ("", []):
            raise Refused("missing required keys : binding")
        account_id = data.get("account_id", self.account_id)
        if account_id == "*":
            raise Refused("unauthorized wildcard account id")
        if not isinstance(account_id, str) or len(account_id) != 32 or not account_id.isalnum():
            raise Refused("unauthorized account id")
        listed = texts if isinstance(texts, list) else [texts]
        if len(listed) > self.limits.subscriptions:
            raise Refused("too many subscriptions")
        return [parse(text, account_id) for text in listed]

    async def _authorize(self, subscription: Subscription) -> None:
        if not await self.guard.may_access(self.identity, subscription.account_id):
            raise Refused("unauthorized account id")
        if subscription.kind == "command" and not await self.guard.may_follow(
            subscription.account_id, subscription.conference_id
        ):
            raise Refused("unauthorized conference id")


_ACTIONS: Mapping[str, Callable[[Session, protocol.Frame], Awaitable[None]]] = {
    "subscribe": Session._subscribe,
    "unsubscribe": Session._unsubscribe,
    "ping": Session._ping,
}
