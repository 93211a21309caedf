"""The gate of the media side: what every field of every message may be, and nothing passes by.

`admit` checks a whole message against the description of its kind. What has no description does not
leave: an unknown kind, an unknown header, an unknown key of a leg, a text that is not of its header's
type, a value of another shape. The bus publishes nothing but `Admitted` messages; the builders in
``conference`` ask as they build, and planners ask `admit_leg`, so that they can say whose text it was.

Where ecallmgr puts each header: a dial's own into ``<…>`` (Kazoo 5: ``{…}``), a leg's into ``[^^!…]``,
caller names and numbers also at the end, addresses into the endpoint itself, all else into no command at
all; types are chosen for the strictest place. Source: amqp.md 5.2-5.4, 7.4, 7.5, 10.1; dial.md 2.5-2.7, 3;
real-switch.md D.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from . import texts
from .messages import Outgoing, encoded
from .routing import CONFIGURATION, NODES, NOTIFICATIONS, TARGETED
from .shapes import (
    Refused,
    Shape,
    data,
    fields,
    figure,
    flag,
    list_of,
    one_of,
    text,
    text_or_number,
    variable,
    whole,
)

#: The exchanges whose messages reach no command line, unless they are commands: a call's own queue is
#: reached over ``targeted``. Messages on every other exchange are described, or do not leave.
UNGUARDED: Final = frozenset({CONFIGURATION, NODES, NOTIFICATIONS, TARGETED})
#: Of what is obeyed wherever it arrives (real-switch.md D.1).
_OBEYED: Final = frozenset({"command", "originate_execute", "originate_req"})

_ID: Final = text(texts.IDENTIFIER)
_MARK: Final = text(texts.MARK)
_URI: Final = text(texts.SIP_URI)
_HOST: Final = text(texts.HOST)

#: The headers that every message may have. No command is made of them.
_ENVELOPE: Final[Mapping[str, Shape]] = {
    "Account-ID": _ID,
    "App-Name": text(texts.MARK, repeats=True),
    "App-Version": text(texts.MARK, repeats=True),
    "Call-ID": text(texts.CALL_ID),
    "Event-Category": text(texts.WORD, repeats=True),
    "Event-Name": text(texts.WORD, repeats=True),
    "Msg-ID": _MARK,
    "Node": text(texts.MARK, repeats=True),
    "Server-ID": _MARK,
    "Server-Queue-ID": _MARK,
    "System-Log-ID": _MARK,
}

#: The names that only Kazoo gives: the channel variables of a leg (dial.md 2.6, 3.1). A client's own
#: variables are others, under a prefix of their own.
CHANNEL_VARIABLES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "Account-ID": _ID,
        "Authorizing-ID": _ID,
        "Authorizing-Type": text(texts.WORD),
        "Call-Forward": flag,
        "Call-Forward-From": one_of("onnet", "offnet"),
        "Call-Waiting-Disabled": flag,
        "Confirm-Cancel-Timeout": flag,
        "Confirm-File": text(texts.HOLD_MEDIA),
        "Confirm-Key": figure,
        "Confirm-Read-Timeout": figure,
        "Fax-Enabled": flag,
        "Ignore-Early-Media": flag,
        "Is-Failover": flag,
        "Loopback-Bowout": flag,
        "Loopback-Request-URI": _URI,
        "Media-Encryption-Enforce-Security": flag,
        "Media-Webrtc": flag,
        "Owner-ID": _ID,
        "RTCP-MUX": flag,
        "RTP-Secure-Media": flag,
        "Request-URI": _URI,
        "Require-Fail-On-Single-Reject": text(texts.CAUSES),
        "Require-Ignore-Early-Media": flag,
        "Retain-CID": flag,
        "SIP-Invite-Domain": _HOST,
        "Simplify-Loopback": flag,
        "ZRTP-Enrollment": flag,
        "ZRTP-Secure-Media": flag,
    }
)

#: What may stand in every leg, whatever its form; and further what depends on the form.
LEG_HEADERS: Final[Mapping[str, Shape]] = {
    "Account-ID": _ID,
    "Bypass-Media": flag,
    "Codecs": list_of(text(texts.CODEC)),
    "Custom-Channel-Vars": fields(CHANNEL_VARIABLES),
    "Custom-SIP-Headers": fields(
        {"Alert-Info": text(texts.RING_TONE)}, texts.HEADER_NAME, text_or_number(texts.HEADER_VALUE)
    ),
    "Enable-T38-Fax": flag,
    "Enable-T38-Fax-Request": flag,
    "Enable-T38-Gateway": one_of("self"),
    "Enable-T38-Passthrough": flag,
    "Endpoint-Actions": fields({}),
    "Endpoint-Delay": figure,
    "Endpoint-ID": _ID,
    "Endpoint-Options": fields({"Skype-RR": flag}),
    "Endpoint-Progress-Timeout": figure,
    "Endpoint-Type": one_of("skype"),
    "Endpoint-URI": text(texts.ENDPOINT_URI),
    "Flags": fields({"dynamic": list_of(text(texts.FLAG)), "static": list_of(text(texts.FLAG))}),
    "Forward-IP": text(texts.SIP_HOST),
    "Hold-Media": text(texts.HOLD_MEDIA),
    "Ignore-Completed-Elsewhere": flag,
    "Ignore-Early-Media": flag,
    "Metaflows": data,
    "Outbound-Call-ID": text(texts.CALL_ID),
    "Outbound-Callee-ID-Name": text(texts.CALLER_NAME),
    "Outbound-Callee-ID-Number": text(texts.SHOWN_NUMBER),
    "Outbound-Caller-ID-Name": text(texts.CALLER_NAME),
    "Outbound-Caller-ID-Number": text(texts.SHOWN_NUMBER),
    "Presence-ID": _URI,
    "Privacy-Method": text(texts.WORD),
    "Proxy-IP": text(texts.SIP_HOST),
    "SIP-Interface": text(texts.SIP_INTERFACE),
    "SIP-Transport": one_of("tcp", "udp", "tls", "sctp"),
    "Simplify-Loopback": flag,
    "To-DID": text(texts.DIALLED_NUMBER),
    "To-IP": text(texts.SIP_HOST),
    "To-Realm": _HOST,
    "To-User": text(texts.SIP_USER),
    "To-Username": text(texts.SIP_USER),
}
_LOOPBACK: Final = "loopback"
_LOOPBACK_LEG: Final = fields(
    {**LEG_HEADERS, "Invite-Format": one_of(_LOOPBACK), "Route": text(texts.DIALLED_NUMBER)}
)
_SIP_LEG: Final = fields(
    {
        **LEG_HEADERS,
        "Failover": _LOOPBACK_LEG,
        "Invite-Format": one_of("username", "npan", "1npan", "e164", "route", "contact", "endpoint"),
        "Route": text(texts.ROUTE),
    }
)


def admit_leg(leg: Any) -> None:
    """Raise `Refused` for a leg of a dial with anything that has no type or is not of its type."""
    # What is the route of one is the number of the other.
    is_loopback = isinstance(leg, Mapping) and leg.get("Invite-Format") == _LOOPBACK
    (_LOOPBACK_LEG if is_loopback else _SIP_LEG)(leg)


_PARTICIPANT: Final[Mapping[str, Shape]] = {"Participant-ID": figure}
_RECORDING: Final[Mapping[str, Shape]] = {"Media-Name": text(texts.RECORDING), "Call-ID": _ID}
_VARIABLES: Final = fields({}, texts.VARIABLE_NAME, variable)
_PLAYED: Final[Mapping[str, Shape]] = {
    "Call-ID": _ID,
    "Group-ID": text(texts.WORD),
    "Insert-At": one_of("head", "tail", "flush", "now"),
    "Terminators": list_of(figure),
}
_SPOKEN: Final[Mapping[str, Shape]] = {
    **_PLAYED,
    **_PARTICIPANT,
    "Endless-Playback": flag,
    "Engine": text(texts.WORD),
    "Language": text(texts.WORD),
    "Leg": text(texts.WORD),
    "Loop-Count": figure,
    "Text": text(texts.SPOKEN),
    "Voice": text(texts.WORD),
}
_TONE: Final = fields(
    {
        "Duration-OFF": figure,
        "Duration-ON": figure,
        "Frequencies": list_of(figure),
        "Repeat": figure,
        "Volume": figure,
    }
)
_DIAL: Final[Mapping[str, Shape]] = {
    "Caller-ID-Name": text(texts.CALLER_NAME),
    "Caller-ID-Number": text(texts.NUMBER),
    "Custom-Application-Vars": _VARIABLES,
    "Custom-Channel-Vars": fields(CHANNEL_VARIABLES),
    "Endpoints": list_of(admit_leg),
    "Outbound-Call-ID": text(texts.CALL_ID),
    "Participant-Flags": list_of(
        one_of(
            "mute",
            "deaf",
            "distribute_dtmf",
            "is_moderator",
            "disable_moh",
            "ghost",
            "join_existing",
            "video_mute",
        )
    ),
    "Profile-Name": text(texts.PROFILE_NAME),
    "Target-Call-ID": text(texts.CALL_ID),
    "Timeout": whole,
}
#: The headers of each command besides those of every message, by Application-Name.
COMMAND_HEADERS: Final[Mapping[str, Mapping[str, Shape]]] = {
    "deaf_participant": _PARTICIPANT,
    "dial": _DIAL,
    "kick": _PARTICIPANT,
    "lock": {},
    "mute_participant": _PARTICIPANT,
    "participant_energy": {**_PARTICIPANT, "Energy-Level": figure},
    "participant_volume_in": {**_PARTICIPANT, "Volume-In-Level": figure},
    "participant_volume_out": {**_PARTICIPANT, "Volume-Out-Level": figure},
    "play": {**_PARTICIPANT, "Call-ID": _ID, "Media-Name": text(texts.MEDIA)},
    "play_macro": {**_PARTICIPANT, "Media-Macro": list_of(text(texts.MEDIA))},
    "record": _RECORDING,
    "recordstop": _RECORDING,
    "relate_participants": {
        **_PARTICIPANT,
        "Other-Participant": figure,
        "Relationship": one_of("deaf", "mute", "clear"),
    },
    "say": _SPOKEN,
    "set": {
        "Parameter": one_of("Max-Members", "Caller-ID-Name", "Caller-ID-Number", "endconference_grace_time"),
        "Value": figure,
    },
    "stop_play": {**_PARTICIPANT, "Affects": one_of("current", "all")},
    "tones": {**_PLAYED, "Tones": list_of(_TONE)},
    "tts": _SPOKEN,
    "undeaf_participant": _PARTICIPANT,
    "unlock": {},
    "unmute_participant": _PARTICIPANT,
    "vars": {"Custom-Conference-Vars": _VARIABLES},
}


def _command(name: str, shapes: Mapping[str, Shape]) -> Shape:
    own = {"Application-Name": one_of(name), "Conference-ID": _ID}
    return fields({**_ENVELOPE, **own, **shapes})


_DESCRIBED_COMMANDS: Final = {name: _command(name, shapes) for name, shapes in COMMAND_HEADERS.items()}
_QUESTIONS: Final[Mapping[str, Shape]] = {
    "search_req": fields({**_ENVELOPE, "Conference-ID": _ID}),
    "query_channels_req": fields({**_ENVELOPE, "Fields": one_of("all"), "Active-Only": flag}),
}


@dataclass(frozen=True, slots=True)
class Admitted(Outgoing):
    """A message that is free to leave: there is none that was not looked at. Raises `Refused`.

    ``payload`` is what leaves: the bytes of what was looked at, so that nothing done to ``body`` afterwards
    gets out."""

    payload: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        admit(self)
        object.__setattr__(self, "payload", encoded(self.body))


def admit(message: Outgoing) -> None:
    """Raise `Refused` unless a message is free to leave, as a whole.

    What no media server obeys is; see `UNGUARDED`.
    """
    if message.exchange not in UNGUARDED or _text(message.body.get("Event-Name")) in _OBEYED:
        admit_body(message.body)


def admit_body(body: Mapping[str, Any]) -> None:
    """Raise `Refused` unless a body for a media server is of a kind that is described, in every field."""
    name = body.get("Event-Name")
    described: Shape | None
    if name == "command":
        described = _DESCRIBED_COMMANDS.get(_text(body.get("Application-Name")))
    else:
        described = _QUESTIONS.get(_text(name))
    if described is None:
        raise Refused("the message is of no described kind")
    described(body)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
