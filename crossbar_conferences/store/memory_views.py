"""What the JavaScript maps of ``couchdb_views/`` emit, in Python: for the in-memory store, and for
summaries of documents that came from another view.

The store's contract suite runs the same documents through both and compares the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Document = Mapping[str, Any]
Emitted = Iterator[tuple[Any, Any]]

_SHOWN = ("name", "owner_id", "member", "moderator", "ui_flags", "conference_numbers", "video")


def _is(document: Document, kind: str) -> bool:
    return document.get("pvt_type") == kind and not _truthy(document.get("pvt_deleted"))


def _truthy(value: Any) -> bool:
    # As JavaScript sees it: an empty array or object is true.
    return isinstance(value, list | dict) or bool(value)


def summary(document: Document) -> dict[str, Any]:
    """What ``by_id`` shows of a conference: an item of the list."""
    flags = document.get("flags")
    item = {"id": document["_id"], "flags": flags if _truthy(flags) else []}
    item.update({key: document[key] for key in _SHOWN if document.get(key) is not None})
    return item


def _by_id(document: Document) -> Emitted:
    if _is(document, "conference"):
        yield document["_id"], summary(document)


def _by_number(document: Document) -> Emitted:
    if not _is(document, "conference"):
        return
    places = [document, document.get("member"), document.get("moderator")]
    keys = ("conference_numbers", "numbers", "numbers")
    for place, key in zip(places, keys, strict=True):
        numbers = place.get(key) if isinstance(place, Mapping) else None
        for number in numbers if isinstance(numbers, list) else ():
            yield number, None


def _by_name(document: Document) -> Emitted:
    if _is(document, "conference") and isinstance(document.get("name"), str):
        yield document["name"], None


def _by_owner(document: Document) -> Emitted:
    if _is(document, "conference") and isinstance(document.get("owner_id"), str):
        yield document["owner_id"], None


def _callflows_by_name(document: Document) -> Emitted:
    if _is(document, "callflow") and isinstance(document.get("name"), str):
        numbers = document.get("numbers")
        yield document["name"], {"numbers": numbers if isinstance(numbers, list) else []}


def _users_by(field: str) -> Callable[[Document], Emitted]:
    def emitted(document: Document) -> Emitted:
        if (
            _is(document, "user")
            and _truthy(document.get("enabled"))
            and isinstance(document.get(field), str)
        ):
            yield document[field], document["_id"]

    return emitted


def _accounts_by_name(document: Document) -> Emitted:
    if _is(document, "account") and isinstance(document.get("name"), str):
        yield re.sub("[^a-z0-9]", "", document["name"].lower()), None


#: What each view of ours emits for a document.
MAPS: Final[Mapping[str, Callable[[Document], Emitted]]] = {
    "by_id": _by_id,
    "by_number": _by_number,
    "by_name": _by_name,
    "by_owner": _by_owner,
    "callflows_by_name": _callflows_by_name,
    "users_by_md5": _users_by("pvt_md5_auth"),
    "users_by_sha1": _users_by("pvt_sha1_auth"),
    "accounts_by_name": _accounts_by_name,
}


def collation_key(value: Any) -> tuple[Any, ...]:
    """A sort key in CouchDB's order: null, false, true, numbers, texts, arrays, objects.

    Texts compare by code points, where CouchDB uses ICU: for ids and numbers, which are all
    letters of one case and digits, that is the same order.
    """
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, list | tuple):
        return (4, tuple(collation_key(item) for item in value))
    return (5, tuple((key, collation_key(item)) for key, item in value.items()))
