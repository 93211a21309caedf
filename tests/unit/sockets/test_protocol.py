"""Frames of the websocket (``sockets/protocol.py``)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.sockets import protocol
from crossbar_conferences.sockets.bindings import parse
from tests.support.sockets import ACCOUNT, event_fields

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_frame_is_read() -> None:
    """Every field has its place."""
    frame = protocol.read(
        '{"action":"subscribe","auth_token":"T","request_id":"R","name":"n","metadata":{"a":1},"data":{"b":2}}'
    )
    assert frame == protocol.Frame("subscribe", "R", "T", {"b": 2}, "n", {"a": 1})


def test_what_is_missing_is_made_up() -> None:
    """No action is a noop, no request id a random one, no data an empty object."""
    frame = protocol.read("{}")
    assert (frame.action, frame.data, frame.token) == ("noop", {}, None)
    assert len(frame.request_id) == 32
    assert protocol.read("{}").request_id != frame.request_id


@pytest.mark.parametrize("text", ["", "nope", "5", "[]", '"text"', "null", "[" * 5000, b"\xff\xfe"])
def test_what_is_no_object_is_refused_with_a_reason(text: str | bytes) -> None:
    """Bad JSON, bare numbers, lists, endless nesting: an error with words, nothing else."""
    with pytest.raises(protocol.FrameInvalid, match=r"invalid JSON|not a JSON object"):
        protocol.read(text)


def test_a_request_id_comes_back_as_text_and_not_endlessly() -> None:
    """Numbers are echoed as text; what is longer than anybody needs is cut."""
    assert protocol.read('{"request_id": 7}').request_id == "7"
    assert len(protocol.read(f'{{"request_id": "{"x" * 9000}"}}').request_id) == 256


@given(st.dictionaries(st.sampled_from(["action", "auth_token", "request_id", "name", "data", "x"]), JSON))
def test_any_object_is_a_frame(value: dict[str, Any]) -> None:
    """Whatever the types of its fields are, a frame comes of it."""
    frame = protocol.read(orjson.dumps(value))
    assert isinstance(frame.action, str) and frame.action
    assert isinstance(frame.request_id, str) and frame.request_id


def test_a_pushed_frame_has_the_nested_and_the_flat_flags() -> None:
    """Kazoo 5 nests the channel's flags, the seed has them beside the others; clients get both."""
    body = {**event_fields("mute-member", "room"), "Event-Name": "event", "Node": "n", "Server-ID": "s"}
    subscription = parse("conference.event.room.*", ACCOUNT)
    frame = protocol.event(subscription, body, "the.key", 7)
    assert frame["subscribed_key"] == "conference.event.room.*"
    assert frame["subscription_key"] == f"conference.event.*.{ACCOUNT}.room.*"
    assert (frame["name"], frame["routing_key"], frame["seq"]) == ("event", "the.key", 7)
    data = frame["data"]
    assert data["event"] == "mute-member" and data["participant_id"] == 1
    assert data["conference_channel_vars"]["speak"] is True and data["speak"] is True
    assert "node" not in data and "server_id" not in data
    assert "seq" not in protocol.event(subscription, body, "the.key", None)


def test_replies_have_blackholes_form() -> None:
    """Success and error, with the request's id."""
    assert orjson.loads(protocol.success("R", {"a": 1})) == {
        "action": "reply",
        "request_id": "R",
        "status": "success",
        "data": {"a": 1},
    }
    assert orjson.loads(protocol.failure("R", ["why"]))["data"] == {"errors": ["why"]}
