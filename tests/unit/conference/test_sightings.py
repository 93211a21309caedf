"""Reading what other media sides may say (``conference/sightings.py``)."""

from __future__ import annotations

import pytest

from crossbar_conferences.conference.sightings import participant_from, room_from_search


@pytest.mark.parametrize(
    ("fields", "locked"),
    [
        ({"Locked": True}, True),
        ({"Locked": "true"}, True),
        ({"Locked": "false"}, False),
        ({"Is-Locked": True}, True),
        ({"Locked": None, "Is-Locked": "true"}, True),
        ({"Locked": 1}, None),
        ({}, None),
    ],
)
def test_the_lock_is_read_in_every_spelling(fields: dict[str, object], locked: bool | None) -> None:
    """Either header tells of the lock, as a boolean or as its text; anything else tells nothing."""
    assert room_from_search({"Conference-ID": "c", **fields}).locked is locked


def test_an_answer_without_participants_is_only_part_of_the_truth() -> None:
    """A summary without a list of participants is told from a room that nobody is in."""
    assert room_from_search({"Conference-ID": "c", "Participant-Count": 2}).partial
    assert not room_from_search({"Conference-ID": "c", "Participants": []}).partial


@pytest.mark.parametrize("told", [{}, {"Participant-ID": None}, {"Participant-ID": ""}])
def test_the_member_number_is_found_among_the_flags(told: dict[str, object]) -> None:
    """A participant whose own id is missing or empty is known by ``Member-ID``, also as text."""
    member = participant_from({**told, "Conference-Channel-Vars": {"Member-ID": "7"}})
    assert member is not None and member.participant_id == 7
