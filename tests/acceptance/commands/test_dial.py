"""Dialling out of a conference: what is read, what is sent, and what the client is told."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter

import pytest

from crossbar_conferences.kapi import call
from crossbar_conferences.kapi.messages import Origin
from tests.support.world import World, beside, sip_device

NUMBER = "2600123456"


async def test_fifty_endpoints_are_read_together(world: World) -> None:
    """25 devices of 5 owners, 20 users and 5 numbers cost as many requests to the store as one device."""
    users = [
        {"_id": secrets.token_hex(16), "pvt_type": "user", "first_name": "U", "enabled": True}
        for _ in range(25)
    ]
    devices = [sip_device(owner_id=users[n % 5]["_id"]) for n in range(25)]
    owned = [sip_device(owner_id=user["_id"]) for user in users[5:]]
    single = [sip_device(owner_id=users[0]["_id"])]
    await world.add(*users, *devices, *owned, *single)
    conference_id = await world.create(owner_id=users[0]["_id"])
    world.operations.clear()
    one = await world.act(conference_id, "dial", {"endpoints": [single[0]["_id"]], "timeout": 2})
    assert one.status == 202, one.text
    for_one = Counter(world.operations)

    endpoints = [
        *(device["_id"] for device in devices),
        *(user["_id"] for user in users[5:]),
        *(f"26001234{n:02}" for n in range(5)),
    ]
    assert len(endpoints) == 50
    world.operations.clear()
    world.sent.clear()
    answer = await world.act(conference_id, "dial", {"endpoints": endpoints, "timeout": 2})
    assert answer.status == 202, answer.text
    assert len(world.operations) <= 3, world.operations
    assert sum(for_one.values()) <= 4
    (message,) = world.commands
    assert len(message["Endpoints"]) >= 30
    assert len(answer.data["endpoint_responses"]) == len(message["Endpoints"])


async def test_the_answer_is_mapped(world: World) -> None:
    """Each leg's fate, normalised; the legs join the conference; the envelope says success."""
    name = f"Sales {secrets.token_hex(4)}"
    conference_id = await world.create(name=name)
    device = world.data.devices["joe"].id
    answer = await world.act(conference_id, "dial", {"endpoints": [device, NUMBER], "timeout": 2})
    assert (answer.status, answer.body["status"]) == (202, "success")
    told = {one["endpoint_id"]: one for one in answer.data["endpoint_responses"]}
    assert set(told) == {device, NUMBER}
    assert all(set(one) == {"call_id", "endpoint_id", "message", "status"} for one in told.values())
    assert {(one["status"], one["message"]) for one in told.values()} == {("success", "dialing endpoints")}
    room = world.room(conference_id)
    assert room.account_id == world.account
    assert {member.call_id for member in room.members} == {one["call_id"] for one in told.values()}
    (message,) = world.commands
    assert message["Caller-ID-Name"] == name
    assert message["Account-ID"] == world.account
    (_, routing_key, body) = world.published[0]
    assert routing_key == "conference.command.local"
    assert (body["App-Name"], body["Msg-ID"]) == ("crossbar", answer.body["request_id"])


async def test_endpoints_as_people_write_them(world: World) -> None:
    """A number with blanks and brackets, a `tel:` and a `sips:` address reach the switch as it dials them."""
    conference_id = await world.create()
    given = ["+1 (415) 555-0100", "tel:+44-20-7946-0958", "SIPS:bob@example.com"]
    answer = await world.act(conference_id, "dial", {"endpoints": given, "timeout": 2})
    assert answer.status == 202, answer.text
    (message,) = world.commands
    sip, tel, number = message["Endpoints"]
    assert (number["To-DID"], tel["To-DID"]) == ("+14155550100", "+442079460958")
    assert (sip["Route"], sip["SIP-Transport"]) == ("sips:bob@example.com", "tls")
    told = {one["status"] for one in answer.data["endpoint_responses"]}
    assert told == {"success"}


async def test_some_answer_and_some_do_not(world: World) -> None:
    """Busy, unanswered and answered legs in one dial: each says its own."""
    conference_id = await world.create()
    await world.cluster.perform(["dial-mode", "busy", "2600000001"])
    await world.cluster.perform(["dial-mode", "NO_ANSWER", "2600000002"])
    endpoints = [NUMBER, "2600000001", "2600000002"]
    answer = await world.act(conference_id, "dial", {"endpoints": endpoints, "timeout": 2})
    told = {one["endpoint_id"]: one for one in answer.data["endpoint_responses"]}
    assert {key: (one["status"], one["message"]) for key, one in told.items()} == {
        NUMBER: ("success", "dialing endpoints"),
        "2600000001": ("error", "USER_BUSY"),
        "2600000002": ("error", "NO_ANSWER"),
    }
    assert "call_id" not in told["2600000001"]
    assert len(world.room(conference_id).members) == 1


