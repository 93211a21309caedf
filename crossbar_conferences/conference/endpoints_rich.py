"""The rich endpoint: a complete leg with address, headers, codecs and channel variables.

What a SIP URI and an inline device always become, a push device too, and any device where the
system is set to ``kz_endpoint_v4``. Source: dial.md 2.6, 2.7; E10, E12-E16.
"""

from __future__ import annotations

from typing import Any, Final

from ..kapi.texts import HOLD_MEDIA_ID
from .endpoints_context import (
    NO_USER,
    DialContext,
    JSONObject,
    is_empty,
    is_false,
    is_true,
    list_at,
    object_at,
    text_at,
    value_at,
    without_empty,
    without_missing,
)
from .endpoints_formatters import apply_formatters
from .endpoints_identity import EXTERNAL, callee_id_fields, caller_id_fields, presence_id, privacy_method
from .endpoints_texts import FieldRefused
from .endpoints_thin import fax_fields, with_identity
from .media import media_locator

_TRANSPORTS: Final = frozenset({"tcp", "udp", "tls", "sctp"})
_PUSH_DELAY_SECONDS: Final = 5
#: Kazoo's proxy finds whom to call by these, whatever else the leg says.
_KAZOOS_HEADERS: Final = "x-kazoo-"
#: So much of a name is shown in an error.
_SHOWN: Final = 64
_FAIL_ON_SINGLE_REJECT: Final = "USER_BUSY,CALL_REJECTED,NO_ANSWER,NORMAL_CLEARING,PROGRESS_TIMEOUT"


def rich_endpoint(endpoint: JSONObject, context: DialContext) -> dict[str, Any]:
    """One complete SIP leg."""
    sip = object_at(endpoint, "sip")
    leg = without_missing(
        {
            "Invite-Format": text_at(sip, "invite_format") or "username",
            "To-User": text_at(sip, "static_invite") or text_at(sip, "username"),
            "To-Username": text_at(sip, "username"),
            "To-Realm": text_at(sip, "realm") or context.realm,
            "To-DID": text_at(sip, "number") or NO_USER,
            "To-IP": text_at(sip, "ip"),
            "SIP-Transport": _transport(sip, context),
            "SIP-Interface": text_at(sip, "custom_sip_interface") or context.config.custom_sip_interface,
            "Route": text_at(sip, "route"),
            "Proxy-IP": text_at(sip, "proxy"),
            "Forward-IP": text_at(sip, "forward"),
            **caller_id_fields(context),
            **callee_id_fields(endpoint, context),
            "Privacy-Method": privacy_method(endpoint, context),
            **_media_fields(endpoint, context),
            "Endpoint-ID": text_at(endpoint, "id"),
            "Presence-ID": presence_id(endpoint, context),
            "Custom-SIP-Headers": _sip_headers(endpoint, context),
            "Custom-Channel-Vars": _channel_vars(endpoint, context),
            "Flags": endpoint.get("outbound_flags"),
            "Ignore-Completed-Elsewhere": _ignores_completed_elsewhere(endpoint, context),
            "Failover": _failover(endpoint, context),
            "Metaflows": value_at(endpoint, "metaflows"),
            "Endpoint-Actions": {},
            **fax_fields(endpoint, context),
        }
    )
    formatted = apply_formatters(leg, object_at(endpoint, "formatters"), context.budget)
    return with_identity(formatted, leg)


def push_endpoint(endpoint: JSONObject, context: DialContext) -> dict[str, Any] | None:
    """The leg that wakes a mobile app first; ``None`` when its account or proxy is not known."""
    sip, push = object_at(endpoint, "sip"), object_at(endpoint, "push")
    username, proxy = text_at(sip, "username"), text_at(push, "Token-Proxy")
    realm = text_at(sip, "realm") or context.realm
    if username is None or proxy is None or realm is None:
        return None
    user = f"{username}@{realm}"
    headers = _sip_headers(endpoint, context)
    pushed: dict[str, Any] = {key: value for key, value in push.items() if key != "Invite-Format"}
    if text_at(push, "Token-Type"):
        pushed |= {"Endpoint-ID": text_at(endpoint, "id"), "Account-ID": context.account_id}
    headers |= without_missing({f"X-KAZOO-PUSHER-{key}": value for key, value in pushed.items()})
    return without_empty(
        {
            "Invite-Format": "route",
            "Route": f"sip:{user};fs_path='{proxy}'",
            "To-User": user,
            "To-Username": username,
            "To-Realm": realm,
            "To-DID": text_at(sip, "number") or NO_USER,
            "SIP-Transport": _transport(sip, context),
            "Endpoint-Delay": _PUSH_DELAY_SECONDS,
            "Endpoint-ID": text_at(endpoint, "id"),
            "Account-ID": context.account_id,
            **caller_id_fields(context),
            **callee_id_fields(endpoint, context),
            "Privacy-Method": privacy_method(endpoint, context),
            **_media_fields(endpoint, context),
            "Presence-ID": presence_id(endpoint, context),
            "Custom-SIP-Headers": headers,
            "Flags": endpoint.get("outbound_flags"),
            "Ignore-Completed-Elsewhere": _ignores_completed_elsewhere(endpoint, context),
        }
    )


