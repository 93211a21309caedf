"""The AsyncAPI 3.0 document of the websocket: what is sent, what is pushed."""

from __future__ import annotations

from typing import Any, Final

from ..sockets.bindings import DOCUMENT_ACTIONS, KNOWN_EVENTS

#: The actions of a client's frame.
ACTIONS: Final = ("subscribe", "unsubscribe", "ping", "authenticate")

_TEXT = {"type": "string"}


def document(version: str) -> dict[str, Any]:
    """The whole document; ``version`` is this package's."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "crossbar-conferences websocket",
            "version": version,
            "description": "Blackhole's protocol for conferences, with sequence numbers and resumption.",
        },
        "servers": {"websocket": {"host": "localhost:5555", "protocol": "ws"}},
        "channels": {
            "socket": {
                "address": "/",
                "messages": {
                    **{action: {"$ref": f"#/components/messages/{action}"} for action in ACTIONS},
                    "reply": {"$ref": "#/components/messages/reply"},
                    "gap": {"$ref": "#/components/messages/gap"},
                    "ended": {"$ref": "#/components/messages/ended"},
                    **{name: {"$ref": f"#/components/messages/{name}"} for name in _pushed()},
                },
            }
        },
        "operations": {
            "send": _operation("receive", ACTIONS),
            "push": _operation("send", ("reply", "gap", "ended", *_pushed())),
        },
        "components": {
            "messages": {
                **{action: {"payload": _request(action)} for action in ACTIONS},
                "reply": {"payload": _reply()},
                "gap": {"summary": "Events may have passed unheard: subscribe again", "payload": _gap()},
                "ended": {
                    "summary": "A subscription is over: its token or its right has ended",
                    "payload": _ended(),
                },
                **{name: {"summary": text, "payload": _event()} for name, text in _pushed().items()},
            }
        },
    }


def _pushed() -> dict[str, str]:
    events = {name: f"A conference's {name} event" for name in sorted(KNOWN_EVENTS)}
    changes = {name: f"A conference document was {name.removeprefix('doc_')}" for name in DOCUMENT_ACTIONS}
    return {**events, "command": "A command was given to a conference", **changes}


def _operation(action: str, messages: tuple[str, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }


def _request(action: str) -> dict[str, Any]:
    data = {
        "type": "object",
        "properties": {
            "account_id": _TEXT,
            "binding": _TEXT,
            "bindings": {"type": "array", "items": _TEXT},
            "since": {
                "description": "the last sequence number that was seen, or those by conference",
                "anyOf": [
                    {"type": "integer"},
                    {"type": "object", "additionalProperties": {"type": "integer"}},
                ],
            },
            "all": {"type": "boolean", "description": "unsubscribe from everything"},
        },
    }
    return {
        "type": "object",
        "required": ["action"],
        "properties": {
            "action": {"const": action},
            "auth_token": _TEXT,
            "request_id": _TEXT,
            "name": _TEXT,
            "metadata": {},
            "data": data,
        },
    }


def _reply() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["action", "request_id", "status", "data"],
        "properties": {
            "action": {"const": "reply"},
            "request_id": _TEXT,
            "status": {"enum": ["success", "error"]},
            "data": {"type": "object", "properties": _answers()},
        },
    }


def _answers() -> dict[str, Any]:
    texts = {"type": "array", "items": _TEXT}
    return {
        "subscribed": {
            **texts,
            "description": "every binding of the session; of more than 100, those that were asked for",
        },
        "subscriptions": texts,
        "unsubscribed": texts,
        "errors": texts,
        "response": {"const": "pong"},
        "gap": {"type": "boolean", "description": "with since: whether events were lost"},
        "snapshots": {
            "description": "by conference: how things are, and the number from which on events follow",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["seq"],
                "properties": {"seq": {"type": "integer"}},
            },
        },
    }


def _gap() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["action", "subscribed_key", "subscription_key"],
        "properties": {"action": {"const": "gap"}, "subscribed_key": _TEXT, "subscription_key": _TEXT},
    }


def _ended() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["action", "subscribed_key", "subscription_key", "reason"],
        "properties": {
            "action": {"const": "ended"},
            "subscribed_key": _TEXT,
            "subscription_key": _TEXT,
            "reason": _TEXT,
        },
    }


def _event() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["action", "subscribed_key", "subscription_key", "name", "routing_key", "data"],
        "properties": {
            "action": {"const": "event"},
            "subscribed_key": {"type": "string", "description": "the client's own text"},
            "subscription_key": _TEXT,
            "name": _TEXT,
            "routing_key": _TEXT,
            "seq": {"type": "integer", "description": "rises by one with each event of a conference"},
            "data": {"type": "object"},
        },
    }