async def test_nobody_answers(world: World) -> None:
    """The media side rings until the timeout: the client hears Kazoo's words as a success."""
    conference_id = await world.create()
    await world.cluster.perform(["fault", "all", "silent", "on"])
    began = time.monotonic()
    answer = await world.act(conference_id, "dial", {"endpoints": [NUMBER, "2600000001"], "timeout": 1})
    # The timeout for each leg (dial.md 5.4), and at most a search before it.
    assert 2 <= time.monotonic() - began < 4.5
    assert (answer.status, answer.body["status"]) == (202, "success")
    assert answer.data == {"status": "error", "message": "timed out trying to dial endpoints"}


async def test_the_operators_timeout(world: World) -> None:
    """A dial without a timeout rings as long as the operator says."""
    conference_id = await world.create()
    async with beside(world, dial_timeout_ms="3000") as other:
        answer = await other.act(conference_id, "dial", {"endpoints": [NUMBER]})
        assert answer.data["endpoint_responses"][0]["status"] == "success"
        assert other.commands[0]["Timeout"] == 3
    await world.act(conference_id, "dial", {"endpoints": [NUMBER]})
    assert world.commands[0]["Timeout"] == 20


async def test_there_is_no_media_server(world: World) -> None:
    """A refusal of the media side is told in its words."""
    conference_id, other = await world.create(), f"room-{secrets.token_hex(4)}"
    await world.start_room(other, "name=Ann")
    elsewhere = world.room(other).members[0].call_id
    body = {
        "Event-Category": "conference",
        "Event-Name": "error",
        "Error-Message": "no media servers available",
        "App-Name": "ecallmgr",
        "App-Version": "5.0.0",
        "Node": "ecallmgr@virtual",
    }
    await world.cluster.perform(["fault", "all", "silent", "on"])
    dialling = world.start(
        world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": 5, "target_call_id": elsewhere})
    )
    await world.eventually(lambda: bool(world.commands))
    (_, _, sent) = world.published[0]
    request = {"Conference-ID": conference_id, "Request": sent}
    await world.publish("targeted", sent["Server-ID"], {**body, **request, "Msg-ID": sent["Msg-ID"]})
    answer = await dialling
    assert answer.status == 202
    assert answer.data == {"status": "error", "message": "no media servers available"}


@pytest.mark.parametrize("wrong", ["garbage", "headless", "types", "conference", "stray"])
async def test_answers_that_are_wrong(world: World, wrong: str) -> None:
    """Whatever the media side says, the client gets an answer in time."""
    conference_id = await world.create()
    await world.cluster.perform(["fault", "all", "wrong", wrong])
    answer = await world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": 1})
    assert answer.status == 202, answer.text
    assert answer.body["status"] == "success"


@pytest.mark.parametrize("category", ["call_event", "channel"])
async def test_a_target_call_says_where_to_dial(world: World, category: str) -> None:
    """The channel is asked for first, under the category of the settings; the dial names it."""
    conference_id, target = await world.create(), f"room-{secrets.token_hex(4)}"
    await world.start_room(target, "name=Ann")
    call_id = world.room(target).members[0].call_id
    async with beside(world, channel_query_category=category) as other:
        data = {"endpoints": [NUMBER], "timeout": 2, "target_call_id": call_id}
        answer = await other.act(conference_id, "dial", data)
        assert answer.data["endpoint_responses"][0]["status"] == "success"
        (question,) = [sent for sent in other.sent if sent.body["Event-Name"] == "query_channels_req"]
        assert question.body["Event-Category"] == category
        assert question.body["Call-ID"] == call_id
        assert other.commands[0]["Target-Call-ID"] == call_id
        assert other.published[0][1] == "conference.command.local"


