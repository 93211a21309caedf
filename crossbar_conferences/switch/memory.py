"""What one ecallmgr node knows of the rooms of its media server; the switch itself always knows all.

A node that is restarted finds the running rooms by asking the switch, which tells neither whose
they are nor more of their members than the call ids. Of a room whose profile came late it never
hears an event. Source: real-switch.md A2, A10, D.2; recordings ``10-ecallmgr-restart``,
``15-profile-late``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .rooms import Event, Room


@dataclass(slots=True)
class Memory:
    """What a node does not know: rooms whose account it has not heard (``unlisted``, by instance id), and
    members of whom it has the call id alone (``strangers``, instance id to call ids)."""

    unlisted: set[str] = field(default_factory=set)
    strangers: dict[str, set[str]] = field(default_factory=dict)

    def restart(self, rooms: Iterable[Room]) -> None:
        """Know of these rooms what the switch's list tells."""
        self.unlisted = {room.instance_id for room in rooms}
        self.strangers = {room.instance_id: {one.call_id for one in room.members} for room in rooms}

    def hear(self, event: Event) -> None:
        """An event tells everything about a member; of a room with a late profile none is heard."""
        instance_id, member = event.room.instance_id, event.member
        if event.name == "conference-destroy":
            self.unlisted.discard(instance_id)
            self.strangers.pop(instance_id, None)
        elif event.room.late_profile:
            self.unlisted.add(instance_id)
            self.strangers[instance_id] = {one.call_id for one in event.room.members}
        elif member is not None and instance_id in self.strangers:
            self.strangers[instance_id].discard(member.call_id)

    def lists(self, room: Room) -> bool:
        """Whether the node knows whose the room is."""
        return room.instance_id not in self.unlisted

    def of(self, room: Room) -> frozenset[str]:
        """The call ids in a room of whom no more is known."""
        return frozenset(self.strangers.get(room.instance_id, ()))
