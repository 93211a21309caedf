r"""A model of the line that a media server makes of a message, and of how FreeSWITCH reads it.

For tests of hostile text: `said` writes what ecallmgr writes (no more careful than the original is), and
`Read` is what FreeSWITCH makes of it: legs, variables, arguments, functions that ran. Two forms: master's
``<…>`` and Kazoo 5's ``{…}`` around the variables of the whole dial. The order is the real one: mod_kazoo
expands ``${…}`` and ``$${…}`` in the whole argument first; taking the argument apart at blanks takes one
backslash from before each quote; ``:_:`` begins another dial; the block at the
front is taken off, as many as follow one another; ``|`` and ``,`` separate legs where no block and no
quote holds them; ``[^^!…]`` in front of a leg are its variables, which ``!`` separates, inside quotes too.

Held to real-switch.md D.3 by ``tests/unit/kapi/test_media_line.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MASTER = "<>"
KAZOO5 = "{}"
FORMS = (MASTER, KAZOO5)

#: Headers that ecallmgr writes under another name. The rest of a message is written nowhere.
_SPECIAL = {
    "Bypass-Media": "bypass_media_after_bridge",
    "Call-Forward-Request-URI": "sip_loopback_req_uri",
    "Caller-ID-Name": "caller_id_name",
    "Caller-ID-Number": "caller_id_number",
    "Confirm-Cancel-Timeout": "group_confirm_cancel_timeout",
    "Confirm-Key": "group_confirm_key",
    "Confirm-Read-Timeout": "group_confirm_read_timeout",
    "Enable-T38-Fax": "fax_enable_t38",
    "Enable-T38-Fax-Request": "fax_enable_t38_request",
    "Enable-T38-Passthrough": "t38_passthru",
    "Endpoint-Delay": "leg_delay_start",
    "Endpoint-Progress-Timeout": "leg_progress_timeout",
    "Endpoint-Timeout": "leg_timeout",
    "Fax-Enabled": "fax_enable_t38",
    "Ignore-Completed-Elsewhere": "ignore_completed_elsewhere",
    "Ignore-Early-Media": "ignore_early_media",
    "Loopback-Bowout": "loopback_bowout",
    "Loopback-Request-URI": "sip_loopback_req_uri",
    "Media-Encryption-Enforce-Security": "sdp_secure_savp_only",
    "Media-Webrtc": "media_webrtc",
    "Outbound-Call-ID": "origination_uuid",
    "Outbound-Callee-ID-Name": "origination_callee_id_name",
    "Outbound-Callee-ID-Number": "origination_callee_id_number",
    "Outbound-Caller-ID-Name": "origination_caller_id_name",
    "Outbound-Caller-ID-Number": "origination_caller_id_number",
    "Presence-ID": "presence_id",
    "RTCP-MUX": "rtcp_mux",
    "RTP-Secure-Media": "rtp_secure_media",
    "Request-URI": "sip_req_uri",
    "SIP-Invite-Domain": "sip_invite_domain",
    "Simplify-Loopback": "loopback_bowout_on_execute",
    "ZRTP-Enrollment": "zrtp_enrollment",
    "ZRTP-Secure-Media": "zrtp_secure_media",
}
#: Of names ecallmgr keeps letters, digits, blanks and hyphens.
_NAMES = {"Caller-ID-Name", "Outbound-Caller-ID-Name", "Outbound-Callee-ID-Name"}
_INTERFACE = "sipinterface_1"
_CONTEXT = "context_2"
#: Where the model finds what is registered: ecallmgr asks the registrar.
_REGISTERED = "10.0.0.7:5060"

_FLAGS = {
    "distribute_dtmf": "dist-dtmf",
    "is_moderator": "moderator",
    "disable_moh": "nomoh",
    "join_existing": "join-only",
    "video_mute": "vmute",
}
_PLAIN_COMMANDS = {
    "lock": "lock",
    "unlock": "unlock",
    "kick": "hup",
    "mute_participant": "mute",
    "unmute_participant": "unmute",
    "deaf_participant": "deaf",
    "undeaf_participant": "undeaf",
}
#: Several files as one: FreeSWITCH parts them at each "!", and plays what can be played.
_FILES = "file_string://"
_LEVELS = {
    "participant_energy": ("energy", "Energy-Level"),
    "participant_volume_in": ("volume_in", "Volume-In-Level"),
    "participant_volume_out": ("volume_out", "Volume-Out-Level"),
}


# --- what ecallmgr writes ---


def said(body: Mapping[str, Any], form: str = MASTER) -> str:
    """The argument of the ``conference`` command that a message becomes; empty for one that becomes none."""
    name, room = body["Application-Name"], body["Conference-ID"]
    words = _dial(body, form) if name == "dial" else _command(name, body)
    return "" if words is None else f"{room} {words}"


def _command(name: str, body: Mapping[str, Any]) -> str | None:
    who = str(body.get("Participant-ID", ""))
    tail = f" {who}" if who else ""
    if name == "vars":
        return None
    if name in _PLAIN_COMMANDS:
        return f"{_PLAIN_COMMANDS[name]} {who or ('last' if name == 'kick' else '')}"
    if name in _LEVELS:
        word, header = _LEVELS[name]
        return f"{word} {who} {body[header]}"
    if name == "play":
        return f"play '{_media(body['Media-Name'])}'{tail}"
    if name == "play_macro":
        return f"play '{_FILES}{'!'.join(map(_media, body['Media-Macro']))}' {who}"
    if name == "stop_play":
        return f"stop {body.get('Affects', 'all')}{tail}"
    if name in ("record", "recordstop"):
        word = "start" if name == "record" else "stop"
        # ecallmgr percent-codes the file's name.
        return f"recording {word} /tmp/{re.sub('[^A-Za-z0-9._~-]', '%', body['Media-Name'])}"
    if name == "relate_participants":
        relation = {"mute": "nospeak", "deaf": "nohear"}.get(body.get("Relationship", ""), "clear")
        return f"relate {who} {body['Other-Participant']} {relation}"
    if name == "set":
        return f"set {body['Parameter']} {body['Value']}"
    if name in ("say", "tts"):
        return f"saymember {who} '{body['Text']}'" if who else f"say '{body['Text']}'"
    assert name == "tones", name
    return "play tone_stream://" + ";".join(_tone(tone) for tone in body["Tones"])


def _tone(tone: Mapping[str, Any]) -> str:
    volume = f"v={tone['Volume']};" if "Volume" in tone else ""
    repeat = f"l={tone['Repeat']};" if "Repeat" in tone else ""
    frequencies = ",".join(tone["Frequencies"])
    return f"{volume}{repeat}%({tone['Duration-ON']},{tone['Duration-OFF']},{frequencies})"


def _dial(body: Mapping[str, Any], form: str) -> str:
    variables = ",".join([*_variables(body), "origination_context='context_2'", "local_var_clobber='true'"])
    legs = "|".join(leg for leg in map(_leg, body["Endpoints"]) if leg)
    number, name = body.get("Caller-ID-Number"), body.get("Caller-ID-Name")
    shown = "" if name is None else f" '{name}'"
    if number is not None:
        shown = f" {number}{shown}"
    elif name is not None:
        shown = f" ','{shown}"
    return f"bgdial {form[0]}{variables}{form[1]}{legs}{shown}"


def _variables(message: Mapping[str, Any]) -> Iterator[str]:
    for header, value in message.items():
        if value is not None:
            yield from _written(header, value)


def _written(header: str, value: Any) -> Iterator[str]:
    if header == "Custom-Channel-Vars":
        for key, one in value.items():
            if key in _SPECIAL:
                yield _quoted(_SPECIAL[key], one)
            elif key == "Confirm-File":
                yield f"group_confirm_file='{_media(one)}'"
            else:
                yield _quoted(f"ecallmgr_{key}", one)
    elif header == "Custom-Application-Vars":
        for key, one in value.items():
            yield _application_variable(key, one)
    elif header == "Custom-SIP-Headers":
        for key, one in value.items():
            yield f"sip_h_{key}={_text(one)}"
    elif header == "To-User":
        yield f"ecallmgr_Username='{value}'"
    elif header == "To-Realm":
        yield f"ecallmgr_Realm='{value}'"
    elif header == "Hold-Media":
        yield f"hold_music={_media(value)}"
    elif header == "Codecs":
        yield f"absolute_codec_string='^^:{':'.join(map(_text, value))}'"
    elif header == "Timeout":
        yield f"call_timeout={value}"
        yield f"originate_timeout={value}"
    elif header == "Forward-IP":
        address = value if value.startswith("sip:") else f"sip:{value}"
        yield f"sip_route_uri='{address}'"
    elif header == "Enable-T38-Gateway":
        yield f"execute_on_answer='t38_gateway {value}'"
    elif header == "Participant-Flags":
        yield f"conference_member_flags='^^!{'!'.join(_FLAGS.get(flag, flag) for flag in value)}'"
    elif header in _SPECIAL:
        yield _quoted(_SPECIAL[header], _sanitized(value) if header in _NAMES else value)


def _application_variable(key: str, value: Any) -> str:
    prefix, text = "cav_", value
    if isinstance(value, Mapping):
        prefix, text = "json_cav_", json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        # A list is characters and texts to Erlang's regular expressions.
        text = "".join(chr(one) if isinstance(one, int) else str(one) for one in value)
    escaped = re.sub(r"([,'])", r"\\\1", _text(text))
    return f"{prefix}{key}='{escaped}'"


def _leg(endpoint: Mapping[str, Any]) -> str:
    contact = _contact(endpoint)
    return f"[^^!{'!'.join(_variables(endpoint))}]{contact}"


def _contact(endpoint: Mapping[str, Any]) -> str:
    how, route = endpoint.get("Invite-Format", "username"), endpoint.get("Route", "")
    user = endpoint.get("To-Username") or endpoint.get("To-User") or ""
    if endpoint.get("Endpoint-Type") == "skype":
        return f"skypopen/RR/{endpoint.get('To-User', '')}"
    if how == "endpoint":
        return f"kz/{endpoint['Endpoint-URI']}"
    if how == "loopback" or (how == "route" and route.startswith("loopback/")):
        return f"loopback/{route.removeprefix('loopback/')}/{_CONTEXT}"
    contact = route if how == "route" else endpoint.get("To-IP") or f"{user}@{_REGISTERED}"
    contact = re.sub("^sips?:", "", contact)
    if how != "route" and "@" not in contact:
        contact = f"{endpoint.get('To-DID') or user or 'kazoo'}@{contact}"
    proxy, transport = endpoint.get("Proxy-IP"), endpoint.get("SIP-Transport")
    if proxy is not None:
        contact += f";fs_path={proxy}" if proxy.startswith("sip:") else f";fs_path=sip:{proxy}"
    if transport is not None:
        contact += f";transport={transport}"
    number = {"username": endpoint.get("To-User") or user}.get(how, endpoint.get("To-DID", ""))
    if how in ("username", "e164", "npan", "1npan") and number:
        contact = number + contact[contact.find("@") :] if "@" in contact else number
    if contact.startswith(("sofia/", "loopback/")):
        return contact
    interface = endpoint.get("SIP-Interface", _INTERFACE).rstrip("/")
    return f"{interface}/{contact}" if interface.startswith("sofia/") else f"sofia/{interface}/{contact}"


def _media(name: str) -> str:
    if name.startswith(("http://", "https://")):
        return f"http_cache://{name}"
    return name


def _quoted(name: str, value: Any) -> str:
    escaped = _text(value).replace("'", "\\'")
    return f"{name}='{escaped}'"


def _sanitized(name: str) -> str:
    return "".join(sign for sign in name if not sign.isascii() or sign.isalnum() or sign in " -")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class Meant:
    """What a message asks for: the word of its command, its arguments, a dial's variables and legs."""

    words: int
    variables: tuple[str, ...] = ()
    legs: tuple[tuple[str, tuple[str, ...]], ...] = ()


