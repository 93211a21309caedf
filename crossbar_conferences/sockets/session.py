"""One websocket session: its tokens, its subscriptions, and what it does with a frame.

The order of checks decides which error a client sees: rate, token, form of the binding, right to
the account, then the action. Nothing in here knows the socket: frames come in as text and go out
through a bounded queue.

Source: realtime-ui-tests.md A.4-A.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from ..addresses import limited_as
from ..auth.failures import AuthFailure
from ..clock import gregorian_seconds
from ..errors import CrossbarConferencesError
from ..kapi.routing import ALL_ACCOUNTS
from ..store.names import is_account_id
from . import protocol
from .allowance import Allowance, RateExceeded
from .bindings import BindingInvalid, Subscription, parse
from .commons import Commons
from .logins import Login, Logins
from .outbox import Outbox
from .resuming import ResumeFailed
from .reviews import EXPIRED, UNKNOWN, Unauthorized
from .starting import Starting
from .subscriptions import Subscriptions

log = structlog.get_logger(__name__)

#: Bindings that a reply or the list of sessions repeats.
SHOWN: Final = 100

#: Why a token ended -> why the session does.
_ENDINGS: Final = {EXPIRED: "expired", UNKNOWN: "unchecked"}


class Refused(CrossbarConferencesError):
    """The session may not do this."""


@dataclass(slots=True, eq=False)
class Session:
    """One client. `id` is ``address:port`` of its socket."""

    id: str
    source: str
    destination: str
    commons: Commons
    account_id: str | None = None
    name: str | None = None
    metadata: Any = None
    started: float = 0.0
    #: Set when nothing more is to be sent, since the session is at its end.
    over: asyncio.Event = field(default_factory=asyncio.Event)
    #: Why, once it is: a word that ``server.py`` has a close code for.
    reason: str = ""
    outgoing: Outbox = field(init=False)
    logins: Logins = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    _allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        commons, limits = self.commons, self.commons.limits
        self.started = commons.clock()
        self._allowance = Allowance(limits.rate, limits.refill, limits.excess, commons.clock)
        self.outgoing = Outbox(
            limits.queue, limits.queue_bytes, commons.waiting, f"address {limited_as(self.source)}"
        )
        self.logins = Logins(self.source, commons.reviews, commons.guard, commons.logins, self._token_ended)
        self.subscriptions = Subscriptions(
            self,
            self.source,
            commons.hub,
            commons.reviews,
            commons.guard,
            commons.bindings,
            limits.subscriptions,
            self._tell_ended,
            self._tell_gap,
        )

    @property
    def bindings(self) -> list[str]:
        """The client's own texts, in order of subscribing."""
        return self.subscriptions.texts

    def describe(self) -> dict[str, Any]:
        """The session as its account's list of sessions shows it (realtime-ui-tests.md A.11)."""
        shown = {
            # Tokens of other accounts may have come in: what they follow is not this account's business.
            "bindings": self.subscriptions.texts_of(self.account_id)[:SHOWN],
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
        if not self.over.is_set() and not self.outgoing.put(frame):
            self.end("too_slow")

    def end(self, reason: str) -> None:
        """Come to an end; the first reason counts."""
        if not self.over.is_set():
            self.reason = reason
            self.over.set()

    def close(self) -> None:
        """Forget everything."""
        self.end("closed")
        self.subscriptions.drop_all()
        self.logins.close()
        self.outgoing.close()

    async def receive(self, text: str | bytes) -> None:
        """Handle one text frame; its reply goes through the queue like everything else."""
        try:
            frame = protocol.read(text)
        except protocol.FrameInvalid as error:
            self._refuse(str(error))
            return
        try:
            self._take(1)
            login = await self._authenticate(frame)
            self.name, self.metadata = frame.name, frame.metadata
            action = _ACTIONS.get(frame.action, Session._nothing)
            await action(self, frame, login)
        except (BindingInvalid, Refused, ResumeFailed, Unauthorized) as error:
            self.push(protocol.failure(frame.request_id, [str(error)]))
        except CrossbarConferencesError as error:
            # The store is away, say: that is no fault of the client, who may try again.
            log.warning("websocket_action_failed", action=frame.action[:32], reason=type(error).__name__)
            self.push(protocol.failure(frame.request_id, ["temporarily unavailable"]))

    def receive_binary(self) -> None:
        """Refuse a binary frame; Kazoo says nothing to it."""
        self._refuse("binary frames are not supported")

    def receive_control(self) -> bool:
        """Whether a control frame is worth an answer: too many are no sign of life."""
        try:
            self._take(1)
        except Refused:
            return False
        return True

    async def log_in(self, token: str) -> Login:
        """Take a token. Raises `AuthFailure` and what the store raises."""
        login = await self.logins.use(token, self.subscriptions.tokens())
        if self.account_id is None:
            # The session counts for whoever opened it, also when others join in.
            self.account_id = login.account_id
            if not self.outgoing.charge(login.account_id):
                self.end("too_slow")
        return login

    def _refuse(self, reason: str) -> None:
        try:
            self._take(1)
        except Refused as error:
            reason = str(error)
        self.push(protocol.failure(protocol.new_request_id(), [reason]))

    def _take(self, amount: int) -> None:
        try:
            self._allowance.take(amount)
        except RateExceeded as refusal:
            if refusal.is_flood:
                self.end("flood")
            raise Refused(f"rate limiting threshold hit for {self.id}!") from None

    async def _authenticate(self, frame: protocol.Frame) -> Login:
        known = self.logins.current
        if frame.token is None or (known is not None and known.token == frame.token):
            if known is None:
                raise Refused("authentication token required")
            return known
        try:
            return await self.log_in(frame.token)
        except AuthFailure:
            if known is not None and known is self.logins.current and frame.action not in _NEEDS_ITS_TOKEN:
                # As in Kazoo, where once known no later token is looked at (A.4).
                return known
            # Monster UI looks for this beginning; it sent the token itself.
            raise Refused(f"failed to authenticate token {frame.token}") from None

    async def _subscribe(self, frame: protocol.Frame, login: Login) -> None:
        wanted = self._wanted(frame, login)
        starting = Starting(self.commons, self.subscriptions, wanted, frame.data)
        if starting.work > self.commons.limits.rate:
            raise Refused("too many subscriptions at once")
        # The frame itself was one.
        self._take(starting.work - 1)
        if not await self.commons.work.keep(login.account_id, len(wanted)):
            raise Refused(f"rate limiting threshold hit for account {login.account_id}!")
        try:
            added = await self.subscriptions.add(wanted, login.token, login.account_id)
        except AuthFailure:
            raise Refused(f"failed to authenticate token {login.token}") from None
        try:
            begun = await starting.begin(self.outgoing)
        except CrossbarConferencesError:
            self.subscriptions.drop(added)
            raise
        if any(self.subscriptions.find(one) is None for one in wanted):
            # Meanwhile the right to it has ended.
            self.subscriptions.drop(added)
            raise Unauthorized("not allowed any more")
        # From here on nothing waits, so nothing is pushed out of its order.
        self.subscriptions.attach(wanted)
        texts = self._texts([one.text for one in wanted])
        self.push(protocol.success(frame.request_id, {"subscribed": texts, **self._all(), **begun.reply}))
        for pushed in begun.missed:
            self.push(pushed)

    async def _unsubscribe(self, frame: protocol.Frame, login: Login) -> None:
        if frame.data.get("all") is True or frame.data.get("binding") == "*":
            texts = [one.text for one in self.subscriptions.drop_all()][:SHOWN]
        else:
            wanted = self._wanted(frame, login)
            self.subscriptions.drop(wanted)
            texts = [subscription.text for subscription in wanted]
        reply = {"unsubscribed": texts, "subscribed": self._texts([]), **self._all()}
        self.push(protocol.success(frame.request_id, reply))

    async def _ping(self, frame: protocol.Frame, login: Login) -> None:
        self.push(protocol.success(frame.request_id, {"response": "pong"}))

    async def _nothing(self, frame: protocol.Frame, login: Login) -> None:
        self.push(protocol.success(frame.request_id, {}))

    def _texts(self, otherwise: Sequence[str]) -> Sequence[str]:
        """All bindings, where they are not too many to be repeated each time."""
        return self.bindings if len(self.subscriptions) <= SHOWN else otherwise

    def _all(self) -> dict[str, Any]:
        return {"subscriptions": self.bindings} if len(self.subscriptions) <= SHOWN else {}

    def _wanted(self, frame: protocol.Frame, login: Login) -> list[Subscription]:
        data = frame.data
        if not data:
            raise Refused("missing required keys in data object")
        texts = data.get("bindings", data.get("binding"))
        if texts is None or texts in ("", []):
            raise Refused("missing required keys : binding")
        account_id = data.get("account_id", login.account_id)
        if account_id == ALL_ACCOUNTS:
            if "since" in data:
                raise Refused("since is for one account")
        elif not is_account_id(account_id):
            raise Refused("unauthorized account id")
        listed = texts if isinstance(texts, list) else [texts]
        if len(listed) > self.commons.limits.subscriptions:
            raise Refused("too many subscriptions")
        # Each once, in the order of their first naming.
        return list(dict.fromkeys(parse(text, account_id) for text in listed))

    def _token_ended(self, token: str, reason: str) -> None:
        gone = self.subscriptions.drop_of(token)
        if not len(self.logins):
            self.end(_ENDINGS.get(reason, "revoked"))
            return
        for subscription in gone:
            self._tell_ended(subscription, reason)

    def _tell_ended(self, subscription: Subscription, reason: str) -> None:
        self.push(protocol.dumps(protocol.ended(subscription, reason)))

    def _tell_gap(self, subscription: Subscription) -> None:
        self.push(protocol.dumps(protocol.gap(subscription)))


#: What is done in the name of the token that the frame has, and of no other.
_NEEDS_ITS_TOKEN: Final = frozenset({"subscribe", "authenticate"})

_ACTIONS: Mapping[str, Callable[[Session, protocol.Frame, Login], Awaitable[None]]] = {
    "subscribe": Session._subscribe,
    "unsubscribe": Session._unsubscribe,
    "ping": Session._ping,
}
