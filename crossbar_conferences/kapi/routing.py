"""Exchanges and routing keys.

Source: amqp.md 2, 4, 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

TARGETED = "targeted"
CONFERENCE = "conference"
CALL_EVENTS = "callevt"
CONFIGURATION = "configuration"
NOTIFICATIONS = "notifications"
NODES = "nodes"

#: In place of an account's id: whichever it is.
ALL_ACCOUNTS: Final = "*"

#: Name -> type of every exchange this package touches. All are declared with Kazoo's flags: not
#: durable, not auto-delete, not internal, no arguments. Other flags keep a Kazoo node offline (amqp.md 2).
EXCHANGES = MappingProxyType(
    {
        TARGETED: "direct",
        CONFERENCE: "topic",
        CALL_EVENTS: "topic",
        CONFIGURATION: "topic",
        NOTIFICATIONS: "topic",
        NODES: "fanout",
    }
)

_UNCHANGED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~_")
_ENCODED = tuple(
    chr(byte) if byte in _UNCHANGED else "+" if byte == 0x20 else f"%{byte:02X}" for byte in range(256)
)


def encode(text: str) -> str:
    """Text as one token of a routing key; ``*``, ``#`` and the empty text stay (amqp.md 4)."""
    if text in ("", "*", "#"):
        return text
    return "".join(_ENCODED[byte] for byte in text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a reply goes on ``targeted``. ``process``: the AMQP header ``Deliver-To-PID``."""

    routing_key: str
    process: str | None = None


def reply_address(server_id: str) -> ReplyAddress:
    """What a request's ``Server-ID`` means (amqp.md 1.3).

    A federated request has ``consumer://PID/ID`` around the requester's own id; ``pid://PID/QUEUE``
    names a process behind a queue."""
    scheme, found, rest = server_id.partition("://")
    if not found or scheme not in ("consumer", "pid"):
        return ReplyAddress(server_id)
    process, _, queue = rest.partition("/")
    return reply_address(queue) if scheme == "consumer" else ReplyAddress(queue, process)
