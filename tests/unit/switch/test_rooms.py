"""The room machine of the virtual switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.switch import messages
from crossbar_conferences.switch.commands import (
    Command,
    Create,
    Destroy,
    Energy,
    Join,
    Leave,
    Lock,
    Parameter,
    Play,
    Record,
    Relate,
    StopPlay,
    Switch,
    Variables,
    selector,
)
from crossbar_conferences.switch.rooms import NO_ROOMS, Event, Outcome, Room, Rooms, SwitchRefuses, apply

ROOMS = st.sampled_from(["one", "two"])
MEMBERS = st.one_of(st.integers(1, 5), st.sampled_from(["all", "last", "non_moderator"]))
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Create, ROOMS, st.sampled_from(["a1", "a2"]), st.uuids().map(str), st.integers(0, 9)),
    st.builds(
        Join,
        ROOMS,
        st.sampled_from([f"call-{letter}" for letter in "abcdefgh"]),
        st.integers(0, 9),
        moderator=st.booleans(),
        speak=st.booleans(),
        hear=st.booleans(),
    ),
    st.builds(Leave, ROOMS, MEMBERS),
    st.builds(Destroy, ROOMS),
    st.builds(Lock, ROOMS, st.booleans()),
    st.builds(Switch, ROOMS, st.sampled_from(["mute", "unmute", "deaf", "undeaf", "talk", "quiet"]), MEMBERS),
    st.builds(Energy, ROOMS, MEMBERS, st.integers(0, 100)),
    st.builds(
        Relate, ROOMS, st.integers(1, 5), st.integers(1, 5), st.sampled_from(["deaf", "mute", "clear"])
    ),
    st.builds(Play, ROOMS, st.just("tune"), st.one_of(st.none(), MEMBERS)),
    st.builds(StopPlay, ROOMS, st.one_of(st.none(), MEMBERS)),
    st.builds(Record, ROOMS, st.sampled_from(["x.mp3", "y.mp3"]), st.booleans()),
    st.builds(Variables, ROOMS, st.dictionaries(st.sampled_from("kl"), st.integers())),
    st.builds(Parameter, ROOMS, st.just("Max-Members"), st.sampled_from(["0", "2", "x"])),
)
SPEAKER = messages.Speaker("ecallmgr@e1", "local", messages.MediaServer(), "ecallmgr@e1")


def play(*commands: Command, rooms: Rooms = NO_ROOMS) -> tuple[Rooms, list[Event]]:
    """Do commands, all of which must work."""
    events: list[Event] = []
    for command in commands:
        outcome = apply(rooms, command)
        rooms, events = outcome.rooms, [*events, *outcome.events]
    return rooms, events


def try_apply(rooms: Rooms, command: Command) -> Outcome:
    """Do a command, or nothing when it is refused."""
    try:
        return apply(rooms, command)
    except SwitchRefuses:
        return Outcome(rooms)


def names(events: list[Event]) -> list[str]:
    """What happened, in short: ``add-member:1``."""
    return [event.name + (f":{event.member.member_id}" if event.member else "") for event in events]


CREATE = Create("one", "a1", "i1", 5)
ANN = Join("one", "call-a", 6, name="Ann", moderator=True)
BOB = Join("one", "call-b", 7, name="Bob", number="1002")


def test_people_come_and_go() -> None:
    """Members count from 1, and the conference ends with the last of them."""
    rooms, events = play(CREATE, ANN, BOB, Leave("one", 1), Leave("one", 2))
    assert names(events) == [
        "conference-create",
        "add-member:1",
        "add-member:2",
        "del-member:1",
        "del-member:2",
        "conference-destroy",
    ]
    assert rooms == {}


def test_an_empty_conference_stays() -> None:
    """A conference that nobody joined yet does not end by itself."""
    rooms, _ = play(CREATE, Leave("one", "last"), Leave("one", "all"))
    assert "one" in rooms


def test_destroy_says_nothing_of_members() -> None:
    """As in the recordings, a destroyed conference has one event."""
    _, events = play(CREATE, ANN, Destroy("one"))
    assert names(events)[-1] == "conference-destroy"
    assert "del-member:1" not in names(events)


def test_member_ids_are_not_used_twice() -> None:
    """A number that was given stays given until the conference ends."""
    rooms, events = play(CREATE, ANN, BOB, Leave("one", 2), Join("one", "call-c", 8))
    assert names(events)[-1] == "add-member:3"
    again, events = play(Destroy("one"), CREATE, ANN, rooms=rooms)
    assert names(events)[-1] == "add-member:1"
    assert again["one"].members[0].member_id == 1


def test_names_and_numbers_are_made_up() -> None:
    """Without a name and a number there is one from the member id, as the recordings have it."""
    rooms, _ = play(CREATE, Join("one", "call-a", 6))
    assert (rooms["one"].members[0].name, rooms["one"].members[0].number) == ("Caller 1", "1001")


def test_the_floor_is_taken_when_free() -> None:
    """The first to come has the floor; when it is free, who talks takes it."""
    rooms, _ = play(CREATE, ANN, BOB)
    assert rooms["one"].floor == 1
    rooms, events = play(Leave("one", 1), Switch("one", "talk", 2), rooms=rooms)
    assert rooms["one"].floor == 2
    assert [event.has_floor for event in events] == [True, True]


@pytest.mark.parametrize(
    "commands",
    [
        (ANN,),
        (Destroy("one"),),
        (CREATE, CREATE),
        (CREATE, Lock("one", True), ANN),
        (CREATE, ANN, ANN),
        (CREATE, ANN, Switch("one", "mute", 2)),
        (CREATE, ANN, Switch("one", "mute", 1), Switch("one", "talk", 1)),
        (CREATE, Leave("one", 1)),
        (CREATE, ANN, Relate("one", 1, 2, "deaf")),
        (CREATE, Parameter("one", "Max-Members", "1"), ANN, BOB),
        (CREATE, Record("one", "x", False)),
        (CREATE, Record("one", "x", True), Record("one", "x", True)),
        (CREATE, Play("one", "x", 7)),
    ],
    ids=lambda commands: type(commands[-1]).__name__,
)
def test_what_is_refused(commands: tuple[Command, ...]) -> None:
    """What a switch could not do is said, and nothing happens."""
    rooms, _ = play(*commands[:-1])
    with pytest.raises(SwitchRefuses):
        apply(rooms, commands[-1])


def test_words_for_members() -> None:
    """FreeSWITCH's words mean what they mean there."""
    rooms, _ = play(CREATE, ANN, BOB, Join("one", "call-c", 8))
    assert names(list(apply(rooms, Switch("one", "mute", "non_moderator")).events)) == [
        "mute-member:2",
        "mute-member:3",
    ]
    assert names(list(apply(rooms, Leave("one", "last")).events)) == ["del-member:3"]
    assert names(list(apply(rooms, Leave("one", "all")).events))[-2:] == [
        "del-member:3",
        "conference-destroy",
    ]


