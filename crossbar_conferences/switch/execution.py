"""What a conference command of the bus does to a room: a message in, a command value out. Pure.

Source: amqp.md 5.3 (the FreeSWITCH column), 7.4, 11; anchors.md 0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal

from ..kapi import conference
from ..kapi.commands import OPEN_CORE_PARAMETERS
from ..kapi.messages import MessageInvalid
from .commands import (
    Command,
    Energy,
    Leave,
    Lock,
    Play,
    Record,
    Relate,
    Say,
    Selector,
    StopPlay,
    Switch,
    Variables,
    Verb,
    Volume,
    selector,
)
from .messages import Core
from .rooms import WRITABLE, SwitchRefuses

#: Commands that came with Kazoo 5; the open core's ecallmgr does not know them (amqp.md 11).
_LATER = frozenset({"vars", "setvar"})


def command_of(body: Mapping[str, Any], conference_id: str, core: Core = "5") -> Command | None:
    """The command in a message to a conference, ``None`` for one that changes nothing here.

    ``core``: whose rules hold; "master" refuses what the open core's own checks refuse.
    Raises `MessageInvalid` for a message that ecallmgr would not take (unknown, headers missing),
    `SwitchRefuses` for one that FreeSWITCH would not (another conference, a member id that is none).
    """
    if core == "master":
        _check_for_open_core(body)
    if body.get("Application-Name") == "setvar":
        # ecallmgr's own, outside the conference API (amqp.md 5.3).
        return None
    conference.check_command(body)
    if body["Conference-ID"] != conference_id:
        raise SwitchRefuses(f"the command is for conference {body['Conference-ID']}")
    if not is_commandable(conference_id):
        raise SwitchRefuses(f"the switch reads the name of conference {conference_id} up to its first blank")
    make = _COMMANDS.get(body["Application-Name"])
    if make is None:
        raise SwitchRefuses(f"{body['Application-Name']} is no command to a running conference")
    return make(conference_id, body)


def is_commandable(conference_id: str) -> bool:
    """Whether FreeSWITCH's conference command can name it: its words are parted by blanks."""
    return " " not in conference_id


def _check_for_open_core(body: Mapping[str, Any]) -> None:
    name = body.get("Application-Name")
    if name in _LATER:
        raise MessageInvalid(f"unknown conference command: {name}")
    if name == "set" and body.get("Parameter") not in OPEN_CORE_PARAMETERS:
        raise MessageInvalid(f"Parameter is {body.get('Parameter')!r}")


def _members(body: Mapping[str, Any], header: str = "Participant-ID") -> Selector:
    found = selector(body[header])
    if found is None:
        raise SwitchRefuses(f"{header} means no member")
    return found


def _single(body: Mapping[str, Any], header: str) -> int:
    found = _members(body, header)
    if not isinstance(found, int):
        raise SwitchRefuses(f"{header} is no member id")
    return found


def _switch(verb: Verb) -> Callable[[str, Mapping[str, Any]], Command]:
    return lambda conference_id, body: Switch(conference_id, verb, _members(body))


def _lock(locked: bool) -> Callable[[str, Mapping[str, Any]], Command]:
    return lambda conference_id, body: Lock(conference_id, locked)


def _record(on: bool) -> Callable[[str, Mapping[str, Any]], Command]:
    return lambda conference_id, body: Record(conference_id, _recording_name(body["Media-Name"]), on)


def _recording_name(media: str) -> str:
    # ecallmgr gives a name with any other ending its own one (amqp.md 7.4).
    return media if PurePosixPath(media).suffix.lower() in WRITABLE else f"{media}.mp3"


def _kick(conference_id: str, body: Mapping[str, Any]) -> Command:
    # Without a member only the last one goes (amqp.md 5.3).
    member = _members(body) if "Participant-ID" in body else "last"
    return Leave(conference_id, member, kicked=True)


def _play(conference_id: str, body: Mapping[str, Any]) -> Command:
    member = _members(body) if "Participant-ID" in body else None
    return Play(conference_id, body["Media-Name"], member)


def _play_macro(conference_id: str, body: Mapping[str, Any]) -> Command:
    # ecallmgr makes one medium of the list, whatever is in it.
    member = _members(body) if "Participant-ID" in body else None
    return Play(conference_id, "file_string://" + "!".join(map(str, body["Media-Macro"])), member)


def _stop_play(conference_id: str, body: Mapping[str, Any]) -> Command:
    return StopPlay(conference_id, _members(body) if "Participant-ID" in body else None)


def _say(conference_id: str, body: Mapping[str, Any]) -> Command:
    return Say(conference_id, _members(body) if "Participant-ID" in body else None)


def _tones(conference_id: str, body: Mapping[str, Any]) -> Command:
    # ecallmgr makes one medium of them (real-switch.md B).
    return Play(conference_id, "tone_stream://")


def _energy(conference_id: str, body: Mapping[str, Any]) -> Command:
    return Energy(conference_id, _members(body), _number(body, "Energy-Level"))


def _volume(way: Literal["in", "out"]) -> Callable[[str, Mapping[str, Any]], Command]:
    header = f"Volume-{way.title()}-Level"
    return lambda conference_id, body: Volume(conference_id, _members(body), way, _number(body, header))


def _number(body: Mapping[str, Any], header: str) -> int:
    try:
        return int(body[header])
    except (TypeError, ValueError):
        raise SwitchRefuses(f"{header} is no number") from None


def _relate(conference_id: str, body: Mapping[str, Any]) -> Command:
    asked = body.get("Relationship")
    relationship: Literal["deaf", "mute", "clear"] = asked if asked in ("deaf", "mute") else "clear"
    member, other = _single(body, "Participant-ID"), _single(body, "Other-Participant")
    return Relate(conference_id, member, other, relationship)


def _variables(conference_id: str, body: Mapping[str, Any]) -> Command:
    return Variables(conference_id, body["Custom-Conference-Vars"])


def _nothing(conference_id: str, body: Mapping[str, Any]) -> None:
    """Heard in the room, seen nowhere. And ``set``, of which FreeSWITCH understands no name that passes
    Kazoo's check (real-switch.md A3)."""


_COMMANDS: Mapping[str, Callable[[str, Mapping[str, Any]], Command | None]] = MappingProxyType(
    {
        "lock": _lock(True),
        "unlock": _lock(False),
        "mute_participant": _switch("mute"),
        "unmute_participant": _switch("unmute"),
        "deaf_participant": _switch("deaf"),
        "undeaf_participant": _switch("undeaf"),
        "kick": _kick,
        "play": _play,
        "stop_play": _stop_play,
        "record": _record(True),
        "recordstop": _record(False),
        "participant_energy": _energy,
        "participant_volume_in": _volume("in"),
        "participant_volume_out": _volume("out"),
        "relate_participants": _relate,
        "set": _nothing,
        "vars": _variables,
        "play_macro": _play_macro,
        "say": _say,
        "tts": _say,
        "tones": _tones,
    }
)
