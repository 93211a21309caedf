"""What becomes of the legs of a dial request. Pure.

Source: dial.md 6, amqp.md 7.5, recordings (dial).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..kapi.messages import MessageInvalid
from .commands import Join

#: What calls that are dialled do by a name; anything else must look like a hangup cause.
ANSWER, BUSY, SILENT, UNANSWERED = "answer", "busy", "silent", "unanswered"

_CAUSES = {BUSY: "USER_BUSY"}
_CAUSE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")


@dataclass(frozen=True, slots=True)
class Leg:
    """One call to be made. ``endpoint_id`` is how the answer names it."""

    endpoint_id: str | None
    call_id: str
    account_id: str | None


def is_mode(mode: str) -> bool:
    """Whether calls can do this: ``answer``, ``busy``, ``silent`` (nothing is heard of them until the time is
    up), ``unanswered`` (they ring, and end so with ``NO_ANSWER``), or a cause such as ``USER_BUSY``."""
    return mode in (ANSWER, BUSY, SILENT, UNANSWERED) or _CAUSE.fullmatch(mode) is not None


def cause_of(mode: str) -> str:
    """The hangup cause that a failing call reports."""
    return _CAUSES.get(mode, mode)


def legs(request: Mapping[str, Any], fresh_call_ids: Sequence[str]) -> tuple[Leg, ...]:
    """The calls of a dial request, in its order; ``fresh_call_ids`` are for legs without one."""
    shared = _text(request.get("Outbound-Call-ID"))
    return tuple(
        Leg(
            endpoint_id=_endpoint_id(endpoint),
            call_id=_text(endpoint.get("Outbound-Call-ID")) or shared or fresh,
            account_id=_account_id(endpoint) or _text(request.get("Account-ID")),
        )
        for endpoint, fresh in zip(request["Endpoints"], fresh_call_ids, strict=False)
    )


def join_of(leg: Leg, request: Mapping[str, Any], at: int) -> Join:
    """How an answered call enters: with the flags and the application variables of the request."""
    listed = request.get("Participant-Flags")
    flags = {flag for flag in listed if isinstance(flag, str)} if isinstance(listed, list) else set()
    variables = request.get("Custom-Application-Vars")
    return Join(
        conference_id=request["Conference-ID"],
        call_id=leg.call_id,
        at=at,
        moderator="is_moderator" in flags,
        speak="mute" not in flags,
        hear="deaf" not in flags,
        see="video_mute" not in flags,
        ghost="ghost" in flags,
        account_id=leg.account_id,
        application_vars=variables if isinstance(variables, dict) else {},
        dialled=True,
    )


def check_variables(request: Mapping[str, Any]) -> None:
    """Raise `MessageInvalid` for custom application variables that are no texts: Kazoo's process per endpoint
    dies of them, and the answer never comes (beside-kazoo.md 10)."""
    for holder in (request, *request["Endpoints"]):
        variables = holder.get("Custom-Application-Vars") if isinstance(holder, Mapping) else None
        if isinstance(variables, Mapping) and not all(isinstance(one, str) for one in variables.values()):
            raise MessageInvalid("Custom-Application-Vars has values that are no texts")


def succeeded(leg: Leg) -> dict[str, Any]:
    """The answer's object for a call that joined."""
    return _response(leg, "success", "dialing endpoints") | {"Call-ID": leg.call_id}


def failed(leg: Leg, message: str) -> dict[str, Any]:
    """The answer's object for a call that did not."""
    return _response(leg, "error", message)


def _response(leg: Leg, status: str, message: str) -> dict[str, Any]:
    response = {"Status": status, "Message": message}
    return response if leg.endpoint_id is None else response | {"Endpoint-ID": leg.endpoint_id}


def _endpoint_id(endpoint: Mapping[str, Any]) -> str | None:
    variables = endpoint.get("Custom-Channel-Vars")
    authorizing = variables.get("Authorizing-ID") if isinstance(variables, Mapping) else None
    return _text(endpoint.get("Route")) or _text(endpoint.get("Endpoint-ID")) or _text(authorizing)


def _account_id(endpoint: Mapping[str, Any]) -> str | None:
    variables = endpoint.get("Custom-Channel-Vars")
    given = variables.get("Account-ID") if isinstance(variables, Mapping) else None
    return _text(given) or _text(endpoint.get("Account-ID"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
