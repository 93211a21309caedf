"""Conference documents: what is public, what is private, and how one becomes the next. Pure.

Source: data.md 2, http.md 3.6, 6; recordings ``document``, ``patch``.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import resources
from .defaults import default_object
from .validation import Errors

CONFERENCE = "conference"
_AUTO_RECORD = "auto-record"

#: What a listed item says of a running conference, and the type by which it is told from a
#: client's own field of that name: clients send it back, and it is not stored (design 3.1).
_LIVE_FIGURES = {"members": int, "admins": int, "duration": int, "is_locked": bool}


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and for which account: what the private fields are made of."""

    account_id: str
    request_id: str
    auth_account_id: str | None = None
    auth_user_id: str | None = None
    original_account_id: str | None = None
    original_owner_id: str | None = None


def is_private(key: str) -> bool:
    """Whether clients never see or write a key."""
    return key.startswith(("_", "pvt_"))


def public_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """What clients may see and write, at the top level; without the id."""
    return {key: value for key, value in document.items() if not is_private(key)}


def private_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The rest."""
    return {key: value for key, value in document.items() if is_private(key)}


def is_live_figure(key: str, value: Any) -> bool:
    """Whether a field is a figure that a list once showed. Crossbar stores those that are sent back."""
    return type(value) is _LIVE_FIGURES.get(key)


def new_document_id() -> str:
    """An id as Kazoo makes it: 32 hex digits."""
    return secrets.token_hex(16)


def adhoc(conference_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The conference that an id without a document stands for: defaults, merged with the request.

    It has no revision: nothing of it is stored."""
    made = _merge(default_object(resources.schema("conferences")), public_fields(data))
    made.pop("id", None)
    return {**made, "_id": conference_id}


def created(document_id: str, fields: Mapping[str, Any], author: Author, now: int) -> dict[str, Any]:
    """A new document. ``now`` in gregorian seconds."""
    document = {**_public_without_id(fields), "_id": document_id, "pvt_type": CONFERENCE}
    _mirror_auto_record(document, {})
    return _signed(document, author, now)


def replaced(
    stored: Mapping[str, Any], fields: Mapping[str, Any], author: Author, now: int
) -> dict[str, Any]:
    """The next revision with other public fields; private ones are kept."""
    document = {**private_fields(stored), **_public_without_id(fields)}
    document.setdefault("pvt_type", CONFERENCE)
    _mirror_auto_record(document, stored)
    return _signed(document, author, now)


def patched_fields(stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The public fields after a patch: objects are merged, null removes, the rest is replaced.

    An empty object empties the one that it meets; so does an array (http.md 6)."""
    return _merge(public_fields(stored), _public_without_id(patch))


def deleted(stored: Mapping[str, Any], author: Author, now: int) -> dict[str, Any]:
    """The revision with which a document is soft-deleted."""
    return {**_signed(dict(stored), author, now), "pvt_deleted": True}


def numbers(document: Mapping[str, Any]) -> list[str]:
    """Every number that leads to the conference: its own, the members', the moderators'."""
    lists = [document.get("conference_numbers")]
    for role in ("member", "moderator"):
        settings = document.get(role)
        lists.append(settings.get("numbers") if isinstance(settings, Mapping) else None)
    return [
        number for listed in lists if isinstance(listed, list) for number in listed if isinstance(number, str)
    ]


def too_many_numbers(document: Any, maximum: int) -> Errors:
    """The error of a document, of any JSON type, with more than ``maximum`` numbers in its lists together.

    Nothing but the lengths of the lists is looked at: each number costs a request to the store."""
    if not isinstance(document, Mapping):
        return {}
    places = {"conference_numbers": document.get("conference_numbers")}
    for role in ("member", "moderator"):
        settings = document.get(role)
        places[f"{role}.numbers"] = settings.get("numbers") if isinstance(settings, Mapping) else None
    counted = 0
    for path, listed in places.items():
        counted += len(listed) if isinstance(listed, list) else 0
        if counted > maximum:
            message = f"A conference must not have more than {maximum} numbers"
            return {path: {"maxItems": {"message": message, "target": maximum}}}
    return {}


def repeated_numbers(document: Mapping[str, Any]) -> list[str]:
    """Numbers that are in more than one list: nobody who dials them gets in (design 3.3)."""
    seen: set[str] = set()
    repeated: dict[str, None] = {}
    for number in numbers(document):
        if number in seen:
            repeated[number] = None
        seen.add(number)
    return list(repeated)


def numbers_taken(taken: Iterable[str]) -> Errors:
    """The error of numbers that lead somewhere else."""
    return {"numbers": {"unique": {"message": "Numbers already in use", "cause": ", ".join(taken)}}}


def name_taken(name: str) -> Errors:
    """The error of a name that another conference of the account has."""
    # Kazoo's words say system-wide; its check, like ours, is for the account (http.md 5.5).
    message = "public conference needs a system-wide unique name"
    return {"name": {"unique": {"message": message, "cause": name}}}


def _mirror_auto_record(document: dict[str, Any], stored: Mapping[str, Any]) -> None:
    """Put ``auto_record`` into the profile, where Kazoo's conference application acts on it.

    The seed has it at the root, Kazoo 5's schema in the profile alone (beyond.md 1). Once it is taken
    out of the root, what it had put into the profile goes too."""
    wanted = document.get("auto_record")
    before = stored.get("auto_record")
    profile = document.get("profile")
    if isinstance(wanted, bool):
        document["profile"] = {**(profile if isinstance(profile, Mapping) else {}), _AUTO_RECORD: wanted}
    elif isinstance(before, bool) and isinstance(profile, Mapping) and profile.get(_AUTO_RECORD) is before:
        document["profile"] = {key: value for key, value in profile.items() if key != _AUTO_RECORD}


def _public_without_id(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in public_fields(fields).items()
        if key != "id" and not is_live_figure(key, value)
    }


def _signed(document: dict[str, Any], author: Author, now: int) -> dict[str, Any]:
    """The document with its private fields as Kazoo sets them before each save (data.md 2.1)."""
    account = author.account_id
    document.setdefault("pvt_vsn", "1")
    document.setdefault("pvt_account_id", account)
    document.setdefault("pvt_account_db", f"account%2F{account[:2]}%2F{account[2:4]}%2F{account[4:]}")
    if document.get("_rev") is None:
        document["pvt_created"] = now
    document["pvt_modified"] = now
    document["pvt_request_id"] = author.request_id
    document["pvt_is_authenticated"] = author.auth_account_id is not None
    # What is not known is left as it was: setting nothing is nothing, in Kazoo.
    for key, value in (
        ("pvt_auth_account_id", author.auth_account_id),
        ("pvt_auth_user_id", author.auth_user_id),
        ("pvt_original_auth_account_id", author.original_account_id),
        ("pvt_original_auth_owner_id", author.original_owner_id),
    ):
        if value is not None:
            document[key] = value
    name = document.get("name")
    if isinstance(name, str):
        document["pvt_alphanum_name"] = re.sub("[^A-Za-z0-9]", "", name).lower()
    document.pop("_read_only", None)
    return document


def _merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(left)
    for key, value in right.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = _merge(before if value and isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