def meant(body: Mapping[str, Any]) -> Meant:
    """What a message asks for, from its headers alone: no text of it is looked into."""
    name = body["Application-Name"]
    if name != "dial":
        harmless = {key: _blunt(key, value) for key, value in body.items()}
        return Meant(len(list(_with_files((_command(name, harmless) or "").split()))))
    shown = ("Caller-ID-Name" in body) + ("Caller-ID-Number" in body or "Caller-ID-Name" in body)
    own = [*_names(body), "origination_context", "local_var_clobber"]
    legs = tuple((_meant_kind(leg), tuple(sorted(set(_names(leg))))) for leg in body["Endpoints"])
    return Meant(1 + shown, tuple(sorted(set(own))), legs)


def _blunt(header: str, value: Any) -> Any:
    if header == "Media-Macro":
        return ["x"] * len(value)
    return "x" if isinstance(value, str) and header not in ("Participant-ID", "Application-Name") else value


def _names(message: Mapping[str, Any]) -> Iterator[str]:
    for header, value in message.items():
        if isinstance(value, Mapping) and header in ("Custom-SIP-Headers", "Custom-Channel-Vars"):
            for key in value:
                (pair,) = _written(header, {key: "x"})
                yield pair.removesuffix("=x").removesuffix("='x'")
        elif header == "Custom-Application-Vars":
            for key, one in value.items():
                yield f"{'json_cav_' if isinstance(one, Mapping) else 'cav_'}{key}"
        elif value is not None:
            yield from (pair.partition("=")[0] for pair in _written(header, value))


