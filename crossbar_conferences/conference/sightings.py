"""Reading what the media side says: search answers and members as values. Pure.

Everything comes from outside, so a field of the wrong type is taken for absent.

Source: amqp.md 5.2, 7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..kapi.texts import IDENTIFIER
from .rooms import MAX_ANSWERED, MAX_PARTICIPANTS, MAX_ROOMS, Participant, Room, strangers_last

#: What else of a search answer is shown to clients (http.md 3.6).
_SHOWN = ("Call-Interaction-ID", "Switch-External-IP", "Switch-URL")


def room_from_search(body: Mapping[str, Any], account_id: str | None = None) -> Room:
    """The room in a search answer; ``account_id``: the account that it was listed for.

    The answer to a search by conference does not name the account: then nobody's is known. At most
    `MAX_PARTICIPANTS` entries are read."""
    participants = strangers_last(_participants(body.get("Participants")))
    locked = boolean_of(body.get("Locked"))
    return Room(
        conference_id=text_of(body.get("Conference-ID")) or "",
        account_id=account_id or text_of(body.get("Account-ID")),
        instance_id=text_of(body.get("UUID")),
        locked=boolean_of(body.get("Is-Locked")) if locked is None else locked,
        start_time=integer_of(body.get("Start-Time")),
        run_time=integer_of(body.get("Run-Time")),
        zone=text_of(body.get("Zone")),
        switch_hostname=text_of(body.get("Switch-Hostname")),
        custom_conference_vars=object_of(body.get("Custom-Conference-Vars")),
        participants=participants,
        extra={key: body[key] for key in _SHOWN if text_of(body.get(key))},
        # The older core's answer about an account counts participants and does not tell them.
        partial=not isinstance(body.get("Participants"), list),
    )


def rooms_from_account_search(body: Mapping[str, Any], account_id: str) -> Iterator[Room]:
    """The rooms in an account search's answer: ``Conferences`` by name (amqp.md 7.2).

    At most `MAX_ROOMS` of them; those that nobody could ask for by their id are left out."""
    conferences = body.get("Conferences")
    if not isinstance(conferences, Mapping):
        return
    for name, entry in islice(conferences.items(), MAX_ROOMS):
        if isinstance(entry, Mapping):
            room = room_from_search({"Conference-ID": name, **entry}, account_id)
            if is_askable(room.conference_id):
                yield room


def of_sane_size(answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The answers to one search that tell of no more than `MAX_ANSWERED` participants in all.

    One that goes beyond is passed over as a whole: nobody runs as many, and it would hold us up."""
    left = MAX_ANSWERED
    for answer in answers:
        told = _participants_told(answer)
        if told <= left:
            left -= told
            yield answer


def _participants_told(answer: Mapping[str, Any]) -> int:
    rooms = object_of(answer.get("Conferences"))
    lists = [answer.get("Participants")]
    lists += [object_of(entry).get("Participants") for entry in islice(rooms.values(), MAX_ROOMS)]
    return sum(len(entries) for entries in lists if isinstance(entries, list))


def is_askable(conference_id: str) -> bool:
    """Whether a question about a conference of this id may leave for the media side; no command may else."""
    return IDENTIFIER.fits(conference_id)


def participant_from(entry: Mapping[str, Any]) -> Participant | None:
    """A participant of a search answer or an event; ``None`` without a member number and a call id."""
    channel_vars = object_of(entry.get("Conference-Channel-Vars"))
    number = integer_of(entry.get("Participant-ID"))
    if number is None:
        number = integer_of(channel_vars.get("Member-ID"))
    call_id = text_of(entry.get("Call-ID"))
    if number is None and call_id is None:
        return None
    return Participant(
        participant_id=number,
        call_id=call_id,
        join_time=integer_of(entry.get("Join-Time")),
        caller_id_name=text_of(entry.get("Caller-ID-Name")),
        caller_id_number=text_of(entry.get("Caller-ID-Number")),
        conference_channel_vars=channel_vars,
        custom_channel_vars=object_of(entry.get("Custom-Channel-Vars")),
        custom_application_vars=object_of(entry.get("Custom-Application-Vars")),
        switch_hostname=text_of(entry.get("Switch-Hostname")),
        conference_name=text_of(entry.get("Conference-Name")),
        conference_uuid=text_of(entry.get("Conference-UUID")),
    )


def _participants(entries: Any) -> Iterator[Participant]:
    for entry in entries[:MAX_PARTICIPANTS] if isinstance(entries, list) else ():
        participant = participant_from(entry) if isinstance(entry, Mapping) else None
        if participant is not None:
            yield participant


def text_of(value: Any) -> str | None:
    """A text that is not empty, else ``None``."""
    return value if isinstance(value, str) and value else None


def boolean_of(value: Any) -> bool | None:
    """A boolean, also written as text, else ``None``."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def integer_of(value: Any) -> int | None:
    """An integer, also written as text, else ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        return int(value)
    return None


def object_of(value: Any) -> Mapping[str, Any]:
    """An object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
