"""Messages of the ``conference`` exchange: commands, dial, searches, their answers, events.

Functions named after a kind build one; ``check_…`` raise `MessageInvalid` for what came and is
not of its kind, ``is_…`` say so. Extra headers are never a fault.

Source: amqp.md 5, 6, 7; dial.md 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import gate
from .commands import COMMANDS
from .messages import DEFAULT_HEADERS, Definition, MessageInvalid, Origin, Outgoing, build, check, matches
from .routing import CONFERENCE, encode
from .types import (
    is_filled_list_of_objects,
    is_identifier,
    is_list,
    is_object,
    is_text,
)

DISCOVERY_KEY = "conference.discovery"

_SEARCH_REQUEST = Definition(
    "conference",
    "search_req",
    required=(("Conference-ID", "Account-ID"),),
    types={"Conference-ID": is_text, "Account-ID": is_text},
)
# Kazoo 5's ecallmgr fills more than the older definition lists (amqp.md 5.2); all of it is known here.
_SEARCH_RESPONSE = Definition(
    "conference",
    "search_resp",
    required=(("Conferences", "Conference-ID"),),
    optional=(
        "Answered",
        "Call-Interaction-ID",
        "Custom-Conference-Vars",
        "Dynamic",
        "Locked",
        "Members",
        "Moderators",
        "Participant-Count",
        "Participants",
        "Run-Time",
        "Running",
        "Start-Time",
        "Switch-External-IP",
        "Switch-Hostname",
        "Switch-URL",
        "UUID",
        "Zone",
    ),
    # Figures are not checked, as in Kazoo: an answer with an odd one still tells the rest, and readers
    # take a value of the wrong type for absent. An answer whose lists are none tells nothing.
    types={"Conference-ID": is_text, "Conferences": is_object, "Participants": is_list},
)
_CONFERENCE_ERROR = Definition(
    "conference",
    "error",
    required=("Error-Message", "Request", "Conference-ID"),
)
# On the wire it has no Application-Name (dial.md 6, seen in the recordings).
_DIAL_RESPONSE = Definition(
    "conference",
    "command",
    required=("Endpoint-Responses",),
    optional=("Application-Name",),
    values={"Application-Name": ("dial_resp",)},
    types={"Endpoint-Responses": is_filled_list_of_objects},
)
_EVENT = Definition(
    "conference",
    "event",
    required=("Event", "Conference-ID", "Instance-ID"),
    optional=(
        "Caller-ID-Name",
        "Caller-ID-Number",
        "Channel-Presence-ID",
        "Conference-Channel-Vars",
        "Custom-Application-Vars",
        "Custom-Channel-Vars",
        "Participant-ID",
        "Recording",
    ),
    types={
        "Account-ID": is_text,
        "Call-ID": is_text,
        "Conference-Channel-Vars": is_object,
        "Conference-ID": is_text,
        "Custom-Application-Vars": is_object,
        "Custom-Channel-Vars": is_object,
        "Event": is_text,
        "Instance-ID": is_text,
        "Participant-ID": is_identifier,
        "Recording": is_object,
    },
)


def command_key(destination: str) -> str:
    """Where commands for a conference id, or dials for a zone, are heard; not encoded (amqp.md 5.1)."""
    return f"conference.command.{destination}"


def event_key(event: str, account_id: str, conference_id: str, call_id: str) -> str:
    """Where an event is heard; only the call id is encoded, and ``*`` and ``#`` are wildcards."""
    return f"conference.event.{event}.{account_id}.{conference_id}.{encode(call_id)}"


def command(
    application_name: str,
    conference_id: str,
    fields: Mapping[str, Any],
    origin: Origin,
    msg_id: str | None = None,
) -> Outgoing:
    """A command to a running conference; nobody answers it.

    ``fields`` are headers of `COMMANDS`, such as ``{"Participant-ID": 7}``. Kazoo speaks these as
    ``origins.KAPPS_CONFERENCE``, but ``vars`` as ``origins.CROSSBAR``. Raises `MessageInvalid`; for a
    field that the gate keeps back, `shapes.Refused`, which is one."""
    definition = COMMANDS.get(application_name)
    if definition is None:
        raise MessageInvalid(f"there is no conference command {application_name!r}")
    body = build(definition, {**fields, "Conference-ID": conference_id}, origin, msg_id)
    return gate.Admitted(CONFERENCE, command_key(conference_id), body)


