"""The bindings of one session: each with the token that asked for it, and under review.

A binding is let through by the hub only while its right lasts. When that ends, the binding falls
silent in the same breath; letting go of the broker's side is done in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ..errors import CrossbarConferencesError
from ..kapi.routing import ALL_ACCOUNTS
from ..shares import ShareExceeded, Shares
from .bindings import Subscription
from .hub import Hub, Subscriber
from .reviews import Hold, Reviews, Ruling, Unauthorized
from .rights import Right, right_to, right_to_one
from .sieve import Sieve

#: An account and a binding's text.
Key = tuple[str, str]


class Judge(Protocol):
    """Who knows what a right is worth."""

    async def rule(self, right: Right) -> Ruling:
        """Raises `AuthFailure` for a bad token and `Unauthorized` for what a good one may not do."""
        ...


class TooMany(Unauthorized):
    """More subscriptions than the session or its account may have."""

    def __init__(self) -> None:
        super().__init__("too many subscriptions")


@dataclass(slots=True, eq=False)
class Binding:
    """One subscription of a session. ``account_id`` is that of the token."""

    subscription: Subscription
    token: str
    account_id: str
    hold: Hold
    sieve: Sieve | None = None
    #: Whether the hub was asked to make its messages come.
    is_heard: bool = False

    def tell(self, frame: bytes, account_id: str, conference_id: str) -> None:
        """Push what is told of one of the conferences that a wildcard means, if it may be shown."""
        if self.sieve is not None:
            is_of_all = self.subscription.account_id == ALL_ACCOUNTS
            self.sieve.tell(frame, _named(account_id, conference_id) if is_of_all else conference_id)


class Subscriptions:
    """Bindings by `Key`, in the order of subscribing: at most ``limit``, and no more than ``shares``
    has for the account of the token. ``on_end`` is told of those that ended by themselves."""

    def __init__(
        self,
        subscriber: Subscriber,
        source: str,
        hub: Hub,
        reviews: Reviews,
        judge: Judge,
        shares: Shares,
        limit: int,
        on_end: Callable[[Subscription, str], None],
        lost: Callable[[Subscription], None],
    ) -> None:
        self._subscriber = subscriber
        self._source = source
        self._hub = hub
        self._reviews = reviews
        self._judge = judge
        self._shares = shares
        self._limit = limit
        self._on_end = on_end
        self._lost = lost
        self._bindings: dict[Key, Binding] = {}

    def __len__(self) -> int:
        return len(self._bindings)

    @property
    def texts(self) -> list[str]:
        """The client's own texts, in order of subscribing."""
        return [binding.subscription.text for binding in self._bindings.values()]

    def texts_of(self, account_id: str | None) -> list[str]:
        """Those that an account's tokens asked for."""
        bindings = self._bindings.values()
        return [binding.subscription.text for binding in bindings if binding.account_id == account_id]

    def tokens(self) -> set[str]:
        """The tokens that asked for any."""
        return {binding.token for binding in self._bindings.values()}

    def find(self, subscription: Subscription) -> Binding | None:
        """The binding of a subscription, if there is one."""
        return self._bindings.get(key_of(subscription))

    async def add(self, wanted: Sequence[Subscription], token: str, account_id: str) -> list[Subscription]:
        """Take those that are not there yet, or were asked for by another token; all or none.

        Returns the former. They are heard of, but not let through: see `attach`. Raises `AuthFailure`,
        `Unauthorized` and what the store and the broker raise."""
        new = [one for one in wanted if (found := self.find(one)) is None or found.token != token]
        if len(self._bindings) + sum(self.find(one) is None for one in new) > self._limit:
            raise TooMany
        holds: list[Hold] = []
        try:
            for subscription in new:
                holds.append(await self._right(subscription, token, account_id))
            ended = next((hold.reason for hold in holds if hold.reason is not None), None)
            if ended is not None:
                raise Unauthorized(ended)
            self._count(account_id, len(new))
        except BaseException:
            for hold in holds:
                hold.release()
            raise
        fresh = [one for one in new if self.find(one) is None]
        for subscription, hold in zip(new, holds, strict=True):
            self._note(subscription, token, account_id, hold)
        try:
            await self._hear(fresh)
        except CrossbarConferencesError:
            self.drop(fresh)
            raise
        return fresh

    def attach(self, wanted: Iterable[Subscription]) -> None:
        """Let through what is still there."""
        for subscription in wanted:
            binding = self.find(subscription)
            if binding is not None:
                tell = binding.tell if binding.sieve is not None else None
                self._hub.attach(self._subscriber, subscription, tell)

    def drop(self, gone: Iterable[Subscription]) -> None:
        """Let go of some."""
        for subscription in gone:
            self._drop(subscription)

    def drop_all(self) -> list[Subscription]:
        """Let go of all; what there was."""
        gone = [binding.subscription for binding in self._bindings.values()]
        self.drop(gone)
        return gone

    def drop_of(self, token: str) -> list[Subscription]:
        """Let go of those that a token asked for; what they were."""
        gone = [binding.subscription for binding in self._bindings.values() if binding.token == token]
        self.drop(gone)
        return gone

    async def _right(self, subscription: Subscription, token: str, account_id: str) -> Hold:
        right = right_to(token, self._source, subscription)
        ended = partial(self._ended, subscription, token)
        return await self._reviews.hold(right, partial(self._judge.rule, right), ended, account_id)

    def _ended(self, subscription: Subscription, token: str, reason: str) -> None:
        found = self.find(subscription)
        # Another token may have asked for it meanwhile.
        if found is not None and found.token == token and found.hold.reason is not None:
            self._drop(subscription)
            self._on_end(subscription, reason)

    async def _hear(self, new: Sequence[Subscription]) -> None:
        for subscription in new:
            binding = self.find(subscription)
            if binding is not None and not binding.is_heard:
                # Noted before it is waited for: whatever happens meanwhile, it is let go at the end.
                binding.is_heard = True
                await self._hub.hold(subscription)

    def _drop(self, subscription: Subscription) -> None:
        binding = self._bindings.pop(key_of(subscription), None)
        if binding is None:
            return
        self._hub.detach(self._subscriber, binding.subscription)
        self._let_go_of_right(binding)
        if binding.is_heard:
            self._hub.let_go(binding.subscription)

    def _note(self, subscription: Subscription, token: str, account_id: str, hold: Hold) -> None:
        binding = self.find(subscription)
        if binding is None:
            binding = Binding(subscription, token, account_id, hold)
            self._bindings[key_of(subscription)] = binding
        else:
            # It goes on without a break, by another right.
            self._let_go_of_right(binding)
            binding.token, binding.account_id, binding.hold = token, account_id, hold
        if "*" in (subscription.conference_id, subscription.account_id):
            binding.sieve = self._sieve(binding)

    def _let_go_of_right(self, binding: Binding) -> None:
        binding.hold.release()
        self._shares.give(binding.account_id)
        if binding.sieve is not None:
            binding.sieve.close()

    def _count(self, account_id: str, number: int) -> None:
        try:
            self._shares.take(account_id, number)
        except ShareExceeded:
            raise TooMany from None

    def _sieve(self, binding: Binding) -> Sieve:
        subscription, token = binding.subscription, binding.token

        async def may_show(conference_id: str) -> None:
            account_id = subscription.account_id
            if account_id == ALL_ACCOUNTS:
                account_id, _, conference_id = conference_id.partition("/")
            await self._judge.rule(right_to_one(token, self._source, account_id, conference_id))

        return Sieve(binding.hold, may_show, self._subscriber.push, partial(self._lost, subscription))


def _named(account_id: str, conference_id: str) -> str:
    # No account's id has a slash in it.
    return f"{account_id}/{conference_id}"


def key_of(subscription: Subscription) -> Key:
    """What tells the bindings of a session apart."""
    return (subscription.account_id, subscription.text)
