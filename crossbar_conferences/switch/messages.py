"""What the media side says on the bus about its rooms, as Kazoo messages. Pure.

Bodies follow Kazoo 5 (amqp.md 7.2, 7.3) and the recordings; with ``core="master"`` search answers
are the smaller ones of the older core, which is what the recordings show.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from ..kapi import call, conference, nodes
from ..kapi.messages import Origin, Outgoing
from ..kapi.origins import ECALLMGR, FREESWITCH
from .dialling import Leg
from .memory import ALL_KNOWN, Known
from .rooms import Event, Member, Room

#: Which generation of Kazoo's core the media side is: it decides what search answers carry.
Core = Literal["5", "master"]

#: Calls of the virtual switch can be told by this end of their Call-Interaction-ID.
INTERACTION_MARK = "0badcafe"


@dataclass(frozen=True, slots=True)
class MediaServer:
    """What a media server calls itself."""

    node: str = "freeswitch@127.0.0.1"
    hostname: str = "127.0.0.1"
    url: str = "sip:mod_sofia@127.0.0.1:11000"

    @property
    def node_host(self) -> str:
        """The host in the node's name: what ecallmgr calls the host of a participant."""
        return self.node.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: an ecallmgr node in its zone, for a media server.

    ``conference_node`` is the ecallmgr that publishes the events of these rooms (amqp.md 7.3)."""

    node: str
    zone: str
    media_server: MediaServer
    conference_node: str
    core: Core = "5"

    @property
    def origin(self) -> Origin:
        """How ecallmgr signs its answers."""
        return Origin(*ECALLMGR, self.node)


def event(happened: Event, speaker: Speaker, realm: str) -> Outgoing:
    """The message about something that happened in a room."""
    room, member = happened.room, happened.member
    known = member or happened.caller
    fields: dict[str, Any] = {
        "Event": happened.name,
        "Conference-ID": room.conference_id,
        "Instance-ID": room.instance_id,
        "Account-ID": room.account_id,
    }
    if room.real:
        fields |= {"Conference-Channel-Vars": {}, "Custom-Channel-Vars": {"Call-Interaction-Is-Root": False}}
    if known is not None and (member is not None or room.real):
        fields |= {
            "Account-ID": known.account_id,
            "Call-ID": known.call_id,
            **_caller(known),
            "Channel-Presence-ID": _presence_id(room, known, realm),
            "Custom-Channel-Vars": channel_vars(known, speaker, room.real),
        }
    if member is not None:
        flags = conference_channel_vars(member, happened.has_floor, room.real)
        fields |= {"Participant-ID": member.member_id, "Conference-Channel-Vars": flags}
        if speaker.core == "5":
            # The older core's builder of the event leaves them out (real-switch.md A9).
            fields["Custom-Application-Vars"] = dict(member.application_vars)
    if happened.media is not None and speaker.core == "5":
        fields["Recording"] = {"File-Path": f"/tmp/{happened.media}"}
    fields = {key: value for key, value in fields.items() if value is not None}
    origin = Origin(*FREESWITCH, speaker.media_server.node)
    return conference.event(fields, origin, secrets.token_hex(16))


def search_by_conference(
    room: Room, speaker: Speaker, now: int, msg_id: str, known: Known = ALL_KNOWN
) -> dict[str, Any]:
    """The answer about one running conference, as far as the node knows it."""
    return conference.search_response(_room_fields(room, speaker, now, known), speaker.origin, msg_id)


def search_by_account(
    account_id: str | None, rooms: Iterable[Room], speaker: Speaker, now: int, msg_id: str
) -> dict[str, Any]:
    """The answer about every running conference of an account: ``Conferences`` may be empty. Asked for
    nothing, ecallmgr finds nothing."""
    describe = _room_fields if speaker.core == "5" else _room_summary
    conferences = {
        room.conference_id: describe(room, speaker, now)
        for room in rooms
        if account_id is not None and room.account_id == account_id
    }
    fields: dict[str, Any] = {"Conferences": conferences}
    if account_id is not None:
        fields["Account-ID"] = account_id
    return conference.search_response(fields, speaker.origin, msg_id)


def not_found(request: Mapping[str, Any], speaker: Speaker) -> dict[str, Any]:
    """The answer about a conference that is not running; it quotes the request (amqp.md 5.2)."""
    conference_id = request["Conference-ID"]
    return conference.conference_error(
        f"Conference {conference_id} not found", conference_id, request, speaker.origin, request["Msg-ID"]
    )


def no_media_server(request: Mapping[str, Any], speaker: Speaker) -> dict[str, Any]:
    """The refusal of a dial for which this node has no media server (amqp.md 7.5)."""
    quoted = conference.dial_error_request(request)
    return conference.conference_error(
        "no media servers available", request["Conference-ID"], quoted, speaker.origin, request["Msg-ID"]
    )


def dial_response(responses: Sequence[Mapping[str, Any]], speaker: Speaker, msg_id: str) -> dict[str, Any]:
    """The answer to a dial."""
    return conference.dial_response(responses, speaker.origin, msg_id)


def call_over(leg: Leg, cause: str, answered: bool, speaker: Speaker) -> Outgoing:
    """The event that a dialled leg's call has ended."""
    fields = {
        "Call-ID": leg.call_id,
        "Hangup-Cause": cause,
        # A real one has no disposition when nobody answered.
        "Disposition": "ANSWER" if answered else None,
        "Custom-Channel-Vars": {} if leg.account_id is None else {"Account-ID": leg.account_id},
    }
    return call.destroyed(fields, Origin(*FREESWITCH, speaker.media_server.node), secrets.token_hex(16))


