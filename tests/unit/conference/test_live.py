"""The reducer of live state (``conference/live.py``): its table and its laws."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference import live
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.conference.sightings import room_from_search

NOW = 1_700_000_000.0


def flags(*, moderator: bool = False, speak: bool = True, hear: bool = True) -> dict[str, object]:
    return {"Is-Moderator": moderator, "Speak": speak, "Hear": hear, "Talking": False}


def body(kind: str, member: int | None = None, *, instance: str = "i1", **more: object) -> dict[str, object]:
    event: dict[str, object] = {
        "Event": kind,
        "Conference-ID": "c",
        "Instance-ID": instance,
        "Account-ID": "acct",
        **more,
    }
    if member is not None:
        event |= {
            "Participant-ID": member,
            "Call-ID": f"call-{member}",
            "Conference-Channel-Vars": more.get("vars", flags()),
        }
    return event


def heard(kind: str, member: int | None = None, *, at: float = NOW, **more: object) -> live.Event:
    event = live.event_from(body(kind, member, **more), at)  # type: ignore[arg-type]
    assert event is not None
    return event


def after(*events: live.Event, rooms: live.Rooms | None = None) -> dict[str, Room]:
    state = dict(rooms or {})
    for event in events:
        live.enter(state, event)
    return state


def test_a_conference_lives_from_create_to_destroy() -> None:
    """Create, join, lock, leave and destroy have their effect and leave nothing behind."""
    state = after(heard("conference-create"), heard("add-member", 1), heard("add-member", 2), heard("lock"))
    room = state["c"]
    assert (room.locked, room.account_id, len(room.participants), room.partial) == (True, "acct", 2, True)
    state = after(heard("unlock"), heard("del-member", 1), rooms=state)
    assert [member.participant_id for member in state["c"].participants] == [2]
    assert state["c"].locked is False
    assert after(heard("del-member", 2), heard("conference-destroy"), rooms=state) == {}


def test_flags_follow_the_event() -> None:
    """Mute and deaf replace a participant's flags with those that the event carries."""
    state = after(heard("add-member", 1), heard("mute-member", 1, vars=flags(speak=False)))
    assert state["c"].participants[0].speak is False
    state = after(heard("unmute-member", 1), rooms=state)
    assert state["c"].participants[0].speak is True


def test_talking_gives_speaker_and_talk_time() -> None:
    """The last to begin is the active speaker; stretches of talk add up."""
    state = after(heard("add-member", 1), heard("start-talking", 1, at=NOW))
    assert state["c"].active_speaker == 1
    state = after(heard("stop-talking", 1, at=NOW + 5), rooms=state)
    assert (state["c"].active_speaker, state["c"].participants[0].talk_time) == (None, 5.0)


def test_recording_is_known_from_its_events() -> None:
    """Start and stop of a recording set the room's flag."""
    state = after(heard("conference-create"), heard("start-recording"))
    assert state["c"].recording is True
    assert after(heard("stop-recording"), rooms=state)["c"].recording is False


def test_a_new_run_replaces_the_old_and_stragglers_are_ignored() -> None:
    """An event of another instance begins a new run or is nothing."""
    state = after(heard("conference-create"), heard("add-member", 1))
    first = state["c"]
    assert live.apply(first, heard("mute-member", 1, instance="i0")) is first
    fresh = live.apply(first, heard("add-member", 7, instance="i2"))
    assert fresh is not None and [member.participant_id for member in fresh.participants] == [7]
    assert live.apply(fresh, heard("conference-destroy", instance="i1")) is fresh


def test_unknown_events_and_fields_change_nothing() -> None:
    """What is not in the table is harmless, and so is a body without sense."""
    room = after(heard("add-member", 1))["c"]
    unknown = live.event_from({**body("play-file", 1), "Some-New-Field": {"deep": 1}}, NOW)
    assert unknown is not None and live.apply(room, unknown) is room
    for nonsense in ({}, {"Event": 5, "Conference-ID": "c"}, {"Event": "lock", "Conference-ID": []}):
        assert live.event_from(nonsense, NOW) is None


def test_an_answer_of_several_nodes_is_the_longest_running() -> None:
    """Two nodes tell of one conference: the one running longest wins."""
    found = [Room(conference_id="c", run_time=5), Room(conference_id="c", run_time=50, locked=True)]
    assert live.reconcile(found, (), {})["c"].locked is True


