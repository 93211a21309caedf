"""JSON text from outside (``jsontext.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences import jsontext

HUGE = b"1000000000000000000000000000000"

DECODERS = pytest.mark.parametrize("decode", [jsontext.decode, jsontext.decode_stored])


@DECODERS
def test_huge_integers_stay_exact(decode: Callable[[bytes], Any]) -> None:
    """Integers beyond 64 bits are not turned into floats, and what stands beside them is read as ever."""
    assert decode(b'{"a":"\\ud83d\\ude00","n":-%s}' % HUGE) == {"a": "\N{GRINNING FACE}", "n": -(10**30)}
    assert decode(b"[9223372036854775807,18446744073709551616]") == [2**63 - 1, 2**64]


@pytest.mark.parametrize(
    "value", [b'"\\ud800"', b'"x\\udfff"', b'"\\udc00\\ud800"', b'{"\\ud800":1}', b"1e999", b"-1e999", b"NaN"]
)
@pytest.mark.parametrize("beside", [b"1", HUGE])
def test_what_is_no_json_is_refused_beside_a_huge_integer(value: bytes, beside: bytes) -> None:
    """The decoder for huge integers refuses what the fast one does."""
    with pytest.raises(ValueError):
        jsontext.decode(b'{"a":%s,"n":%s}' % (value, beside))


@pytest.mark.parametrize("beside", [b"1", HUGE])
def test_a_stored_document_may_hold_half_a_surrogate_pair(beside: bytes) -> None:
    """It is no text, yet CouchDB keeps it and gives it back; what is no number is refused all the same."""
    assert jsontext.decode_stored(b'["\\ud800",%s]' % beside) == ["\ud800", int(beside)]
    for broken in (b"[NaN,%s]", b"[1,%s", b'["\xff",%s]'):
        with pytest.raises(ValueError):
            jsontext.decode_stored(broken % beside)


@pytest.mark.parametrize("beside", [b"1", HUGE])
def test_what_is_too_deep_to_be_read_is_refused(beside: bytes) -> None:
    """However deep the text is, the stack holds."""
    with pytest.raises(ValueError):
        jsontext.decode(b"[" * 100_000 + beside + b"]" * 100_000)


@DECODERS
@given(raw=st.binary(max_size=100), number=st.integers())
def test_decoding_raises_nothing_else(decode: Callable[[bytes], Any], raw: bytes, number: int) -> None:
    """Whatever bytes come, also beside a number of any length, they are a value or a `ValueError`."""
    for text in (raw, b"[%d,%s]" % (number, raw)):
        try:
            decode(text)
        except ValueError:
            continue


def test_depth_counts_objects_and_arrays_only() -> None:
    """What lies in the innermost one makes it no deeper, and width is no depth."""
    for inner in (b"", b"1", b'"x"', b"null"):
        deep = orjson.loads(b"[" * 5 + inner + b"]" * 5)
        assert not jsontext.is_deeper_than(deep, 5)
        assert jsontext.is_deeper_than(deep, 4)
    mixed = {"a": [{"b": 1}, {"c": []}], "d": 1}
    assert not jsontext.is_deeper_than(mixed, 4)
    assert jsontext.is_deeper_than(mixed, 3)
    assert not jsontext.is_deeper_than([[] for _ in range(1000)], 2)
    assert not jsontext.is_deeper_than("x", 0)
    assert jsontext.is_deeper_than([], 0)


def test_values_are_counted_in_the_text() -> None:
    """Signs inside a text separate nothing, also after an escaped quote."""
    assert jsontext.holds_more_than(b"[1,2,3]", 2)
    assert not jsontext.holds_more_than(b"[1,2,3]", 3)
    assert not jsontext.holds_more_than(b'{"a":"%s","b":"\\"[[[[[["}' % (b"," * 100), 2)
