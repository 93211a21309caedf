"""How the settings of an account, an owner and a device become those of one endpoint.

Only the attributes that reach a dial message are merged. Source: dial.md 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from .endpoints_context import (
    DialContext,
    JSONObject,
    is_empty,
    is_true,
    list_at,
    object_at,
    text_at,
    value_at,
)

_LAYERED: Final = ("caller_id_options", "formatters", "metaflows", "music_on_hold", "ringtones")
#: All that is taken from every one of the documents, and goes out with every leg.
_MERGED: Final = (*_LAYERED, "call_forward", "call_waiting", "caller_id", "outbound_flags")
#: Users of one device whose documents are read; only one of them ever counts for more than presence.
MAXIMUM_HOTDESK_USERS: Final = 20
#: Deeper documents are cut off here: merging must end on hostile input too.
_MAXIMUM_DEPTH: Final = 16


def merge_endpoint(document: JSONObject, document_id: str, context: DialContext) -> dict[str, Any]:
    """A copy of a device, user or conference document with what it inherits."""
    is_user = document.get("pvt_type") == "user"
    owner_id, owner = (document_id, document) if is_user else owner_of(document, context)
    account = context.account
    for source in (account, owner, document):
        context.budget.spend_settings(source, _MERGED)
    merged = dict(document)
    merged["id"] = document_id
    merged["owner_id"] = owner_id
    merged["caller_id"] = _caller_id(account, document, owner)
    merged["name"] = _full_name(owner) or text_at(owner, "name") or text_at(document, "name")
    merged["name"] = merged["name"] or text_at(account, "name")
    for key in _LAYERED:
        merged[key] = layered(object_at(account, key), object_at(document, key), object_at(owner, key))
    merged["call_waiting"] = layered(
        *(object_at(source, "call_waiting") for source in (account, owner, document))
    )
    merged["do_not_disturb"] = {
        "enabled": any(
            is_true(value_at(source, "do_not_disturb", "enabled")) for source in (account, owner, document)
        )
    }
    presence_ids = (text_at(source, "presence_id") for source in (owner, document, account))
    merged["presence_id"] = next((found for found in presence_ids if found), None)
    merged["outbound_flags"] = _outbound_flags(account, owner, document)
    return merged


def merged_call_forward(document: JSONObject, context: DialContext) -> JSONObject:
    """The call forwarding of a rich endpoint: the owner's, unless the device has its own on."""
    own = object_at(document, "call_forward")
    if is_true(own.get("enabled")):
        return own
    _, owner = owner_of(document, context)
    return layered(own, object_at(owner, "call_forward"))


def owner_of(document: JSONObject, context: DialContext) -> tuple[str | None, JSONObject]:
    """The id and document of whoever uses a device now.

    One hotdesk user stands in for the owner; several share the device, so nobody's settings count.
    """
    users = hotdesk_users(document)
    if len(users) > 1:
        return None, {}
    owner_id = users[0] if users else text_at(document, "owner_id")
    if owner_id is None:
        return None, {}
    return owner_id, context.documents.get(owner_id) or {}


def hotdesk_users(document: JSONObject) -> tuple[str, ...]:
    """The ids of the users who are logged in at a device: the first `MAXIMUM_HOTDESK_USERS`."""
    users = islice(object_at(document, "hotdesk", "users"), MAXIMUM_HOTDESK_USERS)
    return tuple(key for key in users if isinstance(key, str) and key)


def layered(*layers: JSONObject) -> dict[str, Any]:
    """Objects merged deeply, later ones over earlier ones; empty values override nothing."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer, _MAXIMUM_DEPTH)
    return merged


def _merge_into(target: dict[str, Any], layer: JSONObject, depth: int) -> None:
    for key, value in layer.items():
        if is_empty(value):
            continue
        if isinstance(value, Mapping) and depth:
            below = target.get(key)
            copy = dict(below) if isinstance(below, Mapping) else {}
            _merge_into(copy, value, depth - 1)
            target[key] = copy
        else:
            target[key] = value


def _caller_id(account: JSONObject, document: JSONObject, owner: JSONObject) -> dict[str, Any]:
    of_owner = layered(object_at(owner, "caller_id"))
    internal = dict(object_at(of_owner, "internal"))
    name = _full_name(owner)
    if name and not text_at(internal, "name"):
        of_owner["internal"] = {**internal, "name": name}
    of_account, of_document = object_at(account, "caller_id"), object_at(document, "caller_id")
    if is_true(account.get("prefer_device_caller_id")):
        merged = layered(of_account, of_owner, of_document)
    else:
        merged = layered(of_account, of_document, of_owner)
    # Whatever the order, an emergency call shows where the device stands.
    emergency = object_at(of_document, "emergency")
    return layered(
        merged, {"emergency": {key: emergency[key] for key in ("name", "number") if key in emergency}}
    )


def _full_name(user: JSONObject) -> str | None:
    parts = (text_at(user, "first_name"), text_at(user, "last_name"))
    return " ".join(part for part in parts if part) or None


def _outbound_flags(*sources: JSONObject) -> dict[str, list[Any]]:
    flags: dict[str, list[Any]] = {"dynamic": [], "static": []}
    for source in sources:
        # The old form is a plain list; it counts as static.
        flags["static"] += list_at(source, "outbound_flags") or list_at(source, "outbound_flags", "static")
        flags["dynamic"] += list_at(source, "outbound_flags", "dynamic")
    return flags
