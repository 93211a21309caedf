"""What one ecallmgr node knows of the rooms of its media server; the switch itself always knows all.

A node that is restarted finds the running rooms by asking the switch, which tells neither whose
they are nor more of their members than the call ids. Of a room whose profile came late it never
hears an event. Source: real-switch.md A2, A10, D.2; recordings ``10-ecallmgr-restart``,
``15-profile-late``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .rooms import Event, Room


@dataclass(frozen=True, slots=True)
class Known:
    """What a node knows of one room: whether it heard of it by an event, the call ids of whom it knows no
    more, and of whom it was told by the switch's list (call id to gregorian seconds)."""

    by_event: bool = True
    strangers: frozenset[str] = frozenset()
    listed_at: Mapping[str, int] = field(default_factory=dict)


#: Of a room whose every event was heard.
ALL_KNOWN = Known()


@dataclass(slots=True)
class Memory:
    """What a node does not know: rooms whose account it has not heard (``unlisted``, by instance id), and
    members of whom it has the call id alone (``strangers``, instance id to call ids). ``listed_at``: when
    it learnt of members from the switch's list (instance id and call id to gregorian seconds): these keep
    that as their join time, and have no name, for good."""

    unlisted: set[str] = field(default_factory=set)
    strangers: dict[str, set[str]] = field(default_factory=dict)
    listed_at: dict[str, dict[str, int]] = field(default_factory=dict)

    def restart(self, rooms: Iterable[Room], now: int) -> None:
        """Know of these rooms what the switch's list tells now."""
        running = tuple(rooms)
        self.unlisted = {room.instance_id for room in running}
        self.strangers = {room.instance_id: {one.call_id for one in room.members} for room in running}
        self.listed_at = {room.instance_id: {one.call_id: now for one in room.members} for room in running}

    def hear(self, event: Event, now: int) -> None:
        """An event tells everything about a member; of a room with a late profile none is heard."""
        instance_id, member = event.room.instance_id, event.member
        if event.name == "conference-destroy":
            self.unlisted.discard(instance_id)
            self.strangers.pop(instance_id, None)
            self.listed_at.pop(instance_id, None)
        elif event.room.late_profile:
            self.unlisted.add(instance_id)
            calls = {one.call_id for one in event.room.members}
            self.strangers[instance_id] = calls
            known = self.listed_at.get(instance_id, {})
            self.listed_at[instance_id] = {call_id: known.get(call_id, now) for call_id in calls}
        elif event.name == "add-member" and member is not None:
            self.listed_at.get(instance_id, {}).pop(member.call_id, None)
            self.strangers.get(instance_id, set()).discard(member.call_id)
        elif member is not None and instance_id in self.strangers:
            self.strangers[instance_id].discard(member.call_id)

    def lists(self, room: Room) -> bool:
        """Whether the node knows whose the room is."""
        return room.instance_id not in self.unlisted

    def of(self, room: Room) -> Known:
        """What is known of a room that was not heard of from its beginning."""
        strangers = frozenset(self.strangers.get(room.instance_id, ()))
        return Known(self.lists(room), strangers, self.listed_at.get(room.instance_id, {}))
