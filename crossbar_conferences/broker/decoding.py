"""A delivery's bytes as a Kazoo message, or the reason why they are none."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from .. import jsontext
from ..errors import CrossbarConferencesError
from .port import Delivery

#: The longest messages are answers to searches: all people of an account, some 700 bytes each.
MAX_BYTES = 32 * 1024 * 1024
#: Values in one message: those people have some 50 each. What has more takes seconds to read.
MAX_VALUES = 1_000_000
#: Objects and lists inside each other. Kazoo's messages have about six levels.
MAX_DEPTH = 64


class Undecodable(CrossbarConferencesError):
    """The delivery is no Kazoo message. ``kind`` names a counter of `BusCounters`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def decode(delivery: Delivery) -> dict[str, Any]:
    """The body of a delivery: a JSON object that says what it is. Raises `Undecodable`.

    Kazoo itself crashes on a message without content type (amqp.md 1.4); here it is dropped."""
    if not delivery.readable:
        raise Undecodable("unreadable")
    if delivery.content_type is None:
        raise Undecodable("no_content_type")
    payload = _payload(delivery)
    if delivery.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Undecodable("not_json")
    try:
        jsontext.check(payload, values=MAX_VALUES, depth=MAX_DEPTH)
    except ValueError:
        raise Undecodable("too_large") from None
    try:
        body = orjson.loads(payload)
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
    return body


def _payload(delivery: Delivery) -> bytes:
    """The bytes of the JSON text: Kazoo's listeners take gzip too (amqp.md 1.4)."""
    if len(delivery.body) > MAX_BYTES:
        raise Undecodable("too_large")
    if delivery.content_encoding != "gzip":
        return delivery.body
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        payload = unpacker.decompress(delivery.body, MAX_BYTES + 1)
    except zlib.error:
        raise Undecodable("not_json") from None
    if len(payload) > MAX_BYTES:
        raise Undecodable("too_large")
    return payload
