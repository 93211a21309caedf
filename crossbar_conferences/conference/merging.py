"""Several accounts of one conference made into one: of nodes that answered, and of what was known before.

Media nodes do not know the same. One that was restarted finds running conferences with call ids
alone, and so do rooms whose profile came late; the others know names, numbers and flags. Of each
participant whoever knows more wins, field by field, so a poorer answer takes nothing away. An
answer is whole in one thing: everybody who is there is in it, at least with a call id.

Pure. Source: real-switch.md A2, A10, recordings ``10-ecallmgr-restart`` and ``15-profile-late``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .rooms import Participant, Room, strangers_last


def merged(answers: Iterable[Room]) -> dict[str, Room]:
    """One room for each conference id. Of two runs of a conference the longer counts (http.md 3.8)."""
    rooms: dict[str, Room] = {}
    for room in answers:
        other = rooms.get(room.conference_id)
        rooms[room.conference_id] = room if other is None else _of_two(other, room)
    return rooms


def remembered(found: Room, known: Room | None) -> Room:
    """A room that was found, with what was known of the same run and the answer does not tell.

    Talk times, recordings and who talks are known from events alone. Who is not in an answer that
    names the participants has left."""
    if known is None or known.instance_id != found.instance_id:
        return found
    room = replace(
        found,
        account_id=found.account_id or known.account_id,
        recording=known.recording,
        recording_file=known.recording_file,
        switch_hostname=known.switch_hostname if found.has_strangers else found.switch_hostname,
        extra={**known.extra, **found.extra},
        custom_conference_vars=found.custom_conference_vars or known.custom_conference_vars,
    )
    if found.partial:
        # A summary counts the participants and does not name them.
        return replace(
            room,
            participants=known.participants,
            active_speaker=known.active_speaker,
            partial=known.partial,
        )
    people = _People(known.participants)
    participants = strangers_last(_carried(member, people.like(member)) for member in found.participants)
    is_there = any(member.participant_id == known.active_speaker for member in participants)
    return replace(room, participants=participants, active_speaker=known.active_speaker if is_there else None)


class _People:
    """Participants by number and by call, so that a large room is not searched for each of them."""

    def __init__(self, participants: Iterable[Participant]) -> None:
        there = tuple(participants)
        self._by_number = {one.participant_id: one for one in there if one.participant_id is not None}
        self._by_call = {one.call_id: one for one in there if one.call_id is not None}

    def like(self, member: Participant) -> Participant | None:
        """The same participant: of the same number, or of the same call where one has no number."""
        if member.participant_id is not None and member.participant_id in self._by_number:
            return self._by_number[member.participant_id]
        other = None if member.call_id is None else self._by_call.get(member.call_id)
        # A call that came back has another number: that is somebody new.
        is_same = other is not None and None in (other.participant_id, member.participant_id)
        return other if is_same else None


def _of_two(one: Room, other: Room) -> Room:
    if one.instance_id is None or one.instance_id != other.instance_id:
        return max(one, other, key=lambda room: room.run_time or 0)
    if one.partial or other.partial:
        return other if one.partial else one
    richer, poorer = sorted((one, other), key=_told, reverse=True)
    people = _People(poorer.participants)
    matched = [(member, people.like(member)) for member in richer.participants]
    taken = {id(match) for _, match in matched if match is not None}
    both = [member if match is None else _of_same(member, match) for member, match in matched]
    return replace(
        richer,
        account_id=richer.account_id or poorer.account_id,
        zone=richer.zone or poorer.zone,
        locked=poorer.locked if richer.locked is None else richer.locked,
        custom_conference_vars=richer.custom_conference_vars or poorer.custom_conference_vars,
        extra={**poorer.extra, **richer.extra},
        participants=strangers_last(
            (*both, *(member for member in poorer.participants if id(member) not in taken))
        ),
    )


def _told(room: Room) -> tuple[int, int]:
    """How much an answer tells: of how many participants the number, and how many it has."""
    return sum(member.participant_id is not None for member in room.participants), len(room.participants)


def _of_same(richer: Participant, poorer: Participant) -> Participant:
    """One participant of two answers: what one does not say, the other may."""
    if richer.participant_id is None:
        richer, poorer = poorer, richer
    return replace(
        richer,
        call_id=richer.call_id or poorer.call_id,
        join_time=_first(richer.join_time, poorer.join_time),
        caller_id_name=richer.caller_id_name or poorer.caller_id_name,
        caller_id_number=richer.caller_id_number or poorer.caller_id_number,
        conference_channel_vars=_both(richer.conference_channel_vars, poorer.conference_channel_vars),
        custom_channel_vars=richer.custom_channel_vars or poorer.custom_channel_vars,
        custom_application_vars=richer.custom_application_vars or poorer.custom_application_vars,
        switch_hostname=richer.switch_hostname or poorer.switch_hostname,
        conference_name=richer.conference_name or poorer.conference_name,
        conference_uuid=richer.conference_uuid or poorer.conference_uuid,
    )


def _carried(found: Participant, known: Participant | None) -> Participant:
    """A participant of an answer, with what events told of the same one."""
    if known is None:
        return found
    # A node that was restarted takes the time of its restart for that of the joining.
    member = _of_same(found, known) if found.participant_id is not None else _of_same(known, found)
    return replace(
        member,
        talk_time=known.talk_time,
        talking_since=known.talking_since,
        told_at=known.told_at,
        joined_at=known.joined_at,
    )


def _both(first: Mapping[str, object], second: Mapping[str, object]) -> Mapping[str, object]:
    return first if not second or first.keys() >= second.keys() else {**second, **first}


def _first(one: int | None, other: int | None) -> int | None:
    # The earlier one: whoever learnt of somebody later says a later time.
    return other if one is None else one if other is None else min(one, other)
