"""Dials out of a conference: reads the documents, finds the zone, asks the media side, and sees what
becomes of each leg.

Source: dial.md 2, 5; real-switch.md A6.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError, BrokerUnavailable, CallTimeout
from ..conference import endpoints
from ..conference.actions_dial import (
    CALL_ID_IN_USE,
    CANNOT_BEGIN,
    TIMED_OUT,
    DialPlan,
    DialRequest,
    dial_failure,
    plan_dial,
    refusal_of,
)
from ..conference.actions_plan import ActionContext
from ..conference.actions_table import KAZOO_5, MediaSide
from ..conference.dial_fates import Fates
from ..conference.endpoints_context import EndpointConfig
from ..kapi import call
from ..kapi import conference as messages
from ..kapi.messages import Outgoing
from ..live.calls import CallEnd, CallEnds
from ..live.feed import EventFeed, Heard
from ..live.port import Live
from ..store.documents import Documents
from ..tasks import end
from .executor import Watch

log = structlog.get_logger(__name__)

#: Seconds for which the event of a joining may come after the answer that tells of it; then it is asked for.
_JOIN_WITHIN: Final = 0.25


class _Dial:
    """One dial that is under way: what is known of its legs, and when there is nothing left to be known."""

    def __init__(self, fates: Fates, account_id: str, conference_id: str) -> None:
        self.fates = fates
        self.settled = asyncio.Event()
        self._account_id = account_id
        self._conference_id = conference_id

    def hear(self, heard: Heard) -> None:
        """An event of the account came."""
        event = heard.event
        if event.kind != "add-member" or event.conference_id != self._conference_id or not event.call_id:
            return
        self.fates.joined(event.call_id)
        self.look()

    def over(self, ended: CallEnd) -> None:
        """A leg's call has ended; one of another account is none of ours, whatever id a client chose."""
        if ended.account_id not in (None, self._account_id):
            return
        self.fates.ended(ended.call_id, ended.cause, answered=ended.answered)
        self.look()

    def look(self) -> None:
        """Something is known that was not."""
        if self.fates.are_settled:
            self.settled.set()

    async def settles(self, seconds: float) -> bool:
        """Wait until every leg's fate is known, for so long at most; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.settled.wait()
        return self.fates.are_settled


class Dialer:
    """Resolves endpoints and carries dials out. ``config`` gives the operator's settings of endpoints;
    ``channel_timeout`` in seconds."""

    def __init__(
        self,
        bus: Bus,
        live: Live,
        feed: EventFeed,
        calls: CallEnds,
        documents: Documents,
        config: Callable[[], Awaitable[EndpointConfig]],
        *,
        channel_timeout: float = 2.0,
        channel_category: str = call.CATEGORIES[0],
        media_side: MediaSide = KAZOO_5,
    ) -> None:
        self._bus = bus
        self._live = live
        self._feed = feed
        self._calls = calls
        self._documents = documents
        self._config = config
        self._channel_timeout = channel_timeout
        self._channel_category = channel_category
        self._media_side = media_side
        #: By account: nobody looks at another's events, however many dial.
        self._open: dict[str, dict[_Dial, None]] = {}
        feed.on_event(self._on_event)

    async def plan(
        self, request: DialRequest, context: ActionContext, account: Mapping[str, Any]
    ) -> DialPlan:
        """The dial with every endpoint resolved; the documents are read together, in two goes at most."""
        stored = context.document if context.document.get("_rev") is not None else None
        found: dict[str, Mapping[str, Any]] = {}
        wanted = endpoints.wanted_documents(request.elements, stored)
        config, first = await asyncio.gather(self._config(), self._read(context, wanted))
        found.update(first)
        found.update(await self._read(context, endpoints.further_documents(found) - wanted))
        found[context.account_id] = account
        resolved = endpoints.resolve(
            request.elements,
            found,
            account_id=context.account_id,
            conference_id=context.conference_id,
            conference=stored,
            config=config,
        )
        for skipped in resolved.skipped:
            log.info("endpoint_skipped", position=skipped.position, reason=skipped.reason)
        return plan_dial(request, resolved, context, lambda: secrets.token_hex(16))

    async def _read(self, context: ActionContext, ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._documents.load_many(context.account_id, sorted(ids)) if ids else {}

    async def carry_out(self, plan: DialPlan, request_id: str, watch: Watch) -> dict[str, Any]:
        """What the media side made of it; every failure is an answer too (dial.md 5.4).

        ``watch`` keeps the right of whoever waits under review: when that ends, nobody has answered."""
        if not self._media_side.dial_begins and await self._is_idle(plan):
            # The switch would call nobody, and say nothing until the timeout.
            return dial_failure(CANNOT_BEGIN)
        if await self._is_in_use(plan):
            # The switch would call nobody under it, and what it tells of the call would be of the other one.
            return dial_failure(CALL_ID_IN_USE)
        zone = await self.zone(plan)
        message = plan.message(zone, request_id)
        fates = Fates(plan.legs, trusts=self._media_side.core == "master")
        try:
            async with (
                self._hearing(plan, fates) as dial,
                asyncio.timeout(None) as until,
                watch(lambda reason: until.reschedule(0.0)),
            ):
                return await self._dialled(message, plan, dial)
        except TimeoutError:
            return dial_failure(TIMED_OUT)
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            log.warning("dial_failed", reason=str(error))
            return dial_failure()

    async def _dialled(self, message: Outgoing, plan: DialPlan, dial: _Dial) -> dict[str, Any]:
        """Publish a dial, and wait until it is known what became of every leg, or the time is over."""
        loop, fates = asyncio.get_running_loop(), dial.fates
        seconds = plan.timeout_ms / 1000
        over = loop.time() + seconds
        asking = asyncio.create_task(self._bus.call(message, messages.is_dial_answer, seconds), name="dial")
        settling = asyncio.create_task(dial.settled.wait(), name="dial_legs")
        try:
            await asyncio.wait((asking, settling), return_when=asyncio.FIRST_COMPLETED)
            if not fates.are_settled:
                reply = await asking
                reason = refusal_of(reply)
                if reason is None:
                    fates.told(reply["Endpoint-Responses"])
                    await self._seen(plan, dial, over)
                elif not fates.is_any_known:
                    return dial_failure(reason)
        except CallTimeout:
            # Where joins are not published, legs may be there all the same.
            await self._look(plan, dial)
            if not fates.is_any_known:
                return dial_failure(TIMED_OUT)
        finally:
            await end(asking, settling)
        return fates.answer()

    async def _seen(self, plan: DialPlan, dial: _Dial, over: float) -> None:
        """See legs join that ecallmgr says have joined, until the loop's time ``over``.

        Their events come at about the same time, or later, when it took another's joining for theirs; an
        operator may also not publish them, so the conference is asked for too."""
        loop = asyncio.get_running_loop()
        for wait in (_JOIN_WITHIN, over - loop.time()):
            if await dial.settles(max(0.0, min(wait, over - loop.time()))):
                return
            await self._look(plan, dial)

    async def _look(self, plan: DialPlan, dial: _Dial) -> None:
        """Ask for the conference, and take note of whose calls are there."""
        context = plan.context
        sighting = await self._live.conference(context.account_id, context.conference_id, fresh=True)
        room = sighting.room(context.conference_id)
        present = () if room is None else room.participants
        dial.fates.seen({one.call_id for one in present if one.call_id is not None})
        dial.look()

    @asynccontextmanager
    async def _hearing(self, plan: DialPlan, fates: Fates) -> AsyncIterator[_Dial]:
        """Hear of a dial's legs while the block lasts."""
        account_id = plan.context.account_id
        dial = _Dial(fates, account_id, plan.context.conference_id)
        own = self._open.setdefault(account_id, {})
        own[dial] = None
        try:
            try:
                # Counted before it waits: one that is cancelled meanwhile has to be released.
                await self._feed.hold(account_id)
                async with self._calls.hearing({leg.call_id for leg in fates.legs}, dial.over):
                    yield dial
            finally:
                await self._feed.release(account_id)
        finally:
            del own[dial]
            if not own:
                self._open.pop(account_id, None)

    def _on_event(self, heard: Heard) -> None:
        for dial in tuple(self._open.get(heard.account_id, ())):
            dial.hear(heard)

    async def zone(self, plan: DialPlan) -> str:
        """The zone to dial in: the target call's, else the running conference's, else our own."""
        context = plan.context
        if plan.target_call_id:
            zone = await self._zone_of_call(plan.target_call_id)
            if zone:
                return zone
        sighting = await self._live.conference(context.account_id, context.conference_id)
        room = sighting.room(context.conference_id)
        return room.zone if room is not None and room.zone else self._bus.zone

    async def _is_in_use(self, plan: DialPlan) -> bool:
        """Whether a call id that a client chose is a call's already: in the conference, or in another dial of
        this process. Whether it is one elsewhere, nobody here knows."""
        if not plan.has_own_call_id:
            return False
        wanted = {leg.call_id for leg in plan.legs}
        ringing = {leg.call_id for dials in self._open.values() for one in dials for leg in one.fates.legs}
        if wanted & ringing:
            return True
        context = plan.context
        room = (await self._live.conference(context.account_id, context.conference_id)).room(
            context.conference_id
        )
        return room is not None and any(room.caller(call_id) is not None for call_id in wanted)

    async def _is_idle(self, plan: DialPlan) -> bool:
        """Whether the conference is known not to run."""
        context = plan.context
        sighting = await self._live.conference(context.account_id, context.conference_id)
        return sighting.known and sighting.room(context.conference_id) is None

    async def _zone_of_call(self, call_id: str) -> str | None:
        question = call.query_channels(call_id, self._bus.origin(), category=self._channel_category)
        collected = await self._bus.collect(
            question,
            timeout=self._channel_timeout,
            scope="own",
            until=call.is_query_channels_response,
            ask_anyway=True,
        )
        for reply in collected.replies:
            node = reply.get("Node")
            if call.is_query_channels_response(reply) and isinstance(node, str):
                return self._bus.nodes.zone_of(node) or self._bus.zone
        return None
