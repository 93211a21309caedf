"""Messages of the ``configuration`` exchange: a document or database was changed.

Source: amqp.md 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .messages import Definition, MessageInvalid, Origin, Outgoing, build, check
from .origins import DATAMGR
from .routing import CONFIGURATION, encode
from .types import is_boolean_or_its_text, is_object, is_text

#: The cache in whose name Kazoo's data layer speaks (amqp.md 8).
ORIGIN_CACHE = "kazoo_data_cache"

#: Types and account ids, as they go into messages and routing keys.
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")

_DOCUMENT_ACTIONS = ("created", "edited", "deleted")
_CHANGE = Definition(
    "configuration",
    (
        "doc_edited",
        "doc_created",
        "doc_deleted",
        "db_edited",
        "db_created",
        "db_deleted",
        "db_views_updated",
    ),
    required=("ID", "Database"),
    optional=(
        "Account-ID",
        "Date-Created",
        "Date-Modified",
        "Doc",
        "Is-Soft-Deleted",
        "Origin-Cache",
        "Rev",
        "Type",
        "Version",
    ),
    types={
        "Database": is_text,
        "Doc": is_object,
        "ID": is_text,
        "Is-Soft-Deleted": is_boolean_or_its_text,
        "Type": is_text,
    },
)


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was announced. ``event``: ``doc_edited``, ``db_deleted`` …; ``database`` in
    its encoded spelling, ``account%2Fa1%2Fb2%2F…`` (data.md 1.1)."""

    event: str
    database: str
    id: str
    type: str | None
    revision: str | None
    account_id: str | None
    soft_deleted: bool
    node: str | None


def change_key(event: str, database_encoded: str, type: str, id: str) -> str:
    """Where a change is heard; only the id is encoded, and ``*`` is a wildcard."""
    return f"{event}.{database_encoded}.{type}.{encode(id)}"


def document_change(
    action: str, database_encoded: str, document: Mapping[str, Any], origin: Origin
) -> Outgoing:
    """The notice that every writer owes the other nodes' caches.

    ``action``: ``created``, ``edited`` or ``deleted`` (soft or hard); ``document`` as it is now
    stored, with ``_id``, ``_rev`` and private fields. Only the node of ``origin`` is used: Kazoo's
    data layer speaks as ``datamgr``."""
    action = action.removeprefix("doc_")
    if action not in _DOCUMENT_ACTIONS:
        raise MessageInvalid(f"a document cannot be {action!r}")
    event = f"doc_{action}"
    type_ = _word(document.get("pvt_type")) or "undefined"
    fields = {
        "Event-Name": event,
        "ID": document.get("_id"),
        "Database": database_encoded,
        "Rev": document.get("_rev"),
        "Type": type_,
        # Old documents do not say whose they are; their database does.
        "Account-ID": _word(document.get("pvt_account_id")) or _account_of(database_encoded),
        # amqp.md 8: Kazoo carries these two swapped, and readers got used to it.
        "Date-Modified": _moment(document.get("pvt_created")),
        "Date-Created": _moment(document.get("pvt_modified")),
        "Is-Soft-Deleted": document.get("pvt_deleted") is True,
        "Origin-Cache": ORIGIN_CACHE,
    }
    app_name, app_version = DATAMGR
    body = build(_CHANGE, fields, replace(origin, app_name=app_name, app_version=app_version))
    return Outgoing(CONFIGURATION, change_key(event, database_encoded, type_, body["ID"]), body)


def _word(value: Any) -> str | None:
    # Whoever writes to the store may have put anything there: it must neither end the notice nor its key.
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _moment(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 2**53 else None


def _account_of(database_encoded: str) -> str | None:
    kind, *parts = database_encoded.split("%2F")
    return "".join(parts) if kind == "account" and len(parts) == 3 else None


def check_change(body: Any) -> None:
    """Raise `MessageInvalid` unless this announces a change."""
    check(_CHANGE, body)


def change_of(body: Any) -> Change:
    """The change that a message announces. Raises `MessageInvalid`."""
    check_change(body)
    return Change(
        event=body["Event-Name"],
        database=body["Database"],
        id=body["ID"],
        type=_text(body.get("Type")),
        revision=_text(body.get("Rev")),
        account_id=_text(body.get("Account-ID")),
        soft_deleted=body.get("Is-Soft-Deleted") in (True, "true"),
        node=_text(body.get("Node")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