def channels(
    found: Iterable[tuple[Room, Member]], category: str, speaker: Speaker, realm: str, msg_id: str
) -> dict[str, Any]:
    """The answer to a question for channels, in the requester's category (amqp.md 10.1)."""
    described = {
        member.call_id: {
            "Call-ID": member.call_id,
            "Account-ID": member.account_id or "",
            "Call-Direction": "inbound",
            "Answered": True,
            "Caller-ID-Name": member.name,
            "Caller-ID-Number": member.number,
            "Conference-ID": room.conference_id,
            "Custom-Channel-Vars": channel_vars(member, speaker),
            "Media-Node": speaker.media_server.node,
            "Presence-ID": f"{member.number}@{realm}",
            "Switch-URL": speaker.media_server.url,
        }
        for room, member in found
    }
    body = call.query_channels_response(described, speaker.origin, msg_id)
    return {**body, "Event-Category": category}


def advertisement(
    speaker: Speaker, expires_ms: int, started: int, rooms: Iterable[Room], *, serving: bool = True
) -> Outgoing:
    """The heartbeat of an ecallmgr node. ``started``: gregorian seconds; ``serving``: whether its media
    server runs."""
    running = tuple(rooms)
    media_server = speaker.media_server
    extra = {
        "Channels": sum(len(room.members) for room in running),
        "Conferences": len(running),
        "Media-Servers": {media_server.node: {"Startup": started, "Interfaces": {}, "Sessions": {}}}
        if serving
        else {},
    }
    apps = {"ecallmgr": nodes.App(started)}
    return nodes.advertise(
        speaker.node,
        zone=speaker.zone,
        expires_ms=expires_ms,
        apps=apps,
        version="crossbar-conferences virtual switch",
        extra=extra,
    )


def payload(body: Mapping[str, Any]) -> bytes:
    """A body as it goes out."""
    return orjson.dumps(body)


def channel_vars(member: Member, speaker: Speaker, real: bool = False) -> dict[str, Any]:
    """Custom-Channel-Vars of a call: on a real switch mod_kazoo's own, and what its route brought."""
    own: dict[str, Any] = {
        "Account-ID": member.account_id,
        "Call-Interaction-ID": f"{member.join_time}-{INTERACTION_MARK}",
    }
    if real:
        own |= {
            "Call-Interaction-Is-Root": True,
            "Privacy-Hide-Number": False,
            "Privacy-Hide-Name": False,
        }
    else:
        own["Ecallmgr-Node"] = speaker.conference_node
    return {key: value for key, value in {**own, **member.channel_vars}.items() if value is not None}


