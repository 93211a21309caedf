"""What the wire contract lets pass when an answer is compared with a recorded one, as data. Pure.

The contract is a superset (docs/compatibility.md): nothing expected may be missing or different,
but some places may show more. Some recorded parts are no model: what the media server says of
itself, and what a recording marks as ``untrusted`` (fixtures/recorded/README.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .matching import Path

#: Any name.
ANY: frozenset[str] | None = None

#: A pattern over paths: names, ``*`` for one part, ``**`` at the end for any rest.
Pattern = tuple[str, ...]

#: A participant may show Kazoo 5's nested flags flat as well, as older clients read them.
PARTICIPANT_FLAGS = frozenset(
    [
        "hear",
        "speak",
        "is_moderator",
        "talking",
        "floor",
        "see",
        "video",
        "mute_detect",
        "energy_level",
        "current_energy",
        "talk_time",
        "member_id",
        "member_type",
        "member_ghost",
        "conference_id",
        "muted",
        "deaf",
        "mute",
    ]
)

#: A listed conference may show its figures flat as well.
LIST_ITEM_FIGURES = frozenset({"members", "admins", "moderators", "duration", "is_locked"})

#: Where a response body may have more than was recorded, first match wins.
RESPONSE_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = (
    (("metadata",), ANY),
    (("metadata", "participants", "*"), PARTICIPANT_FLAGS),
    (("data", "*", "_read_only"), ANY),
    (("data", "*", "_read_only", "participants", "*"), PARTICIPANT_FLAGS),
    (("data", "_read_only"), ANY),
)

#: The same for the answers of one route: what follows ``conferences`` in the path decides.
COLLECTION_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = ((("data", "*"), LIST_ITEM_FIGURES),)
DOCUMENT_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = ((("data",), frozenset({"_read_only"})),)
PARTICIPANTS_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = (
    (("data", "*"), PARTICIPANT_FLAGS),
    (("data",), PARTICIPANT_FLAGS | {"_read_only"}),
)

#: Where a published message may have more: each leg of a dial has a call id of its own, by which it is known
#: again (docs/compatibility.md, ``dial-fates``).
MESSAGE_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = (
    (("body", "Endpoints", "*"), frozenset({"Outbound-Call-ID"})),
    (("body", "Endpoints", "*", "Failover"), frozenset({"Outbound-Call-ID"})),
)

#: Where a websocket frame may have more.
FRAME_EXTRA: tuple[tuple[Pattern, frozenset[str] | None], ...] = (
    ((), ANY),
    (("data",), ANY),
    (("data", "**"), PARTICIPANT_FLAGS),
)

#: What the media server says of itself; the recordings had a stand-in there, which is no model.
SWITCH_OWN_KEYS = frozenset(
    [
        "switch_hostname",
        "switch_url",
        "switch_external_ip",
        "ecallmgr_node",
        "call_interaction_id",
        "channel_presence_id",
        "caller_id_number",
        "energy_level",
        "current_energy",
        "floor",
        "see",
        "video",
        "mute_detect",
        "member_ghost",
        "interaction_time",
        "zone",
    ]
)

#: A caller's name that the media side made up.
MADE_UP_NAME = re.compile(r"Caller \d+")

#: Lists whose order means nothing, with the key that pairs their items.
UNORDERED: tuple[tuple[Pattern, str], ...] = (
    (("metadata", "participants"), "participant_id"),
    (("data", "*", "_read_only", "participants"), "participant_id"),
)

#: Headers that hold a list; compared as sets.
LIST_HEADERS = frozenset(
    {
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-expose-headers",
        "vary",
        "allow",
    }
)

#: Of these, lists that may hold more than was recorded: what a page may send and see.
WIDER_HEADERS = frozenset({"access-control-allow-headers", "access-control-expose-headers"})

#: Headers that may not be there unless they were recorded. All others may come or not.
NEVER_UNASKED = frozenset(
    {
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "content-disposition",
        "content-encoding",
        "etag",
        "location",
    }
)

#: Whatever publishes these is the media side, not the API.
SWITCH_APPS = frozenset({"ecallmgr", "freeswitch"})

#: Messages that are not compared: how often live state is asked for is the server's own matter.
FREE_EVENTS = frozenset({"search_req"})

#: Everything about a step is untrusted.
WHOLE_STEP = "whole step"

#: What the marks of the recordings take out of the comparison: patterns over the response body.
UNTRUSTED_BODY: Mapping[str, tuple[Pattern, ...]] = {
    "list paging": (("page_size",), ("start_key",), ("next_start_key",)),
    "private fields shown in metadata": (
        ("metadata", "id"),
        ("metadata", "created"),
        ("metadata", "modified"),
    ),
    "fields of a list item": tuple(
        ("data", "*", key)
        for key in (
            "flags",
            "video",
            "ui_flags",
            "owner_id",
            "member",
            "moderator",
            "conference_numbers",
        )
    ),
}

#: Marks that take a text body (CSV) out.
UNTRUSTED_TEXT = frozenset({"fields of a list item"})

#: Marks that take the published messages out.
UNTRUSTED_MESSAGES = (
    "recording commands",
    "message of the vars command",
    "routing key and headers of the invitation",
    "endpoints made of a SIP URI",
)

#: Marks that take the whole step out.
UNTRUSTED_STEPS = (WHOLE_STEP, "Bearer tokens", "endpoints made of a SIP URI")


def matches(pattern: Pattern, path: Path) -> bool:
    """Whether a path fits a pattern."""
    if pattern and pattern[-1] == "**":
        head = pattern[:-1]
        return len(path) > len(head) and matches(head, path[: len(head)])
    return len(pattern) == len(path) and all(
        part in ("*", name) for part, name in zip(pattern, path, strict=True)
    )


def is_marked(marks: tuple[str, ...], beginnings: tuple[str, ...]) -> bool:
    """Whether any mark begins like one of these."""
    return any(mark.startswith(beginnings) for mark in marks)


def is_from_switch(body: Any) -> bool:
    """Whether a message was published by the media side."""
    return isinstance(body, Mapping) and (
        body.get("App-Name") in SWITCH_APPS or body.get("Event-Name") == "event"
    )


def is_free(body: Any) -> bool:
    """Whether a message may be published or not, as the server likes."""
    return isinstance(body, Mapping) and body.get("Event-Name") in FREE_EVENTS


def soften(value: Any) -> Any:
    """An expected value without the names that the media side made up."""
    if isinstance(value, dict):
        return {
            key: "<text>"
            if key in ("caller_id_name", "Caller-ID-Name")
            and isinstance(item, str)
            and MADE_UP_NAME.fullmatch(item)
            else soften(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [soften(item) for item in value]
    return value
