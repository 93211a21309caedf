"""What holds for every answer of the API, whatever was asked.

Source: http.md 3.1, 7.
"""

from __future__ import annotations

import re

from crossbar_conferences.api.errors import CATALOGUE, Entry
from tests.support.answers import Answer

JSON = "application/json"
#: Keys in the order in which Kazoo writes them (http.md 3.1); the listing's keys come before them.
ORDER = (
    *("page_size", "start_key", "next_start_key", "version", "auth_token", "tokens", "timestamp"),
    *("request_id", "node", "metadata", "data", "revision", "status"),
)
ERROR_ORDER = (*ORDER[3:11], "error", "message", "status")


def check(answer: Answer, verb: str) -> Entry | None:
    """What holds for every answer; the entry of the catalogue that an error is."""
    assert answer.headers["X-Request-ID"]
    if answer.status >= 400:
        return check_error(answer, verb)
    if answer.status != 304 and verb not in ("HEAD", "OPTIONS") and answer.body is not None:
        check_success(answer)
    return None


def check_error(answer: Answer, verb: str) -> Entry:
    """An error is one of the catalogue, in Kazoo's envelope or with no body at all."""
    if not answer.text:
        meant = [entry for entry in CATALOGUE.values() if entry.status == answer.status]
        assert any(entry.empty for entry in meant) or verb == "HEAD", (answer.status, verb)
        return meant[0]
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "OPTIONS" in answer.headers["Access-Control-Allow-Methods"]
    body = answer.body
    assert list(body) == [key for key in ERROR_ORDER if key in body]
    assert set(ERROR_ORDER) - set(body) <= {"version", "auth_token", "data"}
    assert (body["error"], body["status"]) == (str(answer.status), "error")
    check_common(answer)
    [entry, *others] = [
        entry
        for entry in CATALOGUE.values()
        if (entry.status, entry.message) == (answer.status, body["message"])
    ]
    assert not entry.empty and not others
    return entry


def check_success(answer: Answer) -> None:
    """A success has every key that it must have, and only those that it may have (http.md 3.1)."""
    body = answer.body
    assert list(body) == [key for key in ORDER if key in body]
    may_miss = {*ORDER[:5], "revision"}
    assert set(ORDER) - set(body) <= may_miss
    assert body["status"] == "success"
    check_common(answer)
    if "page_size" in body:
        assert body["page_size"] == len(body["data"])


def check_common(answer: Answer) -> None:
    """What successes and errors have in common."""
    body = answer.body
    assert set(body["tokens"]) == {"consumed", "remaining"}
    assert all(isinstance(count, int) for count in body["tokens"].values())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[\w-]{22}", body["node"])
    assert isinstance(body["metadata"], dict)
