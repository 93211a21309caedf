"""Who is shown as calling, as called, and whose lamp lights up.

Source: dial.md 2.5, 2.8, 2.9.
"""

from __future__ import annotations

from typing import Any, Final

from .endpoints_context import NO_USER, DialContext, JSONObject, text_at, value_at
from .endpoints_merge import hotdesk_users, merge_endpoint

INTERNAL: Final = "internal"
EXTERNAL: Final = "external"

_PRIVACY_METHODS: Final = frozenset({"sip", "none", "kazoo"})


def caller_id_fields(context: DialContext, kind: str = INTERNAL) -> dict[str, str]:
    """Outbound-Caller-ID-Name and -Number: the conference's own, not the request's.

    An ad-hoc conference has nothing to show (E7).
    """
    name: str | None = None
    number: str | None = None
    if context.conference is not None:
        merged = merge_endpoint(context.conference, context.conference_id, context)
        name = text_at(merged, "caller_id", kind, "name")
        presence = text_at(merged, "presence_id")
        number = (
            text_at(merged, "caller_id", kind, "number")
            or text_at(merged, "caller_id", "default", "number")
            or (presence.partition("@")[0] if presence else None)
        )
    return {
        "Outbound-Caller-ID-Name": name or context.config.unknown_caller_id_name,
        "Outbound-Caller-ID-Number": number or context.config.default_privacy_number,
    }


def callee_id_fields(endpoint: JSONObject, context: DialContext) -> dict[str, str]:
    """Outbound-Callee-ID-Name and -Number of an endpoint."""
    name = (
        text_at(endpoint, "caller_id", INTERNAL, "name")
        or text_at(endpoint, "caller_id", "default", "name")
        or text_at(endpoint, "name")
    )
    number = text_at(endpoint, "caller_id", INTERNAL, "number") or text_at(
        endpoint, "caller_id", "default", "number"
    )
    return {
        "Outbound-Callee-ID-Name": name or context.config.default_caller_id_name,
        "Outbound-Callee-ID-Number": number or NO_USER,
    }


def privacy_method(endpoint: JSONObject, context: DialContext) -> str:
    """How a hidden caller id is hidden."""
    places: tuple[tuple[str, ...], ...] = (
        ("caller_id_options", "privacy_method"),
        ("privacy", "method"),
        ("Privacy-Method",),
        ("privacy_mode",),
    )
    found: Any = next((value for value in (value_at(endpoint, *place) for place in places) if value), None)
    return found if isinstance(found, str) and found in _PRIVACY_METHODS else context.config.privacy_method


def presence_id(endpoint: JSONObject, context: DialContext) -> str:
    """The presence id of an endpoint, in the account's realm."""
    found = text_at(endpoint, "presence_id") or text_at(endpoint, "sip", "username") or NO_USER
    owner_id = text_at(endpoint, "owner_id")
    users = (owner_id,) if owner_id else hotdesk_users(endpoint)
    for user_id in users:
        of_user = text_at(context.documents.get(user_id), "presence_id")
        if of_user:
            found = of_user
            break
    if "@" not in found:
        return f"{found}@{context.realm or ''}"
    return in_realm(found, context.realm) if context.realm else found


def in_realm(presence: str, realm: str) -> str:
    """A presence id with the account's realm in the place of another's: nobody's lamps are lit elsewhere."""
    user, _, named = presence.partition("@")
    return presence if named.lower() == realm.lower() else f"{user}@{realm}"
