"""The virtual switch on a broker: what the API side sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, CallTimeout
from crossbar_conferences.kapi import call
from crossbar_conferences.kapi import conference as kapi_conference
from crossbar_conferences.kapi.messages import Outgoing
from crossbar_conferences.switch.cluster import Cluster, PlanInvalid, ZonePlan
from crossbar_conferences.switch.node import OPTIONAL_EVENTS, PUBLISHED_EVENTS, NodeOptions
from crossbar_conferences.switch.rooms import SwitchRefuses
from crossbar_conferences.switch.scenario import parse_scenario, run
from crossbar_conferences.switch.state import Realms

from .conftest import Api

if TYPE_CHECKING:
    from .conftest import NewTransport

NewCluster = Callable[..., Awaitable[Cluster]]


@pytest.fixture
async def new_cluster(new_transport: NewTransport, api: Api) -> AsyncIterator[NewCluster]:
    """Media sides that are started after the API side, and closed at the end."""
    clusters: list[Cluster] = []

    async def make(zones: dict[str, int], *, known: bool = True, **options: Any) -> Cluster:
        transport = await new_transport("local")
        plans = [ZonePlan(name, transport, nodes) for name, nodes in zones.items()]
        cluster = Cluster(plans, realms=Realms("test.realm"), **options)
        clusters.append(cluster)
        await cluster.start()
        await api.knows_nodes(sum(zones.values()))
        if known:
            await api.advertise(cluster)
        return cluster

    yield make
    for cluster in clusters:
        await cluster.close()


@pytest.fixture
async def cluster(new_cluster: NewCluster) -> Cluster:
    """One zone with one node."""
    return await new_cluster({"local": 1})


async def settled(cluster: Cluster, count: int) -> None:
    """Wait until so many commands were heard and dealt with."""
    async with asyncio.timeout(10):
        await cluster.told.reached(count)


def outcomes(cluster: Cluster) -> list[str]:
    """What became of the commands heard so far."""
    return [heard.outcome for heard in cluster.told.heard]


async def people(cluster: Cluster, room: str, account_id: str) -> None:
    """Ann, a moderator, and Bob are in a conference."""
    await cluster.perform(["create", room, account_id])
    await cluster.perform(["join", room, f"{room}-a@h", "moderator=true", "name=Ann"])
    await cluster.perform(["join", room, f"{room}-b@h", "name=Bob"])


async def test_searches(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """A node answers about a conference, about an account, and that it does not know one."""
    (missing,) = await api.search(conference_id=room)
    assert (missing["Event-Name"], missing["Error-Message"]) == ("error", f"Conference {room} not found")
    assert missing["Request"]["Msg-ID"] == missing["Msg-ID"]
    (empty,) = await api.search(account_id=account_id)
    assert empty["Conferences"] == {}
    await people(cluster, room, account_id)
    (found,) = await api.search(conference_id=room)
    assert [one["Caller-ID-Name"] for one in found["Participants"]] == ["Ann", "Bob"]
    assert (found["Moderators"], found["Members"], found["Zone"]) == (1, 1, "local")
    (listed,) = await api.search(account_id=account_id)
    assert list(listed["Conferences"]) == [room]


async def test_events_are_told_before_a_step_ends(
    cluster: Cluster, api: Api, room: str, account_id: str
) -> None:
    """Each step is an event, on its routing key, with the account's realm in it."""
    await api.hear_events(account_id)
    await cluster.perform(["realm", account_id, "a.realm"])
    await people(cluster, room, account_id)
    for step in ("mute", "unmute", "deaf", "undeaf", "talk", "quiet"):
        await cluster.perform([step, room, "2"])
    await cluster.perform(["lock", room])
    await cluster.perform(["unlock", room])
    await cluster.perform(["leave", room, "2"])
    await cluster.perform(["leave", room, "1"])
    keys = []
    bodies = []
    for _ in range(14):
        async with asyncio.timeout(10):
            key, body = await api.events.get()
        keys.append(key)
        bodies.append(body)
    assert [body["Event"] for body in bodies] == [
        "conference-create",
        "add-member",
        "add-member",
        "mute-member",
        "unmute-member",
        "deaf-member",
        "undeaf-member",
        "start-talking",
        "stop-talking",
        "lock",
        "unlock",
        "del-member",
        "del-member",
        "conference-destroy",
    ]
    assert keys[1] == f"conference.event.add-member.{account_id}.{room}.{room}-a%40h"
    assert bodies[1]["Channel-Presence-ID"] == "1001@a.realm"


