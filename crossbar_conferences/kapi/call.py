"""Messages of the ``callevt`` exchange: which node has a channel, and that a channel is over.

Source: amqp.md 10.1; recordings of a real switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .messages import Definition, MessageInvalid, Origin, Outgoing, build, check, matches
from .routing import CALL_EVENTS, encode
from .types import is_boolean_or_its_text, is_object, is_text

QUERY_CHANNELS_KEY = "call.status_req.channels"

#: The category under which ecallmgr listens: the open core's, and kazoo5's (amqp.md 10.1).
CATEGORIES = ("call_event", "channel")

_QUERY_CHANNELS = {
    category: Definition(
        category,
        "query_channels_req",
        optional=("Active-Only", "Call-ID", "Fields"),
        types={"Active-Only": is_boolean_or_its_text, "Call-ID": is_text},
    )
    for category in CATEGORIES
}
# Kazoo 5 says "channel", the older core "call_event" (amqp.md 10.1): as an answer both are right.
_QUERY_CHANNELS_RESPONSES = tuple(
    Definition(category, "query_channels_resp", required=("Channels",), types={"Channels": is_object})
    for category in CATEGORIES
)

_DESTROYED = "CHANNEL_DESTROY"
_DESTROYED_EVENTS = tuple(
    Definition(
        category,
        _DESTROYED,
        required=("Call-ID",),
        optional=("Custom-Channel-Vars", "Disposition", "Hangup-Cause", "Timestamp"),
        types={"Call-ID": is_text, "Custom-Channel-Vars": is_object},
    )
    for category in CATEGORIES
)


def destroyed_key(call_id: str) -> str:
    """Where the end of a call is heard. Raises `MessageInvalid` for an id that means several."""
    if call_id in ("", "*", "#"):
        raise MessageInvalid("the call id is a wildcard")
    return f"call.{_DESTROYED}.{encode(call_id)}"


def destroyed(fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None) -> Outgoing:
    """That a call is over: ``Call-ID``, ``Hangup-Cause``; ``Disposition`` is ``ANSWER`` where it was
    answered."""
    body = build(_DESTROYED_EVENTS[0], fields, origin, msg_id)
    return Outgoing(CALL_EVENTS, destroyed_key(body["Call-ID"]), body)


def is_destroyed(body: Any) -> bool:
    """Whether this says that a call is over, in either generation's way."""
    return any(matches(definition, body) for definition in _DESTROYED_EVENTS)


def query_channels(
    call_id: str, origin: Origin, msg_id: str | None = None, category: str = CATEGORIES[0]
) -> Outgoing:
    """A question to ecallmgr about one active channel; a node without it stays silent.

    ``category``: the one under which the cluster's ecallmgr listens, of `CATEGORIES`."""
    fields = {"Call-ID": call_id, "Fields": "all", "Active-Only": True}
    body = build(_QUERY_CHANNELS[category], fields, origin, msg_id)
    return Outgoing(CALL_EVENTS, QUERY_CHANNELS_KEY, body)


def query_channels_response(channels: dict[str, Any], origin: Origin, msg_id: str) -> dict[str, Any]:
    """The answer: channels by call id."""
    return build(_QUERY_CHANNELS_RESPONSES[0], {"Channels": channels}, origin, msg_id)


def check_query_channels(body: Any) -> None:
    """Raise `MessageInvalid` unless this asks for channels, in either generation's way."""
    category = body.get("Event-Category") if isinstance(body, dict) else None
    check(_QUERY_CHANNELS.get(str(category), _QUERY_CHANNELS[CATEGORIES[0]]), body)


def is_query_channels_response(body: Any) -> bool:
    """Whether this answers a question for channels, in either generation's way."""
    return any(matches(definition, body) for definition in _QUERY_CHANNELS_RESPONSES)
