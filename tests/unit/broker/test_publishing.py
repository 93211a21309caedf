"""Messages leave in the frames that pamqp would make, one write a turn of the loop, or fail in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from crossbar_conferences.broker import publishing, timestamps
from crossbar_conferences.broker.port import BrokerUnavailable
from crossbar_conferences.broker.publishing import Outbox, message_frames

KEY = "conference.command.0a1b2c3d"


class FakeConnection:
    """A connection whose writer takes ``room`` writes beforehand, as aiormq's."""

    def __init__(self, room: int = 10) -> None:
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(room)


class FakeChannel:
    """As much of aiormq's channel as an outbox uses."""

    number = 3
    max_content_size = 1_000
    is_closed = False

    def __init__(self, room: int = 10) -> None:
        self.connection = FakeConnection(room)
        self.futures: list[asyncio.Future[None]] = []

    def create_future(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        return future

    def writes(self) -> list[ChannelFrame]:
        queue = self.connection.write_queue
        return [queue.get_nowait() for _ in range(queue.qsize())]

    def break_down(self) -> None:
        self.is_closed = True
        for future in self.futures:
            if not future.done():
                future.set_exception(ConnectionResetError())


def an_outbox(channel: FakeChannel) -> Outbox:
    return Outbox(cast(Channel, channel))


def frames_of(data: bytes) -> list[Any]:
    frames = []
    while data:
        length, _channel, frame = pamqp.frame.unmarshal(data)
        frames.append(frame)
        data = data[length:]
    return frames


@pytest.mark.parametrize("body", [b"{}", b"x" * 999, b"x" * 1_000, b"x" * 2_500, b""])
@pytest.mark.parametrize("headers", [None, {}, {"Deliver-To-PID": bytearray(b"<0.1.0>")}])
def test_frames_are_those_that_pamqp_makes(
    monkeypatch: pytest.MonkeyPatch, body: bytes, headers: dict[str, Any] | None
) -> None:
    """Byte for byte, with a stamp in Kazoo's microseconds."""
    stamp = 63_931_023_456_789_012
    timestamps.install()
    monkeypatch.setattr(publishing, "gregorian_microseconds", lambda: stamp)
    properties = commands.Basic.Properties(
        content_type="application/json",
        headers=headers or None,
        timestamp=stamp,  # type: ignore[arg-type]
    )
    expected = [
        commands.Basic.Publish(exchange="conference", routing_key=KEY),
        ContentHeader(body_size=len(body), properties=properties),
        *(ContentBody(body[at : at + 1_000]) for at in range(0, len(body), 1_000)),
    ]
    made = message_frames(3, 1_000, "conference", KEY, body, headers)
    assert made == b"".join(pamqp.frame.marshal(frame, 3) for frame in expected)


async def test_one_turn_one_write() -> None:
    """Messages of one turn go out in one write, in their order; senders wait until it is done."""
    channel = FakeChannel()
    outbox = an_outbox(channel)
    sent = [outbox.send("conference", KEY, b'{"n":%d}' % n, None, 1.0) for n in range(3)]
    await asyncio.sleep(0)
    (write,) = channel.writes()
    bodies = [frame.value for frame in frames_of(write.payload) if isinstance(frame, ContentBody)]
    assert bodies == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert not any(sender.done() for sender in sent)
    write.drain()
    await asyncio.wait_for(asyncio.gather(*sent), 1)
    outbox.send("conference", KEY, b"{}", None, 1.0)
    await asyncio.sleep(0)
    assert len(channel.writes()) == 1


async def test_a_sender_that_gave_up_does_not_disturb_the_others() -> None:
    """A cancelled sender's message goes out all the same: the write is not its own."""
    channel = FakeChannel()
    outbox = an_outbox(channel)
    first, second = (outbox.send("conference", KEY, b"{}", None, 1.0) for _ in range(2))
    first.cancel()
    await asyncio.sleep(0)
    channel.writes()[0].drain()
    await asyncio.wait_for(second, 1)
    assert first.cancelled()


async def test_a_write_that_takes_too_long_fails_for_all_who_wait() -> None:
    """Nobody waits longer than the limit for a connection that takes nothing."""
    outbox = an_outbox(FakeChannel())
    sent = [outbox.send("conference", KEY, b"{}", None, 0.02) for _ in range(2)]
    for sender in sent:
        with pytest.raises(BrokerUnavailable, match="takes no messages"):
            await asyncio.wait_for(sender, 1)


async def test_messages_gather_while_a_write_is_under_way() -> None:
    """The next write begins when the one before is done, and takes everything that came meanwhile."""
    channel = FakeChannel()
    outbox = an_outbox(channel)
    first = outbox.send("conference", KEY, b"{}", None, 1.0)
    await asyncio.sleep(0)
    late = []
    for _ in range(3):
        late.append(outbox.send("conference", KEY, b"{}", None, 1.0))
        await asyncio.sleep(0)
    (write,) = channel.writes()
    write.drain()
    await asyncio.wait_for(first, 1)
    (write,) = channel.writes()
    assert sum(isinstance(frame, ContentBody) for frame in frames_of(write.payload)) == 3
    write.drain()
    await asyncio.wait_for(asyncio.gather(*late), 1)


async def test_what_failed_is_not_sent_later() -> None:
    """A message that waited in vain for a hanging write is gone when the writer comes back."""
    channel = FakeChannel()
    outbox = an_outbox(channel)
    hanging = outbox.send("conference", KEY, b'{"n":1}', None, 0.01)
    await asyncio.sleep(0)
    for sender in (hanging, outbox.send("conference", KEY, b'{"n":2}', None, 0.02)):
        with pytest.raises(BrokerUnavailable, match="takes no messages"):
            await asyncio.wait_for(sender, 1)
    third = outbox.send("conference", KEY, b'{"n":3}', None, 1.0)
    (write,) = channel.writes()
    write.drain()
    await asyncio.sleep(0)
    (write,) = channel.writes()
    assert [frame.value for frame in frames_of(write.payload) if isinstance(frame, ContentBody)] == [
        b'{"n":3}'
    ]
    write.drain()
    await asyncio.wait_for(third, 1)


async def test_a_full_queue_of_writes_is_tried_again() -> None:
    """aiormq's own frames may fill it; then messages wait, and go out once there is room."""
    channel = FakeChannel(room=1)
    other = ChannelFrame(b"", should_close=False)
    channel.connection.write_queue.put_nowait(other)
    sent = an_outbox(channel).send("conference", KEY, b"{}", None, 1.0)
    await asyncio.sleep(publishing.RETRY * 2)
    assert channel.writes() == [other]
    write = await asyncio.wait_for(channel.connection.write_queue.get(), 1)
    write.drain()
    await asyncio.wait_for(sent, 1)


def _too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_WAITING", 2)


def _too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_WAITING_BYTES", 200)


@pytest.mark.parametrize("limit", [_too_many, _too_much])
async def test_what_may_wait_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Too many messages, or too many bytes, are refused at once."""
    limit(monkeypatch)
    channel = FakeChannel()
    outbox = an_outbox(channel)
    sent = [outbox.send("conference", KEY, b"{}", None, 1.0) for _ in range(2)]
    with pytest.raises(BrokerUnavailable, match="too many"):
        outbox.send("conference", KEY, b"{}", None, 1.0)
    await asyncio.sleep(0)
    channel.writes()[0].drain()
    await asyncio.wait_for(asyncio.gather(*sent), 1)


async def test_a_channel_that_breaks() -> None:
    """Whoever waits hears of it at once, and so does whoever comes later."""
    channel = FakeChannel()
    outbox = an_outbox(channel)
    written = outbox.send("conference", KEY, b"{}", None, 1.0)
    await asyncio.sleep(0)
    gathered = outbox.send("conference", KEY, b"{}", None, 1.0)
    channel.break_down()
    with pytest.raises(BrokerUnavailable, match="ConnectionResetError"):
        await asyncio.wait_for(written, 1)
    with pytest.raises(BrokerUnavailable, match="takes no messages"):
        await asyncio.wait_for(gathered, 1)
    with pytest.raises(BrokerUnavailable):
        outbox.send("conference", KEY, b"{}", None, 1.0)
