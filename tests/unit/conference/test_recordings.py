"""The names of recordings, and what events tell of them."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.conference import live
from crossbar_conferences.conference.recordings import recorded_file, recording_name
from crossbar_conferences.kapi.texts import RECORDING

A, C = "a" * 32, "c" * 32


def test_two_recordings_never_share_a_file() -> None:
    """A millisecond or another run makes another name, which may be sent and has one dot."""
    names = [
        recording_name(A, C, at, run)
        for at in (1_774_690_200.0, 1_774_690_200.001)
        for run in ("6576243e-a218", "7576243e-a218")
    ]
    assert names[0] == f"{A}_{C}_20260328T093000000Z_6576243e.mp3"
    assert len(set(names)) == len(names)
    assert all(RECORDING.fits(name) and name.count(".") == 1 for name in names)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"File-Path": "/tmp/a_b%3Ac.mp3", "File-Size": 0}, "a_b:c.mp3"),
        ({"File-Path": "x.mp3"}, "x.mp3"),
        ({"File-Path": "/tmp/${x}.mp3"}, None),
        ({"File-Path": "/tmp/"}, None),
        ({"File-Path": 7}, None),
        ("x", None),
        (None, None),
    ],
)
def test_the_file_that_an_event_tells(told: Any, name: str | None) -> None:
    """The name as it was sent, not as ecallmgr coded it; what could not be sent is not known."""
    assert recorded_file({"Recording": told}) == name


def test_a_room_knows_its_file() -> None:
    """From the start of a recording to its end, also over a search; the older core tells none."""
    event = {"Conference-ID": C, "Instance-ID": "i1", "Account-ID": A}
    begun = {**event, "Event": "start-recording", "Recording": {"File-Path": "/tmp/x.mp3"}}
    ended = {**event, "Event": "stop-recording"}
    room = None
    for body, file in ((begun, "x.mp3"), (ended, None), ({**begun, "Recording": None}, None)):
        heard = live.event_from(body, 1.0, A)
        assert heard is not None
        room = live.apply(room, heard)
        assert room is not None
        assert room.recording_file == file
