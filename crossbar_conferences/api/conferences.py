"""``…/conferences`` and ``…/conferences/{ID}``: list, create, read, replace, patch, delete.

Source: http.md 3.4-3.6, 4, 5, 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..auth.system_config import SystemConfig
from ..clock import gregorian_seconds
from ..conference import document as documents
from ..conference import presentation, start_keys
from ..conference.document import Author
from ..conference.isolation import Access, is_conference_id
from ..conference.listing import ListQuery, item, matches, parse
from ..conference.rooms import Room
from ..conference.validation import validate
from ..live.port import Sighting
from ..store.documents import Documents
from ..store.port import DocumentMissing, Row
from . import envelope
from .actions import Actions
from .errors import ApiError, bad_identifier, conflict, live_unknown, validation_error
from .exchange import Exchange, is_true
from .options import is_dry_run
from .reading import Reader
from .renderings import rendered
from .running import RunningConferences
from .saving import Saver

#: Documents that a filter looks at in one request to the store.
FILTER_BATCH = 200

CONFERENCES = "conferences"


@dataclass(frozen=True, slots=True)
class CollectionHandler:
    """GET lists, PUT creates."""

    reader: Reader
    documents: Documents
    running: RunningConferences
    saver: Saver
    system: SystemConfig
    max_page_size: int

    async def validate(self, exchange: Exchange) -> None:
        """GET: the page. PUT: the body must be a conference."""
        await check_owner(self.documents, exchange)
        if exchange.verb == "GET":
            await self._list(exchange)
            return
        fields = dict(await validated(self.system, exchange.data, self.saver.maximum_numbers))
        owner = exchange.parameters.get("user_id")
        if owner is not None:
            fields["owner_id"] = owner
        config = await self.system.crossbar()
        doc_id = documents.new_document_id()
        wanted = exchange.data_object.get("id")
        if config.allow_onboarding_setting_id and isinstance(wanted, str):
            doc_id = await self._chosen_id(exchange, wanted)
        fields.pop("id", None)
        exchange.prepared = documents.created(doc_id, fields, author(exchange), self._now())

    async def execute(self, exchange: Exchange) -> None:
        """PUT: create it."""
        fresh = exchange.prepared
        answer = exchange.answer
        answer.status = 201
        if is_dry_run(exchange):
            await self.saver.check(exchange.account_id, fresh, None)
            answer.status, answer.data = 200, envelope.public(fresh)
            show_unwritten(exchange, self.saver.announced("created", exchange.account_id, fresh))
            return
        show(exchange, await self.saver.save(exchange.account_id, fresh))
        self.reader.ownership.owners.learn(exchange.account_id, fresh["_id"])
        answer.location = f"{exchange.path}/{fresh['_id']}"

    async def _chosen_id(self, exchange: Exchange, wanted: str) -> str:
        """An id that the client chose; not one under which another account has a conference."""
        doc_id = _well_formed(wanted)
        found = await self.reader.ownership.find(exchange.account_id, doc_id, None, Sighting())
        if not found.is_certain:
            raise live_unknown()
        if found.access is Access.FOREIGN:
            raise conflict()
        return doc_id

    def _now(self) -> int:
        return gregorian_seconds(self.reader.now())

    async def _list(self, exchange: Exchange) -> None:
        config = await self.system.crossbar()
        query = parse(
            exchange.query,
            exchange.value,
            default_page_size=config.pagination_page_size,
            max_page_size=self.max_page_size,
            full_docs_allowed=config.allow_fetch_full_docs,
            now_gregorian=self._now(),
            repeated=exchange.repeated,
        )
        if query.running:
            rows, following, sighting = await self.running.page(exchange, query)
        else:
            rows, following = await self._rows(exchange, query)
            sighting = await self._sighting(exchange, query, rows)
        self.reader.ownership.owners.meet(exchange.account_id)
        answer = exchange.answer
        answer.is_list = True
        if query.paginate:
            answer.listing["page_size"] = len(rows)
            if query.given_start_key is not None:
                answer.listing["start_key"] = query.given_start_key
            if following is not None:
                answer.listing["next_start_key"] = start_keys.encoded(following)
        self._show(exchange, query, rows, sighting)

    async def _sighting(self, exchange: Exchange, query: ListQuery, rows: list[Row]) -> Sighting:
        """Who is in the conferences of a page, if that is wanted."""
        if not query.wants_read_only:
            return Sighting()
        fresh = is_true(exchange.query.get("fresh"))
        sighting = await self.reader.live_state.account(exchange.account_id, fresh=fresh)
        exchange.answer.metadata.update(sighting.stamp())
        if not sighting.rooms:
            return sighting
        ids = [row.id for row in rows]
        rooms = await self.reader.ownership.own_rooms(exchange.account_id, sighting.rooms, ids)
        return replace(sighting, rooms=rooms)

    def _show(self, exchange: Exchange, query: ListQuery, rows: list[Row], sighting: Sighting) -> None:
        rooms, now, answer = [sighting.room(row.id) for row in rows], self.reader.now(), exchange.answer
        second = int(now) if any(rooms) else 0
        objects, values = (*rows, *rooms), (query, second, answer.listing, sighting.worth)
        key = (exchange.path, query.start, query.descending, query.running)
        found = self.reader.renderings.get(exchange.account_id, key, objects, values)
        if found is None:
            answer.data = [
                item(
                    row.doc if query.full_docs and row.doc is not None else row.value,
                    query,
                    presentation.listed(room, now),
                    presentation.flat(room, now),
                )
                for row, room in zip(rows, rooms, strict=True)
            ]
            answer.revision = envelope.list_tag(exchange)
            answer.etag = f'W/"{answer.revision}"'
            found = rendered(answer.data, envelope.answer_metadata(exchange), answer.revision, answer.etag)
            if found is None:
                return
            self.reader.renderings.keep(exchange.account_id, key, objects, values, found)
        answer.show(found)

    async def _rows(self, exchange: Exchange, query: ListQuery) -> tuple[list[Row], str | None]:
        """One page and the id that begins the next: read in bounded batches, never all at once."""
        owner = exchange.parameters.get("user_id")
        needs_documents = query.needs_documents or owner is not None
        is_selective = bool(query.filters)
        wanted = query.page_size if query.paginate else None
        found: list[Row] = []
        start = query.start
        while True:
            size = FILTER_BATCH if wanted is None or is_selective else wanted - len(found)
            batch = await self.documents.page(
                exchange.account_id,
                start=start,
                descending=query.descending,
                limit=size + 1,
                include_docs=needs_documents,
                owner=owner,
            )
            for row in batch[:size]:
                if not needs_documents or _is_meant(row, query, owner):
                    if wanted is not None and len(found) == wanted:
                        return found, row.id
                    found.append(row)
            if len(batch) <= size:
                return found, None
            start = batch[size].id
            if wanted is not None and len(found) == wanted and not is_selective:
                return found, start


@dataclass(frozen=True, slots=True)
class DocumentHandler:
    """One conference."""

    reader: Reader
    documents: Documents
    saver: Saver
    actions: Actions
    system: SystemConfig

    async def validate(self, exchange: Exchange) -> None:
        """Load it, and check what is to become of it."""
        await check_owner(self.documents, exchange)
        match exchange.verb:
            case "GET":
                await self._read(exchange)
            case "PUT":
                await self.reader.conference(exchange)
            case "POST":
                fields = await validated(self.system, exchange.data, self.saver.maximum_numbers)
                stored = await self._stored(exchange)
                exchange.prepared = documents.replaced(stored, fields, author(exchange), self._now())
            case "PATCH":
                await self._patch(exchange)
            case _:
                await self._stored(exchange)

    async def execute(self, exchange: Exchange) -> None:
        """Act, replace, patch or delete."""
        match exchange.verb:
            case "PUT":
                await self.actions.conference(exchange)
            case "DELETE":
                await self._delete(exchange)
            case _:
                await self._save(exchange)

    def _now(self) -> int:
        return gregorian_seconds(self.reader.now())

    def recall(self, exchange: Exchange) -> bool:
        """Answer a GET, if nothing has to be waited for."""
        sighting = None if "user_id" in exchange.parameters else self.reader.recall(exchange)
        if sighting is not None:
            self.reader.show(exchange, sighting, _shown)
        return sighting is not None

    async def _read(self, exchange: Exchange) -> None:
        await self.reader.conference(exchange)
        self.reader.show(exchange, await self.reader.sighting(exchange), _shown)

    async def _stored(self, exchange: Exchange) -> Mapping[str, Any]:
        conference_id = exchange.conference_id
        if not is_conference_id(conference_id):
            raise bad_identifier(conference_id[:256])
        try:
            stored = await self.documents.load(exchange.account_id, conference_id)
        except DocumentMissing:
            raise bad_identifier(conference_id) from None
        answer = exchange.answer
        answer.document, answer.revision = stored, stored["_rev"]
        answer.etag, answer.also_matches = envelope.entity_tag(stored["_rev"]), (stored["_rev"],)
        if "If-Match" in exchange.headers:
            # The client may hold the tag of an answer with live data in it.
            sighting = await self.reader.live_state.conference(exchange.account_id, conference_id)
            room = sighting.room(conference_id)
            if room is not None:
                live = envelope.live_tag(stored["_rev"], presentation.stable(room))
                answer.also_matches = (stored["_rev"], live)
        return stored

    async def _patch(self, exchange: Exchange) -> None:
        try:
            stored = await self._stored(exchange)
        except ApiError:
            # Kazoo validates the fragment alone, and tells what is missing in it first (http.md 6).
            await validated(self.system, exchange.data, self.saver.maximum_numbers)
            raise
        data = exchange.data
        merged = documents.patched_fields(stored, data) if isinstance(data, Mapping) else data
        fields = await validated(self.system, merged, self.saver.maximum_numbers)
        exchange.prepared = documents.replaced(stored, fields, author(exchange), self._now())

    async def _save(self, exchange: Exchange) -> None:
        fresh, stored = exchange.prepared, exchange.answer.document
        if is_dry_run(exchange):
            await self.saver.check(exchange.account_id, fresh, stored)
            exchange.answer.data = envelope.public(fresh)
            show_unwritten(exchange, self.saver.announced("edited", exchange.account_id, fresh))
            return
        show(exchange, await self.saver.save(exchange.account_id, fresh, stored))

    async def _delete(self, exchange: Exchange) -> None:
        stored = exchange.answer.document
        assert stored is not None
        envelope.show_deleted(exchange.answer, stored)
        soft = exchange.flag("should_soft_delete", default=True)
        gone = documents.deleted(stored, author(exchange), self._now()) if soft else stored
        if is_dry_run(exchange):
            show_unwritten(exchange, self.saver.announced("deleted", exchange.account_id, gone))
            return
        await self.saver.remove(exchange.account_id, gone, soft=soft)


def _shown(exchange: Exchange, room: Room | None, now: float) -> tuple[Any, dict[str, Any]]:
    """A conference and who is in it: the document's fields, and the metadata."""
    data = {
        **envelope.public(exchange.answer.document or {}),
        "_read_only": presentation.read_only(room, now),
    }
    return data, presentation.metadata(room, now)