def test_what_a_room_remembers() -> None:
    """Variables merge, relations and sounds end with their member, recordings come and go."""
    rooms, events = play(
        CREATE,
        ANN,
        BOB,
        Variables("one", {"k": "1", "l": "2"}),
        Variables("one", {"k": "3"}),
        Relate("one", 1, 2, "deaf"),
        Play("one", "to-all"),
        Play("one", "to-bob", 2),
        Record("one", "x.mp3", True),
        Energy("one", 1, 40),
    )
    room = rooms["one"]
    assert room.variables == {"k": "3", "l": "2"}
    assert room.relations == ((1, 2, "deaf"),)
    assert room.recordings == ("x.mp3",)
    assert room.members[0].energy_level == 40
    assert names(events)[-4:] == [
        "play-file",
        "play-file-member:2",
        "start-recording",
        "energy-level-member:1",
    ]
    rooms, events = play(
        Leave("one", 2),
        Record("one", "x.mp3", False),
        StopPlay("one"),
        Relate("one", 1, 1, "clear"),
        rooms=rooms,
    )
    assert rooms["one"].relations == rooms["one"].recordings == rooms["one"].playing == ()
    assert names(events) == ["del-member:2", "stop-recording", "play-file-done"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("7", 7),
        ("last", "last"),
        ("all", "all"),
        ("non_moderator", "non_moderator"),
        (0, None),
        (-1, None),
        (True, None),
        ("x", None),
        ("", None),
        ("٣", None),
        ("1;2", None),
        (1.0, None),
        (None, None),
        ("9" * 5000, None),
    ],
)
def test_selector(value: object, expected: object) -> None:
    """Member ids are positive integers, as numbers or texts; words are FreeSWITCH's."""
    assert selector(value) == expected


