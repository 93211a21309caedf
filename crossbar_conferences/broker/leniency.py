"""A message that pamqp cannot read costs itself, not the connection.

aiormq ends a connection over one frame that pamqp fails to decode, and whoever may publish on the bus
chooses a message's properties and its routing key: bytes that are no UTF-8, headers inside headers a
thousand deep, types that pamqp does not know. RabbitMQ passes most of that on. `install` mends it
for this process, and lets a broker say why it refuses one; it is called once, by ``broker/rabbit.py``.
"""

from __future__ import annotations

from typing import Final

from pamqp import commands, decode
from pamqp.header import ContentHeader

from . import timestamps

#: The longest properties that are looked at, in bytes: Kazoo's have some 30. pamqp's time grows with
#: the square of their length.
MAX_PROPERTIES: Final = 8_192
#: Class, weight and size of the body, which the broker itself writes.
_FIXED: Final = 12

_stock_unmarshal = ContentHeader.unmarshal


def is_readable(header: ContentHeader) -> bool:
    """Whether a message's properties are what was sent; else there are none."""
    return not getattr(header, "_unreadable", False)


def decode_short_text(value: bytes) -> tuple[int, str]:
    """A name or a key from the wire; what is no UTF-8 in it is replaced."""
    if not value:
        raise ValueError("a short string is missing")
    end = value[0] + 1
    return end, value[1:end].decode("utf-8", "replace")


def _unmarshal(header: ContentHeader, data: bytes) -> None:
    try:
        if len(data) - _FIXED > MAX_PROPERTIES:
            raise ValueError("the properties are too long")
        _stock_unmarshal(header, data)
    except Exception:  # pamqp raises what its decoders happen to meet, recursion included
        _stock_unmarshal(header, data[:_FIXED] + b"\0\0")
        header.properties = commands.Basic.Properties()
        header._unreadable = True  # type: ignore[attr-defined]


def install() -> None:
    """Teach pamqp Kazoo's stamps, and to live with what it cannot read; may be called again."""
    timestamps.install()
    decode.METHODS["shortstr"] = decode_short_text
    # A broker that refuses a virtual host says why; aiormq would only tell of an unexpected frame.
    commands.Connection.Open.valid_responses = ["Connection.OpenOk", "Connection.Close"]
    ContentHeader.unmarshal = _unmarshal  # type: ignore[assignment, method-assign]
