"""JSON text from outside (``jsontext.py``)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
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


def _is_within(raw: bytes, values: int, depth: int) -> bool:
    try:
        jsontext.check(raw, values=values, depth=depth)
    except ValueError:
        return False
    return True


def test_values_are_counted_in_the_text() -> None:
    """Signs inside a text separate nothing, also after an escaped quote."""
    assert not _is_within(b"[1,2,3]", 2, 100)
    assert _is_within(b"[1,2,3]", 3, 100)
    assert _is_within(b'{"a":"%s","b":"\\"[[[[[["}' % (b"," * 100), 2, 100)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def _values(value: Any) -> int:
    """By the rule: what begins a container, and what separates its members."""
    if isinstance(value, dict | list):
        inside = list(value.values() if isinstance(value, dict) else value)
        return 1 + max(len(inside) - 1, 0) + sum(map(_values, inside))
    return 0


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@given(_JSON, st.booleans())
def test_json_holds_what_it_holds(value: Any, ascii_only: bool) -> None:
    """Neither texts full of signs, quotes and backslashes, nor escapes, nor blanks make it more or less."""
    for separators in ((",", ":"), (" , ", " : ")):
        raw = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
        values, depth = _values(value), _depth(value)
        assert _is_within(raw, values, depth)
        assert not values or not _is_within(raw, values - 1, depth)
        assert not depth or not _is_within(raw, values, depth - 1)


_HOSTILE = st.lists(
    st.sampled_from(
        [
            b'"',
            b"\\",
            b'\\"',
            b"[",
            b"]",
            b"{",
            b"}",
            b",",
            b":",
            b"\0",
            b"\xff",
            b"\xc3",
            b"1",
            b"9" * 20,
            b"1e400",
            b"-",
            b"nul",
            b"true",
            b"\\u0022",
            b"\\ud800",
            b"\xef\xbb\xbf",
            b" ",
            b"/*",
            b"a",
        ]
    ),
    max_size=30,
).map(b"".join)


@given(_HOSTILE | st.binary(max_size=60))
def test_the_verdict_is_that_of_the_json_module(raw: bytes) -> None:
    """What is refused as too much would be no JSON to Python's own module, or be too much by its count; what
    is decoded is what it decodes."""
    try:
        theirs: Any = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
        json.dumps(theirs, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):
            jsontext.decode(raw)
        return
    assert jsontext.decode(raw) == theirs
    # Names may come twice; what they name counts twice.
    theirs = json.loads(raw, object_pairs_hook=lambda pairs: [value for _, value in pairs])
    assert _is_within(raw, _values(theirs), _depth(theirs))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


@pytest.mark.parametrize(
    "piece",
    [
        b'"',
        b"\\",
        b'\\"',
        b'"\\',
        b"[",
        b"]",
        b"[]",
        b"{}",
        b'{"',
        b",",
        b"9",
        b"1,",
        b"\0",
        b"\xff",
        b'""',
        b'",',
        b"\\u0022",
        b'"a",',
        b"123456789012345678 ",
        b"12345678901234567890,",
        b'["\\"',
        b'\\\\"',
    ],
)
@pytest.mark.parametrize("opening", [b"", b'"', b"["])
def test_time_grows_with_length_and_no_faster(opening: bytes, piece: bytes) -> None:
    """Whatever is repeated: a text eight times as long takes eight times as long, with room for noise, where
    a quadratic check takes sixty-four times."""
    texts = [opening + piece * (length // len(piece)) for length in (100_000, 800_000)]
    short, long = (min(_seconds(text) for _ in range(3)) for text in texts)
    assert long < 24 * short + 0.02


def _seconds(raw: bytes) -> float:
    begun = time.process_time()
    with suppress(ValueError):
        jsontext.check(raw, values=20_000, depth=100)
        jsontext.decode(raw)
    return time.process_time() - begun


def test_integers_of_a_request_have_a_bounded_length() -> None:
    """To read one takes a time that grows with the square of its length; a stored one is read anyway."""
    assert jsontext.decode(b"9" * 400) == 10**400 - 1
    with pytest.raises(ValueError):
        jsontext.decode(b"9" * 401)
    assert jsontext.decode_stored(b"9" * 401) == 10**401 - 1


@given(_JSON)
def test_the_size_of_a_value(value: Any) -> None:
    """Is that of its JSON, also of what the fast encoder does not take."""
    assert jsontext.size(value) > 0
    assert jsontext.size({"n": 2**70, "x": "\ud800"}) > 20
