"""An answer that another process gave makes the response that it made there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from crossbar_conferences.api.envelope import frame
from crossbar_conferences.api.exchange import Answer, Exchange
from crossbar_conferences.api.repeats import pack, unpack
from crossbar_conferences.api.responses import success_response

DOCUMENT = {
    "_id": "0a1b",
    "_rev": "3-abc",
    "name": "Ünïcode",
    "pvt_created": 63_000_000_000,
    "pvt_modified": 63_000_000_001,
    "pvt_secret": "kept here",
}

ANSWERS = {
    "a command": Answer(status=202, data="ok", explicit=True),
    "a document": Answer(
        status=200,
        data={"id": "0a1b", "name": "Ünïcode"},
        document=DOCUMENT,
        revision="3-abc",
        location="/v2/accounts/a/conferences/0a1b",
        metadata={"confirmed": True},
        headers={"retry-after": "1"},
    ),
    "a huge number": Answer(data={"n": 2**70, "small": -1, "list": [None, True, 1.5]}),
    "nothing": Answer(status=204),
}


def response(answer: Answer) -> tuple[int, dict[str, str], Any]:
    exchange = Exchange("PUT", "/x", (), {}, {}, "127.0.0.1", "r1", verb="PUT", answer=answer)
    made = success_response(exchange, frame("node@host", "5"), 1_700_000_000.0)
    assert isinstance(made.body, bytes)
    return made.status, dict(made.headers), made.body


@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_survives_the_way(name: str) -> None:
    """Status, headers and every byte of the body are the same; private fields do not travel."""
    packed = pack(ANSWERS[name])
    assert response(unpack(packed)) == response(ANSWERS[name])
    assert b"kept here" not in packed


def test_half_a_surrogate_pair_does_not_stop_it() -> None:
    """What a stored text may hold is answered here and there, if not with the same sign."""
    packed = pack(Answer(data={"name": "\ud800"}))
    assert orjson.loads(response(unpack(packed))[2])["data"]["name"]