def test_talk_time_survives_reconciliation() -> None:
    """A search knows nothing of talk times; ours are carried over."""
    known = after(heard("add-member", 1), heard("start-talking", 1), heard("stop-talking", 1, at=NOW + 3))
    answer = Room(conference_id="c", instance_id="i1", participants=(Participant(participant_id=1),))
    assert live.reconcile([answer], (), known)["c"].participants[0].talk_time == 3.0


def test_drift_counts_rooms_that_differ() -> None:
    """Only presence, flags and the lock count as drift."""
    one = after(heard("add-member", 1))
    muted = after(heard("mute-member", 1, vars=flags(speak=False)), rooms=one)
    assert live.drift(one, one) == 0
    assert live.drift(one, muted) == 1
    assert live.drift(one, {}) == 1


@dataclass
class Switch:
    """An independent model of the media side: a dict of members, and the events it published."""

    running: bool = False
    instance: int = 0
    locked: bool = False
    members: dict[int, dict[str, object]] = field(default_factory=dict)
    next_member: int = 1

    def do(self, step: tuple[str, int]) -> list[dict[str, object]]:
        action, pick = step
        events: list[dict[str, object]] = []
        if not self.running:
            self.running, self.locked, self.members, self.next_member = True, False, {}, 1
            self.instance += 1
            events.append(body("conference-create", instance=f"i{self.instance}"))
        if action == "join":
            member, self.next_member = self.next_member, self.next_member + 1
            self.members[member] = flags(moderator=pick % 2 == 0)
            events.append(self._of("add-member", member))
        elif action in ("lock", "unlock"):
            self.locked = action == "lock"
            events.append(body(action, instance=f"i{self.instance}"))
        elif action == "destroy":
            self.running = False
            events.append(body("conference-destroy", instance=f"i{self.instance}"))
        elif self.members:
            member = sorted(self.members)[pick % len(self.members)]
            if action == "leave":
                events.append(self._of("del-member", member))
                del self.members[member]
            else:
                flag = "Speak" if "mute" in action else "Hear"
                self.members[member] = {**self.members[member], flag: action.startswith("un")}
                events.append(self._of(f"{action}-member", member))
        return events

    def _of(self, kind: str, member: int) -> dict[str, object]:
        return body(kind, member, instance=f"i{self.instance}", vars=self.members[member])

    def answer(self) -> list[Room]:
        if not self.running:
            return []
        found = {
            "Conference-ID": "c",
            "UUID": f"i{self.instance}",
            "Locked": self.locked,
            "Participants": [
                {"Participant-ID": member, "Call-ID": f"call-{member}", "Conference-Channel-Vars": dict(vars)}
                for member, vars in self.members.items()
            ],
        }
        return [room_from_search(found, "acct")]


class Counted(dict[str, Room]):
    """A table that notes which of its keys are read or written, and refuses to be gone through."""

    def __init__(self, rooms: live.Rooms) -> None:
        super().__init__(rooms)
        self.touched: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.touched.append(key)
        return super().get(key, default)

    def __setitem__(self, key: str, room: Room) -> None:
        self.touched.append(key)
        super().__setitem__(key, room)

    def __delitem__(self, key: str) -> None:
        self.touched.append(key)
        super().__delitem__(key)

    def __iter__(self) -> Any:
        raise AssertionError("somebody went through the table")

    keys = values = items = copy = __iter__


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["join", "join", "leave", "mute", "unmute", "deaf", "undeaf", "lock", "unlock", "destroy"]
        ),
        st.integers(0, 5),
    ),
    max_size=25,
)


def same_as_switch(state: live.Rooms, switch: Switch) -> bool:
    return live.drift(state, {room.conference_id: room for room in switch.answer()}) == 0


@given(STEPS)
def test_following_events_alone_ends_in_the_switchs_state(steps: list[tuple[str, int]]) -> None:
    """From the first event on, the state is the switch's; each event applied twice changes nothing more."""
    switch, state = Switch(), dict[str, Room]()
    for step in steps:
        for published in switch.do(step):
            event = live.event_from(published, NOW)
            assert event is not None
            before, as_it_was = state.get("c"), deepcopy(state.get("c"))
            changed = live.enter(state, event)
            assert changed == (state.get("c") != as_it_was)
            # Whoever holds the value from before holds it as it was.
            assert before == as_it_was
            assert live.apply(state.get("c"), event) is state.get("c")
            assert not live.enter(state, event)
        assert same_as_switch(state, switch)
    if not switch.running:
        assert state == {}


