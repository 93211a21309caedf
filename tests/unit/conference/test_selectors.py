"""Selectors of bulk actions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.conference.selectors import (
    CONDITIONS,
    Selector,
    Target,
    everybody,
    is_selective,
    select,
    selector_of,
)

flags = st.dictionaries(
    st.sampled_from([header for header, _ in CONDITIONS.values()]),
    st.booleans() | st.sampled_from(["true", "false", "", 3]),
)
participants = st.lists(flags, max_size=8).map(
    lambda all_flags: tuple(
        Participant(number, conference_channel_vars=own) for number, own in enumerate(all_flags, 1)
    )
)


def test_reading() -> None:
    """The three keys, each optional; an id given twice counts once."""
    assert is_selective({"ids": []})
    assert not is_selective({"action": "mute"})
    assert selector_of({"where": {"speak": True}, "ids": [2, 1, 2], "except": [1]}) == Selector(
        {"speak": True}, (2, 1), frozenset({1})
    )
    assert selector_of({}) == Selector({})


def test_unknown_state_is_not_taken_for_unchanged() -> None:
    """Somebody whose flag was not said is sent the command."""
    room = Room("c", participants=(Participant(1), Participant(2, conference_channel_vars={"Speak": False})))
    assert select(Selector({}), "mute", room) == (Target(1, "sent"), Target(2, "unchanged"))


def test_no_ids_are_nobody() -> None:
    """An empty list of ids is nobody, not everybody."""
    room = Room("c", participants=(Participant(1),))
    assert select(Selector({}, ()), "kick", room) == ()


def test_excepted_ids_are_not_reported_missing() -> None:
    """Who is both wanted and excepted is left out of the report."""
    assert select(Selector({}, (1, 2), frozenset({2})), "kick", None) == (Target(1, "not_found"),)


@given(
    people=participants,
    where=st.dictionaries(st.sampled_from(list(CONDITIONS)), st.booleans()),
    but=st.frozensets(st.integers(0, 9)),
)
def test_a_condition_and_its_opposite_part_the_room(
    people: tuple[Participant, ...], where: dict[str, bool], but: frozenset[int]
) -> None:
    """Nobody is forgotten: each is matched by exactly one value of every condition."""
    room = Room("c", participants=people)
    for name in CONDITIONS:
        parts = [select(Selector({name: value}), "kick", room) for value in (True, False)]
        assert sum(map(len, parts)) == len(people)
    for target in select(Selector(where, None, but), "kick", room):
        assert target.participant_id not in but


@given(people=participants)
def test_kazoo_s_choice_parts_the_members(people: tuple[Participant, ...]) -> None:
    """Mute and unmute together reach every member once, and no moderator."""
    room = Room("c", participants=people)
    reached = [t.participant_id for action in ("mute", "unmute") for t in everybody(action, room)]
    members = [p.participant_id for p in people if not p.is_moderator]
    assert sorted(reached) == members
    assert len(everybody("kick", room)) == len(people)
