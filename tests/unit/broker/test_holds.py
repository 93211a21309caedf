"""Counted bindings (``broker/holds.py``)."""

from __future__ import annotations

import asyncio

from crossbar_conferences.broker.holds import HeldBindings
from crossbar_conferences.broker.port import Binding, BrokerError

TOPIC = Binding("conference", "conference.event.#")


class SlowConsumer:
    """Notes what is bound; each change takes until the gate opens."""

    queue = "q"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gate = asyncio.Event()
        self.fails = False

    async def bind(self, binding: Binding) -> None:
        """Note it."""
        await self._change("bind")

    async def unbind(self, binding: Binding) -> None:
        """Note it."""
        await self._change("unbind")

    async def close(self) -> None:
        """Nothing to close."""

    async def _change(self, what: str) -> None:
        await self.gate.wait()
        if self.fails:
            raise BrokerError("away")
        self.done.append(what)


async def test_the_first_binds_and_the_last_unbinds() -> None:
    """Whoever comes between changes nothing."""
    consumer = SlowConsumer()
    consumer.gate.set()
    held = HeldBindings(consumer)
    for _ in range(3):
        await held.hold(TOPIC)
    for _ in range(3):
        assert consumer.done == ["bind"]
        await held.release(TOPIC)
    assert consumer.done == ["bind", "unbind"] and len(held) == 0


async def test_the_second_waits_for_the_first_ones_binding() -> None:
    """Nobody is told that a topic is heard before it is."""
    consumer = SlowConsumer()
    held = HeldBindings(consumer)
    first, second = asyncio.create_task(held.hold(TOPIC)), asyncio.create_task(held.hold(TOPIC))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not first.done() and not second.done()
    consumer.gate.set()
    await asyncio.gather(first, second)
    assert consumer.done == ["bind"]


async def test_who_comes_while_it_is_unbound_binds_it_again() -> None:
    """The order on the broker is the order of wishes."""
    consumer = SlowConsumer()
    consumer.gate.set()
    held = HeldBindings(consumer)
    await held.hold(TOPIC)
    consumer.gate.clear()
    leaving = asyncio.create_task(held.release(TOPIC))
    await asyncio.sleep(0)
    coming = asyncio.create_task(held.hold(TOPIC))
    await asyncio.sleep(0)
    consumer.gate.set()
    await asyncio.gather(leaving, coming)
    assert consumer.done == ["bind", "unbind", "bind"]
    await held.release(TOPIC)
    assert len(held) == 0


async def test_a_broker_that_is_away_is_no_error() -> None:
    """The consumer binds when it is back; and releasing what nobody holds does nothing."""
    consumer = SlowConsumer()
    consumer.gate.set()
    consumer.fails = True
    held = HeldBindings(consumer)
    await held.hold(TOPIC)
    await held.release(TOPIC)
    await held.release(TOPIC)
    assert len(held) == 0
