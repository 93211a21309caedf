"""What packed bodies become (``api/coding.py``)."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.api.coding import TooLong, coding_of, unpacked
from crossbar_conferences.api.errors import ApiError


def bare(raw: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(raw) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize(
    ("lines", "coding"),
    [
        ([], None),
        ([""], None),
        (["identity"], None),
        (["GZip"], "gzip"),
        (["identity, gzip"], "gzip"),
        (["x-gzip"], "x-gzip"),
        ([" deflate ", ""], "deflate"),
    ],
)
def test_codings_that_are_taken(lines: list[str], coding: str | None) -> None:
    """In whatever case; none at all is one too."""
    assert coding_of(lines) == coding


@pytest.mark.parametrize(
    "lines",
    [
        ["br"],
        ["zstd"],
        ["compress"],
        ["gzip, gzip"],
        ["gzip", "deflate"],
        ["gzip;q=1"],
        ["gz ip"],
        ["\udcff"],
    ],
)
def test_codings_that_are_refused(lines: list[str]) -> None:
    """With a 400 that says which ones are taken."""
    with pytest.raises(ApiError) as refused:
        coding_of(lines)
    assert refused.value.entry.status == 400
    assert refused.value.data["Content-Encoding"]["enum"]["target"] == ["gzip", "deflate", "identity"]
    assert refused.value.headers == {"accept-encoding": "gzip, deflate"}


@given(st.binary(max_size=300))
def test_what_was_packed_comes_back(raw: bytes) -> None:
    """Byte by byte, up to the limit and not beyond."""
    for coding, pack in PACKERS.items():
        assert unpacked(pack(raw), coding, len(raw)) == raw
    assert unpacked(bare(raw), "deflate", len(raw)) == raw
    if raw:
        with pytest.raises(TooLong):
            unpacked(gzip.compress(raw), "gzip", len(raw) - 1)


@given(st.binary(max_size=100), st.sampled_from(sorted(PACKERS)))
def test_what_was_not_packed_is_refused(raw: bytes, coding: str) -> None:
    """As it is, cut off, spoilt, or with something behind it: a 400, or what it happens to mean; nothing else
    is ever raised."""
    whole = PACKERS[coding](raw)
    for spoilt in (whole[:-1], whole[:3], whole + b"x", whole + whole):
        with pytest.raises(ApiError) as refused:
            unpacked(spoilt, coding, 1_000)
        assert refused.value.data["Content-Encoding"]["invalid"]["target"] == coding
    try:
        unpacked(raw, coding, 1_000)
    except ApiError as error:
        assert error.entry.status == 400
    except TooLong:
        assert coding == "deflate"


def test_a_bomb_is_not_unpacked() -> None:
    """Of a hundred megabytes no more is made than the limit says."""
    with pytest.raises(TooLong):
        unpacked(gzip.compress(b" " * 100_000_000), "gzip", 65_536)
