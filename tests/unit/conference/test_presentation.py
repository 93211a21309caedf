"""How running conferences are shown (``conference/presentation.py``)."""

from __future__ import annotations

from crossbar_conferences.clock import GREGORIAN_OFFSET
from crossbar_conferences.conference import presentation
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.conference.sightings import room_from_search

NOW = 1_700_000_100.0
START = 1_700_000_000 + GREGORIAN_OFFSET

SEARCH = {
    "Conference-ID": "c1",
    "UUID": "u1",
    "Locked": True,
    "Run-Time": 1,
    "Start-Time": START,
    "Switch-Hostname": "fs1",
    "Switch-URL": "sip:x",
    "Participants": [
        {
            "Call-ID": "b@h",
            "Participant-ID": 2,
            "Join-Time": START + 40,
            "Caller-ID-Name": "Bob",
            "Custom-Channel-Vars": {"Account-ID": "acct"},
            "Conference-Channel-Vars": {"Is-Moderator": False, "Speak": True, "Mute-Detect": False},
        },
        {"Call-ID": "a@h", "Participant-ID": "1", "Conference-Channel-Vars": {"Is-Moderator": True}},
        {"Call-ID": "no number"},
        "nonsense",
    ],
}


def test_an_idle_conference_has_zeros() -> None:
    """Nobody there: the figures that Kazoo 5 and the seed show."""
    assert presentation.metadata(None, NOW) == {
        "participants": [],
        "members": 0,
        "moderators": 0,
        "duration": 0,
        "is_locked": False,
    }
    assert presentation.read_only(None, NOW)["admins"] == 0
    assert presentation.flat(None, NOW) == {"members": 0, "admins": 0, "duration": 0, "is_locked": False}


def test_a_running_conference_is_shown_in_both_forms() -> None:
    """Members without moderators, seconds from the start, nested and flat flags."""
    room = room_from_search(SEARCH)
    # One leg names an account, the other none: that says nothing of whose the conference is.
    assert (room.account_id, room.legs_account_id) == (None, None)
    shown = presentation.metadata(room, NOW)
    assert (shown["members"], shown["moderators"], shown["duration"], shown["locked"]) == (2, 1, 100, True)
    assert [member["participant_id"] for member in shown["participants"]] == [1, 2, None]
    assert shown["participants"][2]["call_id"] == "no number"
    bob = shown["participants"][1]
    assert bob["duration"] == 60
    assert bob["conference_channel_vars"] == {"is_moderator": False, "speak": True, "mute_detect": False}
    assert (bob["speak"], bob["is_moderator"], bob["mute_detect"]) == (True, False, False)
    listed = presentation.listed(room, NOW)
    assert "participants" not in listed and listed["is_locked"] is True


def test_a_participant_without_join_time_has_just_come() -> None:
    """Kazoo crashes on it; here its duration is zero."""
    assert presentation.participant(Participant(participant_id=1), NOW)["duration"] == 0


def test_the_stable_part_does_not_change_by_time_alone() -> None:
    """Seconds passing do not change an entity tag; a mute does."""
    first = room_from_search(SEARCH)
    later = room_from_search({**SEARCH, "Run-Time": 99})
    assert presentation.stable(first) == presentation.stable(later)
    assert presentation.stable(first) != presentation.stable(Room(conference_id="c1"))