async def test_commands_have_effects(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """What the API commands happens, is told, and is seen in the next search."""
    await people(cluster, room, account_id)
    await api.hear_events(account_id)
    await api.command("mute_participant", room, Participant_ID=2)
    await api.command("deaf_participant", room, Participant_ID=2)
    await api.command("lock", room)
    await api.command("record", room, Media_Name="r.mp3")
    await api.command("vars", room, Custom_Conference_Vars={"k": "v"})
    await api.command("kick", room, Participant_ID=1)
    assert await api.names(5) == ["mute-member:2", "deaf-member:2", "lock", "start-recording", "del-member:1"]
    (found,) = await api.search(conference_id=room)
    assert found["Locked"] is True
    assert found["Custom-Conference-Vars"] == {"k": "v"}
    assert found["Participants"][0]["Conference-Channel-Vars"]["Speak"] is False
    with pytest.raises(SwitchRefuses, match="locked"):
        await cluster.perform(["join", room, "c@h"])
    await api.command("unlock", room)
    await api.command("recordstop", room, Media_Name="r.mp3")
    await api.command("kick", room)
    assert await api.names(4) == ["unlock", "stop-recording", "del-member:2", "conference-destroy"]
    await settled(cluster, 9)
    assert outcomes(cluster) == ["done"] * 9


async def test_commands_that_can_not_be_done(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """Unknown, malformed and impossible commands are noted, and the next one is done."""
    await people(cluster, room, account_id)
    await api.hear_events(account_id)
    origin = api.origin
    base = {"Event-Category": "conference", "Event-Name": "command", "Conference-ID": room, "Msg-ID": "m"}
    base |= {"App-Name": origin.app_name, "App-Version": origin.app_version, "Node": origin.node}
    key = f"conference.command.{room}"
    await api.publish(Outgoing("conference", key, {**base, "Application-Name": "participants"}))
    await api.publish(Outgoing("conference", key, {**base, "Application-Name": "play"}))
    await api.publish(Outgoing("conference", key, {"Application-Name": "lock"}))
    await api.command("mute_participant", room, Participant_ID=99)
    await api.command("say", room, Call_ID=room, Text="hello")
    await api.command("lock", room)
    assert await api.names(1) == ["lock"]
    await settled(cluster, 5)
    assert [outcome.partition(":")[0] for outcome in outcomes(cluster)] == [
        "invalid",
        "invalid",
        "refused",
        "done",
        "done",
    ]
    assert cluster.told.counts["not_understood"] == 1


async def test_several_nodes(new_cluster: NewCluster, api: Api, room: str, account_id: str) -> None:
    """Each node of a zone answers a search; events come once; a command is done by one of them."""
    cluster = await new_cluster({"local": 3})
    await api.hear_events(account_id)
    await people(cluster, room, account_id)
    found = await api.search(conference_id=room)
    assert sorted(reply["Node"] for reply in found) == [
        "ecallmgr@virtual1",
        "ecallmgr@virtual2",
        "ecallmgr@virtual3",
    ]
    for _ in range(6):
        await api.command("mute_participant", room, Participant_ID=2)
    assert await api.names(9) == [
        "conference-create",
        "add-member:1",
        "add-member:2",
        *["mute-member:2"] * 6,
    ]
    await settled(cluster, 6)
    assert len({heard.node for heard in cluster.told.heard}) == 3


async def test_several_zones(new_cluster: NewCluster, api: Api, room: str, account_id: str) -> None:
    """Zones have rooms of their own: one finds the conference, the other does not know it."""
    cluster = await new_cluster({"east": 1, "west": 1})
    await cluster.perform(["create", room, account_id, "zone=west"])
    await cluster.perform(["join", room, "c1@h"])
    replies = {reply["Node"]: reply for reply in await api.search(conference_id=room)}
    assert replies["ecallmgr@virtual.east"]["Event-Name"] == "error"
    assert replies["ecallmgr@virtual.west"]["Zone"] == "west"
    with pytest.raises(SwitchRefuses, match="no zone north"):
        await cluster.perform(["create", "other", account_id, "zone=north"])
    answer = await api.dial("west", Conference_ID=room, Endpoints=[{"Route": "1"}], Timeout=1)
    assert answer["Endpoint-Responses"][0]["Status"] == "success"
    refused = await api.dial("east", Conference_ID=f"{room}2", Endpoints=[{"Route": "1"}], Timeout=1)
    assert refused["Error-Message"] == "no media servers available"
    assert "Msg-ID" not in refused["Request"]


async def test_dial_begins_a_conference(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """Dialled legs join with their flags; the answer names them, last done first."""
    await api.hear_events(account_id)
    answer = await api.dial(
        "local",
        Conference_ID=room,
        Account_ID=account_id,
        Endpoints=[{"Route": "1001"}, {"Endpoint-ID": "u1", "Outbound-Call-ID": "own@leg"}],
        Participant_Flags=["mute", "is_moderator"],
        Custom_Application_Vars={"foo": "bar"},
        Timeout=3,
    )
    assert "Application-Name" not in answer
    first, second = answer["Endpoint-Responses"]
    assert (first["Endpoint-ID"], first["Call-ID"]) == ("u1", "own@leg")
    assert (second["Endpoint-ID"], len(second["Call-ID"])) == ("1001", 32)
    assert {second["Status"], second["Message"]} == {"success", "dialing endpoints"}
    assert await api.names(3) == ["conference-create", "add-member:1", "add-member:2"]
    (found,) = await api.search(conference_id=room)
    flags = found["Participants"][0]["Conference-Channel-Vars"]
    assert (flags["Is-Moderator"], flags["Speak"]) == (True, False)
    assert found["Participants"][0]["Custom-Application-Vars"] == {"foo": "bar"}


async def test_a_target_call_says_where(
    new_cluster: NewCluster, api: Api, room: str, account_id: str
) -> None:
    """A new conference begins where the target call is; elsewhere there is no media server for it."""
    cluster = await new_cluster({"local": 1, "west": 1})
    await people(cluster, room, account_id)
    request = {"Endpoints": [{"Route": "1"}], "Timeout": 1, "Target_Call_ID": f"{room}-a@h"}
    answer = await api.dial("local", Conference_ID=f"{room}2", **request)
    assert answer["Endpoint-Responses"][0]["Status"] == "success"
    refused = await api.dial("west", Conference_ID=f"{room}3", **request)
    assert refused["Error-Message"] == "no media servers available"
    unknown = await api.dial("local", Conference_ID=f"{room}4", **{**request, "Target_Call_ID": "none"})
    assert unknown["Endpoint-Responses"][0]["Status"] == "success"


async def test_a_dial_without_timeout(cluster: Cluster, api: Api, room: str) -> None:
    """Where Kazoo's handler dies there is no answer, only a note."""
    body = {"Event-Category": "conference", "Event-Name": "command", "Application-Name": "dial"}
    body |= {"App-Name": "a", "App-Version": "1", "Node": "n@h", "Msg-ID": "m", "Server-ID": "q"}
    request = {**body, "Conference-ID": room, "Endpoints": [{"Route": "1"}]}
    await api.publish(Outgoing("conference", "conference.command.local", request))
    await settled(cluster, 1)
    assert outcomes(cluster) == ["invalid: Timeout is missing"]
    assert cluster.room(room) is None


async def test_zones_with_brokers_of_their_own(room: str, account_id: str) -> None:
    """A node hears other zones' requests on their brokers and answers there; its events stay at home."""
    brokers = {"east": MemoryBroker(), "west": MemoryBroker()}
    transports = {zone: MemoryTransport(broker, zone=zone) for zone, broker in brokers.items()}
    for transport in transports.values():
        await transport.start()
    cluster = Cluster([ZonePlan(zone, transport) for zone, transport in transports.items()])
    await cluster.start()
    bus = Bus(MemoryTransport(brokers["east"], zone="east", other_zones={"west": brokers["west"]}), "a@b")
    await bus.start()
    api = Api(bus, bus.transport)
    await api.knows_nodes(2)
    await cluster.perform(["create", room, account_id, "zone=west"])
    await cluster.perform(["join", room, "c@h"])
    found = [reply for reply in await api.search(conference_id=room) if reply["Event-Name"] == "search_resp"]
    assert [reply["Zone"] for reply in found] == ["west"]
    await api.command("lock", room)
    await cluster.told.reached(1)
    assert found[0]["Node"] == cluster.told.heard[0].node
    answer = await api.dial("west", Conference_ID=room, Endpoints=[{"Route": "1"}], Timeout=1)
    assert answer["Endpoint-Responses"][0]["Message"] == "dialing endpoints"
    await bus.close()
    await cluster.close()
    for transport in transports.values():
        await transport.close()


async def test_a_broker_that_goes_and_comes(room: str, account_id: str) -> None:
    """While the broker is away events are lost; when it is back the room takes commands again."""
    broker = MemoryBroker()
    transport = MemoryTransport(broker)
    await transport.start()
    cluster = Cluster([ZonePlan("local", transport)])
    await cluster.start()
    await cluster.perform(["create", room, account_id])
    broker.stop()
    assert (await cluster.perform(["join", room, "c@h"])).lost == 1
    broker.start()
    bus = Bus(MemoryTransport(broker), "a@b")
    await bus.start()
    api = Api(bus, bus.transport)
    await api.knows_nodes(1)
    await api.command("mute_participant", room, Participant_ID=1)
    await cluster.told.reached(1)
    assert outcomes(cluster) == ["done"]
    await bus.close()
    await cluster.close()
    await transport.close()


async def test_calls_that_fail(cluster: Cluster, api: Api, room: str) -> None:
    """Busy, silent and other calls fail as scripted, alone or by endpoint, and begin nothing."""
    await cluster.perform(["dial-mode", "busy"])
    await cluster.perform(["dial-mode", "silent", "1002"])
    await cluster.perform(["dial-mode", "NO_ANSWER", "1003"])
    endpoints = [{"Route": number} for number in ("1001", "1002", "1003")]
    answer = await api.dial("local", Conference_ID=room, Endpoints=endpoints, Timeout=1)
    assert answer["Endpoint-Responses"] == [
        {"Status": "error", "Message": "timeout", "Endpoint-ID": "1002"},
        {"Status": "error", "Message": "NO_ANSWER", "Endpoint-ID": "1003"},
        {"Status": "error", "Message": "USER_BUSY", "Endpoint-ID": "1001"},
    ]
    assert cluster.room(room) is None


async def test_dial_into_a_locked_conference(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """A lock keeps out who calls in, not a dialled leg; one that has this call already is content."""
    await people(cluster, room, account_id)
    await cluster.perform(["lock", room])
    answer = await api.dial(
        "local",
        Conference_ID=room,
        Endpoints=[{"Route": "1"}, {"Route": "2", "Outbound-Call-ID": f"{room}-a@h"}],
        Timeout=1,
    )
    messages = {one["Endpoint-ID"]: one["Message"] for one in answer["Endpoint-Responses"]}
    assert messages == {"1": "dialing endpoints", "2": "dialing endpoints"}
    with pytest.raises(SwitchRefuses, match="locked"):
        await cluster.perform(["join", room, "late@h"])


async def test_two_legs_of_one_call_at_once(cluster: Cluster, api: Api, room: str) -> None:
    """Legs with one call id that answer together are one member, and both are told as a success."""
    shared = {"Conference_ID": room, "Outbound_Call_ID": "one@leg", "Timeout": 1}
    answer = await api.dial("local", Endpoints=[{"Route": "1"}, {"Route": "2"}], **shared)
    assert [one["Message"] for one in answer["Endpoint-Responses"]] == ["dialing endpoints"] * 2
    found = cluster.room(room)
    assert found is not None
    assert [member.call_id for member in found.members] == ["one@leg"]


async def test_a_dial_with_variables_that_are_no_texts(cluster: Cluster, api: Api, room: str) -> None:
    """Kazoo's handler dies of them: there is no answer, only a note."""
    body = {"Event-Category": "conference", "Event-Name": "command", "Application-Name": "dial"}
    body |= {"App-Name": "a", "App-Version": "1", "Node": "n@h", "Msg-ID": "m", "Server-ID": "q"}
    variables = {"Custom-Application-Vars": {"n": 1}}
    request = {**body, "Conference-ID": room, "Endpoints": [{"Route": "1"}], "Timeout": 1, **variables}
    await api.publish(Outgoing("conference", "conference.command.local", request))
    await settled(cluster, 1)
    assert outcomes(cluster) == ["invalid: Custom-Application-Vars has values that are no texts"]


async def test_a_conference_with_a_blank_in_its_id(
    cluster: Cluster, api: Api, new_transport: NewTransport, room: str, account_id: str
) -> None:
    """It can be entered, not commanded and not dialled into: the switch reads its name up to the blank. The
    queue of its commands has a name that a broker's client takes."""
    named = f"{room} büro"
    await people(cluster, named, account_id)
    body = {"Event-Category": "conference", "Event-Name": "command", "Application-Name": "lock"}
    body |= {"App-Name": "a", "App-Version": "1", "Node": "n@h", "Msg-ID": "m", "Conference-ID": named}
    # The sidecar itself sends nothing about such an id.
    await api.publish(Outgoing("conference", kapi_conference.command_key(named), body))
    await settled(cluster, 1)
    assert outcomes(cluster)[0].startswith("refused: the switch reads the name")
    heard: asyncio.Queue[Any] = asyncio.Queue()
    transport = await new_transport("local")
    consumer = await transport.consume(heard.put_nowait)
    await consumer.bind(Binding("targeted", consumer.queue))
    dial = {"Application-Name": "dial", "Endpoints": [{"Route": "1"}], "Timeout": 1}
    request = {**body, **dial, "Server-ID": consumer.queue}
    await api.publish(Outgoing("conference", kapi_conference.command_key("local"), request))
    async with asyncio.timeout(10):
        answer = orjson.loads((await heard.get()).body)
    assert [one["Message"] for one in answer["Endpoint-Responses"]] == ["unknown failure"]


async def test_a_command_to_somebody_who_has_just_joined(
    cluster: Cluster, api: Api, room: str, account_id: str
) -> None:
    """With late controls a command to a new member is lost without a sign, and one to the room is done."""
    await people(cluster, room, account_id)
    await cluster.perform(["fault", "all", "late-controls", "600000"])
    await api.command("mute_participant", room, Participant_ID=2)
    await api.command("relate_participants", room, Participant_ID=1, Other_Participant=2)
    await api.command("lock", room)
    await settled(cluster, 3)
    assert sorted(outcomes(cluster)) == ["done", "lost", "lost"]
    await cluster.perform(["fault", "all", "late-controls", "0"])
    await api.command("mute_participant", room, Participant_ID=2)
    await settled(cluster, 4)
    assert outcomes(cluster)[-1] == "done"


async def test_events_that_an_operator_chooses(
    new_cluster: NewCluster, api: Api, room: str, account_id: str
) -> None:
    """Levels, sounds, texts and kicks are told where the list of events has them."""
    options = NodeOptions(events=PUBLISHED_EVENTS | OPTIONAL_EVENTS, like="freeswitch")
    cluster = await new_cluster({"local": 1}, options=options)
    await api.hear_events(account_id)
    await people(cluster, room, account_id)
    assert await api.names(4) == ["conference-create", "add-member:1", "floor-change:1", "add-member:2"]
    wanted = {
        "participant_energy": {"Participant_ID": 2, "Energy_Level": "30"},
        "participant_volume_in": {"Participant_ID": 2, "Volume_In_Level": "1"},
        "play": {"Media_Name": "tone_stream://%(1,0,440)"},
        "say": {"Text": "hello", "Call_ID": room, "Participant_ID": 2},
        "kick": {"Participant_ID": 2},
    }
    for name, fields in wanted.items():
        await api.command(name, room, **fields)
    told = [await api.names(1) for _ in range(6)]
    assert [name for (name,) in told] == [
        "energy-level-member:2",
        "volume-in-member:2",
        "play-file",
        "speak-text-member:2",
        "hup-member:2",
        "del-member:2",
    ]


async def test_silence_for_strangers(new_cluster: NewCluster, api: Api, room: str) -> None:
    """A requester that never advertised gets no answer to a dial, unless the option says so."""
    cluster = await new_cluster({"local": 1})
    api.bus.node = "stranger@nowhere"
    request = {"Conference_ID": room, "Endpoints": [{"Route": "1"}], "Timeout": 1}
    waiting = asyncio.create_task(api.dial("local", **request))
    await settled(cluster, 1)
    assert outcomes(cluster) == ["nothing"]
    waiting.cancel()
    await cluster.close()
    trusting = await new_cluster({"local": 1}, known=False, options=NodeOptions(trust_unknown_nodes=True))
    answer = await api.dial("local", **request)
    assert answer["Endpoint-Responses"][0]["Status"] == "success"
    assert trusting.room(room) is not None


async def test_channels(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """A channel is found by its call id; for one that is not there the node stays silent."""
    await people(cluster, room, account_id)
    question = call.query_channels(f"{room}-a@h", api.origin)
    answer = await api.bus.call(question, call.is_query_channels_response, 10)
    assert answer["Channels"][f"{room}-a@h"]["Media-Node"] == "freeswitch@127.0.0.1"
    assert answer["Node"] == "ecallmgr@virtual"
    older = Outgoing(
        question.exchange, question.routing_key, {**question.body, "Event-Category": "call_event"}
    )
    answer = await api.bus.call(older, call.is_query_channels_response, 10)
    assert answer["Event-Category"] == "call_event"
    with pytest.raises(CallTimeout):
        await api.bus.call(call.query_channels("none", api.origin), call.is_query_channels_response, 0.3)


async def test_silent_and_slow_nodes(new_cluster: NewCluster, api: Api, room: str, account_id: str) -> None:
    """A silent node is missing among the answers, a slow one is late."""
    cluster = await new_cluster({"local": 2})
    await people(cluster, room, account_id)
    await cluster.perform(["fault", "ecallmgr@virtual2", "silent", "on"])
    assert [reply["Node"] for reply in await api.search(0.5, conference_id=room)] == ["ecallmgr@virtual1"]
    await cluster.perform(["faults", "off"])
    await cluster.perform(["fault", "all", "slow", "200"])
    begun = asyncio.get_running_loop().time()
    assert len(await api.search(conference_id=room)) == 2
    assert asyncio.get_running_loop().time() - begun >= 0.19


async def test_wrong_answers(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """Spoiled answers are no answers to whoever checks them, and the right ones come again."""
    await people(cluster, room, account_id)
    for wrong in ("garbage", "headless", "stray"):
        await cluster.perform(["fault", "all", "wrong", wrong])
        assert await api.search(0.3, conference_id=room) == []
    await cluster.perform(["fault", "all", "wrong", "types"])
    (lying,) = await api.search(conference_id=room)
    assert isinstance(lying["Participants"], str)
    await cluster.perform(["fault", "all", "wrong", "conference"])
    (other,) = await api.search(conference_id=room)
    assert other["Conference-ID"] != room
    await cluster.perform(["faults", "off"])
    (right,) = await api.search(conference_id=room)
    assert right["Conference-ID"] == room


async def test_faults_of_events_and_commands(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """Commands are ignored, events lost or doubled, while the state is what it is."""
    await people(cluster, room, account_id)
    await api.hear_events(account_id)
    await cluster.perform(["fault", "all", "ignore-commands", "on"])
    await api.command("lock", room)
    await settled(cluster, 1)
    assert outcomes(cluster) == ["ignored"]
    assert not cluster.snapshot()["rooms"][room]["locked"]
    await cluster.perform(["faults", "off"])
    await cluster.perform(["fault", "all", "drop-events", "on"])
    await cluster.perform(["lock", room])
    await cluster.perform(["faults", "off"])
    await cluster.perform(["fault", "all", "duplicate-events", "on"])
    await cluster.perform(["mute", room, "1"])
    assert await api.names(2) == ["mute-member:1", "mute-member:1"]


async def test_many_commands_at_once(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """They are done in their order, a refused one among them spoils none, and events come in that order."""
    await people(cluster, room, account_id)
    await api.hear_events(account_id)
    steps = [("lock", {}), ("mute_participant", {"Participant_ID": 2}), ("kick", {"Participant_ID": 9})]
    steps += [("unlock", {}), ("unmute_participant", {"Participant_ID": 2})]
    await asyncio.gather(*(api.command(name, room, **fields) for _ in range(30) for name, fields in steps))
    kick = kapi_conference.command("kick", room, {}, api.origin).body
    everybody = {**kick, "Participant-ID": "all"}
    await api.publish(Outgoing("conference", f"conference.command.{room}", everybody))
    once = ["lock", "mute-member:2", "unlock", "unmute-member:2"]
    assert await api.names(123) == [*once * 30, "del-member:1", "del-member:2", "conference-destroy"]
    await settled(cluster, 151)
    refused = f"refused: conference {room} has no member 9"
    assert outcomes(cluster) == [*["done", "done", refused, "done", "done"] * 30, "done"]


async def test_reset(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """A reset ends every conference, tells so, and forgets what was set and said."""
    await people(cluster, room, account_id)
    await api.command("lock", room)
    await settled(cluster, 1)
    await api.hear_events(account_id)
    await cluster.perform(["dial-mode", "busy"])
    await cluster.perform(["fault", "all", "silent", "on"])
    await cluster.perform(["reset"])
    assert await api.names(1) == ["conference-destroy"]
    snapshot = cluster.snapshot()
    assert (snapshot["rooms"], snapshot["told"], snapshot["dial_mode"]) == ({}, [], "answer")
    assert snapshot["nodes"][0]["faults"]["silent"] is False


async def test_a_scenario_is_played(cluster: Cluster, api: Api, room: str, account_id: str) -> None:
    """A scenario puts people in and moves them; what the switch refuses is counted."""
    await api.hear_events(account_id)
    scenario = parse_scenario(
        f"""
        conferences: [{{id: {room}, account: {account_id}, members: [{{call_id: a@h}}, {{call_id: b@h}}]}}]
        moves:
          - {{after: 0.05, do: [mute, {room}, 2]}}
          - {{do: [mute, {room}, 9]}}
          - {{do: destroy {room}}}
        """
    )
    assert await run(scenario, cluster) == 1
    assert await api.names(5) == [
        "conference-create",
        "add-member:1",
        "add-member:2",
        "mute-member:2",
        "conference-destroy",
    ]


async def test_what_is_no_message(cluster: Cluster, api: Api, room: str) -> None:
    """A search without an address, or of wrong types, is dropped; the next one is answered."""
    base = {"Event-Category": "conference", "Event-Name": "search_req", "Msg-ID": "m"}
    base |= {"App-Name": "a", "App-Version": "1", "Node": "n@h"}
    for body in (
        {**base, "Conference-ID": room},
        {**base, "Conference-ID": room, "Server-ID": 7},
        {**base, "Conference-ID": [room], "Server-ID": "q"},
        {**base, "Server-ID": "q"},
        {**base, "Event-Name": "discovery_req", "Server-ID": "q"},
    ):
        await api.publish(Outgoing("conference", "conference.discovery", body))
    assert len(await api.search(conference_id=room)) == 1


async def test_answer_to_a_process(
    cluster: Cluster, api: Api, new_transport: NewTransport, room: str
) -> None:
    """A requester that names a process behind its queue gets it back in a header."""
    heard: asyncio.Queue[Any] = asyncio.Queue()
    transport = await new_transport("local")
    consumer = await transport.consume(heard.put_nowait)
    await consumer.bind(Binding("targeted", consumer.queue))
    body = {"Event-Category": "conference", "Event-Name": "search_req", "Msg-ID": "m", "App-Name": "a"}
    body |= {
        "App-Version": "1",
        "Node": "n@h",
        "Conference-ID": room,
        "Server-ID": f"pid://<0.1.0>/{consumer.queue}",
    }
    await api.publish(Outgoing("conference", "conference.discovery", body))
    async with asyncio.timeout(10):
        delivery = await heard.get()
    assert bytes(delivery.headers["Deliver-To-PID"]) == b"<0.1.0>"
    assert orjson.loads(delivery.body)["Msg-ID"] == "m"


async def test_an_absent_node(new_cluster: NewCluster, api: Api) -> None:
    """An absent node is silent and no longer advertises; when it is back it says so at once."""
    cluster = await new_cluster({"local": 1})
    await cluster.perform(["fault", "all", "absent", "on"])
    api.bus.nodes._nodes.clear()
    await cluster.perform(["fault", "all", "absent", "off"])
    await api.knows_nodes(1)


async def test_plans(new_transport: NewTransport) -> None:
    """A media side has zones with names of their own, and nodes."""
    transport = await new_transport("local")
    for plans in ([], [ZonePlan("a", transport, 0)], [ZonePlan("a", transport), ZonePlan("a", transport)]):
        with pytest.raises(PlanInvalid):
            Cluster(plans)
