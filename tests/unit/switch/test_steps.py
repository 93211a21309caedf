"""The language of the control interface and of scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from crossbar_conferences.switch.commands import (
    Create,
    Destroy,
    Join,
    Leave,
    Lock,
    Parameter,
    Record,
    Switch,
    Variables,
)
from crossbar_conferences.switch.faults import FaultInvalid
from crossbar_conferences.switch.steps import (
    ClearFaults,
    InRoom,
    Moment,
    Reset,
    SetDialMode,
    SetFault,
    SetRealm,
    Step,
    StepInvalid,
    parse,
    step_names,
    words,
)

MOMENT = Moment(5, "i1")


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("create R A", InRoom(Create("R", "A", "i1", 5))),
        ("create R A zone=east", InRoom(Create("R", "A", "i1", 5), "east")),
        ("destroy R", InRoom(Destroy("R"))),
        ("leave R 2", InRoom(Leave("R", 2))),
        ("kick R last", InRoom(Leave("R", "last", kicked=True))),
        ("limit R 2", InRoom(Parameter("R", "Max-Members", "2"))),
        ("lock R", InRoom(Lock("R", True))),
        ("unlock R", InRoom(Lock("R", False))),
        ("mute R 2", InRoom(Switch("R", "mute", 2))),
        ("quiet R all", InRoom(Switch("R", "quiet", "all"))),
        ("record R m.mp3", InRoom(Record("R", "m.mp3", True))),
        ("recordstop R m.mp3", InRoom(Record("R", "m.mp3", False))),
        ("vars R k=v 'l=a b'", InRoom(Variables("R", {"k": "v", "l": "a b"}))),
        ("dial-mode busy", SetDialMode("busy")),
        ("dial-mode NO_ANSWER 1001", SetDialMode("NO_ANSWER", "1001")),
        ("realm a.realm", SetRealm("a.realm")),
        ("realm A a.realm", SetRealm("a.realm", "A")),
        ("fault all slow 300", SetFault("all", "slow", "300")),
        ("faults off", ClearFaults()),
        ("reset", Reset()),
    ],
)
def test_steps(text: str, step: Step) -> None:
    """Each step is understood."""
    assert parse(words(text), MOMENT) == step


def test_join() -> None:
    """Known keys of a join are flags and names, every other one is a channel variable."""
    args = [
        "join",
        "R",
        "x@h",
        "moderator=true",
        "speak=false",
        "name=Ann Mod",
        "number=1001",
        "Owner-ID=u=1",
    ]
    assert parse(words(args), MOMENT) == InRoom(
        Join(
            "R",
            "x@h",
            5,
            name="Ann Mod",
            number="1001",
            moderator=True,
            speak=False,
            channel_vars={"Owner-ID": "u=1"},
        )
    )


@pytest.mark.parametrize(
    "args",
    [
        None,
        [],
        "",
        "'",
        [None],
        [""],
        [["join"]],
        {"a": 1},
        ["x" * 5000],
        ["reset"] * 200,
        ["lock", "a\0b"],
    ],
)
def test_no_words(args: object) -> None:
    """What is no list of words is refused."""
    with pytest.raises(StepInvalid):
        words(args)


def test_numbers_are_words() -> None:
    """A member id may be a JSON number."""
    assert words(["mute", "R", 2, True]) == ("mute", "R", "2", "true")


@pytest.mark.parametrize(
    "text",
    [
        "fly R",
        "create R",
        "create R A B",
        "create R A x=1",
        "join R",
        "join R c moderator=yes",
        "join R c moderator",
        "mute R 0",
        "mute R everybody",
        "leave R",
        "dial-mode sometimes",
        "faults on",
        "fault all slow",
        "reset now",
        "limit R few",
        "vars R k",
    ],
)
def test_what_is_not_understood(text: str) -> None:
    """A mistake is said, with how it should be."""
    with pytest.raises(StepInvalid, match=r"\w"):
        parse(words(text), MOMENT)


@pytest.mark.parametrize(
    "text", ["fault all slow soon", "fault all silent maybe", "fault all wrong x", "fault all x on"]
)
def test_no_fault(text: str) -> None:
    """Faults are checked when they are said."""
    with pytest.raises(FaultInvalid):
        parse(words(text), MOMENT)


def test_every_recorded_step_is_understood() -> None:
    """The switch steps of all recorded cases are words of this language."""
    recorded = [
        step["switch"]
        for path in sorted((Path(__file__).parents[3] / "fixtures").rglob("*.yaml"))
        for case in (yaml.safe_load(path.read_text()) or ())
        if isinstance(case, dict)
        for step in case.get("steps", ())
        if isinstance(step, dict) and "switch" in step
    ]
    for step in recorded:
        parse(words(step), MOMENT)
    assert {"create", "join", "leave", "destroy", "lock", "unlock", "reset", "dial-mode"} <= set(step_names())