async def test_a_target_call_that_is_nowhere(world: World) -> None:
    """Then the conference's zone is looked for, and ours is the last resort."""
    conference_id = await world.create()
    data = {"endpoints": [NUMBER], "timeout": 2, "target_call_id": "gone@example.com"}
    answer = await world.act(conference_id, "dial", data)
    assert answer.data["endpoint_responses"][0]["status"] == "success"
    assert world.published[0][1] == "conference.command.local"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"moderator": False, "speak": True, "hear": True, "see": True, "ghost": False}),
        (["mute", "deaf"], {"speak": False, "hear": False, "moderator": False}),
        (["is_moderator", "video_mute", "ghost"], {"moderator": True, "see": False, "ghost": True}),
        (["distribute_dtmf", "disable_moh", "join_existing"], {"speak": True}),
    ],
)
async def test_participant_flags(world: World, flags: list[str], expected: dict[str, bool]) -> None:
    """They travel as they are, and the leg joins so."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    data = {"endpoints": [NUMBER], "timeout": 2, "participant_flags": flags}
    answer = await world.act(conference_id, "dial", data)
    assert answer.data["endpoint_responses"][0]["status"] == "success"
    (command,) = world.commands
    assert command["Participant-Flags"] == flags
    member = world.room(conference_id).members[1]
    assert {key: getattr(member, key) for key in expected} == expected


async def test_caller_ids_variables_and_call_ids(world: World) -> None:
    """Everything that a request may say of its legs arrives where Kazoo puts it."""
    conference_id = await world.create(profile_name="stored_profile")
    call_id = f"mine-{secrets.token_hex(4)}"
    body = {
        "action": "dial",
        "data": {
            "custom_application_vars": {"foo": "bar"},
            "data": {
                "endpoints": [NUMBER],
                "caller_id_name": "Conference XYZ",
                "caller_id_number": "5551212",
                "outbound_call_id": call_id,
                "profile_name": "page",
                "timeout": 2,
            },
        },
    }
    answer = await world.put(world.path(conference_id), body)
    assert answer.data["endpoint_responses"][0]["call_id"] == call_id
    (command,) = world.commands
    assert {
        key: command[key]
        for key in (
            "Caller-ID-Name",
            "Caller-ID-Number",
            "Custom-Application-Vars",
            "Outbound-Call-ID",
            "Profile-Name",
            "Timeout",
        )
    } == {
        "Caller-ID-Name": "Conference XYZ",
        "Caller-ID-Number": "5551212",
        "Custom-Application-Vars": {"foo": "bar"},
        "Outbound-Call-ID": call_id,
        "Profile-Name": "page",
        "Timeout": 2,
    }
    assert dict(world.room(conference_id).members[0].application_vars) == {"foo": "bar"}


async def test_an_ad_hoc_conference(world: World) -> None:
    """An id without a document is dialled into existence, with the request's own settings."""
    conference_id = f"room-{secrets.token_hex(4)}"
    data = {
        "endpoints": [NUMBER],
        "timeout": 2,
        "play_entry_tone": True,
        "profile_name": "page",
        "name": "Ad hoc",
    }
    answer = await world.put(world.path(conference_id), {"data": {"action": "dial", **data}})
    assert (answer.status, "revision" in answer.body) == (202, False)
    room = world.room(conference_id)
    assert (room.account_id, len(room.members)) == (world.account, 1)
    (command,) = world.commands
    assert (command["Conference-ID"], command["Profile-Name"]) == (conference_id, "page")
    await world.until_shown(conference_id, 1)
    assert "put" not in world.operations


async def test_a_locked_conference_takes_a_dialled_leg(world: World) -> None:
    """A lock keeps out who calls in; whom a moderator calls gets in (real-switch.md A6)."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    await world.cluster.perform(["lock", conference_id])
    answer = await world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": 2})
    (one,) = answer.data["endpoint_responses"]
    assert (one["status"], one["message"]) == ("success", "dialing endpoints")
    assert len(world.room(conference_id).members) == 2


async def test_each_leg_has_its_own_call(world: World) -> None:
    """The legs of one dial are told apart by call ids of our choosing, two to one number too; the client's id
    goes to the first endpoint of the request."""
    conference_id = await world.create()
    mine = f"mine-{secrets.token_hex(4)}"
    data = {"endpoints": [NUMBER, "2600000001", NUMBER], "timeout": 2, "outbound_call_id": mine}
    answer = await world.act(conference_id, "dial", data)
    (command,) = world.commands
    sent = [leg["Outbound-Call-ID"] for leg in command["Endpoints"]]
    assert len(set(sent)) == 3 and "Outbound-Call-ID" not in command
    told = answer.data["endpoint_responses"]
    assert [one["endpoint_id"] for one in told] == data["endpoints"]
    assert told[0]["call_id"] == mine
    assert {one["call_id"] for one in told} == set(sent)
    assert {member.call_id for member in world.room(conference_id).members} == set(sent)


async def test_anybodys_joining_is_no_success(world: World) -> None:
    """Kazoo 5's ecallmgr says that every leg has joined when one has: a leg that rings on is told as such."""
    conference_id = await world.create()
    await world.cluster.perform(["dial-mode", "silent", "2600000001"])
    data = {"endpoints": [NUMBER, "2600000001"], "timeout": 1}
    began = time.monotonic()
    answer = await world.act(conference_id, "dial", data)
    told = [(one["status"], one["message"]) for one in answer.data["endpoint_responses"]]
    assert told == [("success", "dialing endpoints"), ("error", "timeout")]
    assert len(world.room(conference_id).members) == 1
    # It rang on for as long as it was given: the timeout for each leg.
    assert time.monotonic() - began > 1.5


