"""Which commands are to people who have just joined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossbar_conferences.conference import live
from crossbar_conferences.conference.confirmation import Confirmation
from crossbar_conferences.conference.merging import remembered
from crossbar_conferences.conference.newcomers import newcomers
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.kapi.messages import Outgoing

C = "c" * 32
ROOM = Room(C, instance_id="i", participants=(Participant(1), Participant(2, joined_at=100.0)))

MUTE = {"Application_Name": "mute_participant"}


def _to(**headers: object) -> Outgoing:
    return Outgoing("conference", "k", {key.replace("_", "-"): value for key, value in headers.items()})


@pytest.mark.parametrize(
    ("headers", "action", "now", "found"),
    [
        ({**MUTE, "Participant_ID": 2}, "mute", 100.2, True),
        ({**MUTE, "Participant_ID": 2}, "mute", 100.3, False),
        ({**MUTE, "Participant_ID": 1}, "mute", 100.2, False),
        # Another command to the same participant.
        ({"Application_Name": "play", "Participant_ID": "2"}, "mute", 100.3, True),
        # No event proves these wherever they are carried out.
        ({"Participant_ID": 2}, "energy", 100.3, True),
        ({"Participant_ID": "2"}, None, 100.3, True),
        ({"Participant_ID": 2}, None, 100.6, False),
        ({"Participant_ID": 1, "Other_Participant": 2}, None, 100.3, True),
        ({}, None, 100.1, False),
        # A clock that was set back.
        ({**MUTE, "Participant_ID": 2}, "mute", 99.0, False),
    ],
)
def test_newcomers(headers: dict[str, object], action: str | None, now: float, found: bool) -> None:
    """Whoever joined a moment ago is new, a little longer where nothing would prove a command."""
    confirms = [Confirmation(action, C, 2)] if action else []
    got = newcomers([_to(**headers)], confirms, ROOM, now)
    assert bool(got) is found
    if got:
        is_mute = headers.get("Application_Name") == "mute_participant"
        assert (got[0].confirmation is not None) is is_mute


def test_the_joining_is_remembered() -> None:
    """Only the event of the joining tells when, and a search takes it away from nobody."""
    body = {"Event": "add-member", "Conference-ID": C, "Instance-ID": "i", "Participant-ID": 5}
    events = [
        live.event_from({**body, "Event": kind}, at) for kind, at in (("add-member", 7.0), ("lock", 8.0))
    ]
    room = None
    for event in events:
        assert event is not None
        room = live.apply(room, event)
    assert room is not None
    (member,) = room.participants
    assert member.joined_at == 7.0
    found = remembered(replace(room, participants=(Participant(5),), partial=False), room)
    assert found.participants[0].joined_at == 7.0
    told = live.event_from({**body, "Event": "mute-member", "Participant-ID": 9}, 9.0)
    assert told is not None
    after = live.apply(room, told)
    assert after is not None
    assert after.participant(9) is not None
    assert after.participants[1].joined_at is None
