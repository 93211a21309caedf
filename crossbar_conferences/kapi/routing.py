"""Exchanges and routing keys.

Source: amqp.md 2, 4, 5.1.
"""

from __future__ import annotations

from types import MappingProxyType

TARGETED = "targeted"
CONFERENCE = "conference"
CALL_EVENTS = "callevt"
CONFIGURATION = "configuration"
NOTIFICATIONS = "notifications"
NODES = "nodes"

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
