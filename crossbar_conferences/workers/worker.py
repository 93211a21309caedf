"""What a worker process does: serve from inherited sockets until it is told to leave."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from ..auth.buckets import TokenBuckets
from ..broker.faults import CREDENTIALS_REFUSED
from ..logs import bind
from ..operations import known_troubles
from ..service import Service, Share
from ..settings import Settings
from ..store.port import CredentialsRefused
from ..tasks import end
from .channel import Channel, Message
from .charging import SharedCharger
from .claims import SharedClaims
from .spec import Spec
from .store_news import StoreNews, credentials_digest

log = structlog.get_logger(__name__)

#: Seconds between two words of what a start waits for.
_TELL_EVERY = 0.25


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
    # One node has one voice, whatever the number of its processes (amqp.md 3.4).
    share = Share(
        sockets,
        advertise=spec.index == 0,
        charger=charger,
        claims=claims,
        sidecar_id=spec.sidecar_id,
    )
    service = make_service(share)
    news = StoreNews(channel.send, service.store_health, credentials_digest(settings), spec.index)
    listening = asyncio.create_task(
        _listen(channel, (charger, claims, news, Pulse(channel)), leave), name="supervisor"
    )
    starting = asyncio.create_task(_say_starting(channel, service), name="starting")
    try:
        async with service:
            await end(starting)
            channel.send({"ready": service.operations_url, "unfit": unfit(service)})
            await leave.wait()
            log.info("worker_leaving")
    finally:
        await end(starting, listening)
        await channel.close()


async def _say_starting(channel: Channel, service: Service) -> None:
    """Tell the supervisor what a start waits for, as long as it lasts."""
    while True:
        await asyncio.sleep(_TELL_EVERY)
        channel.send({"starting": known_troubles(service)})


def unfit(service: Service) -> str | None:
    """Why this process must not take the place of one that serves: what it was given does not let it in."""
    trouble = service.store_health.trouble
    if trouble is not None and trouble.kind == CredentialsRefused.kind:
        return f"CouchDB refuses our user name and password: {trouble.said}"
    refused = [one.broker for one in service.bus.transport.faults if one.kind == CREDENTIALS_REFUSED]
    if refused and not service.bus.connected:
        return f"RabbitMQ at {', '.join(refused)} refuses our credentials"
    return None


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