def skype_endpoint(endpoint: JSONObject) -> dict[str, Any]:
    """A leg to a Skype user."""
    username = text_at(endpoint, "skype", "username")
    return without_missing(
        {
            "Invite-Format": "username",
            "To-User": text_at(endpoint, "skype", "static_invite") or username,
            "To-Username": username,
            "Endpoint-Type": "skype",
            "Endpoint-Options": {"Skype-RR": "true"},
        }
    )


def forwarded_endpoint(endpoint: JSONObject, context: DialContext) -> dict[str, Any]:
    """The leg to the number that a device's calls are forwarded to."""
    forward = object_at(endpoint, "call_forward")
    waits = is_true(forward.get("require_keypress")) or not is_true(forward.get("substitute"))
    number = text_at(forward, "number")
    channel_vars = _channel_vars(endpoint, context) | {
        "Authorizing-Type": "device",
        "Call-Forward": "true",
        "Call-Forward-From": "onnet",
        "Require-Ignore-Early-Media": "true",
        "Ignore-Early-Media": "true",
        "Loopback-Request-URI": f"sip:{number}@{context.realm or ''}",
        "Simplify-Loopback": "true",
        "Loopback-Bowout": "true",
    }
    if is_true(forward.get("keep_caller_id")):
        channel_vars["Retain-CID"] = "true"
    if is_true(forward.get("failover")) and not is_true(forward.get("enabled")):
        channel_vars["Is-Failover"] = True
    if is_true(forward.get("require_keypress")):
        channel_vars |= {
            "Confirm-Key": "1",
            "Confirm-Cancel-Timeout": True,
            "Confirm-Read-Timeout": "7000",
            "Confirm-File": f"prompt://{context.account_id}/ivr-group_confirm/{context.config.prompt_language}",
            "Require-Fail-On-Single-Reject": _FAIL_ON_SINGLE_REJECT,
        }
    headers = {"X-KAZOO-INVITE-FORMAT": text_at(endpoint, "sip", "invite_format") or "contact"}
    return without_missing(
        {
            "Invite-Format": "loopback",
            "Route": number,
            "To-DID": text_at(endpoint, "number") or NO_USER,
            "Bypass-Media": "false",
            "Ignore-Early-Media": waits or is_true(forward.get("ignore_early_media")),
            "Endpoint-Progress-Timeout": _progress_timeout(endpoint),
            **caller_id_fields(context, EXTERNAL),
            "Presence-ID": presence_id(endpoint, context),
            "Custom-SIP-Headers": headers,
            "Custom-Channel-Vars": channel_vars,
        }
    )


def is_forwarded(endpoint: JSONObject) -> bool:
    """Whether calls for this device go to another number now."""
    forward = object_at(endpoint, "call_forward")
    return is_true(forward.get("enabled")) and text_at(forward, "number") is not None


def _failover(endpoint: JSONObject, context: DialContext) -> dict[str, Any] | None:
    forward = object_at(endpoint, "call_forward")
    if not is_true(forward.get("failover")) or text_at(forward, "number") is None:
        return None
    return forwarded_endpoint(endpoint, context)


def _media_fields(endpoint: JSONObject, context: DialContext) -> dict[str, Any]:
    media = object_at(endpoint, "media")
    codecs = [*list_at(media, "audio", "codecs"), *list_at(media, "video", "codecs")]
    hold = text_at(endpoint, "music_on_hold", "media_id")
    return without_empty(
        {
            "Codecs": codecs,
            "Ignore-Early-Media": "true" if is_true(media.get("ignore_early_media")) else None,
            "Bypass-Media": "true" if is_true(media.get("bypass_media")) else None,
            "Endpoint-Progress-Timeout": _progress_timeout(endpoint),
            "Hold-Media": _hold_media(hold, context) if hold else None,
        }
    )


