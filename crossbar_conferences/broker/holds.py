"""Bindings that several parts of the house want at once: bound while anybody holds them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..complaints import Complaints
from .port import Binding, BrokerError, Consumer


@dataclass(slots=True)
class _Held:
    count: int = 0
    bound: bool = False
    #: One change at a time: whoever holds it second returns when it is bound, not before.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class HeldBindings:
    """The counted bindings of one consumer. A broker that is away is no error here: the consumer
    remembers its bindings and makes them when there is a broker again."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._held: dict[Binding, _Held] = {}
        self._complaints = Complaints()

    def __len__(self) -> int:
        return len(self._held)

    async def hold(self, binding: Binding) -> None:
        """Hear a topic until it is released as often as it was held.

        Counts before it waits: a caller that is cancelled meanwhile has still to release."""
        held = self._held.setdefault(binding, _Held())
        held.count += 1
        async with held.lock:
            if held.count and not held.bound:
                held.bound = True
                try:
                    await self._consumer.bind(binding)
                except BrokerError as error:
                    self._complaints.complain(
                        "bind_failed", type(error).__name__, routing_key=binding.routing_key
                    )

    async def release(self, binding: Binding) -> None:
        """Undo one `hold`."""
        held = self._held.get(binding)
        if held is None:
            return
        held.count -= 1
        async with held.lock:
            if held.count or self._held.get(binding) is not held:
                return
            held.bound = False
            try:
                await self._consumer.unbind(binding)
            except BrokerError as error:
                self._complaints.complain(
                    "unbind_failed", type(error).__name__, routing_key=binding.routing_key
                )
            # Somebody may have come while the broker was told; they bind it again.
            if not held.count:
                self._held.pop(binding, None)
