"""What an action is planned from and what a plan is: values shared by the planners.

Source: http.md 9, amqp.md 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Protocol

from ..errors import CrossbarConferencesError
from ..kapi import conference as kapi_conference
from ..kapi.messages import MessageInvalid, Origin, Outgoing
from ..kapi.origins import CROSSBAR, KAPPS_CONFERENCE
from ..kapi.shapes import Refused
from ..kapi.texts import TextRefused
from .actions_table import KAZOO_5, MediaSide
from .confirmation import Confirmation
from .newcomers import Newcomer
from .rooms import Participant, Room

#: The commands that Kazoo sends as the HTTP app itself (amqp.md 6.1, 11).
_SENT_AS_CROSSBAR: Final = frozenset({"vars"})

ACCEPTED: Final = 202

#: Characters of a refused text that an error shows.
_SHOWN: Final = 256
CREATED: Final = 201


# A process speaks for one node.
@lru_cache(16)
def _origin(speaker: tuple[str, str], node: str) -> Origin:
    return Origin(*speaker, node)


class ActionError(CrossbarConferencesError):
    """The action is refused. ``kind`` is a name of the API's error catalogue, ``data`` its ``data``."""

    def __init__(self, kind: str, data: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.data = data


class PublicDocument(Enum):
    """Stands in a plan's ``data`` for the conference's public document, which the API has."""

    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a schema said: Kazoo's error objects by path, and the value with its defaults."""

    errors: Mapping[str, Mapping[str, Any]]
    value: Any


class SchemaCheck(Protocol):
    """Checks a value against a schema of ``schemas/`` by name, without coercion."""

    def __call__(self, schema: str, value: Any, /) -> Checked:
        """All errors at once; the value gets its defaults only when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """A PUT as the planners read it (http.md 2.2).

    ``data`` is the inner payload, ``body_data`` the envelope's ``data``; both may be of any JSON
    type. ``query`` has ``True`` for a key without ``=``.
    """

    action: Any
    data: Any
    body_data: Any
    query: Mapping[str, Any]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The inner payload when it is an object; raises `ActionError` when it is not."""
        if isinstance(self.data, dict):
            return self.data
        if self.data is None:
            raise ActionError(
                "validation_error",
                {"data": {"required": {"message": f"action '{self.action}' requires a data object"}}},
            )
        raise invalid(
            "data",
            "type",
            {
                "message": "Value did not match type(s): object",
                "target": "object",
                "value": self.data,
            },
        )


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Where an action is to happen.

    ``document`` is the stored conference or an ad-hoc one. ``room`` is the running conference as
    far as it is known; ``is_live_known`` tells whether its absence, or somebody's in it, means
    something. ``origin`` speaks for this node. ``private_media_hosts``: hosts inside that may be
    played from (`media.media_locator`). ``media_side``: what can be carried out there.
    ``new_recording``: the file of a recording that would begin now; ``last_recording``: the one that was
    begun last, where that is known. ``now`` in unix seconds.
    """

    account_id: str
    conference_id: str
    document: Mapping[str, Any]
    origin: Origin
    check: SchemaCheck
    room: Room | None = None
    is_live_known: bool = False
    private_media_hosts: tuple[str, ...] = ()
    media_side: MediaSide = KAZOO_5
    new_recording: str = ""
    last_recording: str | None = None
    now: float = 0.0

    @property
    def knows_all(self) -> bool:
        """Whether the room runs, has people in it, and all of them are known."""
        return self.is_live_known and self.room is not None and bool(self.room.participants)

    def command(self, application_name: str, fields: Mapping[str, Any] | None = None) -> Outgoing:
        """One command to this conference, said as Kazoo says it."""
        speaker = CROSSBAR if application_name in _SENT_AS_CROSSBAR else KAPPS_CONFERENCE
        origin = _origin(speaker, self.origin.node)
        try:
            return kapi_conference.command(application_name, self.conference_id, fields or {}, origin)
        except Refused as refused:
            raise kept_back(refused) from refused
        except MessageInvalid as error:
            raise ActionError("faulty_request", {"message": str(error)}) from error

    def checked(self, schema: str, value: Any) -> Mapping[str, Any]:
        """The value with its defaults; raises `ActionError` with everything that is wrong."""
        checked = self.check(schema, value)
        if checked.errors:
            raise ActionError("validation_error", dict(checked.errors))
        return checked.value if isinstance(checked.value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to publish, in order, what to answer, and what would prove that it happened.

    ``reaches_all``: whether everybody whom the action is for was known and can be named to the
    switch; what reaches a part of them, or nobody, is never confirmed. ``recording``: the file of a
    recording that the plan starts, and the run of the conference where that is known. ``newcomers``:
    those of the messages that may come too early."""

    messages: tuple[Outgoing, ...]
    data: Any
    status: int = ACCEPTED
    confirms: tuple[Confirmation, ...] = ()
    reaches_all: bool = True
    recording: tuple[str, str | None] | None = None
    newcomers: tuple[Newcomer, ...] = ()


def conference_request(data: Any, query: Mapping[str, Any], envelope: Mapping[str, Any]) -> ActionRequest:
    """Read a PUT on a conference: the action of the envelope or of ``data``, never of the query."""
    action = envelope.get("action")
    if action in (None, ""):
        action = _member(data, "action")
    return ActionRequest(action, _request_value("data", data, query, envelope), data, query)


def participants_request(data: Any, query: Mapping[str, Any], envelope: Mapping[str, Any]) -> ActionRequest:
    """Read a PUT on participants: the action of ``data``, the query or the envelope."""
    action = _request_value("action", data, query, envelope)
    return ActionRequest(action, _request_value("data", data, query, envelope), data, query)


def invalid(path: str, rule: str, details: Mapping[str, Any]) -> ActionError:
    """A validation error about one path."""
    return ActionError("validation_error", {path: {rule: dict(details)}})


def not_in_list(path: str, target: tuple[str, ...], value: Any = None) -> ActionError:
    """The ``enum`` error; ``value`` only when one was sent."""
    details: dict[str, Any] = {
        "message": "Value not found in enumerated list of values",
        "target": list(target),
    }
    if value not in (None, ""):
        details["value"] = value
    return invalid(path, "enum", details)


def unsafe(path: str, value: Any, error: TextRefused | str) -> ActionError:
    """Text that must not reach the switch; of a long one the beginning is shown."""
    shown = value[:_SHOWN] if isinstance(value, str) else value
    return invalid(path, "wrong_format", {"message": f"Value {error}", "value": shown})


def kept_back(refused: Refused) -> ActionError:
    """A message that may not leave: its header is named as the field of the request."""
    path = ".".join(("data", *(part.lower().replace("-", "_") for part in refused.path)))
    return invalid(path, "wrong_format", {"message": f"Value {refused.why}"})


def no_such_participant(participant_id: Any) -> ActionError:
    """404 with the id that nobody has."""
    shown = participant_id[:64] if isinstance(participant_id, str) else participant_id
    return ActionError("bad_identifier", {"id": shown, "message": "bad identifier"})


def ambiguous_participant(name: str, candidates: Sequence[Participant]) -> ActionError:
    """409: several participants are of this device or user."""
    data = {
        "id": name[:64],
        "message": "several participants are of this device or user: name one by number or by call",
        "candidates": [
            {
                "participant_id": one.participant_id,
                "call_id": one.call_id,
                "caller_id_name": one.caller_id_name,
                "caller_id_number": one.caller_id_number,
            }
            for one in candidates
        ],
    }
    return ActionError("participant_ambiguous", data)


def not_supported(action: str, reason: str) -> ActionError:
    """501: the media side would do nothing; it is not asked."""
    return ActionError("not_supported", {"action": action, "message": reason})


def recording_unknown() -> ActionError:
    """409: the conference is recorded, but nobody knows to which file, and a stop must name it."""
    message = "nobody knows the file that is recorded to, so the recording cannot be stopped"
    return ActionError("recording_unknown", {"message": message})


def unknown_to_switch(call_id: str) -> ActionError:
    """409: the participant is there, but the media side does not know the number that commands need."""
    message = "the media side does not know this participant's id, so it cannot be commanded"
    return ActionError("participant_unknown_to_switch", {"call_id": call_id, "message": message})


def _member(value: Any, key: str) -> Any:
    # What comes from JSON is a dict or none of the kind; to ask for more would be dear.
    return value.get(key) if isinstance(value, dict) else None


def _request_value(key: str, data: Any, query: Mapping[str, Any], envelope: Mapping[str, Any]) -> Any:
    for place in (data, query, envelope):
        found = _member(place, key)
        if found is not None:
            return found
    return None
