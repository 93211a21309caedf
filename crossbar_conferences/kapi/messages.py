"""How a Kazoo message is made and checked, whatever its kind.

A `Definition` lists the headers of one kind of message; `build` fills, empties and filters a
body in Kazoo's order, `check` says what is wrong with one that came. No I/O.

Source: amqp.md 4.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import CrossbarConferencesError

#: Required in every message.
DEFAULT_HEADERS = ("App-Name", "App-Version", "Event-Category", "Event-Name", "Msg-ID")

#: Kept in every message when present, whatever its definition lists.
OPTIONAL_DEFAULT_HEADERS = frozenset(
    {
        "Access-Group",
        "Account-ID",
        "AMQP-Broker",
        "AMQP-Broker-Zone",
        "Call-ID",
        "Defer-Response",
        "Deliver-To-PID",
        "Destination-Server",
        "Geo-Location",
        "Node",
        "Raw-Headers",
        "Reply-To-PID",
        "Request-From-PID",
        "Server-ID",
        "Server-Queue-ID",
        "System-Log-ID",
    }
)

#: A required header, or several of which at least one must be there.
Required = str | tuple[str, ...]


class MessageInvalid(CrossbarConferencesError):
    """The message is not what its kind asks for."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends: fills App-Name, App-Version and Node."""

    app_name: str
    app_version: str
    node: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be published."""

    exchange: str
    routing_key: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Definition:
    """The headers of one kind of message.

    ``values`` fixes headers: one value (a text) is filled in and must be equal; a tuple lists
    what is allowed. ``types`` holds predicates for headers that are present.
    """

    category: str
    name: str | tuple[str, ...]
    required: tuple[Required, ...] = ()
    optional: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    #: Every header with fixed values, the event's own included.
    fixed: Mapping[str, Any] = field(init=False, repr=False)
    #: Every header that a message of this kind may carry.
    headers: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fixed = {"Event-Category": self.category, "Event-Name": self.name, **self.values}
        names = set(DEFAULT_HEADERS) | OPTIONAL_DEFAULT_HEADERS | set(self.optional) | set(self.values)
        for required in self.required:
            names.update((required,) if isinstance(required, str) else required)
        # Found out once: a message is built and checked for every command and every event.
        object.__setattr__(self, "fixed", MappingProxyType(fixed))
        object.__setattr__(self, "headers", frozenset(names))


def new_message_id() -> str:
    """A Msg-ID as Kazoo's workers make them: 16 hex digits (amqp.md 3.2)."""
    # It only has to be new, which need not cost a call to the system.
    return f"{random.getrandbits(64):016x}"


def build(
    definition: Definition, fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None
) -> dict[str, Any]:
    """A checked body of this kind.

    Order (amqp.md 4): fixed values fill what is missing or empty, then Node and Msg-ID; then
    undefined and empty-text values go, through objects but not through lists; then everything
    that the kind does not know. Raises `MessageInvalid` when something required is missing.
    """
    body = dict(fields)
    for key, value in definition.fixed.items():
        if not isinstance(value, tuple) and body.get(key) in (None, ""):
            body[key] = value
    for key, value in (
        ("App-Name", origin.app_name),
        ("App-Version", origin.app_version),
        ("Node", origin.node),
    ):
        if body.get(key) in (None, ""):
            body[key] = value
    if body.get("Msg-ID") in (None, ""):
        body["Msg-ID"] = msg_id or new_message_id()
    body = _without_empty(body)
    check(definition, body)
    return {key: value for key, value in body.items() if key in definition.headers}


def check(definition: Definition, body: Mapping[str, Any]) -> None:
    """Raise `MessageInvalid` when a body is not of this kind; extra headers are no fault, and a
    header that is null is one that is not there."""
    if not isinstance(body, Mapping):
        raise MessageInvalid("a message must be a JSON object")
    for header in DEFAULT_HEADERS:
        if body.get(header) in (None, ""):
            raise MessageInvalid(f"{header} is missing")
    for required in definition.required:
        names = (required,) if isinstance(required, str) else required
        if all(body.get(name) in (None, "") for name in names):
            raise MessageInvalid(f"{' or '.join(names)} is missing")
    for header, value in definition.fixed.items():
        allowed = value if isinstance(value, tuple) else (value,)
        if body.get(header) is not None and body[header] not in allowed:
            raise MessageInvalid(f"{header} is {body[header]!r}")
    for header, is_right in definition.types.items():
        if body.get(header) is not None and not is_right(body[header]):
            raise MessageInvalid(f"{header} has the wrong type")


def matches(definition: Definition, body: Any) -> bool:
    """Whether a body is of this kind; never raises."""
    try:
        check(definition, body)
    except MessageInvalid:
        return False
    return True


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if item is None or item == "":
            continue
        kept[key] = _without_empty(item) if isinstance(item, dict) else item
    return kept
