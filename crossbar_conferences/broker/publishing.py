"""Publishing exactly as Kazoo does, on one connection.

Kazoo sets content type and timestamp and no other property (amqp.md 1.4). aio-pika's and aiormq's
own publish add a delivery mode or a message id, so the frames are made here; and what is published
within one turn of the loop goes out in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache, partial
from struct import Struct
from typing import Any, cast

import pamqp.frame
from aio_pika.abc import AbstractChannel
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel as FrameChannel
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
#: Seconds until a connection whose writer is behind is tried again.
RETRY = 0.005

#: A content header with nothing but content type and timestamp: frame type, channel, length; class,
#: weight, body size, flags; the two properties; frame end.
_HEADER = Struct(f">BHIHHQHB{len(CONTENT_TYPE)}sQB")
_HEADER_LENGTH = _HEADER.size - 8
_CONTENT_TYPE_AND_TIMESTAMP = 0x8040
_HEADER_TYPE, _FRAME_END, _BASIC = 2, 0xCE, 60


class Publisher:
    """Two channels: one for publish and forget, one that learns whether anybody heard."""

    def __init__(self, plain: FrameChannel, confirming: FrameChannel) -> None:
        self._outbox = Outbox(plain)
        self._confirming = confirming

    @classmethod
    async def open(cls, plain: AbstractChannel, confirming: AbstractChannel) -> Publisher:
        """Take over two channels that are open."""
        channels = await plain.get_underlay_channel(), await confirming.get_underlay_channel()
        return cls(*(cast(FrameChannel, channel) for channel in channels))

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


class Outbox:
    """Messages of one turn of the loop, on their way into one write of one channel."""

    def __init__(self, channel: FrameChannel) -> None:
        self._channel = channel
        self._chunk = max(1, channel.max_content_size)
        self._frames: list[bytes] = []
        self._bytes = 0
        #: Who waits for the write, beside `_frames`.
        self._senders: list[asyncio.Future[None]] = []

    def send(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any] | None, within: float
    ) -> asyncio.Future[None]:
        """Done when the message is written; failed with `BrokerUnavailable` when it is not within so
        many seconds of the first message that waits with it, or when too many wait."""
        channel = self._channel
        if channel.is_closed:
            raise BrokerUnavailable
        if len(self._senders) >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES:
            raise BrokerUnavailable("too many messages wait for the broker")
        frames = message_frames(channel.number, self._chunk, exchange, routing_key, body, headers)
        loop = asyncio.get_running_loop()
        if not self._senders:
            loop.call_soon(self._flush, loop.time() + within)
        sender = loop.create_future()
        self._senders.append(sender)
        self._frames.append(frames)
        self._bytes += len(frames)
        return sender

    def _flush(self, deadline: float) -> None:
        """Hand over what waits. aiormq's writer takes few writes beforehand: while it takes none,
        messages go on gathering here."""
        loop = asyncio.get_running_loop()
        senders = self._senders
        if self._channel.is_closed or loop.time() >= deadline:
            self._take()
            _fail(senders, "the broker takes no messages")
            return
        written = self._channel.create_future()
        frame = ChannelFrame(b"".join(self._frames), should_close=False, drain_future=written)
        try:
            self._channel.connection.write_queue.put_nowait(frame)
        except asyncio.QueueFull:
            written.cancel()
            loop.call_later(RETRY, self._flush, deadline)
            return
        self._take()
        expiry = loop.call_at(deadline, written.cancel)
        written.add_done_callback(partial(_settle, senders, expiry))

    def _take(self) -> None:
        self._frames, self._senders, self._bytes = [], [], 0


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


def _settle(
    senders: list[asyncio.Future[None]], expiry: asyncio.TimerHandle, written: asyncio.Future[None]
) -> None:
    """The write is done, took too long, or failed with its channel."""
    expiry.cancel()
    if written.cancelled():
        _fail(senders, "the broker takes no messages")
        return
    error = written.exception()
    if error is not None:
        _fail(senders, f"publishing failed: {type(error).__name__}")
        return
    for sender in senders:
        if not sender.done():
            sender.set_result(None)


def _fail(senders: list[asyncio.Future[None]], reason: str) -> None:
    for sender in senders:
        if not sender.done():
            sender.set_exception(BrokerUnavailable(reason))
