"""Custom variables of a request: from its body and its query string, without reserved names.

Source: dial.md 1.4, amqp.md 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..kapi.shapes import Refused, variable
from ..kapi.texts import VARIABLE_NAME
from .actions_plan import ActionRequest, invalid, unsafe

#: Kazoo's default of ``call_command.reserved_ccv_keys``: names that only Kazoo sets.
RESERVED: Final = frozenset(
    {
        "Account-ID",
        "Account-Name",
        "Account-Realm",
        "Authorizing-ID",
        "Authorizing-Type",
        "Auto-Answer",
        "Call-Forward",
        "Call-Interaction-ID",
        "Call-Waiting-Disabled",
        "Confirm-Cancel-Timeout",
        "Confirm-File",
        "Confirm-Key",
        "Ecallmgr-Node",
        "Fax-Enabled",
        "Fetch-ID",
        "Loopback-Bowout",
        "Media-Encryption-Enforce-Security",
        "Media-Webrtc",
        "Owner-ID",
        "Presence-ID",
        "RTCP-MUX",
        "Realm",
        "Require-Ignore-Early-Media",
        "Retain-CID",
        "SIP-Invite-Domain",
        "Simplify-Loopback",
        "Username",
    }
)

#: Query parameters that steer the request; a token above all must not travel on as a variable.
_STEERING: Final = frozenset(
    {
        "access_token",
        "auth_token",
        "authorization",
        "x-auth-token",
        "accept",
        "accept_charges",
        "dry_run",
        "fresh",
        "jsonp",
        "pretty_print",
        "verb",
        "wait",
    }
)


def custom_vars(request: ActionRequest, key: str) -> dict[str, Any]:
    """The variables under ``key`` of the envelope's ``data``, the query string's over them.

    Where they are not, they are looked for in the inner payload: Kazoo finds nothing there and says
    that they were sent.

    Raises `ActionError` for a value that is no object, and for names, texts and lists that would not
    stay one variable on the way to the switch.
    """
    places = [place for place in (request.body_data, request.data) if isinstance(place, Mapping)]
    given = next((place[key] for place in places if place.get(key) is not None), None)
    if given is not None and not isinstance(given, Mapping):
        details = {"message": "Value did not match type(s): object", "target": "object", "value": given}
        raise invalid(f"data.{key}", "type", details)
    merged = {
        **(given or {}),
        **{name: value for name, value in request.query.items() if name not in _STEERING},
    }
    found = {name: value for name, value in merged.items() if name not in RESERVED}
    for name, value in found.items():
        if not VARIABLE_NAME.fits(name):
            raise unsafe(f"data.{key}", name, f"has a name that {VARIABLE_NAME.must}")
        try:
            variable(value)
        except Refused as refused:
            raise unsafe(".".join(("data", key, name, *refused.path)), value, refused.why) from refused
    return found
