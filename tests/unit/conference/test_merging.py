"""Several accounts of one conference made into one (``conference/merging.py``)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.merging import merged, remembered
from crossbar_conferences.conference.rooms import Participant, Room, strangers_last

RICH = tuple(
    Participant(number, call_id=f"call-{number}", caller_id_name=f"Person {number}", join_time=100 + number)
    for number in (1, 2, 3)
)
POOR = tuple(Participant(None, call_id=one.call_id, join_time=500) for one in RICH)


def room(participants: tuple[Participant, ...], instance: str | None = "i", **fields: object) -> Room:
    return replace(
        Room("c", instance_id=instance, run_time=10, participants=strangers_last(participants)),
        **fields,  # type: ignore[arg-type]
    )


@given(st.lists(st.sampled_from([RICH, POOR]), min_size=1, max_size=4))
def test_whoever_knows_more_wins(answers: list[tuple[Participant, ...]]) -> None:
    """However many nodes answer, and in whatever order: one that knows everybody is enough, and nobody
    is there twice."""
    [found] = merged(room(people) for people in answers).values()
    assert found.participants == (RICH if RICH in answers else POOR)


def test_of_each_participant_what_is_known() -> None:
    """One node knows one person, the other the other."""
    [found] = merged([room((RICH[0], POOR[1])), room((RICH[1], POOR[0], POOR[2]))]).values()
    assert {one.participant_id for one in found.participants} == {1, 2, None}
    assert found.participants[-1].call_id == "call-3"


def test_two_runs_are_not_mixed() -> None:
    """Another instance is another conference: the one that runs longer counts, as in Kazoo."""
    [found] = merged([room(RICH, "old", run_time=50), room(POOR, "new", run_time=5)]).values()
    assert (found.instance_id, found.participants) == ("old", RICH)


def test_a_poor_answer_takes_nothing_away() -> None:
    """What events told of somebody stays, and who is not in the answer has left."""
    known = room(tuple(replace(one, talk_time=2.0) for one in RICH), recording=True, account_id="a")
    found = remembered(room(POOR[:2]), known)
    assert [one.participant_id for one in found.participants] == [1, 2]
    assert [one.caller_id_name for one in found.participants] == ["Person 1", "Person 2"]
    assert [one.join_time for one in found.participants] == [101, 102]
    assert (found.recording, found.account_id, found.participants[0].talk_time) == (True, "a", 2.0)


def test_somebody_who_came_again_is_somebody_new() -> None:
    """The same call with another number has joined again: nothing of the first time is carried over."""
    known = room((replace(RICH[0], talk_time=9.0),))
    [back] = remembered(room((replace(RICH[0], participant_id=7),)), known).participants
    assert (back.participant_id, back.talk_time) == (7, 0.0)


def test_a_summary_keeps_what_was_followed() -> None:
    """An answer that only counts the participants leaves those who are known, and brings the lock."""
    known = room(RICH, locked=False)
    found = remembered(room((), partial=True, locked=True), known)
    assert (found.participants, found.locked, found.partial) == (RICH, True, False)


def test_another_run_remembers_nothing() -> None:
    """A conference that began anew has nothing of the one before."""
    assert remembered(room(POOR, "new"), room(RICH, "old")).participants == POOR