def conference_channel_vars(member: Member, has_floor: bool, real: bool = False) -> dict[str, Any]:
    """The flags of a member as FreeSWITCH's module shows them; a real one has no Member-Type."""
    flags = {
        "Is-Moderator": member.moderator,
        "Floor": has_floor,
        "Video": False,
        "See": member.see,
        "Speak": member.speak,
        "Hear": member.hear,
        "Talking": member.talking,
        "Mute-Detect": False,
        "Energy-Level": member.energy_level,
        "Current-Energy": 0,
        "Member-ID": member.member_id,
        "Member-Type": "moderator" if member.moderator else "member",
        "Member-Ghost": member.ghost,
    }
    if real:
        del flags["Member-Type"]
    return flags


def _caller(member: Member) -> dict[str, Any]:
    caller = {"Caller-ID-Name": member.name, "Caller-ID-Number": member.number}
    return {key: value for key, value in caller.items() if value is not None}


def _presence_id(room: Room, member: Member, realm: str) -> str | None:
    """Of a call that has a device's presence id; the stand-in made one up for each."""
    if not room.real:
        return f"{member.number}@{realm}"
    presence_id = member.channel_vars.get("Presence-ID")
    return presence_id if isinstance(presence_id, str) else None


def _room_fields(room: Room, speaker: Speaker, now: int, known: Known = ALL_KNOWN) -> dict[str, Any]:
    server = speaker.media_server
    fields: dict[str, Any] = {
        "Conference-ID": room.conference_id,
        "UUID": room.instance_id,
        "Locked": room.locked,
        "Start-Time": room.start_time,
        "Run-Time": max(0, now - room.start_time),
        "Participant-Count": len(room.members),
        "Participants": [
            _stranger(room, member, speaker, now, known)
            if member.call_id in known.strangers
            else _participant(room, member, speaker, known)
            for member in room.members
        ],
        # Of a room that ecallmgr found in the switch's list it has the name of the node alone.
        "Switch-Hostname": server.hostname if known.by_event else server.node_host,
    }
    if not room.real:
        fields["Switch-URL"] = server.url
    if speaker.core == "5":
        fields |= {
            **_counts(room),
            "Call-Interaction-ID": f"{room.start_time}-{INTERACTION_MARK}",
            "Custom-Conference-Vars": dict(room.variables),
            "Zone": speaker.zone,
        }
    return fields


def _room_summary(room: Room, speaker: Speaker, now: int) -> dict[str, Any]:
    """A room in the older core's answer about an account: no participants, ``Is-Locked`` (amqp.md 7.2)."""
    summary = {
        "UUID": room.instance_id,
        "Run-Time": max(0, now - room.start_time),
        "Start-Time": room.start_time,
        "Is-Locked": room.locked,
        "Switch-Hostname": speaker.media_server.hostname,
        "Participant-Count": len(room.members),
        **_counts(room),
    }
    return summary if room.real else summary | {"Switch-URL": speaker.media_server.url}


def _counts(room: Room) -> dict[str, int]:
    moderators = sum(member.moderator for member in room.members)
    return {"Moderators": moderators, "Members": len(room.members) - moderators}


def _stranger(room: Room, member: Member, speaker: Speaker, now: int, known: Known) -> dict[str, Any]:
    """What a node tells of a member that it found in the switch's list (real-switch.md A2)."""
    return {
        "Call-ID": member.call_id,
        "Conference-Name": room.conference_id,
        "Conference-UUID": room.instance_id,
        "Switch-Hostname": speaker.media_server.node_host,
        "Join-Time": known.listed_at.get(member.call_id, now),
    }


def _participant(room: Room, member: Member, speaker: Speaker, known: Known = ALL_KNOWN) -> dict[str, Any]:
    # ecallmgr tells what the member's last event told it.
    has_floor = member.told_floor if room.real else room.floor == member.member_id
    was_listed = member.call_id in known.listed_at
    told: dict[str, Any] = {
        "Call-ID": member.call_id,
        "Conference-Name": room.conference_id,
        "Conference-UUID": room.instance_id,
        "Switch-Hostname": speaker.media_server.node_host,
        "Participant-ID": member.member_id,
        "Join-Time": known.listed_at.get(member.call_id, member.join_time),
        **({} if was_listed else _caller(member)),
        "Custom-Channel-Vars": channel_vars(member, speaker, room.real),
        "Conference-Channel-Vars": conference_channel_vars(member, has_floor, room.real),
    }
    if member.application_vars or not room.real:
        told["Custom-Application-Vars"] = dict(member.application_vars)
    return told
