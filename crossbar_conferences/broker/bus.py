"""What Kazoo does with a broker: cast, call, collect, listen, and know the other nodes.

Source: amqp.md 3.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

import structlog

from ..complaints import Complaints
from ..kapi import gate
from ..kapi.messages import MessageInvalid, Origin, Outgoing
from ..kapi.nodes import is_node_name, sidecar_host
from ..kapi.origins import CROSSBAR
from ..kapi.routing import NODES, TARGETED, reply_address
from .advertiser import Advertiser
from .counters import BusCounters
from .decoding import Undecodable, decode
from .nodes import NodesTable
from .port import (
    Binding,
    BrokerUnavailable,
    CallTimeout,
    Consumer,
    Delivery,
    GapListener,
    Queue,
    StateListener,
    Transport,
)
from .requests import Accept, Collected, Pending, PendingCall, PendingCollect, addressed, reply_id

#: Seconds; Kazoo's default for call and collect (amqp.md 3.3).
DEFAULT_TIMEOUT = 2.0
#: Seconds until every node there is has been heard of: the longest pause between heartbeats.
HEARTBEAT_ROUND = 15.0

#: One queue takes the replies to all requests, where Kazoo has one for each of its 150 workers.
_REPLIES = Queue(max_length=15_000)

#: Called with a message's body and its delivery, in order; must not block.
MessageHandler = Callable[[dict[str, Any], Delivery], Awaitable[None] | None]

#: Whose answers are waited for: nodes of our own zone, or of all zones.
Scope = Literal["own", "all"]

_log = structlog.get_logger(__name__)


class Bus:
    """Our place on Kazoo's bus, under a node name of its own. Owns its transport.

    ``node``: unique in the cluster, ``name@host``. ``apps``: what our heartbeat says we run; never
    ``ecallmgr``, whose nodes others wait for (amqp.md 3.4). ``advertise=False``: somebody else on
    this host sends the heartbeats for this node. ``sidecar_id``: tells the processes that share our node
    name from others who have it too, of whom the log tells.
    """

    def __init__(
        self,
        transport: Transport,
        node: str,
        *,
        apps: Iterable[str] = ("crossbar",),
        version: str | None = None,
        advertise: bool = True,
        sidecar_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        recorder: Callable[[Outgoing], None] | None = None,
    ) -> None:
        if not is_node_name(node):
            raise ValueError(f"a node is named name@host, not {node!r}")
        self.node = node
        self.nodes = NodesTable(node, transport.zone, sidecar_id=sidecar_id, clock=clock)
        self.counters = BusCounters()
        #: Messages published so far, by exchange.
        self.published: Counter[str] = Counter()
        #: Called with every message that is published, as it goes out.
        self.recorder = recorder
        self._transport = transport
        self._clock = clock
        self._complaints = Complaints(clock=clock)
        self._pending: dict[str, Pending] = {}
        self._replies: Consumer | None = None
        self._listening_since: float | None = None
        self._advertiser = Advertiser(self, apps, version, sidecar_id) if advertise else None

    @property
    def transport(self) -> Transport:
        """What carries our messages."""
        return self._transport

    @property
    def zone(self) -> str:
        """Our own zone."""
        return self._transport.zone

    @property
    def connected(self) -> bool:
        """Whether messages can be published right now."""
        return self._transport.connected

    @property
    def settling(self) -> bool:
        """Whether we listen for less than a round of heartbeats, so that nodes may be unknown yet."""
        since = self._listening_since
        return since is None or self._clock() - since < HEARTBEAT_ROUND

    def hears(self, app: str) -> bool:
        """Whether a node of an app was heard since we listen: one that was there before the connection was
        cut may not be bound again yet (Kazoo takes half a minute, beside-kazoo.md 9)."""
        since = self._listening_since
        return since is not None and self.nodes.has(app, since)

    def origin(self, app_name: str = CROSSBAR[0], app_version: str = CROSSBAR[1]) -> Origin:
        """Who sends a message that we build: ``bus.origin(*origins.KAPPS_CONFERENCE)``."""
        return Origin(app_name, app_version, self.node)

    def on_state(self, listener: StateListener) -> None:
        """Be told when the broker comes (``True``) and goes (``False``)."""
        self._transport.on_state(listener)

    async def start(self) -> None:
        """Begin; returns soon even when no broker is there."""
        self._transport.on_state(self._on_state)
        await self._transport.start()
        self._replies = await self._transport.consume(self._on_reply, queue=_REPLIES)
        # Replies come through the exchange, not straight to the queue (amqp.md 3.1).
        await self._replies.bind(Binding(TARGETED, self._replies.queue))
        await self.listen(self._on_advertisement, [Binding(NODES, "")], federate=True)
        if self._transport.connected:
            self._on_state(True)
        if self._advertiser is not None:
            self._advertiser.start()

    async def close(self) -> None:
        """Leave: requests in flight end, our queues are gone afterwards."""
        if self._advertiser is not None:
            await self._advertiser.close()
        self._interrupt()
        await self._transport.close()

    async def cast(self, outgoing: Outgoing, *, mandatory: bool = False) -> bool:
        """Publish and forget; whether somebody heard it, as far as ``mandatory`` asks.

        Raises `BrokerUnavailable`, and `MessageInvalid` for what the gate keeps back."""
        self.counters.casts += 1
        return await self._publish(outgoing, mandatory=mandatory)

    async def reply(self, request: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Answer a request that we heard, at its ``Server-ID``, on the broker where it was heard.

        Raises `MessageInvalid` when it has none, `BrokerUnavailable`."""
        server_id = request.get("Server-ID")
        if not isinstance(server_id, str) or not server_id:
            raise MessageInvalid("the request has no Server-ID to answer to")
        address = reply_address(server_id)
        headers = None if address.process is None else {"Deliver-To-PID": bytearray(address.process.encode())}
        zone = request.get("AMQP-Broker-Zone")
        outgoing = Outgoing(TARGETED, address.routing_key, body)
        await self._publish(outgoing, headers=headers, broker_zone=zone if isinstance(zone, str) else None)

    async def call(
        self,
        outgoing: Outgoing,
        accept: Accept,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 (Kazoo's term, and no plain timeout)
        on_routed: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Publish and wait for the first reply that is accepted.

        ``on_routed``: called once the broker has confirmed that the request is in somebody's queue;
        when it is in nobody's, nothing is waited for. Raises `CallTimeout`, or `BrokerUnavailable` as
        soon as the broker goes."""
        self.counters.calls += 1
        pending = PendingCall(accept)
        await self._ask(outgoing, pending, timeout, on_routed)
        if pending.reply is not None:
            return pending.reply
        if pending.deferred is not None:
            return pending.deferred
        if pending.interrupted:
            raise BrokerUnavailable
        raise CallTimeout

    async def collect(
        self,
        outgoing: Outgoing,
        *,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109
        scope: Scope = "all",
        app: str = "ecallmgr",
        until: Accept | None = None,
        ask_anyway: bool = False,
    ) -> Collected:
        """Publish and gather replies until every node of ``app`` has answered, or ``timeout``.

        With ``until``, the first reply that it is true for ends the wait too. Without it, nothing
        is published when no such node is known: ``Collected(expected=0)`` comes at once, as in
        Kazoo (amqp.md 3.3); ``ask_anyway`` asks nevertheless while `settling`, since a node may
        have been there before us, and ends soon after the first reply. Raises `BrokerUnavailable` when
        the request cannot be published."""
        if not self._transport.connected:
            # Not "nothing runs": we just can't know.
            raise BrokerUnavailable
        zone = self.zone if scope == "own" else None

        def expected() -> int:
            return self.nodes.count(app, zone)

        if expected() == 0 and until is None and not (ask_anyway and self.settling):
            return Collected()
        self.counters.collects += 1
        pending = PendingCollect(expected, until)
        await self._ask(outgoing, pending, timeout)
        return pending.collected()

    async def listen(
        self,
        handler: MessageHandler,
        bindings: Iterable[Binding],
        *,
        queue: Queue = Queue(),  # noqa: B008 (a frozen value)
        federate: bool = False,
        on_gap: GapListener | None = None,
    ) -> Consumer:
        """Hear messages. What is no Kazoo message never reaches the handler: it is logged, counted
        and dropped, and so is one for which the handler raises `MessageInvalid`. ``on_gap``: see
        `Transport.consume`."""

        def hear(delivery: Delivery) -> Awaitable[None] | None:
            body = self._decode(delivery)
            if body is None:
                return None
            if delivery.broker_zone is None:
                body.pop("AMQP-Broker-Zone", None)
            else:
                body["AMQP-Broker-Zone"] = delivery.broker_zone
            try:
                result = handler(body, delivery)
            except MessageInvalid as error:
                self._drop("invalid", delivery, error)
                return None
            return None if result is None else self._finish(result, delivery)

        return await self._transport.consume(hear, bindings, queue=queue, federate=federate, on_gap=on_gap)

    async def _publish(
        self,
        outgoing: Outgoing,
        *,
        headers: Mapping[str, Any] | None = None,
        mandatory: bool = False,
        broker_zone: str | None = None,
    ) -> bool:
        # Nothing goes to a media server by another way, whoever built it.
        if not isinstance(outgoing, gate.Admitted):
            outgoing = gate.Admitted(outgoing.exchange, outgoing.routing_key, outgoing.body)
        routed = await self._transport.publish(
            outgoing.exchange,
            outgoing.routing_key,
            outgoing.payload,
            headers=headers,
            mandatory=mandatory,
            broker_zone=broker_zone,
        )
        self.published[outgoing.exchange] += 1
        if self.recorder is not None:
            self.recorder(outgoing)
        return routed

    async def _ask(
        self,
        outgoing: Outgoing,
        pending: Pending,
        seconds: float,
        on_routed: Callable[[], None] | None = None,
    ) -> None:
        """Publish a request and wait until it is done, for so many from now at most."""
        if self._replies is None or not self._transport.connected:
            raise BrokerUnavailable
        request = addressed(outgoing, self._replies.queue, self._pending.__contains__)
        key = reply_id(request.body)
        self._pending[key] = pending
        try:
            async with asyncio.timeout(seconds) as pending.limit:
                if on_routed is None:
                    await self._publish(request)
                elif await self._publish(request, mandatory=True):
                    on_routed()
                else:
                    return
                await pending.done.wait()
        except TimeoutError:
            self.counters.timeouts += 1
        finally:
            del self._pending[key]

    def _on_reply(self, delivery: Delivery) -> None:
        body = self._decode(delivery)
        if body is None:
            return
        pending = self._pending.get(body["Msg-ID"])
        if pending is None:
            self.counters.unmatched += 1
            return
        self.counters.replies += 1
        pending.take(body)

    def _on_advertisement(self, body: dict[str, Any], delivery: Delivery) -> None:
        before, had_namesake = len(self.nodes), self.nodes.namesake is not None
        self.nodes.hear(body, delivery.broker_zone)
        namesake = self.nodes.namesake
        if namesake is not None and not had_namesake:
            _log.warning("node_name_taken", node=self.node, by=sidecar_host(namesake.sidecar_id))
        if self._advertiser is not None and len(self.nodes) > before:
            # A node that just came does not know us yet, and would not answer our dials (amqp.md 3.4).
            self._advertiser.wake()

    def _on_state(self, connected: bool) -> None:
        if not connected:
            self._interrupt()
            return
        if self._replies is not None:
            self._listening_since = self._clock()
        if self._advertiser is not None:
            self._advertiser.wake()

    def _interrupt(self) -> None:
        self.counters.interrupted += len(self._pending)
        for pending in self._pending.values():
            pending.interrupt()

    def _decode(self, delivery: Delivery) -> dict[str, Any] | None:
        try:
            return decode(delivery)
        except Undecodable as error:
            self._drop(error.kind, delivery)
            return None

    async def _finish(self, result: Awaitable[None], delivery: Delivery) -> None:
        try:
            await result
        except MessageInvalid as error:
            self._drop("invalid", delivery, error)

    def _drop(self, kind: str, delivery: Delivery, error: MessageInvalid | None = None) -> None:
        setattr(self.counters, kind, getattr(self.counters, kind) + 1)
        self._complaints.complain(
            "message_dropped",
            kind,
            exchange=delivery.exchange,
            routing_key=delivery.routing_key,
            detail=None if error is None else type(error).__name__,
        )