async def test_an_operator_who_does_not_publish_joins(world: World) -> None:
    """Then the conference is asked for whom ecallmgr says has joined."""
    conference_id = await world.create()
    await world.cluster.perform(["fault", "all", "drop-events", "on"])
    answer = await world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": 5})
    (leg,) = answer.data["endpoint_responses"]
    assert (leg["status"], leg["call_id"]) == ("success", world.room(conference_id).members[0].call_id)


async def test_the_end_of_anothers_call_tells_nothing(world: World) -> None:
    """A client that names another account's call as its leg's hears nothing of that call."""
    conference_id, call_id = await world.create(), f"theirs-{secrets.token_hex(4)}"
    await world.cluster.perform(["dial-mode", "silent"])
    data = {"endpoints": [NUMBER], "timeout": 1, "outbound_call_id": call_id}
    dialling = world.start(world.act(conference_id, "dial", data))
    await world.eventually(lambda: bool(world.commands))
    for variables, cause in (({"Account-ID": world.data.other.id}, "USER_BUSY"), ({}, "NO_ANSWER")):
        fields = {"Call-ID": call_id, "Hangup-Cause": cause, "Custom-Channel-Vars": variables}
        over = call.destroyed(fields, Origin("freeswitch", "1.0", "freeswitch@h"))
        await world.publish("callevt", over.routing_key, dict(over.body))
    # Of a call whose account nobody names the id is all that there is.
    (leg,) = (await dialling).data["endpoint_responses"]
    assert leg["message"] == "NO_ANSWER"


async def test_a_call_id_that_is_in_use(world: World) -> None:
    """A leg cannot have the id of somebody who is there, nor of another leg that rings: nobody is called."""
    conference_id = await world.create()
    await world.start_room(conference_id, "name=Ann")
    data = {"endpoints": [NUMBER], "timeout": 1}
    taken = {**data, "outbound_call_id": world.room(conference_id).members[0].call_id}
    in_use = {"status": "error", "message": "outbound_call_id is the id of a call that is there already"}
    assert (await world.act(conference_id, "dial", taken)).data == in_use
    assert world.commands == []
    await world.cluster.perform(["dial-mode", "silent"])
    mine = {**data, "outbound_call_id": f"mine-{secrets.token_hex(4)}"}
    ringing = world.start(world.act(conference_id, "dial", mine))
    await world.eventually(lambda: bool(world.commands))
    assert (await world.act(conference_id, "dial", mine)).data == in_use
    assert (await ringing).status == 202


@pytest.mark.parametrize("wildcard", ["*", "#"])
async def test_a_wildcard_is_no_call_id(world: World, wildcard: str) -> None:
    """The end of a call is heard by its id: one that means all calls is refused."""
    conference_id = await world.create()
    data = {"endpoints": [NUMBER], "timeout": 1, "outbound_call_id": wildcard}
    answer = await world.act(conference_id, "dial", data)
    assert (answer.status, list(answer.errors)) == (400, ["outbound_call_id"])
    assert world.service.calls.bound == 0


async def test_nothing_is_heard_of_a_dial_that_is_over(world: World) -> None:
    """What was bound for its legs is let go."""
    conference_id = await world.create()
    await world.act(conference_id, "dial", {"endpoints": [NUMBER, "2600000001"], "timeout": 2})
    calls = world.service.calls
    assert (len(calls), calls.bound) == (0, 0)


async def test_a_client_that_goes_away(world: World) -> None:
    """The legs ring on, as the switch was told; when their time is over nothing of the dial stays behind."""
    conference_id = await world.create()
    await world.cluster.perform(["fault", "all", "silent", "on"])
    task = world.start(world.act(conference_id, "dial", {"endpoints": [NUMBER], "timeout": 2}))
    await world.eventually(lambda: bool(world.commands))
    assert _dials() and len(world.service.calls) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.eventually(lambda: not _dials() and not world.service.calls.bound)
    assert len(world.service.calls) == 0


def _dials() -> list[str]:
    """The tasks of dials that are under way."""
    return [one.get_name() for one in asyncio.all_tasks() if one.get_name() in ("dial", "dial_legs")]
