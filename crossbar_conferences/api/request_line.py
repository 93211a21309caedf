"""Bytes beyond ASCII in a request line: no URL may have them, and clients send them all the same.

Kazoo's web server takes them for the letters that they are; the parser of the HTTP library refuses
them. So they are percent-encoded before it sees them, which means the same. Pure.
"""

from __future__ import annotations

import re
from typing import Final

#: Empty lines before it are left out (RFC 9112, 2.2).
_UNFINISHED: Final = re.compile(rb"[\r\n]*[A-Z]{1,16}(?:(?<=[A-Z]{3}) [^\r\n]*\r?)?")
#: Where the target stands. Nothing else that a client says begins like this: a header has a colon first.
_LINE: Final = re.compile(rb"[\r\n]*[A-Z]{3,16} ([^ \r\n]+) HTTP/[0-9]\.[0-9]\r?\n")
_BEYOND: Final = re.compile(rb"[\x80-\xff]")


def is_plain(data: bytes) -> bool:
    """Whether nothing need be looked at, as nearly always: a line that is all there, and ASCII throughout."""
    return data.isascii() and data[:1].isupper() and b"\n" in data


def is_unfinished(data: bytes) -> bool:
    """Whether these bytes are a request line whose end has not come yet."""
    return _UNFINISHED.fullmatch(data) is not None


def encoded(data: bytes) -> bytes:
    """The same bytes, with a target in ASCII where a request line stands at their beginning."""
    line = None if data.isascii() else _LINE.match(data)
    if line is None:
        return data
    begin, end = line.span(1)
    return data[:begin] + _BEYOND.sub(_escape, line[1]) + data[end:]


def _escape(byte: re.Match[bytes]) -> bytes:
    return b"%%%02X" % byte[0][0]