def _meant_kind(leg: Mapping[str, Any]) -> str:
    if leg.get("Endpoint-Type") == "skype":
        return "skypopen"
    how = leg.get("Invite-Format", "username")
    if how in ("endpoint", "loopback"):
        return "kz" if how == "endpoint" else "loopback"
    interface = leg.get("SIP-Interface", _INTERFACE)
    return f"sofia/{interface.removeprefix('sofia/').rstrip('/')}"


# --- what FreeSWITCH reads ---


@dataclass(frozen=True, slots=True)
class Leg:
    """One endpoint that is dialled: its kind and address, and the variables of it alone, by name."""

    endpoint: str
    variables: Mapping[str, str]

    @property
    def kind(self) -> str:
        """``sofia``, ``loopback``, ``null`` …"""
        return "/".join(self.endpoint.split("/")[: 2 if self.endpoint.startswith("sofia/") else 1])


@dataclass(frozen=True, slots=True)
class Read:
    """What FreeSWITCH made of a line.

    ``functions``: what it expanded, functions and variables alike. ``words``: the arguments after the
    room's name, a dial's legs and variables aside. ``is_broken``: a block or a quote does not end.
    """

    functions: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    legs: tuple[Leg, ...] = ()
    is_broken: bool = False

    def is_as(self, meant: Meant) -> bool:
        """Whether this is what was meant, and nothing more: only texts may differ."""
        legs = tuple((leg.kind, tuple(sorted(leg.variables))) for leg in self.legs)
        read = Meant(len(self.words), tuple(sorted(self.variables or ())), legs)
        return read == meant and not self.functions and not self.is_broken


