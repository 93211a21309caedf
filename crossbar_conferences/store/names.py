"""Names of databases and documents: the three spellings, and what is refused.

For account ``a1b2c3d4…`` the real name is ``account/a1/b2/c3d4…``; Kazoo writes the encoded one,
``account%2Fa1%2Fb2%2Fc3d4…``, into documents and messages. Source: data.md 1.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

#: Databases that all accounts share.
ACCOUNTS: Final = "accounts"
SYSTEM_CONFIG: Final = "system_config"
SYSTEM_AUTH: Final = "system_auth"

#: The id of our design document, in whatever database.
OWN_DESIGN_DOCUMENT: Final = "_design/crossbar_conferences"

#: Longer ids are refused, before anybody has to store or send them.
MAX_ID_LENGTH: Final = 256

_ACCOUNT_ID = re.compile(r"[0-9A-Za-z_-]{32}")
_ACCOUNT_DATABASE = re.compile(r"account/([0-9A-Za-z_-]{2})/([0-9A-Za-z_-]{2})/([0-9A-Za-z_-]{28})")


def is_account_id(text: object) -> bool:
    """Whether this can be an account's id: 32 characters that are safe in a path."""
    return isinstance(text, str) and _ACCOUNT_ID.fullmatch(text) is not None


@lru_cache(maxsize=10_000)
def account_database(account_id: str) -> str:
    """The real name of an account's database. Raises `ValueError` for what is no account id."""
    if not is_account_id(account_id):
        raise ValueError("an account id has 32 letters and digits")
    return f"account/{account_id[:2]}/{account_id[2:4]}/{account_id[4:]}"


def encoded(database: str) -> str:
    """A real name as Kazoo spells it in documents and messages."""
    return quote(database, safe="")


def real(database: str) -> str:
    """A database in any of the three spellings, by its real name; other names stay as they are."""
    if is_account_id(database):
        return account_database(database)
    return re.sub("%2f", "/", database, flags=re.IGNORECASE)


def account_id_of(database: str) -> str | None:
    """The account whose database this is, in any spelling; ``None`` for others."""
    match = _ACCOUNT_DATABASE.fullmatch(real(database))
    return "".join(match.groups()) if match else None


def is_addressable(doc_id: str) -> bool:
    """Whether a server can be asked for this document: in a path it would be no other resource.

    Of design documents only our own is."""
    return doc_id not in ("", ".", "..") and (not doc_id.startswith("_") or doc_id == OWN_DESIGN_DOCUMENT)


def is_document_id(text: object) -> bool:
    """Whether this may be an ordinary document's id: no design document, nothing that leads elsewhere."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_ID_LENGTH
        and not text.startswith("_")
        and text not in (".", "..")
        and text.isprintable()
        and "/" not in text
    )
