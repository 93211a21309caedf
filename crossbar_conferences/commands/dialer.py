"""Dials out of a conference: reads the documents, finds the zone, asks the media side.

Source: dial.md 2, 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import structlog

from ..broker.bus import Bus
from ..broker.port import BrokerError, BrokerUnavailable, CallTimeout
from ..conference import endpoints
from ..conference.actions_dial import (
    CANNOT_BEGIN,
    DialPlan,
    DialRequest,
    dial_answer,
    dial_failure,
    plan_dial,
)
from ..conference.actions_plan import ActionContext
from ..conference.actions_table import KAZOO_5, MediaSide
from ..conference.endpoints_context import EndpointConfig
from ..kapi import call
from ..kapi import conference as messages
from ..live.port import Live
from ..store.documents import Documents
from .executor import Watch

log = structlog.get_logger(__name__)


class Dialer:
    """Resolves endpoints and carries dials out. ``config`` gives the operator's settings of endpoints;
    ``channel_timeout`` in seconds."""

    def __init__(
        self,
        bus: Bus,
        live: Live,
        documents: Documents,
        config: Callable[[], Awaitable[EndpointConfig]],
        *,
        channel_timeout: float = 2.0,
        channel_category: str = call.CATEGORIES[0],
        media_side: MediaSide = KAZOO_5,
    ) -> None:
        self._bus = bus
        self._live = live
        self._documents = documents
        self._config = config
        self._channel_timeout = channel_timeout
        self._channel_category = channel_category
        self._media_side = media_side

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
        return plan_dial(request, resolved, context)

    async def _read(self, context: ActionContext, ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._documents.load_many(context.account_id, sorted(ids)) if ids else {}

    async def carry_out(self, plan: DialPlan, request_id: str, watch: Watch) -> dict[str, Any]:
        """What the media side made of it; every failure is an answer too (dial.md 5.4).

        ``watch`` keeps the right of whoever waits under review: when that ends, nobody has answered."""
        if not self._media_side.dial_begins and await self._is_idle(plan):
            # The switch would call nobody, and say nothing until the timeout.
            return dial_failure(CANNOT_BEGIN)
        zone = await self.zone(plan)
        message = plan.message(zone, request_id)
        try:
            async with asyncio.timeout(None) as until, watch(lambda reason: until.reschedule(0.0)):
                reply = await self._bus.call(message, messages.is_dial_answer, plan.timeout_ms / 1000)
        except (CallTimeout, TimeoutError):
            return dial_answer(None)
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            log.warning("dial_failed", reason=str(error))
            return dial_failure()
        return dial_answer(reply)

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
