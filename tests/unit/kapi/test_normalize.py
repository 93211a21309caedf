from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.kapi.normalize import normalize, normalize_key, public_fields, without_defaults


@pytest.mark.parametrize(
    ("key", "normalized"),
    [
        ("Conference-ID", "conference_id"),
        ("Switch-Hostname", "switch_hostname"),
        ("UUID", "uuid"),
        ("callId", "callid"),
        ("a b", "a b"),
        ("Ünlü-É", "Ünlü_É"),
    ],
)
def test_normalize_key(key: str, normalized: str) -> None:
    """ASCII letters are lowered and dashes become underscores; other letters stay whole."""
    assert normalize_key(key) == normalized


@pytest.mark.parametrize(
    ("value", "normalized"),
    [
        (
            {"Custom-Channel-Vars": {"Account-ID": "a", "X": None}},
            {"custom_channel_vars": {"account_id": "a"}},
        ),
        (
            {"L": [{"A-B": "Stays-Here"}, None, 1], "F": False},
            {"l": [{"a_b": "Stays-Here"}, None, 1], "f": False},
        ),
        ("Text-X", "Text-X"),
    ],
)
def test_normalize(value: Any, normalized: Any) -> None:
    """Keys change at every depth, values never; null members go."""
    assert normalize(value) == normalized


def test_fields() -> None:
    """A websocket client sees who and what but not the queues; an HTTP client sees neither."""
    body = {
        "Event-Category": "conference",
        "Event-Name": "event",
        "App-Name": "freeswitch",
        "App-Version": "1.0",
        "Msg-ID": "m",
        "Node": "n@h",
        "Server-ID": "q",
        "System-Log-ID": "s",
        "Account-ID": "a",
        "Call-ID": "c",
        "Event": "lock",
    }
    assert set(public_fields(body)) == set(body) - {"Node", "Server-ID", "System-Log-ID"}
    assert without_defaults(body) == {"Event": "lock"}
