"""One websocket session: its account, its subscriptions, and what it does with a frame.

The order of checks decides which error a client sees: rate, token, form of the binding, right to
the account, then the action. Nothing in here knows the socket: frames come in as text and go out
through a bounded queue.

Source: realtime-ui-tests.md A.4-A.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from ..auth.failures import AuthFailure
from ..clock import Clock, gregorian_seconds
from ..conference.rooms import Room
from ..errors import CrossbarConferencesError
from ..store.names import is_account_id
from . import protocol
from .bindings import BindingInvalid, Subscription, parse
from .hub import Hub
from .resuming import ATTEMPTS, Looker, ResumeFailed, Resumption

log = structlog.get_logger(__name__)


class Refused(CrossbarConferencesError):
    """The session may not do this."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session. ``rate`` tokens at most, ``refill`` of them each second."""

    rate: int = 100
    refill: int = 10
    subscriptions: int = 1_000
    queue: int = 1_000


class Guard(Looker, Protocol):
    """What a session asks about tokens, accounts and who is where."""

    async def identify(self, token: str) -> Any:
        """The identity of a token; raises `AuthFailure` when it is not valid."""
        ...

    async def may_access(self, identity: Any, account_id: str) -> bool:
        """Whether the account tree lets this identity touch an account."""
        ...

    async def may_follow(self, account_id: str, conference_id: str) -> bool:
        """Whether the commands of a conference are this account's to see."""
        ...


