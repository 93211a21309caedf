"""Dialling out of a conference: request to message, and the media side's answer to the client's.

In steps, since documents lie between: `read_dial` checks the request; the shell reads the documents
that ``endpoints`` asks for; `plan_dial` makes the message; ``dial_fates`` says what became of it.
Source: dial.md 1, 4, 5; http.md 9.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..kapi import conference as kapi_conference
from ..kapi import texts
from ..kapi.messages import MessageInvalid, Outgoing
from ..kapi.shapes import Refused
from ..kapi.texts import Text
from .actions_plan import ActionContext, ActionError, ActionRequest, invalid, kept_back, unsafe
from .actions_vars import custom_vars
from .dial_fates import DialLeg
from .endpoints import Resolved, nothing_routable
from .endpoints_context import text_at
from .endpoints_numbers import plain_number

DEFAULT_TIMEOUT_SECONDS: Final = 20
#: Whatever a client asks for, an HTTP request waits no longer than this.
MAXIMUM_WAIT_MS: Final = 10 * 60 * 1000
#: Legs of one request where an operator says nothing else.
MAXIMUM_LEGS: Final = 100

TIMED_OUT: Final = "timed out trying to dial endpoints"
CANNOT_BEGIN: Final = "a dial cannot begin a conference here: it does not run"
CALL_ID_IN_USE: Final = "outbound_call_id is the id of a call that is there already"
NO_MEDIA_SERVER: Final = "conference dial failed to find a media server"


@dataclass(frozen=True, slots=True)
class DialRequest:
    """A checked request. ``elements`` has the schema's defaults in inline devices."""

    elements: tuple[Any, ...]
    fields: Mapping[str, Any]
    target_call_id: str | None
    timeout_seconds: int
    maximum_legs: int = MAXIMUM_LEGS


@dataclass(frozen=True, slots=True)
class DialPlan:
    """A dial that is ready but for its zone.

    ``target_call_id`` tells where to look for the zone first (dial.md 5.3); ``timeout_ms`` how
    long to wait for the one answer.
    """

    fields: Mapping[str, Any]
    timeout_ms: int
    target_call_id: str | None
    context: ActionContext
    #: What is called, in the order in which the answer tells of it: the last one of the message first, as
    #: Kazoo tells of legs that are answered one after the other.
    legs: tuple[DialLeg, ...] = ()
    #: Whether a client chose the call id of one of them.
    has_own_call_id: bool = False

    def message(self, zone: str, msg_id: str | None = None) -> Outgoing:
        """The message for a zone; Kazoo's ``msg_id`` is the HTTP request's id."""
        # A client's own id of its request may be any text: one that is no word stays here.
        mark = msg_id if texts.MARK.fits(msg_id) else None
        try:
            return kapi_conference.dial(zone, self.fields, self.context.origin, mark)
        except Refused as refused:
            raise kept_back(refused) from refused
        except MessageInvalid as error:
            raise ActionError("faulty_request", {"message": str(error)}) from error


def read_dial(
    request: ActionRequest,
    context: ActionContext,
    default_timeout: int = DEFAULT_TIMEOUT_SECONDS,
    maximum_legs: int = MAXIMUM_LEGS,
) -> DialRequest:
    """Check a request; raises `ActionError` with every schema error and Kazoo's companion to them.

    ``default_timeout`` in seconds, for a request that names none. A list of more than
    ``maximum_legs`` endpoints is refused before anybody looks into it."""
    data = request.fields
    listed = data.get("endpoints")
    if isinstance(listed, list) and len(listed) > maximum_legs:
        raise _too_many(maximum_legs)
    checked = context.check("conferences.dial", data)
    if checked.errors:
        raise ActionError("validation_error", {**checked.errors, "data.endpoints": nothing_routable()})
    elements = checked.value.get("endpoints") if isinstance(checked.value, Mapping) else None
    # Only the endpoints are taken from the copy with defaults (dial.md 1.3).
    timeout = data.get("timeout")
    return DialRequest(
        elements=tuple(elements or ()),
        fields=_fields(data, request, context),
        target_call_id=text_at(data, "target_call_id"),
        timeout_seconds=int(timeout) if timeout else default_timeout,
        maximum_legs=maximum_legs,
    )


