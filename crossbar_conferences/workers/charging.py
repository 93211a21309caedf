"""Rate tokens that hold across the workers of a host: the supervisor has the buckets.

Only a request that is charged (failed or missing tokens, Basic credentials) waits for the
supervisor, one round trip over a socket pair. Nothing is locked, so nothing stays locked when a
worker is killed; and dividing the limit by the number of workers would refuse a caller whose
connections happen to end at one of them. Every worker is told of what the others took, so that
the ``tokens`` of the envelope need no round trip. A supervisor that does not answer in time is
counted, and the worker's own buckets decide.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from ..auth.buckets import Limits, TokenBuckets
from ..auth.charging import Charge, charge
from .channel import Channel, Message

#: Seconds that a worker waits for the supervisor's answer.
ANSWER_WITHIN = 0.5


class SharedCharger:
    """A worker's side: asks the supervisor. ``buckets`` is its own picture of the shared ones."""

    def __init__(self, send: Callable[[Message], bool], buckets: TokenBuckets) -> None:
        self.fallbacks = 0
        self._send = send
        self._buckets = buckets
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Message]] = {}

    async def charge(self, name: str, cost: int, limits: Limits, *, drain: bool = False) -> Charge:
        """See `auth.charging.Charger`."""
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        request = {
            "charge": number,
            "name": _safe(name),
            "cost": cost,
            "limits": _limits_out(limits),
            "drain": drain,
        }
        try:
            if self._send(request):
                async with asyncio.timeout(ANSWER_WITHIN):
                    told = await answer
                self._buckets.note(_safe(name), told["remaining"], limits)
                return Charge(told["taken"], told["remaining"])
        except TimeoutError:
            pass
        finally:
            del self._waiting[number]
        self.fallbacks += 1
        return charge(self._buckets, _safe(name), cost, limits, drain=drain)

    def remaining(self, name: str, limits: Limits) -> int:
        """See `auth.charging.Charger`."""
        return self._buckets.remaining(_safe(name), limits)

    def hear(self, message: Message) -> None:
        """Take in a message of the supervisor's; one that is not for us is passed over."""
        if "charged" in message:
            answer = self._waiting.get(message["charged"])
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif "bucket" in message:
            self._buckets.note(message["bucket"], message["tokens"], _limits_in(message["limits"]))


class BucketKeeper:
    """The supervisor's side: the buckets of the host."""

    def __init__(self, buckets: TokenBuckets) -> None:
        self.charges = 0
        self.refusals = 0
        self._buckets = buckets

    def answer(self, asker: Channel, message: Message, others: Iterable[Channel]) -> None:
        """Take tokens for a worker, answer it, and tell the other workers."""
        name, limits = message["name"], _limits_in(message["limits"])
        result = charge(self._buckets, name, message["cost"], limits, drain=message["drain"])
        # What is given back was counted when it was taken.
        self.charges += message["cost"] >= 0
        self.refusals += not result.taken
        asker.send({"charged": message["charge"], "taken": result.taken, "remaining": result.remaining})
        news = {"bucket": name, "tokens": result.remaining, "limits": message["limits"]}
        for other in others:
            # One that is too busy to listen will see the right number when it charges itself.
            other.send(news)


def _safe(name: str) -> str:
    # What stands for the account in a path may be any bytes: JSON takes no halves of surrogate pairs.
    return name if name.isascii() else name.encode("utf-8", "surrogatepass").decode("latin-1")


def _limits_out(limits: Limits) -> list[float]:
    return [limits.size, limits.fill_rate, limits.fill_seconds, limits.idle_seconds]


def _limits_in(values: list[Any]) -> Limits:
    size, fill_rate, fill_seconds, idle_seconds = values
    return Limits(int(size), int(fill_rate), fill_seconds, idle_seconds)
