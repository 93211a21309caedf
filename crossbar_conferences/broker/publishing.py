"""Publishing exactly as Kazoo does, on one connection.

Kazoo sets content type and timestamp and no other property (amqp.md 1.4). aio-pika's and aiormq's
own publish add a delivery mode or a message id, so the frames are made here; and what is published
at the same time goes out in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from struct import Struct
from typing import Any, cast

import pamqp.frame
from aio_pika.abc import AbstractChannel
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel as FrameChannel
from aiormq.connection import Connection as FrameConnection
from aiormq.exceptions import DeliveryError, PublishError
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from ..clock import gregorian_microseconds
from .port import BrokerUnavailable

CONTENT_TYPE = "application/json"
#: Messages, and bytes of them, that may wait for a broker that takes none.
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
#: Seconds until a connection whose queue of writes is full is tried again.
RETRY = 0.005

_TAKES_NONE = "the broker takes no messages"

#: A content header with nothing but content type and timestamp: frame type, channel, length; class,
#: weight, body size, flags; the two properties; frame end.
_HEADER = Struct(f">BHIHHQHB{len(CONTENT_TYPE)}sQB")
_HEADER_LENGTH = _HEADER.size - 8
_CONTENT_TYPE_AND_TIMESTAMP = 0x8040
_HEADER_TYPE, _FRAME_END, _BASIC = 2, 0xCE, 60


class Publisher:
    """Two channels of one connection: one for publish and forget, one that learns whether anybody heard.

    ``on_blocked`` is told when the broker takes no messages any more, and when it does again: it says so
    itself, when something is published while it is short of memory or disk."""

    def __init__(
        self, plain: FrameChannel, confirming: FrameChannel, on_blocked: Callable[[bool], None]
    ) -> None:
        self._outbox = Outbox(plain)
        self._confirming = confirming
        self._connection = cast(FrameConnection, plain.connection)
        self._on_blocked = on_blocked
        self._blocked = False

    @classmethod
    async def open(
        cls, plain: AbstractChannel, confirming: AbstractChannel, on_blocked: Callable[[bool], None]
    ) -> Publisher:
        """Take over two channels that are open."""
        channels = await plain.get_underlay_channel(), await confirming.get_underlay_channel()
        return cls(cast(FrameChannel, channels[0]), cast(FrameChannel, channels[1]), on_blocked)

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None,
        mandatory: bool,
        within: float,
    ) -> bool:
        """Publish within so many seconds. Raises `BrokerUnavailable`, whatever the cause."""
        blocked = is_blocked(self._connection)
        if blocked is not self._blocked:
            self._blocked = blocked
            self._on_blocked(blocked)
        if blocked:
            # What is written now would be carried out whenever the broker has recovered.
            raise BrokerUnavailable("the broker is short of memory or disk")
        try:
            if mandatory:
                async with asyncio.timeout(within):
                    return await self._ask(exchange, routing_key, body, headers)
            await self._outbox.send(exchange, routing_key, body, headers, within)
        except BrokerUnavailable:
            raise
        except Exception as error:  # whatever breaks here, the broker did not get the message
            raise BrokerUnavailable(f"publishing failed: {type(error).__name__}") from error
        return True

    async def _ask(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any] | None
    ) -> bool:
        # aiormq finds out what a returned message was by a message id, which it adds here.
        try:
            await self._confirming.basic_publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                properties=_properties(headers),
                mandatory=True,
            )
        except PublishError:
            return False
        except DeliveryError as error:
            raise BrokerUnavailable("the broker refused the message") from error
        return True


def is_blocked(connection: FrameConnection) -> bool:
    """Whether the broker has said that it takes no messages now (``connection.blocked``)."""
    # aiormq tells it only to those who wait: this one is ready at once, or blocked.
    ready = connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return False
    ready.close()
    return True


class Outbox:
    """Messages on their way into the writes of one channel.

    One write at a time is with the connection's writer; what is sent meanwhile goes out with the next
    one. So a message whose sender was told that it failed is not sent later, unless its own write hung."""

    def __init__(self, channel: FrameChannel) -> None:
        self._channel = channel
        self._chunk = max(1, channel.max_content_size)
        self._gathering: _Batch | None = None
        self._writing = False

    def send(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any] | None, within: float
    ) -> asyncio.Future[None]:
        """Done when the message is written; failed with `BrokerUnavailable` when it is not within so
        many seconds of the first message that goes out with it, or when too many wait."""
        channel = self._channel
        if channel.is_closed:
            raise BrokerUnavailable
        frames = message_frames(channel.number, self._chunk, exchange, routing_key, body, headers)
        loop = asyncio.get_running_loop()
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _Batch()
            batch.expiry = loop.call_later(within, self._expire, batch)
            if not self._writing:
                loop.call_soon(self._flush)
        elif len(batch.senders) >= MAX_WAITING or batch.size >= MAX_WAITING_BYTES:
            raise BrokerUnavailable("too many messages wait for the broker")
        return batch.add(frames, loop.create_future())

    def _flush(self) -> None:
        batch = self._gathering
        if batch is None or self._writing:
            return
        self._gathering = None
        if self._channel.is_closed:
            batch.end(_TAKES_NONE)
            return
        written = self._channel.create_future()
        frame = ChannelFrame(b"".join(batch.frames), should_close=False, drain_future=written)
        try:
            self._channel.connection.write_queue.put_nowait(frame)
        except asyncio.QueueFull:
            # aiormq itself has much to say, which is rare.
            written.cancel()
            self._gathering = batch
            asyncio.get_running_loop().call_later(RETRY, self._flush)
            return
        self._writing = True
        written.add_done_callback(partial(self._written, batch))

    def _written(self, batch: _Batch, written: asyncio.Future[None]) -> None:
        self._writing = False
        error = None if written.cancelled() else written.exception()
        batch.end(None if error is None else f"publishing failed: {type(error).__name__}")
        self._flush()

    def _expire(self, batch: _Batch) -> None:
        if batch is self._gathering:
            self._gathering = None
        batch.end(_TAKES_NONE)


class _Batch:
    """What goes out in one write, and who waits for it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.senders: list[asyncio.Future[None]] = []
        self.size = 0
        self.expiry: asyncio.TimerHandle | None = None

    def add(self, frames: bytes, sender: asyncio.Future[None]) -> asyncio.Future[None]:
        """One more message."""
        self.frames.append(frames)
        self.senders.append(sender)
        self.size += len(frames)
        return sender

    def end(self, failure: str | None) -> None:
        """Tell the senders; those that were told or gave up before hear nothing."""
        if self.expiry is not None:
            self.expiry.cancel()
        for sender in self.senders:
            if sender.done():
                continue
            if failure is None:
                sender.set_result(None)
            else:
                sender.set_exception(BrokerUnavailable(failure))


