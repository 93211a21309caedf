"""The line between supervisor and worker."""

from __future__ import annotations

import socket

from crossbar_conferences.workers import channel as channel_module
from crossbar_conferences.workers.channel import Channel


async def test_messages_come_in_order_and_the_end_is_told() -> None:
    """What was sent arrives as it was; after the peer has gone, `None`."""
    near, far = [await Channel.over(end) for end in socket.socketpair()]
    for number in range(3):
        assert near.send({"number": number})
    assert [await far.receive() for _ in range(3)] == [{"number": 0}, {"number": 1}, {"number": 2}]
    await near.close()
    assert await far.receive() is None
    await far.close()
    assert not far.send({"number": 4})


async def test_nonsense_ends_the_line() -> None:
    """A peer that sends no JSON object, or half of one, is as good as gone."""
    for nonsense in (b"{]\n", b"[]\n", b'{"half": ', b"x" * 100_000 + b"\n"):
        ours, theirs = socket.socketpair()
        far = await Channel.over(theirs)
        with ours:
            ours.sendall(nonsense)
        assert await far.receive() is None
        await far.close()


async def test_a_peer_that_does_not_read_gets_no_more() -> None:
    """What waits for a stuck peer is bounded."""
    ours, theirs = socket.socketpair()
    with theirs:
        near = await Channel.over(ours)
        text = "x" * 10_000
        sent = 0
        while near.send({"text": text}):
            sent += len(text)
            assert sent < 10 * channel_module.MAX_WAITING
    await near.close()
