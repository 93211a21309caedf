"""What each conference command carries: a table of definitions by Application-Name.

Source: amqp.md 5.3, 5.4, 6.1, 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from .messages import Definition
from .types import is_filled_list_of_objects, is_identifier, is_integer, is_list, is_object, is_text

_Types = Mapping[str, Callable[[Any], bool]]


def _command(
    name: str,
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
    *,
    values: Mapping[str, Any] | None = None,
    types: _Types | None = None,
) -> Definition:
    return Definition(
        "conference",
        "command",
        required=("Application-Name", "Conference-ID", *required),
        optional=tuple(optional),
        values={"Application-Name": name, **(values or {})},
        types={"Conference-ID": is_text, **(types or {})},
    )


_PARTICIPANT: _Types = {"Participant-ID": is_identifier}
_MEDIA: _Types = {"Media-Name": is_text}
_INSERT_AT = ("head", "tail", "flush", "now")
_PLAYED_TO_CALL = ("Group-ID", "Insert-At", "Terminators")
# ecallmgr speaks to one participant when it is named, though Kazoo's own builder never names one.
_SPOKEN = (
    *_PLAYED_TO_CALL,
    "Endless-Playback",
    "Engine",
    "Language",
    "Leg",
    "Loop-Count",
    "Participant-ID",
    "Voice",
)
_TEXT: _Types = {"Text": is_text, **_PARTICIPANT}
#: What ``set`` can change in Kazoo's own definition; an ecallmgr of the open core refuses any other.
OPEN_CORE_PARAMETERS = ("Max-Members", "Caller-ID-Name", "Caller-ID-Number")
# That list has no name for the grace time; this is FreeSWITCH's own (anchors.md 0.2).
_PARAMETERS = (*OPEN_CORE_PARAMETERS, "endconference_grace_time")

_DEFINITIONS = (
    _command("lock"),
    _command("unlock"),
    _command("play", ["Media-Name"], ["Participant-ID", "Call-ID"], types={**_MEDIA, **_PARTICIPANT}),
    _command(
        "play_macro", ["Media-Macro"], ["Participant-ID"], types={**_PARTICIPANT, "Media-Macro": is_list}
    ),
    _command("stop_play", [], ["Participant-ID", "Affects"], values={"Affects": ("current", "all")}),
    # Kazoo sends record without Media-Name, which its own check refuses (amqp.md 6.1); ours carries one.
    _command("record", ["Media-Name"], ["Call-ID"], types=_MEDIA),
    _command("recordstop", ["Media-Name"], ["Call-ID"], types=_MEDIA),
    _command("kick", [], ["Participant-ID"], types=_PARTICIPANT),
    _command("mute_participant", ["Participant-ID"], types=_PARTICIPANT),
    _command("unmute_participant", ["Participant-ID"], types=_PARTICIPANT),
    _command("deaf_participant", ["Participant-ID"], types=_PARTICIPANT),
    _command("undeaf_participant", ["Participant-ID"], types=_PARTICIPANT),
    _command("participant_energy", ["Participant-ID", "Energy-Level"], types=_PARTICIPANT),
    _command("participant_volume_in", ["Participant-ID", "Volume-In-Level"], types=_PARTICIPANT),
    _command("participant_volume_out", ["Participant-ID", "Volume-Out-Level"], types=_PARTICIPANT),
    _command(
        "relate_participants",
        ["Participant-ID", "Other-Participant"],
        ["Relationship"],
        values={"Relationship": ("deaf", "mute", "clear")},
        types={**_PARTICIPANT, "Other-Participant": is_identifier},
    ),
    _command(
        "set",
        ["Parameter", "Value"],
        values={"Parameter": _PARAMETERS},
        types={"Value": is_text},
    ),
    _command("say", ["Call-ID", "Text"], _SPOKEN, values={"Insert-At": _INSERT_AT}, types=_TEXT),
    _command("tts", ["Call-ID", "Text"], _SPOKEN, values={"Insert-At": _INSERT_AT}, types=_TEXT),
    _command(
        "tones",
        ["Call-ID", "Tones"],
        _PLAYED_TO_CALL,
        values={"Insert-At": _INSERT_AT},
        types={"Tones": is_filled_list_of_objects},
    ),
    _command("vars", ["Custom-Conference-Vars"], types={"Custom-Conference-Vars": is_object}),
    _command(
        "dial",
        ["Endpoints"],
        [
            "Account-ID",
            "Caller-ID-Name",
            "Caller-ID-Number",
            "Custom-Application-Vars",
            "Custom-Channel-Vars",
            "Outbound-Call-ID",
            "Participant-Flags",
            "Profile-Name",
            "Target-Call-ID",
            "Timeout",
        ],
        types={
            "Caller-ID-Name": is_text,
            "Caller-ID-Number": is_text,
            "Custom-Application-Vars": is_object,
            "Custom-Channel-Vars": is_object,
            "Endpoints": is_filled_list_of_objects,
            "Timeout": is_integer,
        },
    ),
)

#: Application-Name -> definition.
COMMANDS: Mapping[str, Definition] = MappingProxyType(
    {definition.values["Application-Name"]: definition for definition in _DEFINITIONS}
)
