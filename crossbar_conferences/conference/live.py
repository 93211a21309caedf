"""Live state from what the media side says. Pure.

Source: amqp.md 5.2, 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .rooms import Participant, Room

#: Headers of a search answer that have a field of their own in `Room`.
_ROOM_FIELDS = frozenset(
    {
        "Account-ID",
        "Conference-ID",
        "Custom-Conference-Vars",
        "Is-Locked",
        "Locked",
        "Members",
        "Moderators",
        "Participant-Count",
        "Participants",
        "Run-Time",
        "Start-Time",
        "Switch-Hostname",
        "UUID",
        "Zone",
    }
)

#: What else of a search answer is shown to clients (http.md 3.6).
_SHOWN = frozenset({"Call-Interaction-ID", "Switch-External-IP", "Switch-URL"})


def room_from_search(body: Mapping[str, Any], account_id: str | None = None) -> Room:
    """The room in a search answer. Fields of the wrong type are taken for absent."""
    participants = tuple(_participants(body.get("Participants")))
    locked = body.get("Locked", body.get("Is-Locked"))
    return Room(
        conference_id=str(body.get("Conference-ID", "")),
        account_id=account_id or _text(body.get("Account-ID")) or _account_of(participants),
        instance_id=_text(body.get("UUID")),
        locked=locked if isinstance(locked, bool) else None,
        start_time=_integer(body.get("Start-Time")),
        run_time=_integer(body.get("Run-Time")),
        zone=_text(body.get("Zone")),
        switch_hostname=_text(body.get("Switch-Hostname")),
        custom_conference_vars=_object(body.get("Custom-Conference-Vars")),
        participants=participants,
        extra={key: body[key] for key in _SHOWN if _text(body.get(key))},
    )


def rooms_from_account_search(body: Mapping[str, Any], account_id: str) -> Iterator[Room]:
    """The rooms in an account search's answer: ``Conferences`` by name (amqp.md 7.2)."""
    conferences = body.get("Conferences")
    if not isinstance(conferences, Mapping):
        return
    for name, entry in conferences.items():
        if isinstance(entry, Mapping):
            yield room_from_search({"Conference-ID": name, **entry}, account_id)


def participant_from(entry: Mapping[str, Any]) -> Participant | None:
    """A participant of a search answer or an event; ``None`` without a member number."""
    channel_vars = _object(entry.get("Conference-Channel-Vars"))
    number = _integer(entry.get("Participant-ID", channel_vars.get("Member-ID")))
    if number is None:
        return None
    return Participant(
        participant_id=number,
        call_id=_text(entry.get("Call-ID")),
        join_time=_integer(entry.get("Join-Time")),
        caller_id_name=_text(entry.get("Caller-ID-Name")),
        caller_id_number=_text(entry.get("Caller-ID-Number")),
        conference_channel_vars=channel_vars,
        custom_channel_vars=_object(entry.get("Custom-Channel-Vars")),
        custom_application_vars=_object(entry.get("Custom-Application-Vars")),
        switch_hostname=_text(entry.get("Switch-Hostname")),
        conference_name=_text(entry.get("Conference-Name")),
        conference_uuid=_text(entry.get("Conference-UUID")),
    )


def _participants(entries: Any) -> Iterator[Participant]:
    for entry in entries if isinstance(entries, list) else ():
        participant = participant_from(entry) if isinstance(entry, Mapping) else None
        if participant is not None:
            yield participant


def _account_of(participants: tuple[Participant, ...]) -> str | None:
    # A search by conference does not name the account; the legs in it do.
    for participant in participants:
        account_id = _text(participant.custom_channel_vars.get("Account-ID"))
        if account_id:
            return account_id
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