def dial(zone: str, fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None) -> Outgoing:
    """A request to a zone's media side to call endpoints into a conference.

    ``Timeout`` (seconds) must be there: without it no answer would ever come (amqp.md 5.4)."""
    body = build(COMMANDS["dial"], fields, origin, msg_id)
    if "Timeout" not in body:
        raise MessageInvalid("Timeout is missing")
    gate.admit_body(body)
    return Outgoing(CONFERENCE, command_key(zone), body)


def search_request(
    origin: Origin,
    *,
    conference_id: str | None = None,
    account_id: str | None = None,
    msg_id: str | None = None,
) -> Outgoing:
    """A question to every ecallmgr: about one conference, or about all of an account."""
    fields = {"Conference-ID": conference_id, "Account-ID": account_id}
    return Outgoing(CONFERENCE, DISCOVERY_KEY, build(_SEARCH_REQUEST, fields, origin, msg_id))


def search_response(fields: Mapping[str, Any], origin: Origin, msg_id: str) -> dict[str, Any]:
    """An answer to a search, for the requester's queue on ``targeted``."""
    return build(_SEARCH_RESPONSE, fields, origin, msg_id)


def conference_error(
    message: str, conference_id: str, request: Mapping[str, Any], origin: Origin, msg_id: str
) -> dict[str, Any]:
    """The answer that refuses a search or a dial; ``request`` is the body that was asked with."""
    fields = {"Error-Message": message, "Conference-ID": conference_id, "Request": dict(request)}
    return build(_CONFERENCE_ERROR, fields, origin, msg_id)


def dial_error_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a dial's error quotes: the request without the five default headers (amqp.md 5.4)."""
    return {key: value for key, value in request.items() if key not in DEFAULT_HEADERS}


def dial_response(responses: Sequence[Mapping[str, Any]], origin: Origin, msg_id: str) -> dict[str, Any]:
    """The answer to a dial: one object per endpoint."""
    fields = {"Endpoint-Responses": [dict(response) for response in responses]}
    return build(_DIAL_RESPONSE, fields, origin, msg_id)


def event(fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None) -> Outgoing:
    """Something that happened in a conference. ``fields`` name it: ``Event``, ``Conference-ID``, …"""
    body = build(_EVENT, fields, origin, msg_id)
    return Outgoing(CONFERENCE, event_key_of(body), body)


def event_key_of(body: Mapping[str, Any]) -> str:
    """The routing key of an event's body (amqp.md 7.3); an unknown account leaves its token empty."""
    conference_id = body["Conference-ID"]
    call_id = body.get("Call-ID") or conference_id
    return event_key(body["Event"], account_of_event(body) or "", conference_id, call_id)


def account_of_event(body: Mapping[str, Any]) -> str | None:
    """The account that an event belongs to: its own, else that of the call (amqp.md 7.3)."""
    for holder in (body, body.get("Custom-Channel-Vars")):
        if isinstance(holder, Mapping):
            account_id = holder.get("Account-ID")
            if isinstance(account_id, str) and account_id:
                return account_id
    return None


def check_command(body: Any) -> None:
    """Raise `MessageInvalid` unless this is one of `COMMANDS`."""
    name = body.get("Application-Name") if isinstance(body, Mapping) else None
    definition = COMMANDS.get(name) if isinstance(name, str) else None
    if definition is None:
        raise MessageInvalid("Application-Name names no conference command")
    check(definition, body)


def check_dial(body: Any) -> None:
    """Raise `MessageInvalid` unless this asks for endpoints to be dialled."""
    check(COMMANDS["dial"], body)


def check_search_request(body: Any) -> None:
    """Raise `MessageInvalid` unless this asks for a conference or an account's conferences."""
    check(_SEARCH_REQUEST, body)


def check_search_response(body: Any) -> None:
    """Raise `MessageInvalid` unless this answers a search."""
    check(_SEARCH_RESPONSE, body)


def check_conference_error(body: Any) -> None:
    """Raise `MessageInvalid` unless this refuses a search or a dial."""
    check(_CONFERENCE_ERROR, body)


def check_dial_response(body: Any) -> None:
    """Raise `MessageInvalid` unless this answers a dial."""
    check(_DIAL_RESPONSE, body)


def check_event(body: Any) -> None:
    """Raise `MessageInvalid` unless this is a conference event."""
    check(_EVENT, body)


def is_search_response(body: Any) -> bool:
    """Whether this answers a search."""
    return matches(_SEARCH_RESPONSE, body)


def is_dial_answer(body: Any) -> bool:
    """Whether this ends the wait for a dial: its answer or its refusal (amqp.md 3.3)."""
    return matches(_DIAL_RESPONSE, body) or matches(_CONFERENCE_ERROR, body)
