"""The virtual switch beside the real one: told the same steps, it publishes the same messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbar_conferences.switch.node import PUBLISHED_EVENTS
from tests.support.real_switch import FILES, Recording
from tests.support.switch_parity import Parity

#: Recorded with every event published.
ALL_EVENTS = ("03", "04", "05", "06")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
async def test_the_same_is_published(path: Path) -> None:
    """Events, answers to searches and answers to dials have the same keys and values as recorded, but for
    the short list in ``switch_parity``."""
    recording = Recording.read(path)
    everything = {body["Event"] for _, body in recording.conference() if body["Event-Name"] == "event"} | {
        "floor-change",
        "hup-member",
    }
    is_all = recording.name[:2] in ALL_EVENTS
    default = PUBLISHED_EVENTS - {"start-recording", "stop-recording"}
    parity = Parity(recording, frozenset(everything) if is_all else default)
    await parity.play()
    assert parity.differences == []
    assert parity.compared > 2


async def test_the_comparison_notices() -> None:
    """Played against the stand-in's likeness, the same comparison finds what is otherwise there."""
    parity = Parity(Recording.read(FILES[0]), PUBLISHED_EVENTS, "stand-in")
    await parity.play()
    found = " ".join(parity.differences)
    for key in ("Floor", "Member-Type", "Switch-URL", "Channel-Presence-ID"):
        assert key in found
