"""One broker, kept connected: connect, declare the exchanges, wait for the end, try again.

Source: amqp.md 1.2, 2.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import aiormq.exceptions
import structlog

from ..complaints import Complaints
from ..tasks import end
from .connections import CLOSE_TIMEOUT, Connection, broker_name
from .failures import failure
from .faults import (
    BLOCKED,
    EXCHANGE_DELETED,
    EXCHANGE_FLAGS,
    NOT_CONNECTED,
    UNREACHABLE,
    Fault,
    Faults,
)
from .markers import Markers
from .port import BrokerUnavailable
from .publishing import Publisher

if TYPE_CHECKING:
    from .attachments import Attachment

_log = structlog.get_logger(__name__)

#: How RabbitMQ says that what was published to is not there.
_NO_EXCHANGE = re.compile(r"no exchange '([^']{1,127})'")


@dataclass(frozen=True, slots=True)
class RabbitOptions:
    """Times in seconds; the ladders are Kazoo's (amqp.md 1.2).

    ``own_ladder`` and ``other_ladder``: pauses before the next attempt to connect to a broker of
    our own zone and of another one; the last repeats. ``retry``: the same for a queue that cannot
    be read. ``verify``: between two looks at whether somebody deleted an exchange. ``heartbeat``: AMQP's;
    a mute broker is given up after about three."""

    own_ladder: tuple[float, ...] = (1.5, 3.0, 5.0)
    other_ladder: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0, 24.0, 48.0, 60.0)
    connect_within: float = 5.0
    publish_within: float = 2.0
    operate_within: float = 5.0
    retry: float = 1.0
    verify: float = 5.0
    heartbeat: float = 10.0
    connection_name: str = "crossbar_conferences"


class Tenure:
    """A stretch of time in which a broker is to be read: one connection, until it is over."""

    def __init__(self, connection: Connection, attachments: set[Attachment]) -> None:
        self.connection = connection
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: Set when every queue that was wanted at the start is read, or has failed once.
        self.settled = asyncio.Event()
        self._unsettled = set(attachments)
        self._check()

    def settle(self, attachment: Attachment) -> None:
        """An attachment is reading, or has failed once."""
        self._unsettled.discard(attachment)
        self._check()

    def end(self) -> None:
        """The connection is lost, or another broker is to be read instead."""
        if not self.over.done():
            self.over.set_result(None)

    def _check(self) -> None:
        if not self._unsettled:
            self.settled.set()


class Link:
    """A broker. ``zone`` is ``None`` for one of our own zone."""

    def __init__(
        self,
        uri: str,
        zone: str | None,
        exchanges: Mapping[str, str],
        options: RabbitOptions,
        faults: Faults,
        changed: Callable[[Link], None],
        unbound: Callable[[Link, Collection[str]], None],
    ) -> None:
        self.uri = uri
        self.zone = zone
        self.name = broker_name(uri)
        #: The connection to read from, while there is one.
        self.connection: Connection | None = None
        self.tenure: Tenure | None = None
        self._exchanges = exchanges
        self._options = options
        self._faults = faults
        self._changed = changed
        self._unbound = unbound
        self._complaints = Complaints()
        self._publisher: Publisher | None = None
        self._tenure_began = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether the broker is connected and its exchanges are there."""
        return self.connection is not None

    def start(self) -> None:
        """Begin connecting."""
        if self._task is None:
            self._task = asyncio.create_task(self._supervise(), name=f"broker {self.name}")

    async def close(self) -> None:
        """Disconnect and stay so."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def begin_tenure(self, attachments: set[Attachment]) -> Tenure:
        """From now on this broker is read."""
        if self.connection is None:
            raise BrokerUnavailable
        self.tenure = Tenure(self.connection, attachments)
        self._tenure_began.set()
        return self.tenure

    def end_tenure(self) -> None:
        """From now on it isn't."""
        tenure, self.tenure = self.tenure, None
        self._tenure_began.clear()
        if tenure is not None:
            tenure.end()

    async def wait_for_tenure(self) -> Tenure:
        """Wait until this broker is to be read."""
        while self.tenure is None:
            await self._tenure_began.wait()
        return self.tenure

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any] | None, mandatory: bool
    ) -> bool:
        """Publish here. Raises `BrokerUnavailable`."""
        if self._publisher is None:
            raise BrokerUnavailable
        return await self._publisher.publish(
            exchange,
            routing_key,
            body,
            headers=headers,
            mandatory=mandatory,
            within=self._options.publish_within,
        )

    async def _supervise(self) -> None:
        ladder = self._options.own_ladder if self.zone is None else self._options.other_ladder
        failures = 0
        while True:
            try:
                await self._live()
                failures = 0
            except Exception as error:  # nothing a broker does may end its supervision
                self._note_failure(error)
                failures += 1
            await asyncio.sleep(ladder[min(max(failures - 1, 0), len(ladder) - 1)])

    async def _live(self) -> None:
        """From one connect to the end of that connection. Raises when it doesn't come about."""
        opened: list[Connection] = []
        markers: Markers | None = None
        verifying: asyncio.Task[None] | None = None
        try:
            reading = await self._open("reading")
            opened.append(reading)
            lost = [reading.lost]
            await self._declare_exchanges(reading)
            markers = await self._open_markers(reading)
            writing = reading
            if self.zone is None:
                # Its own connection: a broker short of memory blocks those that publish, not those that read.
                writing = await self._open("writing")
                opened.append(writing)
                lost.append(writing.lost)
            closed = asyncio.Event()
            lost.append(closed)
            self._publisher = await self._open_publisher(writing, closed)
            self._faults.clear(self.name, *NOT_CONNECTED)
            _log.info("broker_connected", broker=self.name, zone=self.zone)
            self.connection = reading
            self._changed(self)
            verifying = asyncio.create_task(self._verify(reading, markers), name="verify exchanges")
            await _first(lost)
            self._note_absence(UNREACHABLE, "connection lost")
        finally:
            was_up, self.connection, self._publisher = self.up, None, None
            self._faults.clear(self.name, BLOCKED)
            if was_up:
                self._changed(self)
            if verifying is not None:
                verifying.cancel()
            if not any(connection.lost.is_set() for connection in opened):
                await _farewell(markers)
            await asyncio.gather(*(connection.close() for connection in opened))
            # Last: what it waits for may only end with the connection.
            await end(verifying)

    async def _open(self, purpose: str) -> Connection:
        return await Connection.open(
            self.uri,
            heartbeat=self._options.heartbeat,
            within=self._options.connect_within,
            name=f"{self._options.connection_name} {purpose}",
        )

    async def _open_publisher(self, connection: Connection, closed: asyncio.Event) -> Publisher:
        async with asyncio.timeout(self._options.connect_within):
            channels = await connection.channel(), await connection.channel(confirms=True)
            for channel in channels:
                channel.close_callbacks.add(partial(self._on_publisher_closed, closed))
            return await Publisher.open(*channels, self._on_blocked)

    def _on_publisher_closed(self, closed: asyncio.Event, _: Any, error: BaseException | None) -> None:
        found = _NO_EXCHANGE.search(str(error))
        if found is not None:
            # Something was published before the next look: the connection is made anew, and the exchange.
            self._note_deleted([found[1]])
        closed.set()

    def _on_blocked(self, blocked: bool) -> None:
        if not blocked:
            self._faults.clear(self.name, BLOCKED)
            _log.info("broker_unblocked", broker=self.name)
        elif self._faults.add(Fault(BLOCKED, self.name, detail="short of memory or disk")):
            _log.error("broker_blocked", broker=self.name)

    async def _declare_exchanges(self, connection: Connection) -> None:
        """Declare with Kazoo's flags; where somebody declared otherwise, say so and live with it.

        An exchange with other flags keeps every Kazoo node offline (amqp.md 1.2), so it must be seen."""
        async with asyncio.timeout(self._options.connect_within):
            channel = await connection.channel()
            for name, kind in self._exchanges.items():
                try:
                    await channel.declare_exchange(name, kind, durable=False, auto_delete=False)
                    self._faults.clear(self.name, EXCHANGE_FLAGS, subject=name)
                except aiormq.exceptions.ChannelPreconditionFailed:
                    detail = f"{name} is not a {kind} exchange that is neither durable nor auto-delete"
                    if self._faults.add(Fault(EXCHANGE_FLAGS, self.name, name, detail)):
                        _log.error("exchange_flags_differ", broker=self.name, exchange=name, wanted=kind)
                    channel = await connection.channel()
                    await channel.declare_exchange(name, kind, passive=True)
            await channel.close()

    async def _open_markers(self, connection: Connection) -> Markers | None:
        """Markers of the exchanges; none where the broker refuses them, with a line in the log."""
        try:
            async with asyncio.timeout(self._options.operate_within):
                return await Markers.open(connection, self._exchanges)
        except Exception as error:  # without them we are as blind as Kazoo's own nodes are
            self._complaints.complain("exchanges_unwatched", type(error).__name__, broker=self.name)
            return None

    async def _verify(self, connection: Connection, markers: Markers | None) -> None:
        """Declare what somebody deleted, and have what was bound to it bound anew, again and again."""
        while True:
            await asyncio.sleep(self._options.verify)
            try:
                await self._declare_exchanges(connection)
                async with asyncio.timeout(self._options.operate_within):
                    deleted = await markers.vanished() if markers is not None else []
            except Exception as error:  # whether the connection is lost is found out by itself
                if not connection.lost.is_set():
                    self._complaints.complain("exchanges_unverified", type(error).__name__, broker=self.name)
            else:
                self._note_deleted(deleted)

    def _note_deleted(self, exchanges: Collection[str]) -> None:
        for exchange in exchanges:
            _log.error("exchange_was_deleted", broker=self.name, zone=self.zone, exchange=exchange)
            self._faults.repaired(Fault(EXCHANGE_DELETED, self.name, exchange))
        if exchanges:
            self._unbound(self, exchanges)

    def _note_failure(self, error: Exception) -> None:
        kind, detail = failure(error)
        self._faults.clear(self.name, *NOT_CONNECTED - {kind})
        self._note_absence(kind, type(error).__name__, detail)

    def _note_absence(self, kind: str, error: str, detail: str | None = None) -> None:
        """The broker is away: said when that begins, and when another reason for it is found."""
        if self._faults.add(Fault(kind, self.name, detail=detail or error)):
            _log.error(
                "broker_not_connected",
                broker=self.name,
                zone=self.zone,
                reason=kind,
                detail=detail,
                error=error,
            )


async def _first(events: list[asyncio.Event]) -> None:
    """Wait until one of these is set."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)


async def _farewell(markers: Markers | None) -> None:
    """Take the markers away, unless the broker is gone itself."""
    if markers is not None:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await markers.close()
