"""What a client may subscribe to, and which messages match it. Pure.

Three generations of conference bindings are in use; all are taken (realtime-ui-tests.md A.7):

- 1: ``conference.event.{CONFERENCE}.{CALL}``
- 2: ``conference.event.{CONFERENCE}.{CALL}.{EVENT}``
- 3: ``conference.event.{EVENT}.{CONFERENCE}.{CALL}``, looked for first: today's interfaces send it

and ``conference.command.{CONFERENCE}``, and ``object.{doc_created|doc_edited|doc_deleted}.conference``.
A call id may hold dots and may be written as it is or encoded as in routing keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from ..broker.port import Binding
from ..conference.isolation import is_conference_id
from ..conference.live import NEEDED_EVENTS
from ..errors import CrossbarConferencesError
from ..kapi.routing import ALL_ACCOUNTS, encode

#: Events that a binding may name; recordings are heard when the operator publishes them.
KNOWN_EVENTS: Final = NEEDED_EVENTS | {"start-recording", "stop-recording"}

#: Document changes that a binding may name.
DOCUMENT_ACTIONS: Final = ("doc_created", "doc_edited", "doc_deleted")

#: Longer texts are no bindings.
MAX_LENGTH: Final = 512

Kind = Literal["event", "command", "object"]


class BindingInvalid(CrossbarConferencesError):
    """The binding cannot be subscribed to."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One binding of one account, or of `ALL_ACCOUNTS`. ``text`` is the client's own, never rewritten."""

    text: str
    account_id: str
    kind: Kind
    event: str = "*"
    conference_id: str = "*"
    call_id: str = "*"

    @property
    def key(self) -> str:
        """The ``subscription_key`` of pushed frames (realtime-ui-tests.md A.8)."""
        if self.kind == "command":
            return f"conference.command.{self.conference_id}"
        if self.kind == "object":
            return f"{self.event}.{self._database}.conference.*"
        return f"conference.event.{self.event}.{self.account_id}.{self.conference_id}.{self.call_id}"

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What must be bound on the bus to hear everything that matches."""
        if self.kind == "command":
            return (Binding("conference", f"conference.command.{self.conference_id}"),)
        if self.kind == "object":
            return (Binding("configuration", f"{self.event}.{self._database}.conference.*"),)
        call = "*" if self.call_id == "*" else encode(unquote(self.call_id))
        return (
            Binding(
                "conference",
                f"conference.event.{self.event}.{self.account_id}.{self.conference_id}.{call}",
            ),
        )

    @property
    def _database(self) -> str:
        account = self.account_id
        return f"account%2F{account[:2]}%2F{account[2:4]}%2F{account[4:]}"

    def matches(self, routing_key: str) -> bool:
        """Whether a message with this routing key is for this subscription."""
        wanted = self.bindings[0].routing_key.split(".")
        there = routing_key.split(".")
        return len(wanted) == len(there) and all(
            want in ("*", have) for want, have in zip(wanted, there, strict=True)
        )


def parse(text: object, account_id: str) -> Subscription:
    """The subscription that a binding's text asks for. Raises `BindingInvalid` with Kazoo's words."""
    if not isinstance(text, str) or not text:
        raise BindingInvalid("empty subscription")
    if len(text) > MAX_LENGTH or not text.isprintable():
        raise BindingInvalid("no available subscriptions to requested binding")
    family, _, rest = text.partition(".")
    if account_id == ALL_ACCOUNTS and (family != "conference" or rest.startswith("command")):
        # A command's key names no account, and a document's would show all kinds of them.
        raise BindingInvalid("wildcard account id is for conference events only")
    if family == "conference":
        return _conference(text, account_id, rest.split(".") if rest else [])
    if family == "object":
        return _object(text, account_id, rest.split("."))
    raise BindingInvalid("no available subscriptions to requested binding")


def catalogue() -> dict[str, list[str]]:
    """What can be subscribed to, by family, with placeholders (realtime-ui-tests.md A.11)."""
    events = sorted(KNOWN_EVENTS)
    return {
        "conference": [
            "conference.event.{CONFERENCE_ID}.{CALL_ID}",
            "conference.command.{CONFERENCE_ID}",
            *(f"conference.event.{{CONFERENCE_ID}}.{{CALL_ID}}.{event}" for event in events),
            *(f"conference.event.{event}.{{CONFERENCE_ID}}.{{CALL_ID}}" for event in events),
        ],
        "object": [f"object.{action}.conference" for action in DOCUMENT_ACTIONS],
    }


def _conference(text: str, account_id: str, parts: list[str]) -> Subscription:
    if len(parts) == 2 and parts[0] == "command":
        return Subscription(text, account_id, "command", conference_id=_conference_id(parts[1]))
    if len(parts) < 3 or parts[0] != "event" or not all(parts):
        raise BindingInvalid(f"invalid format for conference subscription : {', '.join(parts)}")
    first, *others = parts[1:]
    if len(others) >= 2 and (first == "*" or first in KNOWN_EVENTS):
        conference_id, *call = others
        return _event(text, account_id, first, conference_id, ".".join(call))
    last = others[-1]
    if len(others) >= 2 and (last == "*" or last in KNOWN_EVENTS):
        return _event(text, account_id, last, first, ".".join(others[:-1]))
    if len(others) == 2 and "@" not in text and "%" not in text:
        # Three plain words, none of them an event: the newer shape with an event that does not exist.
        raise BindingInvalid(f"Unsupported conference event {first}")
    return _event(text, account_id, "*", first, ".".join(others))


def _event(text: str, account_id: str, event: str, conference_id: str, call_id: str) -> Subscription:
    return Subscription(text, account_id, "event", event, _conference_id(conference_id, wild=True), call_id)


def _conference_id(text: str, *, wild: bool = False) -> str:
    if text == "*" and wild:
        return text
    if text == "*":
        # A command's key names no account: a wildcard would show everybody's (A.6).
        raise BindingInvalid("unauthorized wildcard for conference id")
    if not is_conference_id(text):
        raise BindingInvalid("invalid conference id")
    return text


def _object(text: str, account_id: str, parts: list[str]) -> Subscription:
    if len(parts) != 2:
        raise BindingInvalid(f"invalid format for object subscription : {', '.join(parts)}")
    action, kind = parts
    if action not in (*DOCUMENT_ACTIONS, "*") or kind not in ("conference", "*"):
        raise BindingInvalid(f"event {action}.{kind} not supported")
    return Subscription(text, account_id, "object", event=action)
