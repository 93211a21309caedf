"""What a worker process does: serve from inherited sockets until it is told to leave."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from ..auth.buckets import TokenBuckets
from ..logs import bind
from ..service import Service, Share
from ..settings import Settings
from ..tasks import end
from .channel import Channel, Message
from .charging import SharedCharger
from .claims import SharedClaims
from .spec import Spec

log = structlog.get_logger(__name__)


async def work(settings: Settings, spec: Spec, make_service: Callable[[Share], Service]) -> None:
    """Serve; returns when told to, or when the supervisor is gone."""
    bind(worker=spec.index)
    control, sockets = spec.open()
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave.set)
    channel = await Channel.over(control)
    charger = SharedCharger(channel.send, TokenBuckets(limit=settings.rate_buckets))
    claims = SharedClaims(channel.send)
    listening = asyncio.create_task(
        _listen(channel, (charger, claims, Pulse(channel)), leave), name="supervisor"
    )
    try:
        # One node has one voice, whatever the number of its processes (amqp.md 3.4).
        share = Share(
            sockets,
            advertise=spec.index == 0,
            charger=charger,
            claims=claims,
            sidecar_id=spec.sidecar_id,
        )
        async with make_service(share) as service:
            channel.send({"ready": service.operations_url})
            await leave.wait()
            log.info("worker_leaving")
    finally:
        await end(listening)
        await channel.close()


class Hearer(Protocol):
    """Takes in what the supervisor says; passes over what is not for it."""

    def hear(self, message: Message) -> None:
        """A message."""
        ...


class Pulse:
    """Answers the supervisor that this process is alive: that its loop turns."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def hear(self, message: Message) -> None:
        """See `Hearer`."""
        if "alive" in message:
            self._channel.send(message)


async def _listen(channel: Channel, hearers: Sequence[Hearer], leave: asyncio.Event) -> None:
    try:
        while (message := await channel.receive()) is not None and "leave" not in message:
            for hearer in hearers:
                hearer.hear(message)
    finally:
        leave.set()
