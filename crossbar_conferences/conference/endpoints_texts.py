"""Whether a built leg may leave, and whose text it is when it may not.

Whoever may edit a device, a user or an account may not command the media server. So the texts of stored
documents are held to the same types as a request's own, by the same gate (``kapi.gate``), and one that
is not of its type refuses the dial, naming the element and the field. Two kinds of text are put right
instead: names, of which the media side keeps letters, digits, blanks and hyphens anyway; and the
metaflows of stored documents, whose patterns are regular expressions and which nobody reads in a dial.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..kapi import texts
from ..kapi.gate import admit_leg
from ..kapi.shapes import Refused, harmless_part
from .endpoints_context import JSONObject, list_at, object_at, text_at, value_at
from .patterns import WorkBudget

_NAMES: Final = ("Outbound-Caller-ID-Name", "Outbound-Callee-ID-Name")
_SHOWN: Final = 128

#: Where the text of a leg's header comes from, as far as that does not depend on the document.
_SOURCES: Final[Mapping[str, str]] = {
    "Endpoint-ID": "id",
    "Endpoint-Progress-Timeout": "media.progress_timeout",
    "Endpoint-URI": "id",
    "Forward-IP": "sip.forward",
    "Hold-Media": "music_on_hold.media_id",
    "Invite-Format": "sip.invite_format",
    "Outbound-Callee-ID-Number": "caller_id.internal.number",
    "Presence-ID": "presence_id",
    "Privacy-Method": "caller_id_options.privacy_method",
    "Proxy-IP": "sip.proxy",
    "SIP-Interface": "sip.custom_sip_interface",
    "To-IP": "sip.ip",
}
_OF_HEADERS: Final[Mapping[str, str]] = {
    "Alert-Info": "ringtones.internal",
    "X-KAZOO-AOR": "sip.username",
    "X-KAZOO-INVITE-FORMAT": "sip.invite_format",
}
_OF_CHANNEL_VARIABLES: Final[Mapping[str, str]] = {
    "Authorizing-ID": "id",
    "Authorizing-Type": "pvt_type",
    "Loopback-Request-URI": "call_forward.number",
    "Owner-ID": "owner_id",
    "Request-URI": "realm",
}
_PUSHER: Final = "X-KAZOO-PUSHER-"


class FieldRefused(Exception):
    """A document's text may not leave. ``field``: its path in the document; ``why``: what it must be."""

    def __init__(self, field: str, why: str, value: Any) -> None:
        super().__init__(field)
        self.field = field
        self.why = why
        self.value = value[:_SHOWN] if isinstance(value, str) else None


def checked_leg(
    leg: dict[str, Any], endpoint: JSONObject, budget: WorkBudget, *, is_stored: bool
) -> dict[str, Any]:
    """The leg with its names put right; raises `FieldRefused` for any other text that is not of its type,
    and `patterns.BudgetSpent`.

    ``endpoint`` is what the leg was built from, merged with what it inherits.
    """
    _put_names_right(leg)
    # Before anybody looks into the rest.
    budget.spend_leg(leg)
    if is_stored and "Metaflows" in leg:
        leg["Metaflows"] = harmless_part(leg["Metaflows"])
    try:
        admit_leg(leg)
    except Refused as refused:
        found = value_at(leg, *refused.path)
        raise FieldRefused(_source(refused.path, leg, endpoint), refused.why, found) from refused
    return leg


def _put_names_right(leg: dict[str, Any]) -> None:
    for header in _NAMES:
        if isinstance(leg.get(header), str):
            leg[header] = texts.caller_name(leg[header]) or "unknown"
    if isinstance(leg.get("Failover"), dict):
        _put_names_right(leg["Failover"])


def _source(path: tuple[str, ...], leg: JSONObject, endpoint: JSONObject) -> str:
    header, rest = (path[0], path[1:]) if path else ("", ())
    formatter = header.lower().replace("-", "_")
    is_formatted = leg.get("Invite-Format") != "loopback" and not object_at(endpoint, "push")
    if not rest and is_formatted and formatter in object_at(endpoint, "formatters"):
        return f"formatters.{formatter}"
    if header == "Failover":
        return _source(rest, object_at(leg, "Failover"), endpoint)
    if header == "Custom-SIP-Headers":
        return _of_header(rest, endpoint)
    if header == "Custom-Channel-Vars":
        if rest == ("SIP-Invite-Domain",):
            return _realm(endpoint)
        return _OF_CHANNEL_VARIABLES.get(".".join(rest), ".".join(path))
    if header in ("Flags", "Metaflows"):
        return ".".join(("outbound_flags" if header == "Flags" else "metaflows", *rest))
    if header == "Codecs":
        return _codec(rest, endpoint)
    if header == "To-Realm":
        return _realm(endpoint)
    if header in ("To-User", "To-Username"):
        return _user(header, leg, endpoint)
    if header == "Route":
        return _route(leg, endpoint)
    if header == "To-DID":
        return "number" if leg.get("Invite-Format") == "loopback" else "sip.number"
    # What has no place in the document comes from the conference's side: its owner, its account.
    return _SOURCES.get(header, formatter)


def _codec(rest: tuple[str, ...], endpoint: JSONObject) -> str:
    # Those of the sound come first, those of the picture behind.
    place, heard = int(rest[0]) if rest else 0, len(list_at(endpoint, "media", "audio", "codecs"))
    return f"media.audio.codecs.{place}" if place < heard else f"media.video.codecs.{place - heard}"


def _of_header(rest: tuple[str, ...], endpoint: JSONObject) -> str:
    name = rest[0] if rest else ""
    custom = object_at(endpoint, "sip", "custom_sip_headers")
    for place in (("in",), ()):
        if any(str(key)[:64] == name for key in object_at(custom, *place)):
            return ".".join(("sip.custom_sip_headers", *place, name))
    if name.startswith(_PUSHER):
        return f"push.{name.removeprefix(_PUSHER)}"
    return _OF_HEADERS.get(name, f"sip.custom_sip_headers.{name}")


def _route(leg: JSONObject, endpoint: JSONObject) -> str:
    if leg.get("Invite-Format") == "loopback":
        return "call_forward.number"
    proxy = text_at(endpoint, "push", "Token-Proxy")
    if proxy is None:
        return "sip.route"
    if not texts.SIP_HOST.fits(proxy):
        return "push.Token-Proxy"
    return "sip.username" if not texts.SIP_USER.fits(text_at(endpoint, "sip", "username")) else "sip.realm"


def _realm(endpoint: JSONObject) -> str:
    return "sip.realm" if text_at(endpoint, "sip", "realm") else "realm"


def _user(header: str, leg: JSONObject, endpoint: JSONObject) -> str:
    part = "skype" if leg.get("Endpoint-Type") == "skype" else "sip"
    is_fixed = header == "To-User" and text_at(endpoint, part, "static_invite")
    return f"{part}.static_invite" if is_fixed and not object_at(endpoint, "push") else f"{part}.username"
