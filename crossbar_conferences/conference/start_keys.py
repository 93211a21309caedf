"""Page keys of lists: what ``next_start_key`` is and which ``start_key`` is understood.

Crossbar's key is base64url of an Erlang term, the document's id as a binary. The same form is
written here, so that a client that walks pages through a balancer may change sides between two of
them. Read are crossbar's keys, those that older sidecars wrote (a JSON list with the id), and a
plain id, as crossbar takes it. Source: beside-kazoo.md 3; the format: Erlang's external term format.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import orjson

from .isolation import is_document_id

#: Longer texts are no keys of anybody. Documents of other clients may have long ids.
_LONGEST: Final = 8192

# Version of the format, and the tags of a binary, of a list, and of the end of one.
_VERSION: Final = 131
_BINARY: Final = 109
_LIST: Final = 108
_NIL: Final = 106


def encoded(doc_id: str) -> str:
    """The key of the page that begins with an id."""
    name = doc_id.encode()
    term = bytes((_VERSION, _BINARY)) + len(name).to_bytes(4, "big") + name
    return base64.urlsafe_b64encode(term).rstrip(b"=").decode()


def decoded(key: object) -> str | None:
    """The id with which a page begins; ``None`` when the key is none, so that the list begins anew."""
    if not isinstance(key, str) or not key or len(key) > _LONGEST:
        return None
    try:
        raw = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    doc_id = _of_term(raw) or _of_json(raw)
    if doc_id is not None:
        return doc_id
    return key if is_document_id(key) else None


def _of_term(raw: bytes) -> str | None:
    if len(raw) < 2 or raw[0] != _VERSION:
        return None
    if raw[1] == _LIST and raw[2:6] == (1).to_bytes(4, "big") and raw[-1] == _NIL:
        # A list of one key.
        return _of_binary(raw[6:-1])
    return _of_binary(raw[1:])


def _of_binary(raw: bytes) -> str | None:
    if len(raw) < 6 or raw[0] != _BINARY or int.from_bytes(raw[1:5], "big") != len(raw) - 5:
        return None
    try:
        return raw[5:].decode() or None
    except UnicodeDecodeError:
        return None


def _of_json(raw: bytes) -> str | None:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    is_key = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
    return value[0] or None if is_key else None
