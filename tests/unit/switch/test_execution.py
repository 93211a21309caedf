"""Commands of the bus as commands to rooms."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.kapi import conference
from crossbar_conferences.kapi.messages import MessageInvalid, Origin
from crossbar_conferences.switch.commands import (
    Energy,
    Leave,
    Lock,
    Play,
    Record,
    Relate,
    Say,
    StopPlay,
    Switch,
    Variables,
    Volume,
)
from crossbar_conferences.switch.execution import command_of
from crossbar_conferences.switch.rooms import SwitchRefuses

ORIGIN = Origin("kapps_conference", "1.0.0", "crossbar@a")


def body_of(name: str, **fields: Any) -> dict[str, Any]:
    """A command as somebody publishes it: the sidecar itself sends no words for members."""
    headers = {key.replace("_", "-"): value for key, value in fields.items()}
    return {**conference.command("lock", "C", {}, ORIGIN).body, "Application-Name": name, **headers}


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (body_of("lock"), Lock("C", True)),
        (body_of("unlock"), Lock("C", False)),
        (body_of("mute_participant", Participant_ID=2), Switch("C", "mute", 2)),
        (body_of("unmute_participant", Participant_ID="2"), Switch("C", "unmute", 2)),
        (body_of("deaf_participant", Participant_ID="non_moderator"), Switch("C", "deaf", "non_moderator")),
        (body_of("undeaf_participant", Participant_ID="all"), Switch("C", "undeaf", "all")),
        (body_of("kick", Participant_ID=7), Leave("C", 7, kicked=True)),
        (body_of("kick"), Leave("C", "last", kicked=True)),
        (body_of("play", Media_Name="m"), Play("C", "m")),
        (body_of("play", Media_Name="m", Participant_ID="7"), Play("C", "m", 7)),
        (body_of("play_macro", Media_Macro=["/a/b", "c"]), Play("C", "file_string:///a/b!c")),
        (body_of("play_macro", Media_Macro=["m"], Participant_ID=7), Play("C", "file_string://m", 7)),
        (body_of("stop_play", Affects="all"), StopPlay("C")),
        (body_of("record", Media_Name="m"), Record("C", "m", True)),
        (body_of("recordstop", Media_Name="m"), Record("C", "m", False)),
        (body_of("record", Media_Name="m.2026"), Record("C", "m.2026.mp3", True)),
        (body_of("participant_energy", Participant_ID=7, Energy_Level="30"), Energy("C", 7, 30)),
        (
            body_of("relate_participants", Participant_ID=1, Other_Participant="2", Relationship="mute"),
            Relate("C", 1, 2, "mute"),
        ),
        (body_of("relate_participants", Participant_ID=1, Other_Participant=2), Relate("C", 1, 2, "clear")),
        (body_of("vars", Custom_Conference_Vars={"k": "v"}), Variables("C", {"k": "v"})),
        (body_of("participant_volume_in", Participant_ID=1, Volume_In_Level="2"), Volume("C", 1, "in", 2)),
        (body_of("say", Call_ID="C", Text="hello"), Say("C")),
        (body_of("say", Call_ID="C", Text="hello", Participant_ID=3), Say("C", 3)),
        (body_of("tones", Call_ID="C", Tones=[{"Frequencies": ["440"]}]), Play("C", "tone_stream://")),
        ({**body_of("lock"), "Application-Name": "setvar"}, None),
        (body_of("set", Parameter="Max-Members", Value="5"), None),
    ],
    ids=lambda value: value.get("Application-Name") if isinstance(value, dict) else None,
)
def test_commands(body: dict[str, Any], command: object) -> None:
    """Each command of Kazoo does what FreeSWITCH does with it, or nothing that can be seen."""
    assert command_of(body, "C") == command


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({**body_of("lock"), "Application-Name": "participants"}, MessageInvalid),
        ({**body_of("lock"), "Application-Name": ["lock"]}, MessageInvalid),
        ({**body_of("play", Media_Name="m"), "Media-Name": 7}, MessageInvalid),
        (body_of("play_macro", Media_Macro="m"), MessageInvalid),
        (body_of("play_macro"), MessageInvalid),
        ({key: value for key, value in body_of("lock").items() if key != "Msg-ID"}, MessageInvalid),
        ({}, MessageInvalid),
        (body_of("mute_participant", Participant_ID="2 3"), SwitchRefuses),
        (body_of("mute_participant", Participant_ID=-1), SwitchRefuses),
        (body_of("participant_energy", Participant_ID=7, Energy_Level="loud"), SwitchRefuses),
        (body_of("relate_participants", Participant_ID="all", Other_Participant=2), SwitchRefuses),
        (body_of("dial", Endpoints=[{"Route": "1"}], Timeout=1), SwitchRefuses),
        ({**body_of("lock"), "Conference-ID": "D"}, SwitchRefuses),
    ],
)
def test_what_is_not_done(body: dict[str, Any], error: type[Exception]) -> None:
    """What Kazoo would not take or FreeSWITCH not do is no command."""
    with pytest.raises(error):
        command_of(body, "C")


@pytest.mark.parametrize(
    "body",
    [
        body_of("vars", Custom_Conference_Vars={"a": "b"}),
        {**body_of("lock"), "Application-Name": "setvar"},
        body_of("set", Parameter="endconference_grace_time", Value="30"),
    ],
)
def test_what_the_open_core_refuses(body: dict[str, Any]) -> None:
    """With the older core's rules, what its ecallmgr would throw away changes nothing here either."""
    command_of(body, "C")
    with pytest.raises(MessageInvalid):
        command_of(body, "C", "master")
    known = body_of("set", Parameter="Max-Members", Value="5")
    assert command_of(known, "C", "master") is None
