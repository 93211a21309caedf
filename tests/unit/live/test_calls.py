"""The ends of calls: who waits for one is told of it, and of nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.kapi import call
from crossbar_conferences.kapi.messages import Origin, encoded
from crossbar_conferences.live.calls import CallEnd, CallEnds
from tests.support.brokers import eventually

ORIGIN = Origin("freeswitch", "1.0", "freeswitch@h")


class Line:
    """A bus with something that hears calls end, and what it heard."""

    def __init__(self) -> None:
        self.transport = MemoryTransport(MemoryBroker())
        self.bus = Bus(self.transport, "n@h", advertise=False)
        self.calls = CallEnds(self.bus)
        self.heard: list[CallEnd] = []

    async def end(self, call_id: str, **fields: Any) -> None:
        """A call ends."""
        await self.publish(call.destroyed({"Call-ID": call_id, **fields}, ORIGIN).body, call_id)

    async def publish(self, body: Mapping[str, Any], call_id: str) -> None:
        """Something is published where the end of a call is."""
        await self.transport.publish("callevt", call.destroyed_key(call_id), encoded(body))


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """One."""
    made = Line()
    await made.bus.start()
    await made.calls.start()
    yield made
    await made.calls.close()
    await made.bus.close()


async def test_who_waits_is_told(line: Line) -> None:
    """The cause, and whether it was answered; ids with signs of routing keys too."""
    async with line.calls.hearing(["a", "b.c@d"], line.heard.append):
        await line.end("a", **{"Hangup-Cause": "NORMAL_CLEARING", "Disposition": "ANSWER"})
        await line.end("b.c@d", **{"Hangup-Cause": "USER_BUSY"})
        await line.end("another", **{"Hangup-Cause": "USER_BUSY"})
        await eventually(lambda: len(line.heard) == 2)
        assert line.heard == [CallEnd("a", "NORMAL_CLEARING", True), CallEnd("b.c@d", "USER_BUSY", False)]
        assert line.calls.bound == 2
    assert (len(line.calls), line.calls.bound) == (0, 0)
    await line.end("a", **{"Hangup-Cause": "NORMAL_CLEARING"})
    assert len(line.heard) == 2


async def test_two_who_wait_for_one_call(line: Line) -> None:
    """Both are told, and the second goes on to hear when the first has gone."""
    others: list[CallEnd] = []
    async with line.calls.hearing(["a"], others.append):
        async with line.calls.hearing(["a"], line.heard.append):
            await line.end("a")
            await eventually(lambda: bool(line.heard and others))
        await line.end("a")
        await eventually(lambda: len(others) == 2)
    assert len(line.heard) == 1


@pytest.mark.parametrize("cause", [None, 7, "", "no cause", "X" * 65, {"a": "b"}])
async def test_causes_that_are_none(line: Line, cause: object) -> None:
    """What is no cause of FreeSWITCH's does not get into an answer."""
    body = {**call.destroyed({"Call-ID": "a"}, ORIGIN).body, "Hangup-Cause": cause}
    async with line.calls.hearing(["a"], line.heard.append):
        await line.publish(body, "a")
        await eventually(lambda: bool(line.heard))
    assert line.heard[0].cause == "UNKNOWN"


@pytest.mark.parametrize("spoiled", [{"Call-ID": 7}, {"Call-ID": None}, {"Event-Name": "CHANNEL_ANSWER"}])
async def test_what_is_no_end_of_a_call(line: Line, spoiled: Mapping[str, Any]) -> None:
    """It is passed over, and the next one is heard."""
    body = {**call.destroyed({"Call-ID": "a"}, ORIGIN).body, **spoiled}
    async with line.calls.hearing(["a"], line.heard.append):
        await line.publish(body, "a")
        await line.end("a")
        await eventually(lambda: bool(line.heard))
    assert len(line.heard) == 1
