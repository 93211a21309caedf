"""How a Kazoo message is made and checked, whatever its kind.

A `Definition` lists the headers of one kind of message; `build` fills, empties and filters a
body in Kazoo's order, `check` says what is wrong with one that came. No I/O.

Source: amqp.md 4.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

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
    #: What is filled in; what is allowed; groups of which one must be there; all that may be there. Found
    #: out once, since a message is built and checked for every command and every event.
    filled: tuple[tuple[str, Any], ...] = field(init=False, repr=False)
    allowed: tuple[tuple[str, tuple[Any, ...]], ...] = field(init=False, repr=False)
    needed: tuple[tuple[str, ...], ...] = field(init=False, repr=False)
    headers: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fixed = {"Event-Category": self.category, "Event-Name": self.name, **self.values}
        allowed = {key: one if isinstance(one, tuple) else (one,) for key, one in fixed.items()}
        needed = tuple((one,) if isinstance(one, str) else one for one in self.required)
        known = {*DEFAULT_HEADERS, *OPTIONAL_DEFAULT_HEADERS, *self.optional, *self.values}
        made = {
            "filled": tuple(pair for pair in fixed.items() if not isinstance(pair[1], tuple)),
            "allowed": tuple(allowed.items()),
            "needed": needed,
            "headers": frozenset(known.union(*needed)),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


def new_message_id() -> str:
    """A Msg-ID as Kazoo's workers make them: 16 hex digits (amqp.md 3.2)."""
    # It only has to be new, which need not cost a call to the system.
    return f"{random.getrandbits(64):016x}"


def build(
    definition: Definition, fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None
) -> dict[str, Any]:
    """A checked body of this kind.

    As amqp.md 4: undefined and empty-text values go, through objects but not through lists, and so
    does everything that the kind does not know; fixed values, Node and Msg-ID fill what is missing.
    Raises `MessageInvalid` when something required is missing.
    """
    headers = definition.headers
    body = {
        key: _without_empty(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if key in headers and not _is_missing(value)
    }
    for key, value in definition.filled:
        body.setdefault(key, value)
    body.setdefault("App-Name", origin.app_name)
    body.setdefault("App-Version", origin.app_version)
    body.setdefault("Node", origin.node)
    if "Msg-ID" not in body:
        body["Msg-ID"] = msg_id or new_message_id()
    check(definition, body)
    return body


def check(definition: Definition, body: Mapping[str, Any]) -> None:
    """Raise `MessageInvalid` when a body is not of this kind; extra headers are no fault, and a
    header that is null is one that is not there."""
    # To ask for a dict first is cheaper, and it nearly always is one.
    if not isinstance(body, dict) and not isinstance(body, Mapping):
        raise MessageInvalid("a message must be a JSON object")
    for header in DEFAULT_HEADERS:
        if _is_missing(body.get(header)):
            raise MessageInvalid(f"{header} is missing")
    for names in definition.needed:
        for name in names:
            if not _is_missing(body.get(name)):
                break
        else:
            raise MessageInvalid(f"{' or '.join(names)} is missing")
    for header, allowed in definition.allowed:
        value = body.get(header)
        if value is not None and value not in allowed:
            raise MessageInvalid(f"{header} is {value!r}")
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


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as JSON. Raises `MessageInvalid` when it cannot be written as such."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        # orjson stops at integers of 64 bits, Kazoo does not.
        try:
            return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError):
            raise MessageInvalid("the message cannot be written as JSON") from error


def _is_missing(value: Any) -> bool:
    return value is None or value == ""


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if _is_missing(item):
            continue
        kept[key] = _without_empty(item) if isinstance(item, dict) else item
    return kept
