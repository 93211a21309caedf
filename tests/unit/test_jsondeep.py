"""JSON deeper than encoders and decoders follow: what a store may hold is read, shown and written back."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences import jsondeep, jsontext
from crossbar_conferences.api import envelope
from crossbar_conferences.api.renderings import rendered
from crossbar_conferences.conference.csv import to_csv
from crossbar_conferences.conference.filter_values import as_text
from crossbar_conferences.conference.validation import validate
from crossbar_conferences.store.couch_response import as_json

#: Where one of orjson, json and the stack gives up, and far beyond.
DEPTHS = (150, 201, 255, 600, 990, 1_000, 1_023, 1_025, 5_000, 100_000)
BESIDE = (b"1", b"9" * 30, b"9" * 5_000, b"1e999", b'"\\ud800"', b'"],[{"')


def nested(depth: int, inner: bytes) -> bytes:
    """Objects in lists in objects."""
    opening, closing = b'[{"a":', b"}]"
    return opening * (depth // 2) + inner + closing * (depth // 2)


def squeezed(text: str) -> str:
    """Without the blanks that one of the encoders writes."""
    return text.replace(": ", ":").replace(", ", ",")


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("beside", BESIDE)
def test_any_depth_is_read_shown_and_written_back(depth: int, beside: bytes) -> None:
    """Whatever is beside it, the answer and what goes to the store again are JSON of the same nesting."""
    raw = b'{"deep":%s,"beside":%s}' % (nested(depth, b"[1,2]"), beside)
    value = jsontext.decode_stored(raw)
    for text in (envelope.dumps(value).decode(), as_json(value)):
        assert nested(depth, b"[1,2]").decode() in squeezed(text)
        again = jsontext.decode_stored(text.encode())
        assert set(again) == {"deep", "beside"}
    found = rendered(value, {}, None, None)
    assert found is None or nested(depth, b"[1,2]") in found.data_json


@pytest.mark.parametrize("depth", DEPTHS)
def test_no_reader_of_a_document_stumbles(depth: int) -> None:
    """CSV, filters and validation take it; what validation cannot follow is an error and no exception."""
    value = jsontext.decode_stored(nested(depth, b"1"))
    item = {"id": "a", "member": {"deep": value}, "flags": value, "ui_flags": value}
    assert to_csv([item]).count("\n") == 2
    assert as_text(value).count("[") == depth // 2
    for fields in ({"name": "x", **item}, {"name": value}, {"name": "x", "conference_numbers": [value]}):
        validate("conferences", fields)


def test_what_is_kept_as_text_cannot_be_forged() -> None:
    """A text of the document is never taken for the place of something else."""
    text = json.dumps({"a": "0", "b": ["00", {"c": "1"}]})
    raw = b'{"deep":%s,"x":%s}' % (nested(3_000, b"1"), text.encode())
    assert jsontext.decode_stored(raw)["x"] == json.loads(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
def test_the_slow_way_comes_to_the_same(value: Any) -> None:
    """What both can read and write is the same in both."""
    assert jsondeep.decode(jsondeep.encode(value)) == json.loads(json.dumps(value))


def test_what_was_rendered_goes_out_beside_what_only_the_slow_way_writes() -> None:
    """A rendered part of an envelope is JSON like the rest of it."""
    value = {"data": orjson.Fragment(b'{"a":[1]}'), "revision": "1-\ud800", "big": 10**30}
    assert json.loads(envelope.dumps(value)) == {"data": {"a": [1]}, "revision": "1-?", "big": 10**30}
