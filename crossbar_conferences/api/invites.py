"""``…/email_invite`` sends invitations, ``…/invite.ics`` gives the meeting as a file.

Source: http.md 9.5, realtime-ui-tests.md D.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ..commands.executor import shown
from ..commands.inviter import Inviter
from ..conference import meetings
from ..conference.addresses import is_mail_address
from ..conference.calendar_file import calendar_file
from ..conference.dial_in import CALL_IN_CALLFLOWS, call_in_numbers
from ..conference.invitation import invitation_fields
from ..conference.isolation import is_conference_id
from ..conference.meeting import read_meeting
from ..conference.meetings import Kept, WrongMeeting
from ..conference.validation import validate
from ..store.documents import Documents
from ..store.meetings import Meetings
from ..store.port import DatabaseMissing, DocumentMissing
from . import responses
from .actions import show_dry_run
from .errors import bad_identifier, validation_error
from .exchange import Exchange
from .options import is_dry_run
from .reading import Reader
from .repeats import Repeats


@dataclass(frozen=True, slots=True)
class _Invitation:
    """What is sent, once it is decided which meeting it is about: ``about``, or none."""

    request: Mapping[str, Any]
    document: Mapping[str, Any]
    numbers: list[str]
    about: meetings.Request | None
    organizer: str | None


@dataclass(frozen=True, slots=True)
class InvitesHandler:
    """PUT only."""

    reader: Reader
    documents: Documents
    meetings: Meetings
    inviter: Inviter
    repeats: Repeats

    async def validate(self, exchange: Exchange) -> None:
        """The body must be an invitation, the conference a stored one, and a meeting to change a sent one."""
        # In a thread, here and below: time zones are files.
        request, about, errors = await asyncio.to_thread(_read, exchange.data)
        if errors:
            raise validation_error(errors)
        document = await _stored(self.documents, exchange)
        numbers = await _numbers(self.documents, exchange.account_id)
        organizer = None if about is None else await _organizer(self.documents, exchange)
        exchange.answer.location = exchange.path
        exchange.prepared = _Invitation(request, document, numbers, about, organizer)
        await self._decided(exchange)

    async def execute(self, exchange: Exchange) -> None:
        """Hand it to the bus; the answer does not wait for what becomes of it."""
        await self.repeats.once(exchange, self._send)

    async def _send(self, exchange: Exchange) -> None:
        is_dry = is_dry_run(exchange)
        sent = await self._decided(exchange) if is_dry else await self._kept(exchange)
        invited: _Invitation = exchange.prepared
        fields = await asyncio.to_thread(
            invitation_fields,
            exchange.account_id,
            invited.document,
            invited.numbers,
            invited.request,
            sent,
            now=datetime.fromtimestamp(self.reader.now(), tz=UTC),
        )
        message = self.inviter.message(fields, exchange.request_id)
        exchange.answer.status, exchange.answer.data = 201, "request accepted"
        if sent is not None:
            exchange.answer.metadata.update(uid=sent.named.uid, sequence=sent.named.sequence)
        if is_dry:
            show_dry_run(exchange, shown([message]), "request accepted")
            return
        await self.inviter.send(message)

    async def _decided(self, exchange: Exchange) -> Kept | None:
        """The meeting that it is about, as it would be sent now."""
        if exchange.prepared.about is None:
            return None
        kept = await self.meetings.kept(exchange.account_id, exchange.conference_id)
        return _decision(exchange)(kept)

    async def _kept(self, exchange: Exchange) -> Kept | None:
        """The same, written down before it is sent: no number is given twice."""
        if exchange.prepared.about is None:
            return None
        return await self.meetings.keep(exchange.account_id, exchange.conference_id, _decision(exchange))


@dataclass(frozen=True, slots=True)
class Calendar:
    """GET …/invite.ics with ``start``, ``duration``, ``timezone`` and ``recurrence`` in the query."""

    reader: Reader
    documents: Documents
    meetings: Meetings

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
        document = await _stored(self.documents, exchange)
        kept = await self.meetings.kept(exchange.account_id, exchange.conference_id)
        if exchange.is_guest:
            # When and what; whoever holds a link is told neither numbers, PINs nor anybody's address.
            numbers, document = [], {"_id": document["_id"], "name": document.get("name")}
            named = replace(meetings.shown(kept, document["_id"], meeting, None), organizer=None)
        else:
            numbers = await _numbers(self.documents, exchange.account_id)
            organizer = await _organizer(self.documents, exchange)
            named = meetings.shown(kept, document["_id"], meeting, organizer)
        body = await asyncio.to_thread(
            calendar_file,
            document,
            numbers,
            meeting,
            named,
            now=datetime.fromtimestamp(self.reader.now(), tz=UTC),
        )
        headers = responses.plain_headers(exchange)
        headers["content-type"] = "text/calendar; charset=utf-8"
        headers["content-disposition"] = 'attachment; filename="invite.ics"'
        return web.Response(body=body, headers=headers)


def _read(data: Any) -> tuple[Mapping[str, Any], meetings.Request | None, dict[str, Any]]:
    checked = validate("conferences.email_invite", data)
    if checked.errors:
        # Only here Kazoo escapes the dots of a path too (http.md 5.6).
        return {}, None, {path.replace(".", "%2E"): error for path, error in checked.errors.items()}
    about, errors = meetings.read_request(checked.value)
    return checked.value, about, dict(errors)


def _decision(exchange: Exchange) -> Callable[[Sequence[Kept]], Kept]:
    """What becomes of the meetings that are kept; a 400 for a meeting that is none of them."""
    invited: _Invitation = exchange.prepared
    assert invited.about is not None
    about = invited.about

    def decide(kept: Sequence[Kept]) -> Kept:
        try:
            return meetings.decide(kept, exchange.conference_id, about, invited.organizer)
        except WrongMeeting as wrong:
            raise validation_error(wrong.errors) from None

    return decide


async def _numbers(documents: Documents, account_id: str) -> list[str]:
    return call_in_numbers(await documents.callflows_named(account_id, CALL_IN_CALLFLOWS))


async def _organizer(documents: Documents, exchange: Exchange) -> str | None:
    """Whom guests may answer: the caller, else the account."""
    identity, found = exchange.identity, []
    if identity is not None and identity.owner_id is not None:
        with suppress(DocumentMissing, DatabaseMissing):
            user = await documents.load(identity.account_id, identity.owner_id, "user")
            found.append(user.get("email"))
    contact = (exchange.account or {}).get("contact")
    for kind in ("technical", "billing"):
        address = contact.get(kind) if isinstance(contact, Mapping) else None
        found.append(address.get("email") if isinstance(address, Mapping) else None)
    return next((each for each in found if isinstance(each, str) and is_mail_address(each)), None)


async def _stored(documents: Documents, exchange: Exchange) -> Mapping[str, Any]:
    conference_id = exchange.conference_id
    if not is_conference_id(conference_id):
        raise bad_identifier(conference_id[:256])
    try:
        return await documents.load(exchange.account_id, conference_id)
    except DocumentMissing:
        raise bad_identifier(conference_id) from None
