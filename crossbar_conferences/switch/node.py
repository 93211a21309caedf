"""One ecallmgr node of the virtual switch, on a broker: advertises, answers, executes, tells.

Source: amqp.md 3.4, 7, 10.1; dial.md 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from ..broker.decoding import Undecodable, decode
from ..broker.nodes import NodesTable
from ..broker.port import Binding, BrokerError, Consumer, Delivery, Queue, Transport
from ..complaints import Complaints
from ..kapi import conference
from ..kapi.call import QUERY_CHANNELS_KEY
from ..kapi.messages import MessageInvalid, Outgoing
from ..kapi.routing import CALL_EVENTS, CONFERENCE, NODES, TARGETED
from . import messages
from .answers import Answerer, Request
from .commands import Command
from .dialling import Leg
from .execution import command_of
from .faults import NO_FAULTS, Faults
from .heartbeat import Heartbeat
from .media_server import Likeness, VirtualMediaServer
from .memory import Memory
from .messages import Core, Speaker
from .rooms import Event, SwitchRefuses
from .state import DialModes, Heard, Realms, Told
from .tasks import OwnedTasks

log = structlog.get_logger(__name__)

#: The queue on which one node of a zone takes a dial.
DIAL_QUEUE = "ecallmgr_fs_conferences_shared"
#: The queue on which one node takes a command to a conference; its id follows.
CONTROLLER_QUEUE = "conference_controller_"
#: Events that Kazoo publishes by default (amqp.md 7.3), and those about recordings.
PUBLISHED_EVENTS = frozenset(
    {
        "conference-create",
        "conference-destroy",
        "lock",
        "unlock",
        "add-member",
        "del-member",
        "start-talking",
        "stop-talking",
        "mute-member",
        "unmute-member",
        "deaf-member",
        "undeaf-member",
        "start-recording",
        "stop-recording",
    }
)
#: Events that Kazoo publishes only where the operator's list names them, and that happen here.
OPTIONAL_EVENTS = frozenset(
    {
        "energy-level-member",
        "floor-change",
        "hup-member",
        "play-file",
        "play-file-done",
        "play-file-member",
        "play-file-member-done",
        "speak-text",
        "speak-text-member",
        "volume-in-member",
        "volume-out-member",
    }
)
_ANSWERS_LIMIT = 1000
_COMMANDS_LIMIT = 10_000
#: Commands that are done in one go.
_TOGETHER = 50


def controller_queue(conference_id: str) -> str:
    """The queue of a conference's commands. The client library refuses most letters in a name; what takes
    their place is read by our own nodes only."""
    return CONTROLLER_QUEUE + quote(conference_id).replace("~", "%7E").replace("%", "#")


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node behaves. ``trust_unknown_nodes``: dial for a requester that never advertised,
    where Kazoo stays silent. ``events``: which ones are published. ``like``: what its
    media server is like."""

    core: Core = "5"
    trust_unknown_nodes: bool = False
    events: frozenset[str] = PUBLISHED_EVENTS
    like: Likeness = "stand-in"