@dataclass(slots=True, eq=False)
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
        await self._drop(list(self.subscriptions.values()))

    async def receive(self, text: str | bytes) -> None:
        """Handle one text frame; its reply goes through the queue like everything else."""
        try:
            frame = protocol.read(text)
        except protocol.FrameInvalid as error:
            self._refuse(str(error))
            return
        try:
            self._take_token()
            await self._authenticate(frame)
            self.name, self.metadata = frame.name, frame.metadata
            action = _ACTIONS.get(frame.action, Session._nothing)
            await action(self, frame)
        except (BindingInvalid, Refused, ResumeFailed) as error:
            self.push(protocol.failure(frame.request_id, [str(error)]))
        except CrossbarConferencesError as error:
            # The store is away, say: that is no fault of the client, who may try again.
            log.warning("websocket_action_failed", action=frame.action[:32], reason=type(error).__name__)
            self.push(protocol.failure(frame.request_id, ["temporarily unavailable"]))

    def receive_binary(self) -> None:
        """Refuse a binary frame; Kazoo says nothing to it."""
        self._refuse("binary frames are not supported")

    def _refuse(self, reason: str) -> None:
        try:
            self._take_token()
        except Refused as error:
            reason = str(error)
        self.push(protocol.failure(protocol.new_request_id(), [reason]))

    def _take_token(self) -> None:
        now = self.clock()
        # A clock that was set back must not take tokens away.
        passed = max(0.0, now - self._filled)
        self._tokens = min(self.limits.rate, self._tokens + passed * self.limits.refill)
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
        except AuthFailure:
            # Monster UI looks for this beginning; it sent the token itself.
            raise Refused(f"failed to authenticate token {frame.token}") from None

    async def _subscribe(self, frame: protocol.Frame) -> None:
        wanted = self._wanted(frame)
        for subscription in wanted:
            await self._authorize(subscription)
        added = [s for s in wanted if _key(s) not in self.subscriptions]
        if len(self.subscriptions) + len(added) > self.limits.subscriptions:
            raise Refused("too many subscriptions")
        try:
            for subscription in added:
                # Noted before it is held: whatever happens meanwhile, it is let go at the end.
                self.subscriptions[_key(subscription)] = subscription
                await self.hub.hold(subscription)
            if "since" in frame.data:
                await self._resume(frame, wanted)
            else:
                self._attach(wanted)
                self._tell_subscribed(frame, {}, ())
        except CrossbarConferencesError:
            await self._drop(added)
            raise

    async def _resume(self, frame: protocol.Frame, wanted: Sequence[Subscription]) -> None:
        events = [s for s in wanted if s.kind == "event"]
        since: Any = frame.data["since"]
        for _ in range(ATTEMPTS):
            resumptions = [Resumption(self.hub, s, _number(since, s.conference_id)) for s in events]
            for resumption in resumptions:
                await resumption.look(self.guard)
            # From here to the reply nothing waits, so nothing is pushed out of its order.
            missed = [resumption.missed() for resumption in resumptions]
            frames = [pushed for some in missed for pushed in some or ()]
            room_left = self.limits.queue - self.outgoing.qsize() - 1
            if None not in missed and len(frames) <= room_left:
                self._attach(wanted)
                self._tell_subscribed(frame, self._snapshots(resumptions), frames)
                return
            # More than a snapshot is worth.
            since = None
        raise ResumeFailed

    def _snapshots(self, resumptions: Sequence[Resumption]) -> dict[str, Any]:
        gaps = [resumption for resumption in resumptions if resumption.is_gap]
        if not gaps:
            return {"gap": False}
        now = self.clock()
        shown = {
            conference_id: {"seq": resumption.sequences[conference_id], **self.show_room(room, now)}
            for resumption in gaps
            for conference_id, room in resumption.rooms.items()
        }
        return {"gap": True, "snapshots": shown}

    def _attach(self, wanted: Sequence[Subscription]) -> None:
        for subscription in wanted:
            self.hub.attach(self, subscription)

    def _tell_subscribed(
        self, frame: protocol.Frame, more: Mapping[str, Any], missed: Sequence[bytes]
    ) -> None:
        reply = {"subscribed": self.bindings, "subscriptions": self.bindings, **more}
        self.push(protocol.success(frame.request_id, reply))
        for pushed in missed:
            self.push(pushed)

    async def _unsubscribe(self, frame: protocol.Frame) -> None:
        if frame.data.get("all") is True or frame.data.get("binding") == "*":
            gone = list(self.subscriptions.values())
            texts = self.bindings
        else:
            wanted = self._wanted(frame)
            gone = [self.subscriptions[_key(s)] for s in wanted if _key(s) in self.subscriptions]
            texts = [subscription.text for subscription in wanted]
        await self._drop(gone)
        reply = {"unsubscribed": texts, "subscribed": self.bindings, "subscriptions": self.bindings}
        self.push(protocol.success(frame.request_id, reply))

    async def _drop(self, gone: Sequence[Subscription]) -> None:
        # All of them fall silent at once; letting go of the broker's side may wait.
        held = [s for s in gone if self.subscriptions.pop(_key(s), None) is not None]
        for subscription in held:
            self.hub.detach(self, subscription)
        for subscription in held:
            await self.hub.release(subscription)

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
        if not is_account_id(account_id):
            raise Refused("unauthorized account id")
        listed = texts if isinstance(texts, list) else [texts]
        if len(listed) > self.limits.subscriptions:
            raise Refused("too many subscriptions")
        # Each once, in the order of their first naming.
        return list({_key(s): s for s in (parse(text, account_id) for text in listed)}.values())

    async def _authorize(self, subscription: Subscription) -> None:
        if not await self.guard.may_access(self.identity, subscription.account_id):
            raise Refused("unauthorized account id")
        if subscription.kind == "command" and not await self.guard.may_follow(
            subscription.account_id, subscription.conference_id
        ):
            raise Refused("unauthorized conference id")


def _key(subscription: Subscription) -> tuple[str, str]:
    return (subscription.account_id, subscription.text)


def _number(since: Any, conference_id: str) -> int | None:
    """The last number seen of a conference: one for all, or an object of them by conference."""
    if isinstance(since, dict):
        since = since.get(conference_id)
    return since if isinstance(since, int) and not isinstance(since, bool) else None


_ACTIONS: Mapping[str, Callable[[Session, protocol.Frame], Awaitable[None]]] = {
    "subscribe": Session._subscribe,
    "unsubscribe": Session._unsubscribe,
    "ping": Session._ping,
}