@given(STEPS, st.data())
def test_any_interleaving_of_a_search_and_events_ends_in_the_switchs_state(
    steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Wherever the answer was made and whenever it and the events arrive, the end is the same."""
    switch = Switch()
    published: list[live.Event] = []
    answers = [switch.answer()]
    for step in steps:
        for event_body in switch.do(step):
            event = live.event_from(event_body, NOW)
            assert event is not None
            published.append(event)
        answers.extend([switch.answer()] * (len(published) + 1 - len(answers)))
    end = len(published)
    asked = data.draw(st.integers(0, end), "events heard before the question was sent")
    made = data.draw(st.integers(asked, end), "events that the answer knows of")
    arrived = data.draw(st.integers(asked, end), "events heard before the answer arrived")
    state = live.reconcile(answers[made], published[asked:arrived], {})
    for event in published[arrived:]:
        live.enter(state, event)
    assert same_as_switch(state, switch)


@given(STEPS)
def test_an_event_replaces_its_own_room_and_member_only(steps: list[tuple[str, int]]) -> None:
    """Of a hundred rooms the others stay the same objects, and so do the other members of its own."""
    others = {f"other-{number}": Room(conference_id=f"other-{number}") for number in range(100)}
    switch, state = Switch(), Counted(others)
    for step in steps:
        for published in switch.do(step):
            event = live.event_from(published, NOW)
            assert event is not None
            before = state.get("c")
            state.touched.clear()
            live.enter(state, event)
            assert set(state.touched) <= {"c"}
            assert len(state.touched) <= 3
            after = state.get("c")
            if before is not None and after is not None and before.instance_id == after.instance_id:
                kept = {id(member) for member in before.participants}
                new = [member for member in after.participants if id(member) not in kept]
                assert len(new) <= 1
    assert all(state[key] is room for key, room in others.items())


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_members_are_found_in_any_order(order: tuple[int, ...]) -> None:
    """An answer may tell of members in another order than that of their numbers; the order is kept."""
    members = tuple(Participant(participant_id=number) for number in order)
    room: Room | None = Room(conference_id="c", participants=members)
    assert room is not None
    assert [room.place(number) for number in order] == [0, 1, 2]
    assert room.place(9) is None and room.participant(9) is None
    room = live.apply(room, heard("mute-member", 1, vars=flags(speak=False)))
    assert room is not None
    assert [member.participant_id for member in room.participants] == list(order)
    assert [member.participant_id for member in room.participants if member.speak is False] == [1]


def test_reconciliation_leaves_what_was_known() -> None:
    """The new table is another one than that which it was made from."""
    known = after(heard("conference-create"), heard("add-member", 1))
    copy = deepcopy(known)
    now = live.reconcile([], [heard("add-member", 2)], known)
    assert now is not known and known == copy


@pytest.mark.parametrize("kind", sorted(live.TRANSITIONS))
def test_every_row_takes_an_event_without_a_member(kind: str) -> None:
    """A row that is told of nobody neither fails nor invents anybody."""
    room = live.apply(None, heard(kind))
    assert room is None or not room.participants


def test_a_summary_does_not_empty_a_room() -> None:
    """A later answer without participants leaves those that were followed, in the same run only."""
    whole = room_from_search(
        {
            "Conference-ID": "c",
            "UUID": "i1",
            "Participants": [{"Participant-ID": 1, "Conference-Channel-Vars": flags()}],
        }
    )
    summary = room_from_search({"Conference-ID": "c", "UUID": "i1", "Is-Locked": True, "Run-Time": 9})
    room = live.reconcile([summary], [], {"c": whole})["c"]
    assert (len(room.participants), room.locked, room.run_time, room.partial) == (1, True, 9, False)
    later = room_from_search({"Conference-ID": "c", "UUID": "i2"})
    assert live.reconcile([later], [], {"c": whole})["c"].partial