def message_frames(
    channel: int,
    chunk: int,
    exchange: str,
    routing_key: str,
    body: bytes,
    headers: Mapping[str, Any] | None = None,
) -> bytes:
    """A message's frames as they go over the wire, its body in pieces of at most ``chunk`` bytes."""
    if headers:
        head = pamqp.frame.marshal(
            ContentHeader(body_size=len(body), properties=_properties(headers)), channel
        )
    else:
        head = _HEADER.pack(
            _HEADER_TYPE,
            channel,
            _HEADER_LENGTH,
            _BASIC,
            0,
            len(body),
            _CONTENT_TYPE_AND_TIMESTAMP,
            len(CONTENT_TYPE),
            CONTENT_TYPE.encode(),
            gregorian_microseconds(),
            _FRAME_END,
        )
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    bodies = (pamqp.frame.marshal(ContentBody(piece), channel) for piece in pieces)
    return b"".join((_method(channel, exchange, routing_key), head, *bodies))


# Commands go to few keys; events of the conferences of a cluster to more.
@lru_cache(maxsize=1024)
def _method(channel: int, exchange: str, routing_key: str) -> bytes:
    return pamqp.frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key=routing_key), channel)


def _properties(headers: Mapping[str, Any] | None) -> commands.Basic.Properties:
    return commands.Basic.Properties(
        content_type=CONTENT_TYPE,
        headers=dict(headers) if headers else None,
        # A number, not a time: see timestamps.py.
        timestamp=gregorian_microseconds(),  # type: ignore[arg-type]
    )
