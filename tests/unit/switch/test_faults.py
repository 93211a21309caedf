"""Faults and spoiled answers."""

from __future__ import annotations

import orjson
import pytest

from crossbar_conferences.kapi import conference
from crossbar_conferences.switch.faults import NO_FAULTS, SPOILERS, Faults, fault_names, with_fault

ANSWER = {
    "Event-Category": "conference",
    "Event-Name": "search_resp",
    "App-Name": "ecallmgr",
    "App-Version": "5.0.0",
    "Msg-ID": "m1",
    "Conference-ID": "C",
    "UUID": "u",
    "Participants": [],
    "Run-Time": 3,
}


def test_without_faults() -> None:
    """An answer goes out as it is."""
    assert NO_FAULTS.answers
    assert orjson.loads(NO_FAULTS.payload(ANSWER)) == ANSWER


def test_faults_add_up() -> None:
    """Faults are set and taken back one by one."""
    faults = NO_FAULTS
    for name, value in (("silent", "on"), ("slow", "20"), ("wrong", "types"), ("drop-events", "true")):
        faults = with_fault(faults, name, value)
    assert faults == Faults(silent=True, slow_ms=20, wrong="types", drop_events=True)
    assert not faults.answers
    for name, value in (("silent", "off"), ("slow", "0"), ("wrong", "off"), ("drop-events", "false")):
        faults = with_fault(faults, name, value)
    assert faults == NO_FAULTS
    assert "slow" in fault_names()


@pytest.mark.parametrize("wrong", SPOILERS)
def test_spoiled_answers_are_wrong(wrong: str) -> None:
    """Every way of spoiling makes an answer that its requester must not believe."""
    payload = Faults(wrong=wrong).payload(ANSWER)
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return
    assert not (
        conference.is_search_response(body) and body["Msg-ID"] == "m1" and body["Conference-ID"] == "C"
    )
