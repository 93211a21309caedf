"""The response envelope: which keys, in which order, and what makes an entity tag. Pure.

Source: http.md 3; recordings.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .. import jsondeep
from ..clock import iso8601
from ..conference import guests
from ..conference.document import is_live_figure
from .errors import ApiError
from .exchange import Answer, Exchange

#: What may stand between the quotes of a tag (RFC 9110), without what is beyond ASCII.
_TAG: Final = re.compile(r"[!#-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Frame:
    """What every envelope of this process says about the process."""

    node: str
    version: str
    include_auth_token: bool = True


def frame(node_name: str, version: str, include_auth_token: bool = True) -> Frame:
    """The frame for a node: its name is shown encoded (http.md 3.1)."""
    digest = hashlib.md5(node_name.encode(), usedforsecurity=False).digest()
    return Frame(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), version, include_auth_token)


def success(exchange: Exchange, frame: Frame, now: float, *, pretty: bool = False) -> dict[str, Any]:
    """The envelope of an answer. JSON that was rendered before goes in as it is, but not a ``pretty`` one."""
    answer = exchange.answer
    body = _opening(exchange, frame, now)
    rendering = answer.rendering
    if rendering is not None and not pretty:
        body["metadata"] = orjson.Fragment(rendering.metadata_json)
        body["data"] = orjson.Fragment(rendering.data_json)
    else:
        body["metadata"] = answer_metadata(exchange)
        body["data"] = answer.data
    if answer.revision is not None:
        body["revision"] = answer.revision
    body["status"] = "success"
    return body


def failure(exchange: Exchange, frame: Frame, now: float, error: ApiError) -> dict[str, Any]:
    """The envelope of an error: ``error`` is the status as text."""
    body = _opening(exchange, frame, now)
    for key in ("page_size", "start_key", "next_start_key"):
        body.pop(key, None)
    body["metadata"] = answer_metadata(exchange)
    if error.has_data:
        body["data"] = error.data
    body["error"] = str(error.entry.status)
    body["message"] = error.entry.message
    body["status"] = "error"
    return body


def answer_metadata(exchange: Exchange) -> dict[str, Any]:
    """``metadata``: id and dates of a document, overlaid with what the handler added."""
    rendering = exchange.answer.rendering
    if rendering is not None:
        return dict(rendering.metadata)
    document = exchange.answer.document
    metadata: dict[str, Any] = {}
    if document is not None:
        for key, field in (("id", "_id"), ("created", "pvt_created"), ("modified", "pvt_modified")):
            if document.get(field) is not None:
                metadata[key] = document[field]
    metadata.update(exchange.answer.metadata)
    return guests.seen("room", metadata) if exchange.is_guest else metadata


def entity_tag(revision: str) -> str:
    """A document's tag with its quotes: its revision, or a digest of one that is no tag's text.

    Replication stores revisions as they come, so they may hold whatever a text may."""
    if _TAG.fullmatch(revision):
        return f'"{revision}"'
    return f'"{hashlib.md5(revision.encode(errors="replace"), usedforsecurity=False).hexdigest()}"'


def show_undone(exchange: Exchange) -> None:
    """Answer a GET that names another verb: with what that would be about, once it was checked.

    As crossbar does: the document that would be stored, or the one that would go (beside-kazoo.md 1)."""
    answer, prepared = exchange.answer, exchange.prepared
    would_be = isinstance(prepared, Mapping) and "_id" in prepared
    answer.location = None
    if exchange.verb == "DELETE":
        show_deleted(answer, answer.document or {})
    else:
        answer.data = public(prepared if would_be else answer.document or {})


def show_deleted(answer: Answer, document: Mapping[str, Any]) -> None:
    """Answer with what goes: Kazoo 5 marks it in the metadata, the open core in the data."""
    answer.data = {**public(document), "_read_only": {"deleted": True}}
    answer.metadata["deleted"] = True


def list_tag(exchange: Exchange) -> str:
    """The md5 over a list's answer without what changes by itself: its revision and weak tag."""
    stable = {**exchange.answer.listing, "data": exchange.answer.data}
    return hashlib.md5(dumps(stable), usedforsecurity=False).hexdigest()


def live_tag(revision: str, live: Any) -> str:
    """A tag of a document's form that also covers live data, so that 304 never hides a change."""
    generation = revision.partition("-")[0]
    if not generation.isdecimal() or not generation.isascii() or len(generation) > 20:
        generation = "0"
    digest = hashlib.md5(revision.encode(errors="replace") + dumps(live), usedforsecurity=False).hexdigest()
    return f"{generation}-{digest}"


def dumps(value: Any, *, pretty: bool = False) -> bytes:
    """JSON bytes of a value; integers of any size. Never raises: an answer must get out."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else None)
    except TypeError:
        # orjson stops at 64 bits, Kazoo does not; and a stored text may hold half a surrogate pair.
        return jsondeep.encode(value, indent=2 if pretty else None).encode("utf-8", "replace")


def _opening(exchange: Exchange, frame: Frame, now: float) -> dict[str, Any]:
    body: dict[str, Any] = dict(exchange.answer.listing)
    if exchange.identity is not None:
        body["version"] = frame.version
    if exchange.token is not None and frame.include_auth_token:
        body["auth_token"] = exchange.token
    body["tokens"] = {"consumed": exchange.consumed, "remaining": exchange.remaining}
    body["timestamp"] = iso8601(now)
    body["request_id"] = exchange.request_id
    body["node"] = frame.node
    return body


def public(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as ``data`` shows it: no private keys, with ``id`` (data.md 2.3).

    Nor figures of a list that crossbar was sent back and stored: they were true then (beside-kazoo.md 6)."""
    shown = {
        key: value
        for key, value in document.items()
        if not key.startswith(("_", "pvt_")) and not is_live_figure(key, value)
    }
    if document.get("_id") is not None:
        shown["id"] = document["_id"]
    return shown