@given(st.lists(COMMANDS, max_size=40))
def test_invariants(commands: list[Command]) -> None:
    """Whatever is done, rooms stay what rooms are."""
    rooms: Rooms = NO_ROOMS
    given_out: dict[str, set[int]] = {}
    for command in commands:
        before = rooms
        outcome = try_apply(rooms, command)
        rooms = outcome.rooms
        for event in outcome.events:
            if event.name == "add-member":
                assert event.member is not None
                ids = given_out.setdefault(event.room.instance_id, set())
                assert event.member.member_id not in ids
                ids.add(event.member.member_id)
        for name, room in rooms.items():
            assert room.conference_id == name
            ids_now = [member.member_id for member in room.members]
            assert ids_now == sorted(set(ids_now))
            assert all(0 < number < room.next_member_id for number in ids_now)
            assert len({member.call_id for member in room.members}) == len(ids_now)
            assert room.floor is None or room.floor in ids_now
            assert all(member.speak or not member.talking for member in room.members)
            assert all(one in ids_now and other in ids_now for one, other, _ in room.relations)
            assert len(set(room.recordings)) == len(room.recordings)
        ended = [event.room.conference_id for event in outcome.events if event.name == "conference-destroy"]
        assert set(before) - set(rooms) == set(ended)


@dataclass
class Follower:
    """Knows rooms from the bodies of events alone, as the API side does."""

    rooms: dict[str, dict[str, Any]]

    def hear(self, body: dict[str, Any]) -> None:
        """Take in one event."""
        name, conference_id = body["Event"], body["Conference-ID"]
        if name == "conference-create":
            self.rooms[conference_id] = {"locked": False, "members": {}}
        elif name == "conference-destroy":
            del self.rooms[conference_id]
        elif name in ("lock", "unlock"):
            self.rooms[conference_id]["locked"] = name == "lock"
        elif name == "del-member":
            del self.rooms[conference_id]["members"][body["Participant-ID"]]
        elif "Participant-ID" in body:
            told = {key: body[key] for key in ("Call-ID", "Caller-ID-Name", "Conference-Channel-Vars")}
            self.rooms[conference_id]["members"][body["Participant-ID"]] = told


def told(room: Room) -> dict[str, Any]:
    """A room as its events tell it."""
    return {
        "locked": room.locked,
        "members": {
            member.member_id: {
                "Call-ID": member.call_id,
                "Caller-ID-Name": member.name,
                "Conference-Channel-Vars": messages.conference_channel_vars(
                    member, room.floor == member.member_id
                ),
            }
            for member in room.members
        },
    }


@given(st.lists(COMMANDS.filter(lambda command: not isinstance(command, Energy)), max_size=40))
def test_events_tell_everything(commands: list[Command]) -> None:
    """Whoever heard every event knows the rooms, their members and flags as they are."""
    rooms: Rooms = NO_ROOMS
    follower = Follower({})
    for command in commands:
        outcome = try_apply(rooms, command)
        rooms = outcome.rooms
        for event in outcome.events:
            follower.hear(dict(messages.event(event, SPEAKER, "r").body))
    assert follower.rooms == {name: told(room) for name, room in rooms.items()}
