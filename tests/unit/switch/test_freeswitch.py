"""A media server that is like FreeSWITCH, and what both kinds have from it."""

from __future__ import annotations

import pytest

from crossbar_conferences.switch.commands import Command, Join, Leave, Play, Record, StopPlay, Switch, Volume
from crossbar_conferences.switch.media_server import VirtualMediaServer
from crossbar_conferences.switch.rooms import Event, Member, SwitchRefuses
from tests.support.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    """Time, by hand."""
    return Clock(1_700_000_000.0)


@pytest.fixture
def server(clock: Clock) -> VirtualMediaServer:
    """A media server like FreeSWITCH."""
    return VirtualMediaServer(clock=clock, like="freeswitch")


async def joined(server: VirtualMediaServer, room: str, call_id: str, **how: bool) -> Member:
    """Somebody enters; the room begins with the first."""
    performed = await server.perform(Join(room, call_id, 0, account_id="account", **how))
    member = next(event.member for event in performed.events if event.name == "add-member")
    assert member is not None
    return member


async def told(server: VirtualMediaServer, command: Command) -> list[str]:
    """What a command brings, in short: ``mute-member:2``."""
    return [short(event) for event in (await server.perform(command)).events]


def short(event: Event) -> str:
    """An event in short."""
    return event.name + (f":{event.member.member_id}" if event.member else "")


async def test_member_ids_count_for_the_whole_switch(server: VirtualMediaServer) -> None:
    """Two rooms never share a number, one that went is not given again, and who is refused gets none; after
    a start of the switch they count from 1."""
    assert (await joined(server, "one", "a")).member_id == 1
    assert (await joined(server, "two", "b")).member_id == 2
    await server.perform(Leave("one", 1))
    with pytest.raises(SwitchRefuses):
        await server.perform(Join("two", "b", 0))
    assert (await joined(server, "one", "a")).member_id == 3
    server.kill(0)
    server.start()
    assert (await joined(server, "one", "a")).member_id == 1


async def test_a_stand_in_counts_in_each_room() -> None:
    """The default is as in the project's recorded cases."""
    server = VirtualMediaServer()
    assert (await joined(server, "one", "a")).member_id == 1
    assert (await joined(server, "two", "b")).member_id == 1


@pytest.mark.parametrize("like", ["stand-in", "freeswitch"])
async def test_a_join_begins_a_room_that_ended(like: str) -> None:
    """After the last leave a join begins a new run, in the same account; a room that never was is refused."""
    server = VirtualMediaServer(like="freeswitch" if like == "freeswitch" else "stand-in")
    with pytest.raises(SwitchRefuses):
        await server.perform(Join("one", "a", 0))
    member = await joined(server, "one", "a")
    first = server.rooms["one"].instance_id
    await server.perform(Leave("one", member.member_id))
    performed = await server.perform(Join("one", "b", 0))
    assert performed.events[0].name == "conference-create"
    again = server.rooms["one"]
    assert (again.account_id, again.instance_id != first) == ("account", True)


async def test_the_floor(server: VirtualMediaServer) -> None:
    """The first gets it after the join and loses it before the leave; who talks while its holder is silent
    takes it, and nobody takes it from one who talks."""
    performed = await server.perform(Join("one", "a", 0, account_id="account"))
    assert [(short(event), event.has_floor) for event in performed.events[1:]] == [
        ("add-member:1", False),
        ("floor-change:1", True),
    ]
    await joined(server, "one", "b")
    await joined(server, "one", "c")
    assert await told(server, Switch("one", "talk", 2)) == ["start-talking:2", "floor-change:2"]
    assert await told(server, Switch("one", "talk", 3)) == ["start-talking:3"]
    performed = await server.perform(Leave("one", 2))
    assert [(short(event), event.has_floor) for event in performed.events] == [
        ("floor-change", False),
        ("del-member:2", False),
    ]


async def test_everybody_is_kicked(server: VirtualMediaServer) -> None:
    """All are hung up, the newest first, then all go, then the room ends."""
    for call_id in ("a", "b"):
        await joined(server, "one", call_id)
    assert await told(server, Leave("one", "all", kicked=True)) == [
        "hup-member:2",
        "hup-member:1",
        "del-member:2",
        "floor-change",
        "del-member:1",
        "conference-destroy",
    ]


async def test_whoever_is_muted_while_talking(server: VirtualMediaServer) -> None:
    """It brings no stop-talking; unmuted, the member talks again."""
    await joined(server, "one", "a")
    await server.perform(Switch("one", "talk", 1))
    performed = await server.perform(Switch("one", "mute", 1))
    assert [(short(event), event.member and event.member.talking) for event in performed.events] == [
        ("mute-member:1", False)
    ]
    assert await told(server, Switch("one", "unmute", 1)) == ["unmute-member:1", "start-talking:1"]
    assert await told(server, Switch("one", "unmute", 1)) == ["unmute-member:1"]
    await server.perform(Switch("one", "quiet", 1))
    await server.perform(Switch("one", "mute", 1))
    assert await told(server, Switch("one", "unmute", 1)) == ["unmute-member:1"]


async def test_a_recording_that_cannot_be_written(server: VirtualMediaServer) -> None:
    """It begins and ends at once, and the room is not recorded."""
    await joined(server, "one", "a")
    assert await told(server, Record("one", "/tmp/x.xyz", True)) == ["start-recording", "stop-recording"]
    assert server.rooms["one"].recordings == ()
    assert await told(server, Record("one", "/tmp/x.WAV", True)) == ["start-recording"]


async def test_sounds_and_volumes(server: VirtualMediaServer) -> None:
    """Each sound that is stopped is done; volumes are clipped as FreeSWITCH clips them."""
    await joined(server, "one", "a")
    for _ in range(2):
        assert await told(server, Play("one", "tune", 1)) == ["play-file-member:1"]
    assert await told(server, StopPlay("one", 1)) == ["play-file-member-done:1"] * 2
    assert await told(server, StopPlay("one", 1)) == []
    assert await told(server, Volume("one", 1, "out", -9)) == ["volume-out-member:1"]
    assert server.rooms["one"].members[0].volume_out == -4


async def test_two_legs_of_one_call(server: VirtualMediaServer) -> None:
    """The second one is the first one, also when both answer at once."""
    await joined(server, "one", "a")
    leg = Join("one", "b", 0, dialled=True)
    assert [short(event) for event in (await server.dialled(leg)).events] == ["add-member:2"]
    assert (await server.dialled(leg)).events == ()


async def test_who_is_new(server: VirtualMediaServer, clock: Clock) -> None:
    """A member is new for so many milliseconds after its join."""
    await joined(server, "one", "a")
    clock.now += 0.15
    assert server.is_new("one", 1, 200)
    clock.now += 0.06
    assert not server.is_new("one", 1, 200)
    assert not server.is_new("one", 7, 200)
