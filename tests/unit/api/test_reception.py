"""What is read from a request before anything is decided (``api/reception.py``)."""

from __future__ import annotations

import re

import pytest

from crossbar_conferences.api.reception import read_path, request_id


@pytest.mark.parametrize(
    ("raw", "path", "tokens"),
    [
        ("/v2/accounts/A", "/v2/accounts/A", ("v2", "accounts", "A")),
        ("/v2/x//", "/v2/x", ("v2", "x")),
        ("/", "/", ()),
        ("/v2//x", "/v2//x", ("v2", "", "x")),
        ("/v2/a%2Fb", "/v2/a%2Fb", ("v2", "a/b")),
        ("/v2/%ff", "/v2/%ff", ("v2", "\ufffd")),
        ("/v2/" + "y" * 5000, "/v2/" + "y" * 5000, ("v2", "y" * 5000)),
    ],
)
def test_paths(raw: str, path: str, tokens: tuple[str, ...]) -> None:
    """Segments are decoded one by one, so that an encoded slash separates nothing."""
    assert read_path(raw) == (path, tokens)
    assert read_path(raw) == (path, tokens)


def test_a_good_id_is_taken() -> None:
    """A printable id of the client's is used as it is."""
    assert request_id({"X-Request-ID": "abc-1"}) == "abc-1"


@pytest.mark.parametrize("given", ["", "x" * 129, "a\nb", "é"])
def test_a_bad_id_is_replaced(given: str) -> None:
    """Anything else gives a new one, another each time."""
    made = {request_id({"X-Request-ID": given}) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)
