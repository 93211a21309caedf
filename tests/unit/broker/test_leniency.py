"""Whatever a message's properties and keys are made of, reading them raises nothing."""

from __future__ import annotations

import struct

import pamqp.frame
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from crossbar_conferences.broker import leniency
from crossbar_conferences.broker.leniency import MAX_PROPERTIES, is_readable

leniency.install()

SIZE = 77


def _read(properties: bytes) -> ContentHeader:
    payload = struct.pack(">HHQ", 60, 0, SIZE) + properties
    raw = struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce"
    used, channel, header = pamqp.frame.unmarshal(raw)
    assert (used, channel) == (len(raw), 1) and isinstance(header, ContentHeader)
    return header


_letters = st.sampled_from([bytes([number]) for number in b"tbBsuIilLfdDSATFVx\0Z"])
#: Tables that begin as tables do, and then have anything in them.
_fields = st.builds(
    lambda name, letter, value: bytes([len(name)]) + name + letter + value,
    st.binary(max_size=6),
    _letters,
    st.binary(max_size=12),
)
_tables = st.lists(_fields, max_size=4).map(
    lambda made: struct.pack(">I", len(b"".join(made))) + b"".join(made)
)


@given(st.binary(max_size=80), st.one_of(st.binary(max_size=200), _tables))
def test_any_properties(flags: bytes, values: bytes) -> None:
    """Any bytes give a header with the body's size; one that is not readable has no properties."""
    for properties in (flags + values, b"\x20\x00" + values, b"\xa0\x00\x10application/json" + values):
        header = _read(properties)
        assert header.body_size == SIZE
        if not is_readable(header):
            assert header.properties == commands.Basic.Properties()


@given(st.binary(max_size=255), st.binary(max_size=255))
def test_any_key(exchange: bytes, key: bytes) -> None:
    """Keys and names may be any bytes; those that are UTF-8 come as they are."""
    texts = b"".join(bytes([len(text)]) + text for text in (b"tag", exchange, key))
    payload = struct.pack(">HH", 60, 60) + texts[:4] + struct.pack(">QB", 1, 0) + texts[4:]
    raw = struct.pack(">BHI", 1, 1, len(payload)) + payload + b"\xce"
    _, _, frame = pamqp.frame.unmarshal(raw)
    assert isinstance(frame, commands.Basic.Deliver)
    assert frame.routing_key == key.decode("utf-8", "replace")


def test_length_is_looked_at_first() -> None:
    """Properties that are too long are not gone through: pamqp's time grows with the square."""
    assert is_readable(
        _read(
            b"\x20\x00"
            + struct.pack(">I", MAX_PROPERTIES - 6)
            + b"\1xA"
            + struct.pack(">I", MAX_PROPERTIES - 13)
            + b"V" * (MAX_PROPERTIES - 13)
        )
    )
    assert not is_readable(
        _read(
            b"\x20\x00" + struct.pack(">I", 100_007) + b"\1xA" + struct.pack(">I", 100_000) + b"V" * 100_000
        )
    )


def test_what_pamqp_reads_is_read_as_ever() -> None:
    """A message of Kazoo's has its properties, stamp included."""
    sent = commands.Basic.Properties(content_type="application/json", headers={"Deliver-To-PID": "<0.1.0>"})
    header = _read(sent.marshal())
    assert is_readable(header) and header.properties == sent
