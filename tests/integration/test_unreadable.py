"""Messages that RabbitMQ takes and pamqp cannot read: each costs itself, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import orjson

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.leniency import MAX_PROPERTIES
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.broker.rabbit import RabbitTransport
from tests.support.brokers import FAST, eventually, on_bus, unique
from tests.support.raw_amqp import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    CORRELATION_ID,
    HEADERS,
    JSON,
    MESSAGE_ID,
    PRIORITY,
    TIMESTAMP,
    field,
    properties,
    raw_publisher,
    short,
    table,
)

NOT_UTF8 = b"\xff\xfe\x80"
GOOD = properties(CONTENT_TYPE, JSON)


def _headers(*fields: bytes) -> bytes:
    return properties(CONTENT_TYPE | HEADERS, JSON, table(*fields))


def _nested(depth: int) -> bytes:
    inner = table()
    for _ in range(depth):
        inner = table(field(b"F" + inner))
    return inner


def _stamped(stamp: int) -> bytes:
    return properties(CONTENT_TYPE | TIMESTAMP, JSON, struct.pack(">Q", stamp))


#: What a message may come with -> its properties.
HOSTILE: Mapping[str, bytes] = {
    **{f"timestamp {stamp}": _stamped(stamp) for stamp in (0, 2**32, 2**63 - 1, 2**63, 2**64 - 1)},
    "no properties": properties(0),
    "content type no text": properties(CONTENT_TYPE, short(NOT_UTF8)),
    "content type empty": properties(CONTENT_TYPE, short(b"")),
    "content type half a character": properties(CONTENT_TYPE, short("application/jsoné".encode()[:-1])),
    "encoding no text": properties(CONTENT_TYPE | CONTENT_ENCODING, JSON, short(NOT_UTF8)),
    "encoding unknown": properties(CONTENT_TYPE | CONTENT_ENCODING, JSON, short(b"br")),
    "correlation no text": properties(CONTENT_TYPE | CORRELATION_ID, JSON, short(NOT_UTF8)),
    "message id no text": properties(CONTENT_TYPE | MESSAGE_ID, JSON, short(NOT_UTF8 * 80)),
    "priority": properties(CONTENT_TYPE | PRIORITY, JSON, b"\xff"),
    "name no text": _headers(field(b"t\1", NOT_UTF8)),
    "name empty": _headers(field(b"t\1", b"")),
    "name twice": _headers(field(b"t\1"), field(b"V")),
    "text no text": _headers(field(b"S" + struct.pack(">I", 3) + NOT_UTF8)),
    "bytes": _headers(field(b"x" + struct.pack(">I", 3) + NOT_UTF8)),
    "decimal": _headers(field(b"D\xff" + struct.pack(">I", 2**32 - 1))),
    "decimal of none": _headers(field(b"D\0" + struct.pack(">I", 0))),
    "not a number": _headers(field(b"d" + struct.pack(">d", float("nan")))),
    "infinite": _headers(field(b"f" + struct.pack(">f", float("-inf")))),
    "negative": _headers(field(b"l" + struct.pack(">q", -(2**63)))),
    "long": _headers(field(b"L" + struct.pack(">q", -1))),
    "small": _headers(field(b"b\x80"), field(b"s\x80\0"), field(b"I\x80\0\0\0")),
    "unsigned": _headers(field(b"B\xff", b"a"), field(b"u\xff\xff", b"b"), field(b"i\xff\xff\xff\xff", b"c")),
    "stamp": _headers(field(b"T" + b"\xff" * 8)),
    "void": _headers(field(b"V")),
    "array": _headers(field(b"A" + table(b"A" + table(b"V"), b"t\0"))),
    "array of nothing": _headers(field(b"A" + table())),
    "array of voids": _headers(field(b"A" + table(b"V" * 100_000))),
    "tables in tables": properties(CONTENT_TYPE | HEADERS, JSON, _nested(1_000)),
    "tables in tables, deep": properties(CONTENT_TYPE | HEADERS, JSON, _nested(12_000)),
    "long headers": _headers(field(b"S" + table(b"x" * 100_000))),
    "as long as is read": _headers(field(b"S" + table(b"x" * (MAX_PROPERTIES - 100)))),
    # No type of AMQP's; RabbitMQ refuses these, today.
    "type unknown": _headers(field(b"Z\0")),
    "type zero": _headers(field(b"\0")),
    "table cut short": properties(CONTENT_TYPE | HEADERS, JSON, struct.pack(">I", 100) + b"\1x"),
    "properties cut short": properties(CONTENT_TYPE | TIMESTAMP, JSON, b"\0\0"),
    "flags go on": struct.pack(">HH", CONTENT_TYPE | 1, 0) + JSON,
    "all flags": b"\xff\xfe" + b"\0" * 64,
}


def _body(name: str) -> bytes:
    return orjson.dumps({"Event-Category": "t", "Event-Name": "t", "Msg-ID": name})


async def test_no_property_costs_the_connection(amqp_url: str) -> None:
    """After each kind of properties that RabbitMQ passes on, the same connection hears the next message."""
    heard: list[str] = []

    def hear(body: dict[str, object], delivery: Delivery) -> None:
        heard.append(str(body["Msg-ID"]))

    token, taken = unique(), []
    transport = RabbitTransport([amqp_url], options=FAST)
    bus = Bus(transport, f"a@{token}.test", advertise=False)
    async with on_bus(bus):
        await bus.listen(hear, [Binding("conference", f"{token}.#")])
        for name, props in HOSTILE.items():
            async with raw_publisher(amqp_url) as raw:
                if await raw.publish("conference", f"{token}.a".encode(), props, _body(name)):
                    taken.append(name)
        for number, key in enumerate((NOT_UTF8, "é".encode()[:1], b"\0\n", b"\xf0\x9f" * 50)):
            async with raw_publisher(amqp_url) as raw:
                assert await raw.publish("conference", token.encode() + b"." + key, GOOD, _body(f"{number}"))
        async with raw_publisher(amqp_url) as raw:
            assert await raw.publish("conference", token.encode() + b".a", GOOD, _body("last"))
        await eventually(lambda: "last" in heard)
        assert transport.counters.lost == 0 and transport.counters.gaps == 0
        # Each of them was either taken in or counted; none was lost on the way.
        assert len(heard) + bus.counters.malformed() == len(taken) + 5
    assert heard[-1] == "last"
    # What the broker passes on is most of it; else this shows nothing.
    assert {"content type no text", "name no text", "tables in tables, deep", "array of voids"} <= set(taken)
    assert {"tables in tables, deep", "array of voids", "name no text"}.isdisjoint(heard)
    assert {"correlation no text", "decimal", "stamp", "timestamp 0", "as long as is read"} <= set(heard)


async def test_a_body_is_read_whatever_its_properties(amqp_url: str) -> None:
    """The frames of a body are counted rightly after properties that cannot be read, long bodies too."""
    bodies: list[bytes] = []
    token, transport = unique(), RabbitTransport([amqp_url], options=FAST)
    await transport.start()
    try:
        await transport.consume(lambda delivery: bodies.append(delivery.body), [Binding("targeted", token)])
        await eventually(lambda: transport.connected)
        async with raw_publisher(amqp_url) as raw:
            bad = _headers(field(b"V", NOT_UTF8))
            for props, body in ((bad, b"1"), (GOOD, b"2" * 100_000), (bad, b"3" * 100_000), (GOOD, b"4")):
                assert await raw.publish("targeted", token.encode(), props, body)
        await eventually(lambda: len(bodies) == 4)
    finally:
        await transport.close()
    assert [len(body) for body in bodies] == [1, 100_000, 100_000, 1]