class VirtualSwitch:
    """An ecallmgr node: ``name`` is ``ecallmgr@host``, ``zone`` its zone (the transport's by default).

    ``remotes`` are transports to other zones' brokers: it hears their requests and answers there,
    as Kazoo's federation does. The transports belong to the caller, who starts and closes them.
    Several nodes may watch one media server; the first of them publishes its events.
    """

    def __init__(
        self,
        transport: Transport,
        media_server: VirtualMediaServer,
        *,
        name: str = "ecallmgr@virtual",
        zone: str | None = None,
        conference_node: str | None = None,
        realms: Realms | None = None,
        dial_modes: DialModes | None = None,
        told: Told | None = None,
        remotes: Sequence[Transport] = (),
        call_elsewhere: Callable[[str], bool] = lambda call_id: False,
        options: NodeOptions | None = None,
    ) -> None:
        self.name = name
        self.zone = zone or transport.zone
        self._faults = NO_FAULTS
        self._transport = transport
        self._transports = (transport, *remotes)
        self._media_server = media_server
        self._options = options or NodeOptions()
        self._realms = realms or Realms()
        self._told = told or Told()
        self._speaker = Speaker(
            name, self.zone, media_server.names, conference_node or name, self._options.core
        )
        self._memory = Memory()
        self._answerer = Answerer(
            self._speaker,
            media_server,
            self._memory,
            self._realms,
            dial_modes or DialModes(),
            call_elsewhere,
            self._hung_up,
            self._options.trust_unknown_nodes,
        )
        self._consumers: list[Consumer] = []
        self._controllers: dict[str, list[Consumer]] = {}
        self._answers = OwnedTasks(_ANSWERS_LIMIT)
        self._loops = OwnedTasks(2)
        self._commands: asyncio.Queue[tuple[str, Delivery]] = asyncio.Queue(_COMMANDS_LIMIT)
        self._complaints = Complaints()
        self._heartbeat = Heartbeat(name, self._beat)
        self._started_at = media_server.now()

    @property
    def faults(self) -> Faults:
        """What goes wrong on this node now."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        is_back = self._faults.absent and not faults.absent
        self._faults = faults
        if is_back:
            self._heartbeat.wake()

    @property
    def nodes(self) -> NodesTable:
        """The nodes whose heartbeats were heard: a dial is answered to these only (amqp.md 3.4)."""
        return self._answerer.nodes

    async def start(self) -> None:
        """Listen, watch the media server, and advertise."""
        for transport in self._transports:
            await self._listen(transport)
        for conference_id in self._media_server.rooms:
            await self._open_controller(conference_id)
        self._media_server.watch(self._happened)
        self._loops.start(self._execute_commands(), "switch_commands")
        self._loops.start(self._heartbeat.run(), "switch_heartbeat")
        self._transport.on_state(self._broker_changed)

    async def restart(self) -> None:
        """Forget what only events told. Nobody takes the commands to rooms that run already
        (real-switch.md A2), as long as no other node does."""
        self._memory.restart(self._media_server.rooms.values(), self._media_server.now())
        await self._let_go(tuple(self._controllers))
        self._started_at = self._media_server.now()
        self._heartbeat.wake()

    async def switch_changed(self, ended: Iterable[str] = ()) -> None:
        """The media server died or runs again; ``ended`` are the conferences that went with it."""
        await self._let_go(ended)
        self._heartbeat.wake()

    async def _let_go(self, conference_ids: Iterable[str]) -> None:
        for conference_id in conference_ids:
            for consumer in self._controllers.pop(conference_id, []):
                await consumer.close()

    async def close(self) -> None:
        """Stop; nothing of this node runs or is heard afterwards."""
        self._media_server.unwatch(self._happened)
        await self._loops.close()
        await self._answers.close()
        opened = [*self._consumers, *(one for several in self._controllers.values() for one in several)]
        self._consumers, self._controllers = [], {}
        for consumer in opened:
            await consumer.close()

    async def _listen(self, transport: Transport) -> None:
        def private(handler: Callable[[Transport, Delivery], None], *bindings: Binding) -> Any:
            return transport.consume(lambda delivery: handler(transport, delivery), bindings)

        shared = Queue(self._shared_name(transport, DIAL_QUEUE), shared=True)
        dial = Binding(CONFERENCE, conference.command_key(self.zone))
        self._consumers += [
            await private(self._advertised, Binding(NODES, "")),
            await private(self._asked, Binding(CONFERENCE, conference.DISCOVERY_KEY)),
            await private(self._asked, Binding(CALL_EVENTS, QUERY_CHANNELS_KEY)),
            await transport.consume(lambda delivery: self._asked(transport, delivery), (dial,), queue=shared),
        ]

    def _shared_name(self, transport: Transport, name: str) -> str:
        """Kazoo's name for a shared queue on a zone's broker (amqp.md 1.3); zones that have one
        broker in common are kept apart in the same way."""
        return name if transport.zone == self.zone else f"{name}-{self.zone}"

    # What others say.

    def _advertised(self, transport: Transport, delivery: Delivery) -> None:
        body = self._body_of(delivery)
        if body is None:
            return
        known = len(self.nodes)
        try:
            self.nodes.hear(body, transport.zone)
        except MessageInvalid as error:
            log.warning("switch_message_dropped", node=self.name, reason=str(error))
            return
        if len(self.nodes) > known:
            # Kazoo lets a newcomer wait for the next heartbeat; nobody minds an earlier one.
            self._heartbeat.wake()

    def _asked(self, transport: Transport, delivery: Delivery) -> None:
        body = self._body_of(delivery)
        if body is not None:
            self._told.count(body["Event-Name"])
            self._answers.start(self._answer(transport, delivery.routing_key, body), "switch_answer")

    async def _answer(self, transport: Transport, routing_key: str, body: dict[str, Any]) -> None:
        if not self.faults.answers:
            self._note(routing_key, body, "ignored")
            return
        try:
            request = Request.of(body)
            answer = await self._answerer.answer(request)
        except MessageInvalid as error:
            # Kazoo's handler crashes: a line in its log and no answer (amqp.md 4).
            self._note(routing_key, body, f"invalid: {error}")
            log.warning("switch_request_invalid", node=self.name, reason=str(error))
            return
        self._note(routing_key, body, "nothing" if answer is None else "done")
        if answer is None:
            return
        faults = self.faults
        if faults.slow_ms:
            await asyncio.sleep(faults.slow_ms / 1000)
        try:
            await transport.publish(
                TARGETED, request.reply_to, faults.payload(answer), headers=request.reply_headers or None
            )
        except BrokerError as error:
            log.warning("switch_answer_lost", node=self.name, reason=str(error))

    # Commands.

    def _commanded(self, conference_id: str, delivery: Delivery) -> None:
        try:
            self._commands.put_nowait((conference_id, delivery))
        except asyncio.QueueFull:
            self._complaints.complain("switch_overloaded", "commands", limit=_COMMANDS_LIMIT)

    async def _execute_commands(self) -> None:
        while True:
            taken = [await self._commands.get()]
            while len(taken) < _TOGETHER and not self._commands.empty():
                taken.append(self._commands.get_nowait())
            # What came at once is done at once, so that its events need few writes.
            read = [(delivery.routing_key, self._body_of(delivery), room) for room, delivery in taken]
            heard = [(key, body, self._planned(room, body)) for key, body, room in read if body is not None]
            commands = [planned for _, _, planned in heard if not isinstance(planned, str)]
            failures = iter(await self._media_server.perform_each(commands))
            for routing_key, body, planned in heard:
                self._told.count("command")
                outcome = planned if isinstance(planned, str) else self._outcome(next(failures))
                self._note(routing_key, body, outcome)

    def _planned(self, conference_id: str, body: dict[str, Any]) -> Command | str:
        """The command in a message, or what became of it when there is nothing to do."""
        if self.faults.ignore_commands or not self.faults.answers:
            return "ignored"
        try:
            command = command_of(body, conference_id, self._options.core)
            return "lost" if command is not None and self._is_early(command) else command or "nothing"
        except Exception as error:  # whatever a message does, the next one is executed
            return self._outcome(error)

    def _is_early(self, command: Command) -> bool:
        """Whether a command comes before its member can be commanded: FreeSWITCH tells of a join, then
        fetches the member's key controls, and till then finds nobody by the number (real-switch.md D.0)."""
        late_ms = self.faults.late_controls_ms
        ids = (getattr(command, "member", None), getattr(command, "other", None))
        server, room = self._media_server, command.conference_id
        return late_ms > 0 and any(isinstance(one, int) and server.is_new(room, one, late_ms) for one in ids)

    def _outcome(self, failure: Exception | None) -> str:
        if failure is None:
            return "done"
        if isinstance(failure, MessageInvalid):
            log.warning("switch_command_unknown", node=self.name, reason=str(failure))
            return f"invalid: {failure}"
        if isinstance(failure, SwitchRefuses):
            log.info("switch_command_refused", node=self.name, reason=str(failure))
            return f"refused: {failure}"
        log.error("switch_command_failed", node=self.name, exc_info=failure)
        return "failed"

    def _note(self, routing_key: str, body: dict[str, Any], outcome: str) -> None:
        if body.get("Event-Name") == "command":
            self._told.note(Heard(self._media_server.now(), self.name, routing_key, body, outcome))

    # What happens.

    async def _happened(self, event: Event) -> None:
        conference_id = event.room.conference_id
        self._memory.hear(event, self._media_server.now())
        if event.name == "add-member":
            self._answerer.joined(conference_id)
        if event.name == "conference-create":
            await self._open_controller(conference_id)
        try:
            if self._speaker.conference_node == self.name:
                await self._tell(event)
        finally:
            if event.name == "conference-destroy":
                await self._let_go((conference_id,))

    async def _tell(self, event: Event) -> None:
        faults = self.faults
        if event.name not in self._options.events or faults.drop_events or faults.absent:
            return
        if event.room.late_profile:
            return
        account_id = event.member.account_id if event.member else event.room.account_id
        outgoing = messages.event(event, self._speaker, self._realms.of(account_id))
        for _ in range(2 if faults.duplicate_events else 1):
            await self._publish(outgoing)

    async def _hung_up(self, leg: Leg, cause: str, answered: bool) -> None:
        if not self.faults.drop_events and not self.faults.absent:
            await self._publish(messages.call_over(leg, cause, answered, self._speaker))

    async def _open_controller(self, conference_id: str) -> None:
        binding = Binding(CONFERENCE, conference.command_key(conference_id))
        self._controllers[conference_id] = [
            await transport.consume(
                lambda delivery: self._commanded(conference_id, delivery),
                (binding,),
                queue=Queue(self._shared_name(transport, controller_queue(conference_id)), shared=True),
            )
            for transport in self._transports
        ]

    def _broker_changed(self, connected: bool) -> None:
        if connected:
            self._heartbeat.wake()

    async def _beat(self, expires_ms: int) -> None:
        if self._transport.connected and not self.faults.absent:
            server = self._media_server
            await self._publish(
                messages.advertisement(
                    self._speaker,
                    expires_ms,
                    self._started_at,
                    server.rooms.values(),
                    serving=server.serving,
                )
            )

    async def _publish(self, outgoing: Outgoing) -> None:
        await self._transport.publish(
            outgoing.exchange, outgoing.routing_key, messages.payload(outgoing.body)
        )

    def _body_of(self, delivery: Delivery) -> dict[str, Any] | None:
        try:
            return decode(delivery)
        except Undecodable as error:
            self._told.count("not_understood")
            log.warning("switch_message_dropped", node=self.name, reason=error.kind)
            return None