def author(exchange: Exchange) -> Author:
    """Who writes, for the private fields."""
    identity = exchange.identity
    assert identity is not None
    return Author(
        account_id=exchange.account_id,
        request_id=exchange.request_id,
        auth_account_id=identity.account_id,
        auth_user_id=identity.owner_id,
        original_account_id=identity.original_account_id,
        original_owner_id=identity.original_owner_id,
    )


def show(exchange: Exchange, stored: Mapping[str, Any]) -> None:
    """Answer with a document as it is stored now."""
    exchange.answer.document = stored
    exchange.answer.revision = stored["_rev"]
    exchange.answer.data = envelope.public(stored)


def show_unwritten(exchange: Exchange, messages: list[dict[str, Any]]) -> None:
    """Mark a dry run: ``data`` stays the document, the messages stand beside it."""
    exchange.answer.metadata.update(dry_run=True, messages=messages)


async def check_owner(owners: Documents, exchange: Exchange) -> None:
    """A user in the path must be one of the account (http.md 1.3)."""
    user_id = exchange.parameters.get("user_id")
    if user_id is None:
        return
    try:
        await owners.load(exchange.account_id, user_id, "user")
    except DocumentMissing:
        raise bad_identifier(user_id[:256]) from None


async def validated(system: SystemConfig, data: Any, maximum_numbers: int) -> Mapping[str, Any]:
    """The data as a conference's public fields, with defaults; raises every error at once.

    More than ``maximum_numbers`` numbers are refused before anybody looks into them."""
    errors = documents.too_many_numbers(data, maximum_numbers)
    if errors:
        raise validation_error(errors)
    config = await system.crossbar()
    value = documents.public_fields(data) if isinstance(data, Mapping) else data
    checked = validate(CONFERENCES, value, coerce=not config.schema_strict_validation)
    if checked.errors:
        raise validation_error(checked.errors)
    result: Mapping[str, Any] = checked.value
    return result


def _well_formed(wanted: str) -> str:
    if len(wanted) != 32 or not is_conference_id(wanted):
        details = {"message": "ID must be 32 characters", "target": 32, "cause": wanted, "value": wanted}
        raise validation_error({"id": {"minLength": details}})
    return wanted


def _is_meant(row: Row, query: ListQuery, owner: str | None) -> bool:
    if row.doc is None or (owner is not None and row.doc.get("owner_id") != owner):
        return False
    return matches(row.doc, query)
