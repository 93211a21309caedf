"""Requests that wait for replies: what was asked, what came, and when it is enough. No I/O.

Source: amqp.md 3.2, 3.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..kapi.messages import Outgoing, new_message_id

#: Says whether a reply is the one that was waited for.
Accept = Callable[[dict[str, Any]], bool]

#: A request keeps no more replies than this.
MAX_REPLIES = 1_000

#: Seconds after the first reply until a collect ends, while nobody knows how many nodes there are.
UNKNOWN_WITHIN = 0.25


@dataclass(frozen=True, slots=True)
class Collected:
    """What came back for a request to many.

    ``replies``: newest first, valid or not, errors included. ``expected``: how many nodes there
    were to answer. ``heard``: names of the nodes that did. ``complete``: whether all had answered,
    or the reply that was looked for came; ``False`` after a timeout. ``interrupted``: the broker
    went while we waited."""

    replies: tuple[dict[str, Any], ...] = ()
    expected: int = 0
    heard: tuple[str, ...] = ()
    complete: bool = True
    interrupted: bool = False


class Pending:
    """A request in flight; ``done`` is set when nothing more need be waited for."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.interrupted = False
        self.complete = False
        #: When the wait ends in any case, once it has begun.
        self.limit: asyncio.Timeout | None = None

    def take(self, body: dict[str, Any]) -> None:
        """A reply came."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """The broker went: no reply can come any more."""
        self.interrupted = True
        self.done.set()


class PendingCall(Pending):
    """Waits for the first reply that is accepted and not deferred (amqp.md 3.3)."""

    def __init__(self, accept: Accept) -> None:
        super().__init__()
        self._accept = accept
        self.reply: dict[str, Any] | None = None
        self.deferred: dict[str, Any] | None = None

    def take(self, body: dict[str, Any]) -> None:
        """Keep an accepted reply; one with ``Defer-Response`` only counts when no other comes."""
        if self.reply is not None or not self._accept(body):
            return
        if body.get("Defer-Response") in (True, "true"):
            self.deferred = body
            return
        self.reply = body
        self.complete = True
        self.done.set()


class PendingCollect(Pending):
    """Gathers every reply until all nodes have answered, or the newest is the one looked for."""

    def __init__(self, expected: Callable[[], int], until: Accept | None) -> None:
        super().__init__()
        self._expected = expected
        self._until = until
        self._replies: list[dict[str, Any]] = []
        self._heard: dict[str, None] = {}
        self._anonymous = 0

    def take(self, body: dict[str, Any]) -> None:
        """Keep a reply, valid or not. A node that answers twice is still one node."""
        if self.done.is_set() or len(self._replies) >= MAX_REPLIES:
            return
        self._replies.append(body)
        node = body.get("Node")
        if isinstance(node, str) and node:
            self._heard[node] = None
        else:
            self._anonymous += 1
        expected = self._expected()
        if (self._until is not None and self._until(body)) or (
            0 < expected <= len(self._heard) + self._anonymous
        ):
            self.complete = True
            self.done.set()
        elif expected == 0 and self._until is None:
            self._hurry()

    def _hurry(self) -> None:
        """Who else has something to say says it soon: nobody waits long for others of whom nothing is
        known. Whoever comes to be known later is asked then."""
        if self.limit is not None:
            soon = asyncio.get_running_loop().time() + UNKNOWN_WITHIN
            # With later replies it stays what it is.
            self.limit.reschedule(min(soon, self.limit.when() or soon))

    def collected(self) -> Collected:
        """What has come so far."""
        return Collected(
            replies=tuple(reversed(self._replies)),
            expected=self._expected(),
            heard=tuple(reversed(self._heard)),
            complete=self.complete,
            interrupted=self.interrupted,
        )


def addressed(outgoing: Outgoing, queue: str, taken: Callable[[str], bool]) -> Outgoing:
    """A request with the headers that bring its replies to ``queue`` (amqp.md 3.2).

    A Msg-ID that is already waited for (a client chose a request id twice) is replaced, so that
    no request ever sees another one's replies."""
    body: dict[str, Any] = dict(outgoing.body)
    if not body.get("Msg-ID") or taken(body["Msg-ID"]):
        body["Msg-ID"] = new_message_id()
    body["System-Log-ID"] = system_log_id(body)
    if body.get("Server-ID"):
        # Kazoo's worker keeps the asker's own queue here (amqp.md 3.2).
        body["Server-Queue-ID"] = body["Server-ID"]
    body["Server-ID"] = queue
    return Outgoing(outgoing.exchange, outgoing.routing_key, body)


def reply_id(body: Mapping[str, Any]) -> str:
    """The Msg-ID that replies to a request will carry."""
    return str(body.get("Msg-Reply-ID") or body["Msg-ID"])


def system_log_id(body: Mapping[str, Any]) -> str:
    """What ties a request's log lines together across the cluster."""
    return str(body.get("System-Log-ID") or body.get("Call-ID") or body["Msg-ID"])
