"""The frames of the websocket: what comes is read, what goes is built. Pure.

Source: realtime-ui-tests.md A.3, A.5, A.9; recordings ``websocket``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ..conference import presentation
from ..errors import CrossbarConferencesError
from ..jsontext import is_deeper_than
from ..kapi.normalize import normalize, public_fields
from .bindings import Subscription

#: Objects and arrays inside each other in a frame.
MAX_DEPTH: Final = 100

#: Bytes of the labels that a session keeps; longer ones are not kept.
MAX_LABELS: Final = 4_096


class FrameInvalid(CrossbarConferencesError):
    """The frame is not a JSON object."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame from a client. ``request_id`` is made up when the client named none."""

    action: str
    request_id: str
    token: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    metadata: Any = None


def read(text: str | bytes) -> Frame:
    """The frame in a text. Raises `FrameInvalid`; Kazoo takes such a text for an empty object."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # orjson has a limit of its own, far above ours.
        is_deep = "limit" in error.msg
        raise FrameInvalid("invalid JSON" + ": nested too deeply" * is_deep) from None
    if not isinstance(value, dict):
        raise FrameInvalid("not a JSON object")
    if is_deeper_than(value, MAX_DEPTH):
        raise FrameInvalid("nested too deeply")
    data, action = value.get("data"), value.get("action")
    return Frame(
        action=action if isinstance(action, str) and action else "noop",
        request_id=_request_id(value.get("request_id")),
        token=_text(value.get("auth_token")),
        data=data if isinstance(data, dict) else {},
        name=_label(_text(value.get("name"))),
        metadata=_label(value.get("metadata")),
    )


def success(request_id: str, data: Mapping[str, Any]) -> bytes:
    """The reply to a frame that did what it asked for."""
    return orjson.dumps({"action": "reply", "request_id": request_id, "status": "success", "data": data})


def failure(request_id: str, errors: Sequence[str]) -> bytes:
    """The reply to a frame that did not, with its reasons."""
    data = {"errors": list(errors)}
    return orjson.dumps({"action": "reply", "request_id": request_id, "status": "error", "data": data})


def event_data(body: Mapping[str, Any]) -> dict[str, Any]:
    """A bus message as clients see it: Kazoo's nested flags, and the seed's flat ones too (A.9)."""
    data: dict[str, Any] = normalize(public_fields(body))
    nested = data.get("conference_channel_vars")
    if isinstance(nested, dict):
        for flag, value in presentation.flat_flags(nested).items():
            data.setdefault(flag, value)
    return data


def event(
    subscription: Subscription, body: Mapping[str, Any], routing_key: str, sequence: int | None
) -> dict[str, Any]:
    """A pushed frame. ``subscribed_key`` is the client's own text, which it dispatches by."""
    frame = {
        "action": "event",
        "subscribed_key": subscription.text,
        "subscription_key": subscription.key,
        "name": body.get("Event-Name"),
        "routing_key": routing_key,
        "data": event_data(body),
    }
    if sequence is not None:
        frame["seq"] = sequence
    return frame


def gap(subscription: Subscription) -> dict[str, Any]:
    """A frame that says that events of a subscription may have passed unheard."""
    return {"action": "gap", "subscribed_key": subscription.text, "subscription_key": subscription.key}


def ended(subscription: Subscription, reason: str) -> dict[str, Any]:
    """A frame that says that a subscription is over, and why."""
    return {
        "action": "ended",
        "subscribed_key": subscription.text,
        "subscription_key": subscription.key,
        "reason": reason,
    }


def dumps(frame: Mapping[str, Any]) -> bytes:
    """A frame as text."""
    return orjson.dumps(frame)


def _request_id(value: Any) -> str:
    if isinstance(value, str) and value:
        return value[:256]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return new_request_id()


def new_request_id() -> str:
    """A request id for a frame that named none."""
    return secrets.token_hex(16)


def _label(value: Any) -> Any:
    return None if value is None or len(orjson.dumps(value)) > MAX_LABELS else value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
