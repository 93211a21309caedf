"""Publishing exactly as Kazoo does, on one connection.

Kazoo sets content type and timestamp and no other property (amqp.md 1.4). aio-pika's and aiormq's
own publish add a delivery mode or a message id, so the frames are made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

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


class Publisher:
    """Two channels: one for publish and forget, one that learns whether anybody heard."""

    def __init__(self, plain: FrameChannel, confirming: FrameChannel) -> None:
        self._plain = plain
        self._confirming = confirming
        self._chunk = max(1, plain.max_content_size)

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
        properties = commands.Basic.Properties(
            content_type=CONTENT_TYPE,
            headers=dict(headers) if headers else None,
            # A number, not a time: see timestamps.py.
            timestamp=gregorian_microseconds(),  # type: ignore[arg-type]
        )
        try:
            async with asyncio.timeout(within):
                if mandatory:
                    return await self._ask(exchange, routing_key, body, properties)
                await self._send(exchange, routing_key, body, properties)
        except Exception as error:  # whatever breaks here, the broker did not get the message
            raise BrokerUnavailable(f"publishing failed: {type(error).__name__}") from error
        return True

    async def _send(
        self, exchange: str, routing_key: str, body: bytes, properties: commands.Basic.Properties
    ) -> None:
        channel = self._plain
        if channel.is_closed:
            raise BrokerUnavailable
        drained = channel.create_future()
        frames: list[commands.Basic.Publish | ContentHeader | ContentBody] = [
            commands.Basic.Publish(exchange=exchange, routing_key=routing_key),
            ContentHeader(body_size=len(body), properties=properties),
            *(ContentBody(body[at : at + self._chunk]) for at in range(0, len(body), self._chunk)),
        ]
        frame = ChannelFrame.marshall(channel_number=channel.number, frames=frames, drain_future=drained)
        try:
            await channel.connection.write_queue.put(frame)
            await drained
        except BaseException:
            drained.cancel()
            raise

    async def _ask(
        self, exchange: str, routing_key: str, body: bytes, properties: commands.Basic.Properties
    ) -> bool:
        # aiormq finds out what a returned message was by a message id, which it adds here.
        try:
            await self._confirming.basic_publish(
                body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=True
            )
        except PublishError:
            return False
        except DeliveryError as error:
            raise BrokerUnavailable("the broker refused the message") from error
        return True