def plan_dial(
    request: DialRequest, resolved: Resolved, context: ActionContext, new_call_id: Callable[[], str]
) -> DialPlan:
    """The message of a request whose endpoints are resolved; raises `ActionError` when any is not.

    Each leg has a call id of its own, by which it is known again: the first one the request's, if it
    names one. For several legs that does not stand beside them too, where ecallmgr would give it to all."""
    if resolved.refused_media:
        raise ActionError("bad_media", list(resolved.refused_media))
    if resolved.errors:
        raise ActionError("validation_error", dict(resolved.errors))
    # A device that is forwarded may have two.
    if len(resolved.endpoints) > request.maximum_legs:
        raise _too_many(request.maximum_legs)
    asked = dict(request.fields)
    first = asked.get("Outbound-Call-ID") or new_call_id()
    if len(resolved.endpoints) > 1:
        asked.pop("Outbound-Call-ID", None)
    call_ids = [first, *(new_call_id() for _ in resolved.endpoints[1:])]
    in_order = sorted(range(len(resolved.endpoints)), key=resolved.positions.__getitem__)
    named = dict(zip(in_order, call_ids, strict=True))
    called = [_called(endpoint, named[place]) for place, endpoint in enumerate(resolved.endpoints)]
    fields = {
        "Application-Name": "dial",
        "Conference-ID": context.conference_id,
        "Account-ID": context.account_id,
        **asked,
        "Endpoints": called,
        "Timeout": request.timeout_seconds,
    }
    wait = request.timeout_seconds * 1000 * len(resolved.endpoints)
    legs = tuple(map(DialLeg.of, reversed(called)))
    return DialPlan(
        fields,
        min(wait, MAXIMUM_WAIT_MS),
        request.target_call_id,
        context,
        legs,
        has_own_call_id="Outbound-Call-ID" in request.fields,
    )


def refusal_of(reply: Mapping[str, Any]) -> str | None:
    """Why the media side dialled nothing at all, in its words; ``None`` for an answer about the legs."""
    if reply.get("Event-Name") != "error":
        return None
    return text_at(reply, "Error-Message") or "unknown error"


def dial_failure(message: str = NO_MEDIA_SERVER) -> dict[str, Any]:
    """The answer when nothing could be dialled."""
    return {"status": "error", "message": message}


def _called(endpoint: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """An endpoint with its call id, and what is dialled in its place with the same one."""
    failover = endpoint.get("Failover")
    instead = {"Failover": {**failover, "Outbound-Call-ID": call_id}} if isinstance(failover, Mapping) else {}
    return {**endpoint, **instead, "Outbound-Call-ID": call_id}


def _too_many(maximum: int) -> ActionError:
    details = {"message": f"The list is more than {maximum} items", "target": maximum}
    return invalid("endpoints", "maxItems", details)


def _fields(data: Mapping[str, Any], request: ActionRequest, context: ActionContext) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "Caller-ID-Name": _caller_name(data, context),
        "Caller-ID-Number": _caller_number(data),
        "Custom-Application-Vars": custom_vars(request, "custom_application_vars"),
        "Outbound-Call-ID": _text(data, "outbound_call_id", texts.CALL_ID),
        "Participant-Flags": data.get("participant_flags"),
        "Profile-Name": _text(data, "profile_name", texts.PROFILE_NAME) or _profile_of(context.document),
        "Target-Call-ID": _text(data, "target_call_id", texts.CALL_ID),
    }
    return {header: value for header, value in fields.items() if value is not None}


def _caller_name(data: Mapping[str, Any], context: ActionContext) -> str | None:
    given = text_at(data, "caller_id_name")
    name = given or text_at(context.document, "name")
    if name is None:
        return None
    # Looked at before its contents are.
    if given and len(given) > texts.MAXIMUM_SPOKEN:
        raise unsafe("caller_id_name", given, f"must not be longer than {texts.MAXIMUM_SPOKEN} characters")
    if given and texts.has_control_characters(given):
        raise unsafe("caller_id_name", given, "must not contain control characters or line breaks")
    return texts.caller_name(name) or None


def _caller_number(data: Mapping[str, Any]) -> str | None:
    """The number as it is shown: of one that is written for people the digits."""
    given = text_at(data, "caller_id_number")
    return (plain_number(given) if given else None) or _text(data, "caller_id_number", texts.NUMBER)


def _text(data: Mapping[str, Any], key: str, kind: Text) -> str | None:
    given = text_at(data, key)
    if given is not None and not kind.fits(given):
        raise unsafe(key, given, kind.must)
    return given


def _profile_of(document: Mapping[str, Any]) -> str | None:
    # The name in a stored conference is not the caller's doing, and ecallmgr reads none: an odd one is
    # left out.
    name = text_at(document, "profile_name")
    return name if texts.PROFILE_NAME.fits(name) else None
