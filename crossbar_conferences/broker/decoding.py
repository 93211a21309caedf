"""A delivery's bytes as a Kazoo message, or the reason why they are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ..errors import CrossbarConferencesError
from .port import Delivery

MAX_BYTES = 8 * 1024 * 1024
#: Objects and lists inside each other. Kazoo's messages have about six levels.
MAX_DEPTH = 64

_BRACKETS = (b"{", b"[")


class Undecodable(CrossbarConferencesError):
    """The delivery is no Kazoo message. ``kind`` names a counter of `BusCounters`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def decode(delivery: Delivery) -> dict[str, Any]:
    """The body of a delivery: a JSON object that says what it is. Raises `Undecodable`.

    Kazoo itself crashes on a message without content type (amqp.md 1.4); here it is dropped."""
    if delivery.content_type is None:
        raise Undecodable("no_content_type")
    if len(delivery.body) > MAX_BYTES:
        raise Undecodable("too_large")
    if delivery.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Undecodable("not_json")
    try:
        body = orjson.loads(delivery.body)
    except orjson.JSONDecodeError:
        raise Undecodable("not_json") from None
    if not isinstance(body, dict):
        raise Undecodable("no_headers")
    for header in ("Event-Category", "Event-Name", "Msg-ID"):
        value = body.get(header)
        if value is None or value == "":
            raise Undecodable("no_headers")
        if not isinstance(value, str):
            raise Undecodable("invalid")
    # Counting brackets is cheap; only what might be deep is walked.
    if sum(map(delivery.body.count, _BRACKETS)) > MAX_DEPTH and _is_deep(body):
        raise Undecodable("too_large")
    return body


def _is_deep(body: dict[str, Any]) -> bool:
    """Whether something lies deeper than `MAX_DEPTH`; without recursion, that being the point."""
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [child for container in level for child in _children(container)]
        if not level:
            return False
    return True


def _children(container: Any) -> Iterator[Any]:
    values = container.values() if isinstance(container, dict) else container
    return (value for value in values if isinstance(value, dict | list))
