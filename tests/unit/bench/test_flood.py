"""What the series of events measures (``bench/flood.py``), with little of it."""

from __future__ import annotations

import pytest

from bench import flood
from crossbar_conferences.broker.port import Delivery
from crossbar_conferences.live.feed import Heard


async def test_a_flood_is_seen_whole() -> None:
    """Every event is timed once, when the state has it, and leaves the rooms as the switch has them."""
    async with flood.people(40, follow=True) as crowd:
        live, alike = crowd.here.service.live, list[bool]()

        def compare(heard: Heard) -> None:
            told = heard.event.participant
            tracked = live._accounts[heard.account_id].rooms[heard.event.conference_id]  # type: ignore[attr-defined]
            assert told is not None
            shown = tracked.participant(told.participant_id)
            alike.append((shown.speak, shown.talking) == (told.speak, told.talking))

        crowd.here.service.feed.on_event(compare)
        done = await flood.flooded(crowd, 2_000, 0.2)
        assert await crowd.shown_wrong() == 0
    assert done.spent.events == len(done.late) == 400
    assert done.dropped == 0
    assert all(0 <= late < 5 for late in done.late)
    # The round that was recorded, of forty people and four turns each, and the flood.
    assert len(alike) == 160 + 400 and all(alike)


async def test_a_room_that_is_shown_wrong_is_counted() -> None:
    """Events that the switch keeps to itself leave the sidecar behind, and that is seen."""
    async with flood.people(40, follow=True) as crowd:
        await crowd.here.cluster.perform(["fault", "all", "drop-events", "on"])
        await crowd.here.cluster.perform(["mute", crowd.rooms[1], "1"])
        assert await crowd.shown_wrong() == 1


async def test_the_end_is_awaited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is never seen does not keep the measurement."""
    monkeypatch.setattr(flood, "_QUIET", 0.01)
    watch = flood.Watch()
    watch.published["1"] = 0.0
    await watch.ended()
    assert watch.late == []


def test_a_message_is_ready_for_other_ids() -> None:
    """The body around the message's id is kept as it was."""
    delivery = Delivery("conference", "key", b'{"A":1,"Msg-ID":"abc","B":2}')
    message = flood.message_of(delivery)
    assert b"xyz".join(message.parts) == b'{"A":1,"Msg-ID":"xyz","B":2}'
