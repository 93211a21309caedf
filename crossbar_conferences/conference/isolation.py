"""Which ids are harmless, and which conference an account may see and command.

Ids from paths and bodies reach the document store's paths, routing keys of the bus and command
lines of the switch. One function decides about accounts; reads, commands and subscriptions ask
it. Source: design.md 3.3, http.md 13, amqp.md 5.1.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final

#: Longest id of a conference, in bytes.
MAXIMUM_ID_BYTES: Final = 128

# A dot would make two words of one in a routing key, ``*`` and ``#`` are its wildcards; blanks,
# quotes and the like separate on a command line; a slash and a leading ``_`` lead elsewhere in the
# store; U+FFFD stands for bytes that were no text. The rest, letters of any script included, is free.
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\ufffd.*#/\\'\"`,;|^&<>{}()\[\]$!?%]")


#: Ids as Kazoo makes them (data.md 2.2).
_KAZOO_ID: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)


class Access(Enum):
    """What an account may do with a conference id."""

    #: The account's own document, or running for the account.
    OWN = "own"
    #: Nobody's: an ad-hoc conference may be started under it.
    FREE = "free"
    #: Another account's: answered as if it did not exist.
    FOREIGN = "foreign"
    #: An id as Kazoo makes them, of no document of the account: somebody's, if anybody's.
    ABSENT = "absent"
    #: Not an id at all.
    INVALID = "invalid"

    @property
    def is_allowed(self) -> bool:
        """Whether the account may see and command it."""
        return self in (Access.OWN, Access.FREE)


def conference_access(
    account_id: str,
    conference_id: str,
    *,
    has_document: bool,
    owner: str | None = None,
    running_for: str | None = None,
    is_running: bool = False,
    legs_for: str | None = None,
) -> Access:
    """Decide about one conference id for one account.

    ``has_document``: the account's database holds a conference under this id. ``owner``: the account
    on record as the id's (``None``: nobody is, or there is no record to be had). ``is_running`` and
    ``running_for``: a conference of this id runs, and its own account (``None``: the switch doesn't
    say). ``legs_for``: the one account that all its legs name.

    The switch knows one conference per id, whatever the account. The record decides, then the
    running conference's own account, then the document. What legs say never makes a conference an
    account's; it only takes one away from an account that has nothing but a document.
    """
    if not is_conference_id(conference_id):
        return Access.INVALID
    if owner is not None and owner != account_id:
        return Access.FOREIGN
    if has_document and owner == account_id:
        return Access.OWN
    if running_for is not None:
        return Access.OWN if running_for == account_id else Access.FOREIGN
    if has_document:
        return Access.OWN if legs_for in (None, account_id) else Access.FOREIGN
    if is_running:
        return Access.OWN if owner == account_id else Access.FOREIGN
    return Access.ABSENT if is_kazoo_id(conference_id) else Access.FREE


def is_kazoo_id(text: str) -> bool:
    """Whether an id has the form of those that Kazoo makes: 32 hex digits."""
    return _KAZOO_ID.fullmatch(text) is not None


def is_conference_id(text: object) -> bool:
    """Whether a text may be a conference id in store paths, routing keys and command lines."""
    return is_document_id(text) and isinstance(text, str) and not text.startswith("-")


def is_document_id(text: object) -> bool:
    """Whether a text may be the id of an ordinary document."""
    return isinstance(text, str) and 0 < len(text) <= MAXIMUM_ID_BYTES and _is_harmless(text)


@lru_cache(10_000)
def _is_harmless(text: str) -> bool:
    if text.startswith("_"):
        return False
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    # Unicode's own blanks and line ends separate nothing on the wire, but hide in logs and URLs.
    return size <= MAXIMUM_ID_BYTES and not _FORBIDDEN.search(text) and text.isprintable()


def participant_id(text: object) -> int | None:
    """The participant's number in a path or body, ``None`` when it is none.

    The switch also takes ``all``, ``last`` and ``non_moderator`` here; clients may not.
    """
    if isinstance(text, bool):
        return None
    if isinstance(text, int):
        return text if 0 <= text < _PARTICIPANT_LIMIT else None
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,10}", text, re.ASCII):
        number = int(text)
        return number if number < _PARTICIPANT_LIMIT else None
    return None


_PARTICIPANT_LIMIT: Final = 2**32
