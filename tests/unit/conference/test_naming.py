"""Whom a text in a path means."""

from __future__ import annotations

import pytest

from crossbar_conferences.conference.naming import meant
from crossbar_conferences.conference.rooms import Participant, Room

DEVICE, USER = "d" * 32, "u" * 32
ANN = Participant(1, "call-ann", custom_channel_vars={"Authorizing-ID": DEVICE, "Owner-ID": USER})
PHONE = Participant(2, "call-2", custom_channel_vars={"Authorizing-ID": "e" * 32, "Owner-ID": USER})
ODD = Participant(3, DEVICE)
STRANGER = Participant(None, "call-stranger")
ROOM = Room("room", participants=(ANN, PHONE, STRANGER))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", (ANN,)),
        ("9", ()),
        ("call-2", (PHONE,)),
        ("call-stranger", (STRANGER,)),
        (DEVICE, (ANN,)),
        (USER, (ANN, PHONE)),
        ("", ()),
        ("all", ()),
        ("last", ()),
        ("x" * 10_000, ()),
    ],
)
def test_who_is_meant(text: str, found: tuple[Participant, ...]) -> None:
    """A number, a call, a device, a user with two phones; nobody for anything else, nor where nobody is."""
    assert meant(ROOM, text) == found
    assert meant(None, text) == ()


def test_a_call_goes_before_a_device() -> None:
    """A call that is called as a device is means that call."""
    assert meant(Room("room", participants=(ANN, ODD)), DEVICE) == (ODD,)