def _hold_media(text: str, context: DialContext) -> str:
    refused = FieldRefused("music_on_hold.media_id", HOLD_MEDIA_ID.must, text)
    if not HOLD_MEDIA_ID.fits(text.replace(",", "")):
        raise refused
    allowed = context.config.private_media_hosts
    media = media_locator(text, context.account_id, context.conference_id, allow_private_hosts=allowed)
    # What may be played has commas, but not on hold.
    if "," in text:
        raise refused
    return media


def _progress_timeout(endpoint: JSONObject) -> str | None:
    seconds = text_at(endpoint, "media", "progress_timeout")
    return seconds if seconds and seconds.isdecimal() and seconds.strip("0") else None


def _transport(sip: JSONObject, context: DialContext) -> str | None:
    for transport in (text_at(sip, "transport"), context.config.sip_transport):
        if transport in _TRANSPORTS:
            return transport
    return None


def _ignores_completed_elsewhere(endpoint: JSONObject, context: DialContext) -> bool:
    for place in (("caller_id_options",), ("sip",), ()):
        value = value_at(endpoint, *place, "ignore_completed_elsewhere")
        if isinstance(value, bool):
            return value
    return context.config.ignore_completed_elsewhere


def _sip_headers(endpoint: JSONObject, context: DialContext) -> dict[str, Any]:
    sip = object_at(endpoint, "sip")
    headers: dict[str, Any] = {"X-KAZOO-INVITE-FORMAT": text_at(sip, "invite_format") or "contact"}
    username, realm = text_at(sip, "username"), text_at(sip, "realm") or context.realm
    if username and realm:
        headers["X-KAZOO-AOR"] = f"sip:{username}@{realm}"
    ringtone = text_at(endpoint, "ringtones", "internal")
    if ringtone:
        headers["Alert-Info"] = ringtone
    return headers | _custom_headers(sip)


def _custom_headers(sip: JSONObject) -> dict[str, str]:
    custom = object_at(sip, "custom_sip_headers")
    # Before ``in`` and ``out`` existed, the headers lay directly here; they were for inbound calls.
    legacy = {key: value for key, value in custom.items() if key not in ("in", "out")}
    both = {**legacy, **object_at(custom, "in")}
    for key in both:
        if key.lower().startswith(_KAZOOS_HEADERS):
            place = "in." if key in object_at(custom, "in") else ""
            why = f"must not name a header of Kazoo's own, {_KAZOOS_HEADERS}…"
            raise FieldRefused(f"sip.custom_sip_headers.{place}{key[:_SHOWN]}", why, both[key])
    found = {key: text_at(both, key) for key in both}
    return {key: value for key, value in found.items() if value is not None}


def _channel_vars(endpoint: JSONObject, context: DialContext) -> dict[str, Any]:
    media = object_at(endpoint, "media")
    methods = list_at(media, "encryption", "methods")
    enforce = value_at(media, "encryption", "enforce_security")
    endpoint_id = text_at(endpoint, "id")
    webrtc = True if is_true(media.get("webrtc")) else None
    rtcp_mux = media.get("rtcp_mux")
    zrtp = "true" if "zrtp" in methods else None
    busy = is_false(value_at(endpoint, "call_waiting", "enabled"))
    return without_missing(
        {
            "Account-ID": context.account_id,
            "Authorizing-ID": endpoint_id,
            "Authorizing-Type": text_at(endpoint, "pvt_type") if endpoint_id else None,
            "Owner-ID": text_at(endpoint, "owner_id"),
            "SIP-Invite-Domain": text_at(endpoint, "sip", "realm") or context.realm,
            "Media-Encryption-Enforce-Security": True if is_empty(enforce) else is_true(enforce),
            "RTP-Secure-Media": "true" if "srtp" in methods else None,
            "ZRTP-Secure-Media": zrtp,
            "ZRTP-Enrollment": zrtp,
            "Fax-Enabled": "true" if media.get("fax_option") == "auto" else None,
            "RTCP-MUX": rtcp_mux if isinstance(rtcp_mux, bool) else webrtc,
            "Media-Webrtc": webrtc,
            "Call-Waiting-Disabled": True if busy else None,
        }
    )
