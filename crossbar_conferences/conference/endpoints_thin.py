"""The thin endpoint: a reference to a document, worked out by the media side when it dials.

Source: dial.md 2.5; fax dial.md 2.6, E9.
"""

from __future__ import annotations

from typing import Any, Final

from .endpoints_context import DialContext, JSONObject, is_true, object_at, value_at
from .endpoints_formatters import apply_formatters
from .endpoints_identity import callee_id_fields, caller_id_fields, in_realm, presence_id, privacy_method

_IDENTITY: Final = ("Account-ID", "Endpoint-ID", "Endpoint-URI", "Invite-Format")
#: What was looked at for more than its signs; a rule would put something else in its place.
_DECIDED: Final = ("Hold-Media",)


def thin_endpoint(merged: JSONObject, context: DialContext) -> dict[str, Any]:
    """The endpoint object of a merged device or user."""
    endpoint_id = merged["id"]
    endpoint = {
        "Invite-Format": "endpoint",
        **caller_id_fields(context),
        **callee_id_fields(merged, context),
        "Privacy-Method": privacy_method(merged, context),
        "Account-ID": context.account_id,
        "Endpoint-ID": endpoint_id,
        "Endpoint-URI": f"{endpoint_id}@{context.account_id}",
        "Presence-ID": presence_id(merged, context),
        "Custom-Channel-Vars": {},
        "Flags": merged["outbound_flags"],
        "Metaflows": dict(object_at(merged, "metaflows")),
        "Endpoint-Actions": {},
        **fax_fields(merged, context),
    }
    formatted = apply_formatters(endpoint, object_at(merged, "formatters"), context.budget)
    return with_identity(formatted, endpoint)


def with_identity(formatted: dict[str, Any], built: JSONObject) -> dict[str, Any]:
    """A formatted endpoint that still says who is called, how, and what is played on hold.

    Formatters rewrite any field by its name; these are no numbers or names, and a rule for them could
    name a device of another account, or a sound that the account may not have played.
    """
    kept = {header: built[header] for header in (*_IDENTITY, *_DECIDED) if header in built}
    presence, realm = formatted.get("Presence-ID"), built["Presence-ID"].partition("@")[2]
    if presence and "@" in presence:
        kept["Presence-ID"] = in_realm(presence, realm)
    return formatted | kept


def fax_fields(merged: JSONObject, context: DialContext) -> dict[str, Any]:
    """The T.38 settings of a fax machine; nothing for any other device."""
    if merged.get("device_type") != "fax":
        return {}
    if is_true(value_at(merged, "media", "fax_option")):
        return {"Enable-T38-Fax": True, "Enable-T38-Fax-Request": True, "Enable-T38-Gateway": "self"}
    if context.conference is not None:
        return {"Enable-T38-Fax": True, "Enable-T38-Passthrough": True}
    return {"Enable-T38-Fax": False, "Enable-T38-Fax-Request": False, "Enable-T38-Passthrough": False}
