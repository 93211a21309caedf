"""``…/email_invite`` sends invitations, ``…/invite.ics`` gives the meeting as a file.

Source: http.md 9.5, realtime-ui-tests.md D.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ..commands.executor import shown
from ..commands.inviter import Inviter
from ..conference.calendar_file import calendar_file
from ..conference.dial_in import CALL_IN_CALLFLOWS, call_in_numbers
from ..conference.invitation import invitation_fields
from ..conference.isolation import is_conference_id
from ..conference.meeting import Meeting, read_meeting
from ..conference.validation import validate
from ..store.documents import Documents
from ..store.port import DocumentMissing
from . import responses
from .actions import show_dry_run
from .errors import bad_identifier, validation_error
from .exchange import Exchange
from .options import is_dry_run
from .reading import Reader
from .repeats import Repeats


@dataclass(frozen=True, slots=True)
class InvitesHandler:
    """PUT only."""

    reader: Reader
    documents: Documents
    inviter: Inviter
    repeats: Repeats

    async def validate(self, exchange: Exchange) -> None:
        """The body must be an invitation and the conference a stored one."""
        # In a thread, here and below: time zones are files.
        request, meeting, errors = await asyncio.to_thread(_read, exchange.data)
        if errors:
            raise validation_error(errors)
        document = await _stored(self.documents, exchange)
        numbers = await self._numbers(exchange.account_id)
        fields = await asyncio.to_thread(
            invitation_fields,
            exchange.account_id,
            document,
            numbers,
            request,
            meeting,
            now=datetime.fromtimestamp(self.reader.now(), tz=UTC),
        )
        exchange.answer.location = exchange.path
        exchange.prepared = fields

    async def execute(self, exchange: Exchange) -> None:
        """Hand it to the bus; the answer does not wait for what becomes of it."""
        await self.repeats.once(exchange, self._send)

    async def _send(self, exchange: Exchange) -> None:
        message = self.inviter.message(exchange.prepared, exchange.request_id)
        exchange.answer.status, exchange.answer.data = 201, "request accepted"
        if is_dry_run(exchange):
            show_dry_run(exchange, shown([message]), "request accepted")
            return
        await self.inviter.send(message)

    async def _numbers(self, account_id: str) -> list[str]:
        callflows = await self.documents.callflows_named(account_id, CALL_IN_CALLFLOWS)
        return call_in_numbers(callflows)


@dataclass(frozen=True, slots=True)
class Calendar:
    """GET …/invite.ics with ``start``, ``duration``, ``timezone`` and ``recurrence`` in the query."""

    reader: Reader
    documents: Documents

    async def stream(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse:
        """The file."""
        query: dict[str, Any] = dict(exchange.query)
        minutes = str(query.get("duration", ""))
        if minutes.isdecimal() and len(minutes) < 10:
            query["duration"] = int(minutes)
        meeting, errors = await asyncio.to_thread(read_meeting, query)
        if meeting is None:
            missing = {"message": "Field is required but missing", "value": "start"}
            raise validation_error(errors or {"start": {"required": missing}})
        document, numbers = await _stored(self.documents, exchange), []
        if exchange.is_guest:
            # When and what; whoever holds a link is told neither numbers nor PINs.
            document = {"_id": document["_id"], "name": document.get("name")}
        else:
            callflows = await self.documents.callflows_named(exchange.account_id, CALL_IN_CALLFLOWS)
            numbers = call_in_numbers(callflows)
        body = await asyncio.to_thread(
            calendar_file,
            document,
            numbers,
            meeting,
            now=datetime.fromtimestamp(self.reader.now(), tz=UTC),
        )
        headers = responses.plain_headers(exchange)
        headers["content-type"] = "text/calendar; charset=utf-8"
        headers["content-disposition"] = 'attachment; filename="invite.ics"'
        return web.Response(body=body, headers=headers)


def _read(data: Any) -> tuple[Mapping[str, Any], Meeting | None, dict[str, Any]]:
    checked = validate("conferences.email_invite", data)
    if checked.errors:
        # Only here Kazoo escapes the dots of a path too (http.md 5.6).
        return {}, None, {path.replace(".", "%2E"): error for path, error in checked.errors.items()}
    meeting, errors = read_meeting(checked.value)
    return checked.value, meeting, dict(errors)


async def _stored(documents: Documents, exchange: Exchange) -> Mapping[str, Any]:
    conference_id = exchange.conference_id
    if not is_conference_id(conference_id):
        raise bad_identifier(conference_id[:256])
    try:
        return await documents.load(exchange.account_id, conference_id)
    except DocumentMissing:
        raise bad_identifier(conference_id) from None
