"""Drives the virtual switch with the steps of a recording of the real one, and says where they differ.

A message of the recording that somebody else sent (a command, a search, a dial) is published again. What
the real switch then told of itself must be told by the virtual one; an event that it has not told yet came
of something that happened to a leg (a join, a hang-up, a voice, a key, a command on the switch's console,
a call command): that is done to the virtual switch, and then it must tell the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.broker.port import Binding, Delivery
from crossbar_conferences.clock import gregorian_seconds
from crossbar_conferences.switch.cluster import Cluster, ZonePlan
from crossbar_conferences.switch.commands import (
    Command,
    Create,
    Join,
    Leave,
    Lock,
    Parameter,
    Record,
    StopPlay,
    Switch,
    Verb,
    Volume,
)
from crossbar_conferences.switch.faults import NO_FAULTS, with_fault
from crossbar_conferences.switch.media_server import Likeness
from crossbar_conferences.switch.messages import MediaServer
from crossbar_conferences.switch.node import NodeOptions
from crossbar_conferences.switch.rooms import SwitchRefuses
from crossbar_conferences.switch.steps import GHOST_SECONDS, InRoom, KillSwitch, RestartNode, StartSwitch

from .real_switch import Recording

#: Left out of every comparison, on purpose (docs/virtual-switch.md says the same).
LEFT_OUT = {
    "Msg-ID": "made by chance",
    "System-Log-ID": "made by chance",
    "Call-Interaction-ID": "made by chance; the virtual one ends in 0badcafe",
    "Node": "names of nodes",
    "Start-Time": "a time",
    "Run-Time": "a time",
    "Join-Time": "a time",
    "Current-Energy": "how loud a leg was at that moment: nothing sounds here",
    "Referred-To": "left in the channel by a call command, which the virtual switch does not take",
}
#: Left out of legs that the conference dialled: it depends on what their endpoint is and on their route.
LEFT_OUT_OF_DIALLED = frozenset(
    {"Custom-Channel-Vars", "Caller-ID-Name", "Caller-ID-Number", "Channel-Presence-ID"}
)
#: Left out of one recording: there the switch had only just been started, and the first legs got these late.
LEFT_OUT_OF = {"24": frozenset({"Call-Interaction-Is-Root", "Fetch-ID"})}
#: Left out of one event: a leg that was in another room before keeps `Is-Moderator` from there.
LEFT_OUT_OF_EVENT = {"conference-create": frozenset({"Conference-Channel-Vars"})}
#: Ids of runs of a room: other ones here, but one for one.
RUNS = frozenset({"Instance-ID", "UUID", "Conference-UUID"})
#: Events that are not compared. ``play-file-done`` ends sounds that the switch plays itself at joins and
#: leaves, and nothing says how long a medium is; no command of Kazoo pauses a recording.
EVENTS_LEFT_OUT = frozenset({"play-file-done", "pause-recording", "resume-recording"})
#: FreeSWITCH's own time between ``add-member`` and the moment when the member can be commanded.
LATE_CONTROLS_MS = "200"
OUR_QUEUE = "parity"
_TURNS = 60
_AHEAD_SECONDS = 0.005

Body = dict[str, Any]


class Parity:
    """One recording, played against one virtual switch."""

    def __init__(self, recording: Recording, events: frozenset[str], like: Likeness = "freeswitch") -> None:
        self._recording = recording
        self._now = 1_700_000_000.0
        self._transport = MemoryTransport(MemoryBroker())
        names = MediaServer(node="freeswitch@kazoo.example", hostname="switch.example")
        options = NodeOptions(core="master", trust_unknown_nodes=True, events=events, like=like)
        self.cluster = Cluster(
            [ZonePlan("local", self._transport, media_server=names)], options=options, clock=lambda: self._now
        )
        self._told: list[Body] = []
        self._answers: dict[str, Body] = {}
        self._calls: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        self._highest = 0
        self._media: list[str] = []
        #: Where the two differ, and how many messages were compared.
        self.differences: list[str] = []
        self.compared = 0

    async def play(self) -> None:
        """Play it all."""
        await self._transport.start()
        await self._transport.consume(self._heard, [Binding("conference", "conference.event.#")])
        await self._transport.consume(self._answered, [Binding("targeted", OUR_QUEUE)])
        await self.cluster.start()
        self._faults(absent="off")
        await self._before()
        answers = []
        for at, entry in self._timeline():
            self._now = 1_700_000_000.0 + at
            if "did" in entry:
                await self._did(entry["did"])
                continue
            body, is_answer = entry["body"], entry["exchange"] == "targeted"
            if body["Event-Name"] == "event":
                await self._event(body)
            elif is_answer:
                answers.append(body)
            elif body["Event-Name"] in ("search_req", "command"):
                await self._ask(entry["routing_key"], body)
        for body in answers:
            said = self._answers.pop(body["Msg-ID"], None)
            self._compare(f"answer to {body['Msg-ID']}", _as_asked_here(body), said)
        left = [_key(body) for body in self._told if body["Event"] not in EVENTS_LEFT_OUT]
        self.differences += [f"{key} was not told by the real switch" for key in left]
        self.differences += [f"{key} was not answered by the real switch" for key in self._answers]
        await self.cluster.close()
        await self._transport.close()

    async def _before(self) -> None:
        """The rooms that ran when the recording began: as the first answer about them says."""
        begun: set[str] = set()
        for _, body in self._recording.conference():
            conference_id = body.get("Conference-ID", "")
            if body.get("Event") == "conference-create" or body["Event-Name"] == "error":
                begun.add(conference_id)
            elif body.get("Participants") and conference_id not in begun | {*self._rooms()}:
                if self._recording.name.startswith("15"):
                    return
                account_id = body["Participants"][0]["Custom-Channel-Vars"]["Account-ID"]
                await self._do(Create(conference_id, account_id, "before", 0))
                for one in sorted(body["Participants"], key=lambda one: one["Participant-ID"]):
                    asked = {**one, "Conference-ID": conference_id, "Account-ID": account_id}
                    await self._do(self.join_of(asked))
                    self._highest = one["Participant-ID"]
                    if one["Conference-Channel-Vars"]["Floor"]:
                        await self._do(Switch(conference_id, "talk", one["Participant-ID"]))
                        await self._do(Switch(conference_id, "quiet", one["Participant-ID"]))
        self._told.clear()

    def _rooms(self) -> list[str]:
        return list(self.cluster.snapshot()["rooms"])

    def _timeline(self) -> Iterator[tuple[float, Mapping[str, Any]]]:
        steps = [(step["t"], step) for step in self._recording.head["did"] if "did" in step]
        said = [
            (message["t"], message)
            for message in self._recording.messages
            if message["body"].get("Event-Category") == "conference"
            and (message["exchange"] != "targeted" or message["body"].get("App-Name") == "ecallmgr")
        ]
        told = sorted([*steps, *said], key=lambda entry: entry[0])
        for place in range(2, len(told)):
            # ecallmgr's tables are up to date before an event is published: an answer may be ahead of it.
            if told[place][1].get("body", {}).get("Event") == "start-talking" and (
                told[place - 1][1].get("exchange") == "targeted"
                and told[place][0] - told[place - 1][0] < _AHEAD_SECONDS
            ):
                told[place - 2 : place + 1] = [told[place], *told[place - 2 : place]]
        return iter(told)

    def _heard(self, delivery: Delivery) -> None:
        self._told.append(orjson.loads(delivery.body))

    def _answered(self, delivery: Delivery) -> None:
        body = orjson.loads(delivery.body)
        self._answers[body["Msg-ID"]] = body

    async def _ask(self, routing_key: str, body: Body) -> None:
        if body.get("Application-Name") == "dial":
            await self._prepare_dial(body)
            body = {**body, "Timeout": 0}
        elif (self._recording.name[:2], body.get("Application-Name")) == ("24", "kick"):
            # That member is on hold, and stays until it is released; nobody holds a leg here.
            return
        await self._transport.publish(
            "conference", routing_key, orjson.dumps({**body, "Server-ID": OUR_QUEUE})
        )
        await self._settle()

    async def _prepare_dial(self, body: Body) -> None:
        """Let the endpoints do what they did: by the answer that was given then."""
        answer = next(
            message["body"]
            for message in self._recording.messages
            if message["body"].get("Msg-ID") == body["Msg-ID"] and "Endpoint-Responses" in message["body"]
        )
        modes = self.cluster.dial_modes
        modes.reset()
        for response in answer["Endpoint-Responses"]:
            message = response["Message"]
            mode = {"NO_ANSWER": "unanswered", "timeout": "answer", "dialing endpoints": "answer"}
            modes.by_endpoint[response["Endpoint-ID"]] = mode.get(message, message)
            if message == "dialing endpoints":
                # In 08 the limit was lifted before the last dial, without a note.
                await self._do(Parameter(body["Conference-ID"], "Max-Members", "0"))
            if "Call-ID" in response:
                self._calls.setdefault(response["Call-ID"], "")

    async def _event(self, body: Body) -> None:
        if body["Event"] in EVENTS_LEFT_OUT:
            return
        if self._matching(body) is None:
            await self._make(body)
        if body["Event"] == "add-member":
            self._highest = max(self._highest, body["Participant-ID"])
        said = self._matching(body)
        if said is None:
            self.differences.append(f"{_key(body)} was not told here")
            return
        self._told.remove(said)
        if body.get("Call-ID") in self._calls and body["Event"] == "add-member":
            self._calls[body["Call-ID"]] = said["Call-ID"]
        self._compare(str(_key(body)), body, said)

    def _matching(self, body: Body) -> Body | None:
        return next((said for said in self._told if _key(said) == _key(body)), None)

    async def _make(self, body: Body) -> None:
        make = _MAKERS.get(body["Event"])
        commands = () if make is None else make(self, body)
        for command in commands:
            await self._do(command)

    async def _do(self, command: Command) -> None:
        try:
            await self.cluster.do(InRoom(command))
        except SwitchRefuses as error:
            self.differences.append(f"{command} was refused: {error}")
        await self._settle()

    async def _did(self, text: str) -> None:
        """The steps that no message tells of."""
        rooms = self._rooms()
        if "max_members" in text:
            await self._do(Parameter(rooms[0], "Max-Members", text.rpartition(" ")[2]))
        elif text == "ecallmgr stopped":
            self._faults(absent="on")
        elif text == "connected to the switch":
            await self.cluster.do(RestartNode("all"))
            self._faults(absent="off")
        elif text == "killed":
            await self.cluster.do(KillSwitch(GHOST_SECONDS))
        elif text == "switch started":
            await self.cluster.do(StartSwitch())
            self._highest = 0
        elif text == "stop the application conference":
            await self._late_profile()
        elif "tries to join" in text:
            await self._refused(rooms[0], "moderator" in text)

    async def _refused(self, room: str, moderator: bool) -> None:
        try:
            await self.cluster.do(InRoom(Join(room, "refused", 0, moderator=moderator)))
        except SwitchRefuses:
            return
        self.differences.append(f"{room} let somebody in")

    async def _late_profile(self) -> None:
        answer = next(body for _, body in self._recording.conference() if body.get("Participants"))
        conference_id = answer["Conference-ID"]
        await self._do(Create(conference_id, "account", "late", 0, late_profile=True))
        for participant in answer["Participants"]:
            await self._do(Join(conference_id, participant["Call-ID"], 0))

    def _faults(self, *, absent: str) -> None:
        faults = with_fault(NO_FAULTS, "late-controls", LATE_CONTROLS_MS)
        self.cluster.set_faults(with_fault(faults, "absent", absent))

    @staticmethod
    async def _settle() -> None:
        # Everything here runs in one loop, without a clock: turns of it are enough.
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def join_of(self, body: Body) -> Join:
        """How the leg of an event came in."""
        flags = body["Conference-Channel-Vars"]
        member_id = body.get("Participant-ID")
        own = ("Account-ID", "Call-Interaction-ID")
        variables = {key: value for key, value in body["Custom-Channel-Vars"].items() if key not in own}
        return Join(
            conference_id=body["Conference-ID"],
            call_id=body["Call-ID"],
            at=gregorian_seconds(self._now),
            name=body.get("Caller-ID-Name"),
            number=body.get("Caller-ID-Number"),
            moderator=flags.get("Is-Moderator", False),
            speak=flags.get("Speak", True),
            hear=flags.get("Hear", True),
            account_id=body["Account-ID"],
            channel_vars=variables,
            dialled="Caller-ID-Name" not in body,
            # The switch counts by itself, but for a leg that moves from room to room and for the first.
            member_id=None if member_id == self._highest + 1 else member_id,
        )

    def recording_media(self, body: Body, on: bool) -> str:
        """What is recorded by the switch's own command; what ends at once has a type that it cannot write."""
        if not on:
            return self._media.pop(0)
        told = [(at, one) for at, one in self._recording.conference() if one["Event-Name"] == "event"]
        place = next(place for place, (_, one) in enumerate(told) if one is body)
        (began, _), (ended, after) = told[place : place + 2]
        media = f"/tmp/{body['Msg-ID']}"
        if after["Event"] == "stop-recording" and ended - began < _AHEAD_SECONDS:
            return f"{media}.xyz"
        self._media.append(f"{media}.wav")
        return self._media[-1]

    def _compare(self, where: str, real: Any, said: Any) -> None:
        self.compared += 1
        calls = {here: there for there, here in self._calls.items() if here}
        self.differences += [f"{where}: {line}" for line in self._differing("", real, said, calls)]

    def _differing(self, where: str, real: Any, said: Any, calls: Mapping[str, str]) -> Iterator[str]:
        if isinstance(real, dict) and isinstance(said, dict):
            is_dialled = real.get("Call-ID") in self._calls
            skipped = {*LEFT_OUT, *(LEFT_OUT_OF_DIALLED if is_dialled else ())}
            skipped |= LEFT_OUT_OF.get(self._recording.name[:2], frozenset())
            skipped |= LEFT_OUT_OF_EVENT.get(real.get("Event", ""), frozenset())
            for key in sorted({*real, *said} - skipped):
                if key not in real or key not in said:
                    yield f"{where}{key} is only {'here' if key in said else 'there'}"
                elif key in RUNS:
                    if self._runs.setdefault(real[key], said[key]) != said[key]:
                        yield f"{where}{key} names another run"
                else:
                    yield from self._differing(f"{where}{key}.", real[key], said[key], calls)
        elif isinstance(real, list) and isinstance(said, list) and len(real) == len(said):
            # ecallmgr's tables have no order.
            for one, other in zip(_sorted(real, {}), _sorted(said, calls), strict=True):
                yield from self._differing(where, one, other, calls)
        elif real != calls.get(said if isinstance(said, str) else "", said):
            yield f"{where} there {real!r}, here {said!r}"


