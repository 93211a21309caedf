"""What the virtual switch says, compared with what a media server was recorded to say."""

from __future__ import annotations

from dataclasses import replace

from crossbar_conferences.kapi import conference, nodes
from crossbar_conferences.switch import messages
from crossbar_conferences.switch.commands import Create, Join, Leave, Lock, Variables
from crossbar_conferences.switch.messages import MediaServer, Speaker
from crossbar_conferences.switch.rooms import NO_ROOMS, Event, Rooms, apply

SPEAKER = Speaker("ecallmgr@e1", "east", MediaServer(), "ecallmgr@e1")
OLDER = Speaker("ecallmgr@e1", "east", MediaServer(), "ecallmgr@e1", core="master")
REQUEST = {
    "Conference-ID": "C",
    "Server-ID": "queue",
    "Node": "crossbar@a",
    "System-Log-ID": "m1",
    "Msg-ID": "m1",
    "Event-Name": "search_req",
    "Event-Category": "conference",
    "App-Version": "4.0.0",
    "App-Name": "crossbar",
}
COMMANDS = (
    Create("C", "A", "uuid-1", 63_962_552_800),
    Join("C", "x-a@ref.local", 63_962_552_810, name="Ann", moderator=True),
    Join("C", "x-b@ref.local", 63_962_552_820, name="Bob", speak=False, channel_vars={"Owner-ID": "U"}),
)


def running() -> tuple[Rooms, list[Event]]:
    """A room with Ann, a moderator, and Bob, muted."""
    rooms, events = NO_ROOMS, []
    for command in COMMANDS:
        outcome = apply(rooms, command)
        rooms = outcome.rooms
        events += outcome.events
    return rooms, events


def test_create_event() -> None:
    """A room's own event, as recorded: the conference id ends the routing key."""
    outgoing = messages.event(running()[1][0], SPEAKER, "a.realm")
    body = dict(outgoing.body)
    assert len(body.pop("Msg-ID")) == 32
    assert outgoing.routing_key == "conference.event.conference-create.A.C.C"
    assert body == {
        "Instance-ID": "uuid-1",
        "Conference-ID": "C",
        "Event": "conference-create",
        "Node": "freeswitch@127.0.0.1",
        "Account-ID": "A",
        "Event-Name": "event",
        "Event-Category": "conference",
        "App-Version": "1.0",
        "App-Name": "freeswitch",
    }


def test_member_event() -> None:
    """A member's event, as recorded (live-grow): every header of it. Kazoo 5 tells of the custom
    application variables too, which the older core leaves out (real-switch.md A9)."""
    newer = messages.event(running()[1][1], SPEAKER, "a.realm")
    assert newer.body["Custom-Application-Vars"] == {}
    outgoing = messages.event(running()[1][1], replace(SPEAKER, core="master"), "a.realm")
    body = dict(outgoing.body)
    body.pop("Msg-ID")
    assert outgoing.routing_key == "conference.event.add-member.A.C.x-a%40ref%2Elocal"
    assert body == {
        "Conference-Channel-Vars": {
            "Is-Moderator": True,
            "Floor": True,
            "Video": False,
            "See": True,
            "Speak": True,
            "Hear": True,
            "Talking": False,
            "Mute-Detect": False,
            "Energy-Level": 20,
            "Current-Energy": 0,
            "Member-ID": 1,
            "Member-Type": "moderator",
            "Member-Ghost": False,
        },
        "Custom-Channel-Vars": {
            "Account-ID": "A",
            "Ecallmgr-Node": "ecallmgr@e1",
            "Call-Interaction-ID": "63962552810-0badcafe",
        },
        "Channel-Presence-ID": "1001@a.realm",
        "Caller-ID-Number": "1001",
        "Caller-ID-Name": "Ann",
        "Participant-ID": 1,
        "Call-ID": "x-a@ref.local",
        "Instance-ID": "uuid-1",
        "Conference-ID": "C",
        "Event": "add-member",
        "Node": "freeswitch@127.0.0.1",
        "Account-ID": "A",
        "Event-Name": "event",
        "Event-Category": "conference",
        "App-Version": "1.0",
        "App-Name": "freeswitch",
    }


def test_every_event_is_a_kazoo_event() -> None:
    """What is said passes the check of who hears it."""
    rooms, events = running()
    for command in (Lock("C", True), Leave("C", "all")):
        outcome = apply(rooms, command)
        rooms = outcome.rooms
        events += outcome.events
    for event in events:
        conference.check_event(messages.event(event, SPEAKER, "r").body)


def test_an_account_that_nobody_knows() -> None:
    """Without an account its token of the routing key is empty, as recorded (dial-user)."""
    event = apply(NO_ROOMS, Create("C", None, "u", 1)).events[0]
    outgoing = messages.event(event, SPEAKER, "r")
    assert outgoing.routing_key == "conference.event.conference-create..C.C"
    assert "Account-ID" not in outgoing.body


