from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.broker import decoding
from crossbar_conferences.broker.counters import BusCounters
from crossbar_conferences.broker.decoding import MAX_DEPTH, Undecodable, decode
from crossbar_conferences.broker.port import Delivery

GOOD: dict[str, Any] = {"Event-Category": "c", "Event-Name": "e", "Msg-ID": "m"}


def delivery(body: bytes, content_type: str | None = "application/json") -> Delivery:
    """A delivery of these bytes."""
    return Delivery("conference", "k", body, content_type)


def kind_of(body: bytes, content_type: str | None = "application/json") -> str:
    """Why these bytes are refused."""
    with pytest.raises(Undecodable) as refused:
        decode(delivery(body, content_type))
    return refused.value.kind


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
def test_good(content_type: str) -> None:
    """A JSON object that says what it is comes through as it stands."""
    assert decode(delivery(orjson.dumps({**GOOD, "x": [1, None]}), content_type)) == {**GOOD, "x": [1, None]}


def test_depth() -> None:
    """Up to the limit a message may be deep, and wide in any case."""

    def nested(depth: int) -> bytes:
        return orjson.dumps(GOOD)[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"

    decode(delivery(nested(MAX_DEPTH - 1)))
    assert kind_of(nested(MAX_DEPTH)) == "too_large"
    decode(delivery(orjson.dumps({**GOOD, "x": [[] for _ in range(1_000)]})))


def test_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is too long is not even parsed."""
    monkeypatch.setattr(decoding, "MAX_BYTES", 10)
    assert kind_of(orjson.dumps(GOOD)) == "too_large"


@pytest.mark.parametrize("header", list(GOOD))
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "no_headers"),
        ("", "no_headers"),
        (7, "invalid"),
        (False, "invalid"),
        ([], "invalid"),
        ({"a": 1}, "invalid"),
    ],
)
def test_headers(header: str, value: Any, kind: str) -> None:
    """Category, name and message id must be there, and be texts."""
    assert kind_of(orjson.dumps({**GOOD, header: value})) == kind


@given(
    st.binary(max_size=200), st.none() | st.sampled_from(["application/json", "application/erlang", "x", ""])
)
def test_never_breaks(body: bytes, content_type: str | None) -> None:
    """Whatever bytes come, they are an object or refused for a reason that is counted."""
    kinds = set()
    try:
        decode(delivery(body, content_type))
    except Undecodable as refused:
        kinds.add(refused.kind)
    assert all(hasattr(BusCounters(), kind) for kind in kinds)


def packed(body: bytes) -> Delivery:
    """A delivery of bytes that are said to be gzip."""
    return Delivery("conference", "k", body, "application/json", content_encoding="gzip")


def test_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed message is read as Kazoo reads it; one that is broken or grows too large is refused."""
    body = orjson.dumps({**GOOD, "x": "a" * 2_000})
    assert decode(packed(gzip.compress(body)))["x"] == "a" * 2_000
    with pytest.raises(Undecodable, match="not_json"):
        decode(packed(body))
    with pytest.raises(Undecodable, match="not_json"):
        decode(packed(gzip.compress(body)[:20]))
    monkeypatch.setattr(decoding, "MAX_BYTES", 1_000)
    with pytest.raises(Undecodable, match="too_large"):
        decode(packed(gzip.compress(body)))


def test_other_encodings_are_taken_for_none() -> None:
    """Kazoo looks for gzip only: a message with another encoding is plain JSON."""
    assert (
        decode(Delivery("e", "k", orjson.dumps(GOOD), "application/json", content_encoding="utf-8")) == GOOD
    )