def _sorted(values: list[Any], calls: Mapping[str, str]) -> list[Any]:
    def key(value: Any) -> str:
        if not isinstance(value, dict):
            return str(value)
        call_id = str(value.get("Call-ID", ""))
        return calls.get(call_id, call_id) + str(value.get("Endpoint-ID", ""))

    return sorted(values, key=key)


def _as_asked_here(body: Body) -> Body:
    if "Request" not in body:
        return body
    return {**body, "Request": {**body["Request"], "Server-ID": OUR_QUEUE}}


def _key(body: Body) -> tuple[str, str, int]:
    return body["Event"], body["Conference-ID"], body.get("Participant-ID", 0)


_Maker = Callable[[Parity, Body], tuple[Command, ...]]


def _switch(verb: Verb) -> _Maker:
    return lambda parity, body: (Switch(body["Conference-ID"], verb, body["Participant-ID"]),)


def _leave(kicked: bool) -> _Maker:
    return lambda parity, body: (Leave(body["Conference-ID"], body["Participant-ID"], kicked),)


def _record(on: bool) -> _Maker:
    return lambda parity, body: (Record(body["Conference-ID"], parity.recording_media(body, on), on),)


def _create(parity: Parity, body: Body) -> tuple[Command, ...]:
    caller = parity.join_of(body)
    return (
        Create(body["Conference-ID"], body["Account-ID"], body["Instance-ID"] + "-here", 0, caller=caller),
    )


#: How an event is made that nothing on the bus brought.
_MAKERS: Mapping[str, _Maker] = {
    "conference-create": _create,
    "add-member": lambda parity, body: (parity.join_of(body),),
    "hup-member": _leave(True),
    "del-member": _leave(False),
    "lock": lambda parity, body: (Lock(body["Conference-ID"], True),),
    "unlock": lambda parity, body: (Lock(body["Conference-ID"], False),),
    "mute-member": _switch("mute"),
    "unmute-member": _switch("unmute"),
    "deaf-member": _switch("deaf"),
    "undeaf-member": _switch("undeaf"),
    "start-talking": _switch("talk"),
    "stop-talking": _switch("quiet"),
    "start-recording": _record(True),
    "stop-recording": _record(False),
    "play-file-member-done": lambda parity, body: (StopPlay(body["Conference-ID"], body["Participant-ID"]),),
    "volume-in-member": lambda parity, body: (
        Volume(body["Conference-ID"], body["Participant-ID"], "in", 1),
    ),
    "volume-out-member": lambda parity, body: (
        Volume(body["Conference-ID"], body["Participant-ID"], "out", 1),
    ),
}