def test_search_by_conference() -> None:
    """Kazoo 5's answer about one conference has counts, zone and variables."""
    rooms = apply(running()[0], Variables("C", {"k": "v"})).rooms
    body = messages.search_by_conference(rooms["C"], SPEAKER, 63_962_552_863, "m1")
    conference.check_search_response(body)
    participants = body.pop("Participants")
    assert body == {
        "Conference-ID": "C",
        "UUID": "uuid-1",
        "Locked": False,
        "Start-Time": 63_962_552_800,
        "Run-Time": 63,
        "Participant-Count": 2,
        "Members": 1,
        "Moderators": 1,
        "Custom-Conference-Vars": {"k": "v"},
        "Call-Interaction-ID": "63962552800-0badcafe",
        "Zone": "east",
        "Switch-Hostname": "127.0.0.1",
        "Switch-URL": "sip:mod_sofia@127.0.0.1:11000",
        "Event-Category": "conference",
        "Event-Name": "search_resp",
        "App-Name": "ecallmgr",
        "App-Version": "5.0.0",
        "Node": "ecallmgr@e1",
        "Msg-ID": "m1",
    }
    assert [one["Participant-ID"] for one in participants] == [1, 2]
    assert set(participants[1]) == {
        "Call-ID",
        "Conference-Name",
        "Conference-UUID",
        "Switch-Hostname",
        "Participant-ID",
        "Join-Time",
        "Caller-ID-Name",
        "Caller-ID-Number",
        "Custom-Channel-Vars",
        "Conference-Channel-Vars",
        "Custom-Application-Vars",
    }
    assert participants[1]["Custom-Channel-Vars"]["Owner-ID"] == "U"
    assert participants[1]["Conference-Channel-Vars"]["Speak"] is False


def test_search_by_conference_of_the_older_core() -> None:
    """The recorded answer: without counts, zone and variables."""
    body = messages.search_by_conference(running()[0]["C"], OLDER, 63_962_552_863, "m1")
    conference.check_search_response(body)
    assert set(body) == {
        "UUID",
        "Switch-URL",
        "Switch-Hostname",
        "Start-Time",
        "Run-Time",
        "Participants",
        "Participant-Count",
        "Locked",
        "Conference-ID",
        "Node",
        "Msg-ID",
        "Event-Name",
        "Event-Category",
        "App-Version",
        "App-Name",
    }


def test_search_by_account() -> None:
    """Only the account's own conferences are told; none is an empty object, not an error."""
    rooms = running()[0]
    found = messages.search_by_account("A", rooms.values(), SPEAKER, 63_962_552_863, "m1")
    assert found["Account-ID"] == "A"
    assert len(found["Conferences"]["C"]["Participants"]) == 2
    nothing = messages.search_by_account("B", rooms.values(), SPEAKER, 63_962_552_863, "m1")
    conference.check_search_response(nothing)
    assert nothing["Conferences"] == {}
    older = messages.search_by_account("A", rooms.values(), OLDER, 63_962_552_863, "m1")
    assert older["Conferences"]["C"] == {
        "UUID": "uuid-1",
        "Run-Time": 63,
        "Start-Time": 63_962_552_800,
        "Is-Locked": False,
        "Switch-Hostname": "127.0.0.1",
        "Switch-URL": "sip:mod_sofia@127.0.0.1:11000",
        "Participant-Count": 2,
        "Moderators": 1,
        "Members": 1,
    }


def test_not_found() -> None:
    """A conference that is not running is an error that quotes the whole request, as recorded."""
    body = messages.not_found(REQUEST, SPEAKER)
    conference.check_conference_error(body)
    assert body == {
        "Conference-ID": "C",
        "Request": REQUEST,
        "Error-Message": "Conference C not found",
        "Node": "ecallmgr@e1",
        "Msg-ID": "m1",
        "Event-Name": "error",
        "Event-Category": "conference",
        "App-Version": "5.0.0",
        "App-Name": "ecallmgr",
    }


def test_advertisement() -> None:
    """A node is counted as an ecallmgr of its zone."""
    outgoing = messages.advertisement(SPEAKER, 7000, 63_962_552_800, running()[0].values())
    heartbeat = nodes.advertisement_of(outgoing.body)
    assert (heartbeat.node, heartbeat.zone, heartbeat.expires_ms) == ("ecallmgr@e1", "east", 7000)
    assert heartbeat.apps["ecallmgr"].startup == 63_962_552_800
    assert heartbeat.media_servers == ("freeswitch@127.0.0.1",)
    assert (outgoing.body["Channels"], outgoing.body["Conferences"]) == (2, 1)
