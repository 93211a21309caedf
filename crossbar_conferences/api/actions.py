"""PUT on a conference, its participants or one of them: from the request to a plan and its answer.

Source: http.md 9; design 3.3; ``?wait=`` and ``?dry_run=`` are ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..commands.dialer import Dialer
from ..commands.executor import Executor, shown
from ..conference import actions as planner
from ..conference import presentation
from ..conference.actions_dial import DialPlan, read_dial
from ..conference.actions_plan import (
    ActionContext,
    ActionRequest,
    Checked,
    Plan,
    PublicDocument,
    conference_request,
    invalid,
    participants_request,
)
from ..conference.actions_table import KAZOO_5, MediaSide
from ..conference.recordings import recording_name
from ..conference.selectors import is_selective
from ..conference.validation import validate_action
from ..live.port import Sighting
from ..sockets.reviews import Unauthorized
from ..store.recordings import Recordings, Started
from . import envelope
from .exchange import Exchange
from .options import is_dry_run, wait_seconds
from .reading import Reader
from .repeats import Repeats
from .standing import Standing, error_of


@dataclass(frozen=True, slots=True)
class Actions:
    """Carries out actions for the handlers. ``wait_limit`` and ``dial_timeout``, of a dial that names
    none, in milliseconds. ``dial_endpoints``: legs of one dial. ``private_media_hosts``: hosts inside
    that may be played from. ``media_side``: what can be carried out there. ``kick_all_with_slash``: whether
    ``participants/`` with nobody's id behind it kicks everybody."""

    reader: Reader
    executor: Executor
    dialer: Dialer
    repeats: Repeats
    standing: Standing
    recordings: Recordings
    wait_limit: int
    dial_timeout: int
    dial_endpoints: int
    private_media_hosts: tuple[str, ...] = ()
    media_side: MediaSide = KAZOO_5
    kick_all_with_slash: bool = True

    async def conference(self, exchange: Exchange) -> None:
        """An action on the conference itself."""
        await self.repeats.once(exchange, self._conference)

    async def participants(self, exchange: Exchange) -> None:
        """An action on many participants."""
        await self.repeats.once(exchange, self._participants)

    async def participant(self, exchange: Exchange) -> None:
        """An action on one participant."""
        await self.repeats.once(exchange, self._participant)

    async def _conference(self, exchange: Exchange) -> None:
        request = conference_request(exchange.data, exchange.query, exchange.envelope)
        if request.action == planner.DIAL:
            await self._dial(exchange, request)
            return
        context = await self._context(exchange, request, is_about_participants=False)
        if request.action == planner.RECORD:
            context = await self._recorded(context)
        await self._finish(exchange, planner.plan_conference_action(request, context))

    async def _participants(self, exchange: Exchange) -> None:
        request = participants_request(exchange.data, exchange.query, exchange.envelope)
        is_forgotten = exchange.ends_in_slash and not self.kick_all_with_slash
        names_some = isinstance(request.data, Mapping) and is_selective(request.data)
        if request.action == "kick" and is_forgotten and not names_some:
            message = "the path ends in a slash, so that nobody is named; without it everybody is kicked"
            raise invalid("participant_id", "required", {"message": message})
        context = await self._context(exchange, request, is_about_participants=True)
        await self._finish(
            exchange, planner.minding(planner.plan_participants_action(request, context), context)
        )

    async def _participant(self, exchange: Exchange) -> None:
        request = participants_request(exchange.data, exchange.query, exchange.envelope)
        context = await self._context(exchange, request, is_about_participants=True)
        plan = planner.plan_participant_action(request, context, exchange.parameters["participant_id"])
        await self._finish(exchange, planner.minding(plan, context))

    async def _context(
        self, exchange: Exchange, request: ActionRequest, *, is_about_participants: bool
    ) -> ActionContext:
        if planner.needs_live_state(request, is_about_participants=is_about_participants):
            sighting = await self.reader.sighting(exchange)
        else:
            sighting = await self.reader.checked(exchange)
        return self._in(exchange, sighting)

    async def _recorded(self, context: ActionContext) -> ActionContext:
        """With the file of a recording that would begin now, and of the one that was begun last."""
        room = context.room
        instance_id = room.instance_id if room is not None else None
        last = room.recording_file if room is not None else None
        if last is None:
            last = await self.recordings.name(context.account_id, context.conference_id, instance_id)
        mark = instance_id or secrets.token_hex(4)
        new = recording_name(context.account_id, context.conference_id, self.reader.now(), mark)
        return replace(context, new_recording=new, last_recording=last)

    def _in(self, exchange: Exchange, sighting: Sighting) -> ActionContext:
        document = exchange.answer.document
        assert document is not None
        return ActionContext(
            account_id=exchange.account_id,
            conference_id=exchange.conference_id,
            document=document,
            origin=self.executor.origin,
            check=_check,
            room=sighting.room(exchange.conference_id),
            is_live_known=sighting.known,
            private_media_hosts=self.private_media_hosts,
            media_side=self.media_side,
            now=self.reader.now(),
        )

    async def _finish(self, exchange: Exchange, plan: Plan) -> None:
        answer = exchange.answer
        answer.status, answer.data = plan.status, self._data(exchange, plan.data)
        # Kazoo's 202 goes another way than its 201, which shows in the CORS headers (http.md 3.4).
        answer.explicit = plan.status == 202
        wait = wait_seconds(exchange, self.wait_limit)
        if is_dry_run(exchange):
            show_dry_run(exchange, shown(plan.messages), answer.data)
            return
        if wait is not None:
            exchange.waits()
        watch = None if wait is None else self.standing.command(exchange)
        if plan.recording is not None:
            started = Started(*plan.recording)
            await self.recordings.starts(exchange.account_id, exchange.conference_id, started)
        try:
            outcome = await self.executor.carry_out(
                plan, exchange.account_id, exchange.conference_id, wait=wait, watch=watch
            )
        except Unauthorized as refusal:
            # Before anything was published.
            raise error_of(refusal) from None
        if outcome.confirmed is None:
            return
        answer.status = 200 if outcome.confirmed else 202
        # Whoever may not look any more is told what was known of the command, and nothing of the room.
        state = {} if outcome.ended else presentation.metadata(outcome.room, self.reader.now())
        failed = {} if outcome.failed is None else {"failed": outcome.failed}
        answer.data = {"confirmed": outcome.confirmed, **failed, "result": answer.data, **state}
        answer.metadata["confirmed"] = outcome.confirmed

    async def _dial(self, exchange: Exchange, request: ActionRequest) -> None:
        assert exchange.account is not None
        # A dial always waits for its answer; a wait that is none is told all the same.
        wait_seconds(exchange, self.wait_limit)
        dry = is_dry_run(exchange)
        context = self._in(exchange, await self.reader.checked(exchange))
        # The media side counts in seconds.
        timeout = max(1, round(self.dial_timeout / 1000))
        asked = read_dial(request, context, timeout, self.dial_endpoints)
        plan = await self.dialer.plan(asked, context, exchange.account)
        answer = exchange.answer
        answer.status, answer.explicit = 202, True
        if dry:
            await self._show_dial(exchange, plan)
            return
        exchange.waits()
        try:
            answer.data = await self.dialer.carry_out(
                plan, exchange.request_id, self.standing.command(exchange)
            )
        except Unauthorized as refusal:
            raise error_of(refusal) from None

    async def _show_dial(self, exchange: Exchange, plan: DialPlan) -> None:
        message = plan.message(await self.dialer.zone(plan), exchange.request_id)
        show_dry_run(exchange, shown([message]), None)

    def _data(self, exchange: Exchange, data: Any) -> Any:
        if data is PublicDocument.DOCUMENT:
            assert exchange.answer.document is not None
            return envelope.public(exchange.answer.document)
        return data


def show_dry_run(exchange: Exchange, messages: list[dict[str, Any]], answer: Any) -> None:
    """The answer of a dry run: the messages that would go out, and what would be answered."""
    exchange.answer.status = 200
    exchange.answer.explicit = False
    exchange.answer.data = {"dry_run": True, "messages": messages, "answer": answer}


def _check(schema: str, value: Any) -> Checked:
    found = validate_action(schema, value)
    errors: Mapping[str, Mapping[str, Any]] = found.errors
    return Checked(errors, found.value)