def read(line: str) -> Read:
    """What FreeSWITCH makes of the argument of a ``conference`` command."""
    functions: list[str] = []
    line = _expanded(line, functions)
    words, is_broken = _words(line)
    if len(words) < 3 or words[1] != "bgdial":
        return Read(tuple(functions), tuple(_with_files(words[1:])), is_broken=is_broken)
    variables: dict[str, str] = {}
    legs: list[Leg] = []
    # The dial string begins behind the word; blanks in its blocks and quotes are its own.
    string, shown = _dial_string(line.partition("bgdial ")[2])
    string = re.sub(r"\\(['\"\\])", r"\1", string)
    for dial in string.split(":_:"):
        rest, found, broken = _blocks(dial)
        is_broken |= broken
        variables.update(found)
        for text in _legs(rest):
            leg, broken = _read_leg(text)
            is_broken |= broken
            legs.append(leg)
    shown_words, broken = _words(shown)
    return Read(tuple(functions), ("bgdial", *shown_words), variables, tuple(legs), is_broken or broken)


def _with_files(words: Iterable[str]) -> Iterator[str]:
    """The words, with each of several files as one of its own."""
    for word in words:
        bare = word.strip("'")
        yield from bare.removeprefix(_FILES).split("!") if bare.startswith(_FILES) else [word]


