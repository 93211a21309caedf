"""Request lines with bytes beyond ASCII (``api/request_line.py``)."""

from __future__ import annotations

import pytest

from crossbar_conferences.api.request_line import encoded, is_plain, is_unfinished


def test_a_target_is_encoded() -> None:
    """Every byte beyond ASCII of the target, and nothing of what follows the line."""
    rest = b"\r\nX-Name: B\xc3\xbcro\r\n\r\n\xff"
    line = "PUT http://h/Bü?ß=%C3é#ö HTTP/1.1".encode()
    assert encoded(line + rest) == b"PUT http://h/B%C3%BC?%C3%9F=%C3%C3%A9#%C3%B6 HTTP/1.1" + rest
    assert encoded(b"GET /?\xff\x80 HTTP/1.0\n") == b"GET /?%FF%80 HTTP/1.0\n"
    assert encoded(b"\r\n\nGET /\xff HTTP/1.1\r\n") == b"\r\n\nGET /%FF HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET /?x HTTP/1.1\r\nX: \xc3\xbc\r\n\r\n",
        b"X-Name: GET /\xc3\xbc HTTP/1.1\r\n",
        b"GET /\xc3\xbc b HTTP/1.1\r\n",
        b"GET /\xc3\xbc\r\n",
        b"get /\xc3\xbc HTTP/1.1\r\n",
        b"\xc3\xbc /\xc3\xbc HTTP/1.1\r\n",
        b'{"data": {"name": "\xc3\xbc"}}',
        b"\x16\x03\x01\x02\x00\xff",
    ],
)
def test_everything_else_stays(data: bytes) -> None:
    """What is no whole request line, or begins with another thing, is left alone."""
    assert encoded(data) == data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET ", True),
        (b"GET /\xc3", True),
        (b"GET /\xc3\xbc HTTP/1.", True),
        (b"GET / HTTP/1.1\r", True),
        (b"GET / HTTP/1.1\r\n", False),
        (b"\r\nGET /", True),
        (b"GE", True),
        (b"\r\nG", True),
        (b"G /", False),
        (b"\r\n", False),
        (b"", False),
        (b"\x16\x03\x01 ", False),
        (b"Host: x", False),
    ],
)
def test_unfinished_lines(data: bytes, expected: bool) -> None:
    """Only what can become a request line is waited for."""
    assert is_unfinished(data) is expected


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT /x HTTP/1.1\n\n{}", b"Body\n"]
)
def test_what_is_plain_needs_no_look(data: bytes) -> None:
    """Nothing of it would be held or changed."""
    assert is_plain(data)
    assert not is_unfinished(data)
    assert encoded(data) == data


@pytest.mark.parametrize(
    "data", [b"", b"GET /", b"GET / HTTP/1.1\r", b"\r\nGET /", b"GET /\xc3\xbc HTTP/1.1\r\n"]
)
def test_what_is_not_plain(data: bytes) -> None:
    """It is looked at."""
    assert not is_plain(data)
