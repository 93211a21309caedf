"""What a document of the sidecar's own database is about. Pure.

Each is about one conference of one account, but for the key of guests' tokens, which is about nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from .names import is_account_id

#: ``number`` and ``name``: who has it; ``conference``: whose an id is; the others by their type.
Kind = Literal["number", "name", "conference", "recording", "meetings"]

_RESERVED: Final[tuple[Kind, ...]] = ("number", "name", "conference")
_NOTED: Final[tuple[Kind, ...]] = ("recording", "meetings")

#: What is kept of a conference that runs, whether it has a document or not.
OF_ROOMS: Final[frozenset[Kind]] = frozenset({"conference", "recording"})

#: The key of guests' tokens: its id, and its type.
GUEST_KEY: Final = "guest_key"


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A document about one conference. ``value``: what is reserved. ``written_at``: unix seconds."""

    id: str
    revision: str
    kind: Kind
    account_id: str
    conference_id: str
    value: Any = None
    written_at: float | None = None


def own_document(document: Mapping[str, Any]) -> OwnDocument | None:
    """What a document is about; ``None`` for the guests' key, and for what is none of ours."""
    kind = _kind(document)
    account_id, conference_id = document.get("account_id"), document.get("conference_id")
    if kind is None or not is_account_id(account_id):
        return None
    if not isinstance(conference_id, str) or not conference_id:
        return None
    at = document.get("taken_at", document.get("noted_at"))
    return OwnDocument(
        id=str(document["_id"]),
        revision=str(document["_rev"]),
        kind=kind,
        account_id=str(account_id),
        conference_id=conference_id,
        value=document.get("value"),
        written_at=float(at) if isinstance(at, int | float) and not isinstance(at, bool) else None,
    )


def counted(documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many documents there are of each kind; what is none of ours counts as ``foreign``."""
    counts: dict[str, int] = {}
    for document in documents:
        found = own_document(document)
        is_key = document.get("_id") == GUEST_KEY and document.get("pvt_type") == GUEST_KEY
        kind = found.kind if found is not None else GUEST_KEY if is_key else "foreign"
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _kind(document: Mapping[str, Any]) -> Kind | None:
    type_, kind = document.get("pvt_type"), document.get("kind")
    if type_ == "reservation":
        return next((one for one in _RESERVED if one == kind), None)
    return next((one for one in _NOTED if one == type_), None)
