"""How to take part in a conference, in words: what invitations and calendars say of it. Pure.

Source: amqp.md 9, realtime-ui-tests.md D.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from .lines import one_line

#: Callflows whose numbers lead to every conference of the account (amqp.md 9).
CALL_IN_CALLFLOWS = ("Conference Call-In Number", "MainConference")

#: What Monster UI writes as a number while there is none (realtime-ui-tests.md B.3).
_PLACEHOLDER_NUMBER = "undefinedconf"

#: Numbers and PINs of a list that an invitation names, and the signs of one.
MAX_NAMED = 100
_LONGEST_NUMBER = 64


def call_in_numbers(callflows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The numbers of the account's conference callflows, as a real list (Kazoo glues them together)."""
    numbers: dict[str, None] = {}
    for callflow in callflows:
        listed = callflow.get("numbers")
        for number in listed if isinstance(listed, list) else ():
            if isinstance(number, str) and number != _PLACEHOLDER_NUMBER:
                # As keys: each once, in their order.
                numbers.setdefault(one_line(number, _LONGEST_NUMBER))
            if len(numbers) == MAX_NAMED:
                return list(numbers)
    return list(numbers)


def dial_in_text(document: Mapping[str, Any], numbers: Sequence[str], link: str | None = None) -> str:
    """Which numbers to call, which room, which PIN."""
    lines = []
    if numbers:
        lines.append(f"Call in: {', '.join(numbers)}")
    rooms = texts(document.get("conference_numbers")) + texts(member(document).get("numbers"))
    if rooms:
        lines.append(f"Conference number: {', '.join(rooms)}")
    pins = texts(member(document).get("pins"))
    if pins:
        lines.append(f"PIN: {pins[0]}")
    if link:
        lines.append(f"Link: {link}")
    return "\n".join(lines)


def member(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a conference's document says of its members."""
    found = document.get("member")
    return found if isinstance(found, Mapping) else {}


def name(document: Mapping[str, Any]) -> str | None:
    """The conference's name, on one line."""
    found = document.get("name")
    return (one_line(found) or None) if isinstance(found, str) else None


def texts(value: Any) -> list[str]:
    """Numbers or PINs of a document, each on one line."""
    found = (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
    return [one_line(text, _LONGEST_NUMBER) for text in islice(found, MAX_NAMED)]
