from __future__ import annotations

import asyncio

from crossbar_conferences.broker.counters import TransportCounters
from crossbar_conferences.broker.dispatch import Dispatcher
from crossbar_conferences.broker.port import Delivery


async def test_bounded_in_length_and_bytes() -> None:
    """What doesn't fit is dropped and counted; what was taken is handled."""
    counters = TransportCounters()
    seen: list[bytes] = []
    dispatcher = Dispatcher(lambda delivery: seen.append(delivery.body), counters, max_length=3, max_bytes=10)
    for body in (b"1", b"22", b"three---", b"4444", b"5", b"6"):
        dispatcher.push(Delivery("e", "k", body))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [b"1", b"22", b"4444"]
    assert (counters.delivered, counters.dropped) == (3, 3)
    dispatcher.push(Delivery("e", "k", b"7"))
    await asyncio.sleep(0)
    assert seen[-1] == b"7"
    await dispatcher.close()


async def test_a_gap_is_told_in_its_place() -> None:
    """Whoever listens is told once that something is missing, after everything before it was handled."""
    counters, seen = TransportCounters(), list[bytes]()

    def on_gap() -> None:
        seen.append(b"gap")
        raise RuntimeError("a listener that breaks")

    dispatcher = Dispatcher(
        lambda delivery: seen.append(delivery.body), counters, on_gap=on_gap, max_length=2
    )
    for body in (b"1", b"2", b"lost", b"lost"):
        dispatcher.push(Delivery("e", "k", body))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [b"1", b"2", b"gap"]
    dispatcher.push(Delivery("e", "k", b"3"))
    dispatcher.gap()
    dispatcher.push(Delivery("e", "k", b"4"))
    await asyncio.sleep(0)
    assert seen[3:] == [b"3", b"gap", b"4"]
    assert (counters.gaps, counters.failed) == (2, 2)
    await dispatcher.close()


async def test_others_get_their_turn() -> None:
    """A long stretch of deliveries does not hold up the rest of the process."""
    handled = 0

    def handler(_: Delivery) -> None:
        nonlocal handled
        handled += 1

    dispatcher = Dispatcher(handler, TransportCounters())
    for _ in range(1_000):
        dispatcher.push(Delivery("e", "k", b""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < handled < 1_000
    await dispatcher.close()


async def test_a_slow_handler_is_cancelled() -> None:
    """Closing does not wait for a handler that hangs."""
    begun = asyncio.Event()

    async def handler(_: Delivery) -> None:
        begun.set()
        await asyncio.Event().wait()

    dispatcher = Dispatcher(handler, TransportCounters())
    dispatcher.push(Delivery("e", "k", b""))
    await begun.wait()
    async with asyncio.timeout(1):
        await dispatcher.close()
