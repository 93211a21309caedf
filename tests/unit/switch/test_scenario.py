"""Scenario files."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbar_conferences.switch.scenario import ScenarioInvalid, ZoneSize, load, parse_scenario

WHOLE = """
realm: demo.local
realms: {acc: acc.realm}
dial_mode: answer
dial_modes: {"1001": busy}
zones: [{name: east, nodes: 2}, {name: west}]
conferences:
  - id: room
    account: acc
    zone: west
    locked: true
    variables: {topic: sales}
    members:
      - {call_id: a@h, name: Ann Mod, number: 1001, moderator: true}
      - {call_id: b@h, speak: false, variables: {Owner-ID: u1}}
faults:
  - {node: all, slow: 200, duplicate-events: true}
moves:
  - {after: 1.5, do: mute room 1}
  - {do: [leave, room, 2]}
repeat: true
"""


def test_a_whole_scenario() -> None:
    """Everything in a file becomes steps of the control language."""
    scenario = parse_scenario(WHOLE)
    assert [move.args for move in scenario.opening] == [
        ("realm", "demo.local"),
        ("realm", "acc", "acc.realm"),
        ("dial-mode", "answer"),
        ("dial-mode", "busy", "1001"),
        ("create", "room", "acc", "zone=west"),
        ("join", "room", "a@h", "name=Ann Mod", "number=1001", "moderator=true"),
        ("join", "room", "b@h", "Owner-ID=u1", "speak=false"),
        ("vars", "room", "topic=sales"),
        ("lock", "room"),
        ("fault", "all", "slow", "200"),
        ("fault", "all", "duplicate-events", "true"),
    ]
    assert [(move.after, move.args) for move in scenario.moves] == [
        (1.5, ("mute", "room", "1")),
        (0, ("leave", "room", "2")),
    ]
    assert scenario.repeat
    assert scenario.zones == (ZoneSize("east", 2), ZoneSize("west", 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", "no YAML"),
        ("- 1", "the file: "),
        ("rooms: []", "'rooms' was unexpected"),
        ("conferences: [{id: r}]", r"conferences\[0\]: 'account' is a required property"),
        (
            "conferences: [{id: r, account: a, members: [{call_id: c, speak: 7}]}]",
            r"conferences\[0\].members\[0\].speak: 7",
        ),
        ("moves: [{do: fly away}]", r"moves\[0\].do: there is no step fly"),
        ("moves: [{do: []}]", r"moves\[0\].do: a step is a list"),
        ("moves: [{after: -1, do: reset}]", r"moves\[0\].after: -1"),
        ("faults: [{slow: soon}]", r"faults\[0\].slow: slow is milliseconds"),
        ("dial_mode: maybe", "dial_mode: maybe is neither"),
        ("{repeat: true, moves: [{do: reset}]}", "repeat: the moves take no time"),
    ],
)
def test_mistakes_are_said(text: str, message: str) -> None:
    """A mistake in a file is said with its place."""
    with pytest.raises(ScenarioInvalid, match=message):
        parse_scenario(text)


def test_files(tmp_path: Path) -> None:
    """A scenario is read from a file; a file that is not there is said."""
    path = tmp_path / "one.yaml"
    path.write_text("conferences: [{id: r, account: a}]")
    assert len(load(path).opening) == 1
    with pytest.raises(ScenarioInvalid, match="can't be read"):
        load(tmp_path / "none.yaml")
