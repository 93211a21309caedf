"""How a running conference is shown to clients: Kazoo 5's form and the seed's, both at once. Pure.

Source: the seed's samples, http.md 3.6, 3.7, 4.2, 13; recordings ``live``, ``participants``, ``list``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import gregorian_seconds
from ..kapi.normalize import normalize
from .rooms import Participant, Room

#: The seed shows these beside a participant's own keys; Kazoo 5 has them nested only.
_FLAT_FLAGS = (
    "is_moderator",
    "floor",
    "video",
    "speak",
    "hear",
    "talking",
    "mute_detect",
    "energy_level",
    "current_energy",
)


def participant(member: Participant, now: float) -> dict[str, Any]:
    """One participant. ``now`` in unix seconds gives ``duration``."""
    nested = normalize(member.conference_channel_vars)
    shown: dict[str, Any] = {
        "call_id": member.call_id,
        "conference_name": member.conference_name,
        "conference_uuid": member.conference_uuid,
        "switch_hostname": member.switch_hostname,
        "participant_id": member.participant_id,
        "join_time": member.join_time,
        "caller_id_name": member.caller_id_name,
        "caller_id_number": member.caller_id_number,
        "custom_channel_vars": normalize(member.custom_channel_vars),
        "conference_channel_vars": nested,
        "custom_application_vars": normalize(member.custom_application_vars),
    }
    shown = {key: value for key, value in shown.items() if value is not None}
    # The key is always there: a null says that the media side does not know the number.
    shown.setdefault("participant_id", None)
    # A participant without a join time crashes Kazoo (http.md 3.7); here it has just come.
    joined = member.join_time if member.join_time is not None else gregorian_seconds(now)
    shown["duration"] = max(0, gregorian_seconds(now) - joined)
    shown.update(flat_flags(nested))
    since = now if member.talking_since is None else member.talking_since
    talk_time = int(member.talk_time + max(0.0, now - since))
    if talk_time:
        shown["talk_time"] = talk_time
    return shown


def flat_flags(nested: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that the seed shows beside a participant's own keys, from the nested ones."""
    return {flag: nested[flag] for flag in _FLAT_FLAGS if flag in nested}


def participants(room: Room | None, now: float) -> list[dict[str, Any]]:
    """Everybody in a conference, in order of joining."""
    if room is None:
        return []
    return [participant(member, now) for member in sorted(room.participants, key=_in_order)]


def _in_order(member: Participant) -> tuple[bool, int, str]:
    number = member.participant_id
    return number is None, number or 0, member.call_id or ""


def counts(room: Room | None, now: float) -> dict[str, Any]:
    """``members`` (without moderators), ``moderators``, ``duration`` in seconds, ``is_locked``."""
    if room is None:
        return {"members": 0, "moderators": 0, "duration": 0, "is_locked": False}
    moderators = sum(member.is_moderator is True for member in room.participants)
    return {
        "members": len(room.participants) - moderators,
        "moderators": moderators,
        "duration": run_time(room, now),
        "is_locked": room.locked is True,
    }


def run_time(room: Room, now: float) -> int:
    """How long the conference has been running, in seconds."""
    if room.start_time is not None:
        return max(0, gregorian_seconds(now) - room.start_time)
    return room.run_time or 0


def metadata(room: Room | None, now: float) -> dict[str, Any]:
    """Real-time data as Kazoo 5 puts it into the envelope's ``metadata``."""
    shown = _details(room, now)
    shown["participants"] = participants(room, now)
    if room is not None:
        shown["locked"] = room.locked is True
        shown["conference_id"] = room.conference_id
    shown.update(counts(room, now))
    return shown


def read_only(room: Room | None, now: float) -> dict[str, Any]:
    """Real-time data of one conference as the seed puts it into ``data._read_only``."""
    figures = counts(room, now)
    return {**figures, "admins": figures["moderators"], "participants": participants(room, now)}


def listed(room: Room | None, now: float) -> dict[str, Any]:
    """``_read_only`` of a list's item: the figures, and the room's own data when it runs.

    Not who is there, which Kazoo's items have: a page of full rooms would be megabytes."""
    if room is None:
        return counts(None, now)
    own = {"conference_id": room.conference_id, "locked": room.locked is True}
    return {**_details(room, now), **own, **counts(room, now)}


def flat(room: Room | None, now: float) -> dict[str, Any]:
    """The figures that the seed shows in a list's item itself."""
    figures = counts(room, now)
    return {
        "members": figures["members"],
        "admins": figures["moderators"],
        "duration": figures["duration"],
        "is_locked": figures["is_locked"],
    }


def stable(room: Room | None) -> Any:
    """What an entity tag covers: everything but the seconds that pass by themselves."""
    if room is None:
        return None
    return [
        room.instance_id,
        room.locked,
        room.recording,
        normalize(room.custom_conference_vars),
        [
            [
                member.participant_id,
                member.call_id,
                member.caller_id_name,
                member.caller_id_number,
                normalize(member.conference_channel_vars),
            ]
            for member in sorted(room.participants, key=_in_order)
        ],
    ]


def _details(room: Room | None, now: float) -> dict[str, Any]:
    if room is None:
        return {}
    shown: dict[str, Any] = {
        "uuid": room.instance_id,
        "start_time": room.start_time,
        "run_time": run_time(room, now),
        "switch_hostname": room.switch_hostname,
        "zone": room.zone,
        "participant_count": len(room.participants),
    }
    shown.update(normalize(room.extra))
    if room.custom_conference_vars:
        shown["custom_conference_vars"] = normalize(room.custom_conference_vars)
    shown["is_recording"] = room.recording
    shown["active_speaker"] = room.active_speaker
    return {key: value for key, value in shown.items() if value is not None}
