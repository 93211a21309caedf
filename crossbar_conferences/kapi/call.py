"""Messages of the ``callevt`` exchange: which node has a channel.

Source: amqp.md 10.1.
"""

from __future__ import annotations

from typing import Any

from .messages import Definition, Origin, Outgoing, build, check, matches
from .routing import CALL_EVENTS
from .types import is_object, is_text

QUERY_CHANNELS_KEY = "call.status_req.channels"

_QUERY_CHANNELS = Definition(
    "channel",
    "query_channels_req",
    optional=("Active-Only", "Call-ID", "Fields"),
    types={"Call-ID": is_text},
)
# Kazoo 5 says "channel", the older core "call_event" (amqp.md 10.1): as an answer both are right.
_QUERY_CHANNELS_RESPONSES = tuple(
    Definition(category, "query_channels_resp", required=("Channels",), types={"Channels": is_object})
    for category in ("channel", "call_event")
)


def query_channels(call_id: str, origin: Origin, msg_id: str | None = None) -> Outgoing:
    """A question to ecallmgr about one active channel; a node without it stays silent."""
    fields = {"Call-ID": call_id, "Fields": "all", "Active-Only": True}
    return Outgoing(CALL_EVENTS, QUERY_CHANNELS_KEY, build(_QUERY_CHANNELS, fields, origin, msg_id))


def query_channels_response(channels: dict[str, Any], origin: Origin, msg_id: str) -> dict[str, Any]:
    """The answer: channels by call id."""
    return build(_QUERY_CHANNELS_RESPONSES[0], {"Channels": channels}, origin, msg_id)


def check_query_channels(body: Any) -> None:
    """Raise `MessageInvalid` unless this asks for channels in Kazoo 5's way."""
    check(_QUERY_CHANNELS, body)


def is_query_channels_response(body: Any) -> bool:
    """Whether this answers a question for channels, in either generation's way."""
    return any(matches(definition, body) for definition in _QUERY_CHANNELS_RESPONSES)
