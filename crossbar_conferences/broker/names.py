"""Names on the broker, and their limits."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from .port import BrokerError

#: AMQP's limit, in bytes.
MAX_ROUTING_KEY = 255


def private_queue_name() -> str:
    """A fresh name for a queue of ours: ASCII, and nothing like Kazoo's own (amqp.md 3.1)."""
    return f"crossbar_conferences-{secrets.token_hex(8)}"


def federated_queue_name(name: str, own_zone: str) -> str:
    """The name of a queue's counterpart on another zone's broker (amqp.md 1.3)."""
    return f"{name}-{own_zone}"


def check_routing_key(routing_key: str) -> None:
    """Raise `BrokerError` for a key that does not fit into AMQP."""
    if len(routing_key.encode("utf-8", "surrogatepass")) > MAX_ROUTING_KEY:
        raise BrokerError("the routing key is too long")


def check_exchange(exchange: str, known: Mapping[str, str]) -> None:
    """Raise `BrokerError` for an exchange that nobody declares; the empty name is the default one."""
    if exchange and exchange not in known:
        raise BrokerError(f"there is no exchange {exchange!r}")
