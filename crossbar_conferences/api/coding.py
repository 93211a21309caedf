"""What a body was packed with (``Content-Encoding``), undone within a bound. Pure.

The HTTP library could do it, but answers what it cannot unpack by itself, without an envelope, and
so does everything here. Source: RFC 9110 8.4; Kazoo itself reads no packed bodies.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from .errors import ApiError

#: What we unpack, as names of the registry; the second is an old name of the first.
_CODINGS: Final = ("gzip", "x-gzip", "deflate")

_GZIP: Final = zlib.MAX_WBITS | 16
_ZLIB: Final = zlib.MAX_WBITS
_BARE: Final = -zlib.MAX_WBITS


class TooLong(Exception):
    """What is packed is longer than it may be."""


def coding_of(lines: Iterable[str]) -> str | None:
    """The one coding that the lines of a ``Content-Encoding`` header name; ``None`` for none.

    Raises `ApiError` (400) for what is not unpacked here, such as one coding inside another."""
    names = [name.strip().lower() for line in lines for name in line.split(",")]
    packed = [name for name in names if name not in ("", "identity")]
    if not packed:
        return None
    if len(packed) > 1 or packed[0] not in _CODINGS:
        message = "Value not found in enumerated list of values"
        raise _refused("enum", {"message": message, "target": ["gzip", "deflate", "identity"]})
    return packed[0]


def unpacked(raw: bytes, coding: str, limit: int) -> bytes:
    """The bytes that were packed. Raises `ApiError` (400) when they were not, or not wholly, or when
    more follows, and `TooLong` before more than ``limit`` bytes were made of them."""
    window = _GZIP if coding != "deflate" else _ZLIB if _has_zlib_header(raw) else _BARE
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(raw, limit + 1)
    except zlib.error:
        raise _broken(coding) from None
    if len(found) > limit:
        raise TooLong
    if not unpacker.eof or unpacker.unused_data:
        raise _broken(coding)
    return found


def _has_zlib_header(raw: bytes) -> bool:
    # Of "deflate" there are two kinds in the wild: with zlib's header (RFC 9110) and without it.
    return len(raw) > 1 and raw[0] & 0x0F == 8 and int.from_bytes(raw[:2], "big") % 31 == 0


def _broken(coding: str) -> ApiError:
    return _refused("invalid", {"message": f"the body is not what {coding} makes", "target": coding})


def _refused(rule: str, details: dict[str, object]) -> ApiError:
    headers = {"accept-encoding": "gzip, deflate"}
    return ApiError("validation_error", {"Content-Encoding": {rule: details}}, headers=headers)
