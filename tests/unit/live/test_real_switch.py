"""Recorded traffic of a real switch gives the rooms that the switch's own list said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.real_switch import FILES, FOLDER, SETTLED, Recording, essence, essence_of_list, rooms_until

#: There Kazoo itself does not know what the switch knows, or not all of it.
BLIND = ("11-switch-killed", "15-profile-late")


def _recording(name: str) -> Recording:
    return Recording.read(FOLDER / f"{name}.jsonl.gz")


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if not path.name.startswith(BLIND)],
    ids=lambda path: path.name.partition(".")[0],
)
def test_the_rooms_are_those_of_the_switch(path: Path) -> None:
    """After every step: who is in which room, with which number and flags, and whether it is locked."""
    recording = Recording.read(path)
    for at, conference_id, listed in recording.said():
        told = [essence(rooms_until(recording, at + late).get(conference_id)) for late in (0, SETTLED)]
        assert essence_of_list(listed) in told, (at, conference_id)


def test_there_is_something_to_compare() -> None:
    """The scenarios are there, and in most of them the switch was asked."""
    said = [len([*Recording.read(path).said()]) for path in FILES]
    assert len(FILES) == 24 and sum(said) > 100 and sum(count == 0 for count in said) <= 2


def test_the_rooms_of_a_dead_switch_go_when_its_node_says_so() -> None:
    """No event tells of the end: the room goes with the search that does not find it any more. One that
    is begun before Kazoo has taken the switch back is never known, and so it is not shown."""
    recording = _recording("11-switch-killed")
    moments = [*recording.said()]
    (before, room, listed), *_, (after, same_room, unknown) = moments
    assert essence(rooms_until(recording, before).get(room)) == essence_of_list(listed)
    assert unknown is not None and same_room == room
    errors = [at for at, body in recording.conference() if body["Event-Name"] == "error"]
    assert room not in rooms_until(recording, errors[0])
    assert errors[0] < after and room not in rooms_until(recording, after)


def test_a_room_whose_profile_came_late_is_known_by_its_calls() -> None:
    """Without one event, a search by the conference's id tells the call ids: all of them, and no more."""
    recording = _recording("15-profile-late")
    (_, room, listed), *_ = recording.said()
    assert listed is not None
    answers = [at for at, body in recording.conference() if body.get("Participants")]
    found = rooms_until(recording, answers[0])[room]
    assert [one.call_id for one in found.participants] == sorted(one["uuid"] for one in listed["members"])
    assert found.has_strangers and found.doubts