def _expanded(line: str, functions: list[str]) -> str:
    """Expand ``${…}`` and ``$${…}``, as deep as they go; a function that is not known gives nothing."""

    def result(found: re.Match[str]) -> str:
        functions.append(found[1])
        name, _, argument = found[1].rstrip(")").partition("(")
        return argument if name == "echo" else ""

    while True:
        line, count = re.subn(r"\$?\$\{([^{}]*)\}", result, line)
        if not count:
            return line


def _words(text: str) -> tuple[list[str], bool]:
    words, word, quoted, escaped, begun = [], "", False, False, False
    for sign in text:
        if escaped:
            word, escaped = word + sign, False
        elif sign == "\\":
            escaped = begun = True
        elif sign == "'":
            quoted, begun = not quoted, True
        elif sign == " " and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + sign, True
    return ([*words, word] if begun else words), quoted


def _dial_string(text: str) -> tuple[str, str]:
    """The dial string and what is behind it: a blank ends it where no block and no quote holds it."""
    depth, quoted, previous = 0, False, ""
    for place, sign in enumerate(text):
        if sign == "'" and previous != "\\":
            quoted = not quoted
        elif sign in "<{[" and not quoted:
            depth += 1
        elif sign in ">}]" and not quoted:
            depth -= 1
        elif sign == " " and not quoted and depth <= 0:
            return text[:place], text[place + 1 :]
        previous = sign
    return text, ""


def _end(text: str) -> int:
    """Where the block that a text begins with ends, ``-1`` for nowhere: quotes hold nothing here."""
    opening, closing = text[0], {"<": ">", "{": "}", "[": "]"}[text[0]]
    depth = 0
    for place, sign in enumerate(text):
        if sign == opening:
            depth += 1
        elif sign == closing:
            depth -= 1
            if not depth:
                return place
    return -1


def _blocks(text: str) -> tuple[str, dict[str, str], bool]:
    found: dict[str, str] = {}
    while text[:1] in ("<", "{"):
        end = _end(text)
        if end < 0:
            return "", found, True
        found.update(_pairs(text[1:end], ","))
        text = text[end + 1 :].lstrip(" ")
    return text, found, False


def _pairs(text: str, separator: str) -> Iterator[tuple[str, str]]:
    # A separator of its own (``^^!``) is one inside quotes too; the comma is none there.
    for pair in text.split(separator) if separator != "," else _unquoted(text, ","):
        name, has_value, value = pair.partition("=")
        if has_value:
            yield name.strip(" "), value.strip(" '")


def _unquoted(text: str, separators: str) -> Iterator[str]:
    part, quoted, escaped = "", False, False
    for sign in text:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "'":
            quoted = not quoted
        elif sign in separators and not quoted:
            yield part
            part = ""
            continue
        part += sign
    yield part


def _legs(text: str) -> Iterator[str]:
    for either in text.split("|"):
        part, depth = "", 0
        for sign in either:
            depth += (sign == "[") - (sign == "]" and depth > 0)
            if sign == "," and not depth:
                yield part
                part = ""
            else:
                part += sign
        yield part


def _read_leg(text: str) -> tuple[Leg, bool]:
    variables: dict[str, str] = {}
    while text.startswith("["):
        end = _end(text)
        if end < 0:
            return Leg(text, variables), True
        inside = text[1:end]
        separator = ","
        if inside.startswith("^^") and len(inside) > 2:
            separator, inside = inside[2], inside[3:]
        variables.update(_pairs(inside, separator))
        text = text[end + 1 :]
    return Leg(text, variables), False
