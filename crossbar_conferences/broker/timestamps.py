"""Kazoo's AMQP timestamps, which stock pamqp can neither read nor write.

Kazoo stamps messages with microseconds since year 0 instead of seconds since 1970. Decoding one
raises inside pamqp, and the whole connection dies with the first message received (amqp.md 1.5).
`install` mends that for this process; it is called once, by ``broker/rabbit.py``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aio_pika.message import decode_timestamp, encode_timestamp, encode_timestamp_number
from pamqp import common, decode, encode

_SIZE = 8
_stock_decode = decode.timestamp
_stock_encode = encode.timestamp


def decode_stamp(value: bytes) -> tuple[int, common.FieldValue]:
    """A stamp from the wire: a time when it is one, else the number as it stands."""
    try:
        return _stock_decode(value)
    except (ValueError, OverflowError, OSError):
        if len(value) < _SIZE:
            raise
        return _SIZE, int.from_bytes(value[:_SIZE], "big")


def encode_stamp(value: Any) -> bytes:
    """A stamp for the wire: a number as it stands, or a time."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value.to_bytes(_SIZE, "big")
    return _stock_encode(value)


def stamp_number(value: datetime | int | None) -> int | None:
    """What `decode_stamp` gave, as a number: unix seconds, or Kazoo's microseconds since year 0."""
    return int(value.timestamp()) if isinstance(value, datetime) else value


def _keep_large_number(value: int) -> Any:
    try:
        return encode_timestamp_number(value)
    except (ValueError, OverflowError, OSError):
        return value


def install() -> None:
    """Teach pamqp, and aio-pika's own messages, Kazoo's stamps; may be called again."""
    decode.METHODS["timestamp"] = decode_stamp
    decode.TABLE_MAPPING[b"T"] = decode_stamp
    encode.METHODS["timestamp"] = encode_stamp
    decode_timestamp.register(int, lambda value: value)
    encode_timestamp.register(int, _keep_large_number)
