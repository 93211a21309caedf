"""What hypothesis may send to parsers: JSON, Kazoo messages and routing keys that almost make sense."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from crossbar_conferences.conference import live

# Bounded: all fuzzing together takes less than half a minute.
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

#: Anything that JSON can hold.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=12), JSON, max_size=6)

DEEP = "[" * 4000 + "]" * 4000


def encoded(value: Any) -> bytes:
    """JSON bytes, integers of any size included."""
    return json.dumps(value, ensure_ascii=True).encode()


_HEADERS = st.sampled_from(
    [
        *("Event", "Conference-ID", "Instance-ID", "Participant-ID", "Call-ID", "Account-ID", "Participants"),
        *("Conference-Channel-Vars", "Custom-Channel-Vars", "Custom-Application-Vars", "Conferences", "UUID"),
        *("Locked", "Is-Locked", "Start-Time", "Run-Time", "Zone", "Node", "WhApps", "Expires", "Channels"),
        *(
            "ID",
            "Database",
            "Type",
            "Rev",
            "Is-Soft-Deleted",
            "Media-Servers",
            "Version",
            "Server-ID",
            "Status",
        ),
        *(
            "Join-Time",
            "Caller-ID-Name",
            "Custom-Conference-Vars",
            "Application-Name",
            "Msg-Reply-ID",
            "Status",
        ),
    ]
)
_KINDS = st.sampled_from(
    [
        ("conference", "event"),
        ("conference", "command"),
        ("conference", "search_resp"),
        ("conference", "error"),
        ("nodes", "advertise"),
        ("configuration", "doc_edited"),
        ("configuration", "doc_created"),
        ("notification", "notify_update"),
    ]
)
EVENTS = st.sampled_from(sorted(live.NEEDED_EVENTS))
_VALUES = JSON | st.sampled_from(["room", ACCOUNT, "1", 1, True, [{}], {"ecallmgr": {}}, {"room": {}}])


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A Kazoo message with the headers that one has, and whatever values."""
    category, name = draw(_KINDS)
    body = draw(st.dictionaries(_HEADERS, _VALUES, max_size=10))
    if draw(st.booleans()):
        body |= {"Event": draw(EVENTS), "Conference-ID": "room", "Account-ID": ACCOUNT}
    envelope = {"Event-Category": category, "Event-Name": name, "Msg-ID": "m"}
    return {**envelope, "App-Name": "fuzz", "App-Version": "1", "Node": "fuzz@host", **body}


WORDS = st.text(alphabet="abc%*#é ", max_size=8) | st.sampled_from(["room", ACCOUNT, "event", "*", "#", ""])
KEYS = st.lists(WORDS, max_size=8).map(".".join) | EVENTS.map(
    lambda event: f"conference.event.{event}.{ACCOUNT}.room.call"
)
