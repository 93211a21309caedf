"""What the recorder writes down and what it leaves out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.replay.fixture import read_fixture
from crossbar_conferences.replay.scrubbing import Overheard, Scrubber

ACCOUNT = "a" * 32
MADE = "c" * 32
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhY2NvdW50X2lkIjoiYSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


def overheard(**changes: Any) -> Overheard:
    """A create and its answer."""
    answer = {
        "data": {"id": MADE, "name": "n", "bridge_password": "hush"},
        "auth_token": TOKEN,
        "revision": f"1-{MADE}",
        "tokens": {"consumed": 1, "remaining": 99},
        "timestamp": "2026-11-24T14:35:00Z",
        "request_id": "r1",
    }
    parts: dict[str, Any] = {
        "method": "PUT",
        "path": f"/v2/accounts/{ACCOUNT}/conferences",
        "request_headers": {"x-auth-token": TOKEN, "user-agent": "x", "content-type": "application/json"},
        "request_body": json.dumps(
            {"data": {"name": "n", "bridge_password": "hush", "member": {"pins": ["12"]}}}
        ),
        "status": 201,
        "response_headers": {"content-type": "application/json", "etag": "x", "date": "now"},
        "response_body": json.dumps(answer),
    }
    return Overheard(**{**parts, **changes})


def test_a_create() -> None:
    """Ids become variables, what varies becomes placeholders, secrets go."""
    step = Scrubber().step(overheard())
    assert step == {
        "request": {
            "method": "PUT",
            "path": "/v2/accounts/{A}/conferences",
            "data": {"name": "n", "bridge_password": "scrubbed", "member": {"pins": ["0000"]}},
            "capture": {"C1": "body.data.id"},
        },
        "response": {
            "status": 201,
            "headers": {"content-type": "application/json", "etag": "<text>"},
            "body": {
                "data": {"id": "{C1}", "name": "n", "bridge_password": "<any>"},
                "auth_token": "<any>",
                "revision": "<text>",
                "tokens": {"consumed": "<int>", "remaining": "<int>"},
                "timestamp": "<timestamp>",
                "request_id": "<rid>",
            },
        },
    }


def test_later_steps_use_the_variable() -> None:
    """An id that was captured is named in the steps that follow."""
    scrubber = Scrubber()
    scrubber.step(overheard())
    path = f"/v2/accounts/{ACCOUNT}/conferences/{MADE}"
    step = scrubber.step(overheard(method="GET", path=path, request_body="", status=200))
    assert step["request"] == {"method": "GET", "path": "/v2/accounts/{A}/conferences/{C1}"}


def test_tokens_wherever_they_are() -> None:
    """A token in the query, in a header or inside a text is nowhere in what is written."""
    for changes in (
        {"path": f"/v2/accounts/{ACCOUNT}/conferences?auth_token={TOKEN}&a=1", "request_headers": {}},
        {"request_headers": {"authorization": f"Bearer {TOKEN}"}},
        {"request_body": f"not json {TOKEN}"},
        {"response_body": f"not json {TOKEN}"},
        {"request_headers": {"x-auth-token": "opaque-token"}, "response_body": '{"note":"opaque-token"}'},
        {"response_headers": {"location": f"/x?auth_token={TOKEN}"}},
    ):
        text = json.dumps(Scrubber().step(overheard(**changes)))
        assert TOKEN not in text
        assert "opaque-token" not in text


def test_without_a_token() -> None:
    """A request without a token says so."""
    assert Scrubber().step(overheard(request_headers={}))["request"]["who"] == "none"


@given(
    st.text(min_size=12, max_size=40, alphabet="abcdefghijklmnopqrstuvwxyz0123456789-_"), st.text(max_size=20)
)
def test_no_known_token_is_ever_written(token: str, around: str) -> None:
    """Whatever surrounds it, the token that was sent is not written, and the step is a fixture."""
    body = json.dumps({"data": {"note": around + token + around, token: around}})
    exchange = overheard(request_headers={"x-auth-token": token}, request_body=body, response_body=body)
    step = Scrubber().step(exchange)
    written = json.dumps({**step, "request": {**step["request"], "method": ""}}, ensure_ascii=False)
    assert token not in written or token in "application/json scrubbed content-type status request response"
    read_fixture({"id": "f", "steps": [step]}, "f.yaml")
