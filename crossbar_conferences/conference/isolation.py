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
from unicodedata import category

#: Longest id of a conference, in bytes.
MAXIMUM_ID_BYTES: Final = 128

# No dot, which would make two words of one in a routing key, none of its wildcards, no blank, quote or
# separator of a command line, no slash, and nothing that no list of signs has.
_ROOM_SIGNS: Final = "_:~-"
#: Beside these a document's id may have what the switch would read as a profile, a PIN or a value.
_DOCUMENT_SIGNS: Final = _ROOM_SIGNS + "@+="
_ROOM_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9{_ROOM_SIGNS}]{{0,127}}", re.ASCII)

#: FreeSWITCH's words in the place of a conference's name, in any case (mod_conference).
_RESERVED: Final = frozenset({"list", "count", "xml_list", "json_list", "help", "commands"})
#: Behind it FreeSWITCH looks for a name and whom to call.
_BRIDGE: Final = "bridge:"

#: Letters of other scripts, their marks, and digits mean nothing to a store, a bus or a switch.
_HARMLESS_CATEGORIES: Final = frozenset("LMN")
# Fillers and variation selectors are letters and marks too, but nobody sees them.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


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
    """Whether a text may name a conference to the bus and the switch.

    An allow list: letters and digits of any script, ``_``, ``:``, ``~`` and ``-``, at most 128 bytes,
    the first a letter or digit. FreeSWITCH reads ``NAME@PROFILE``, ``NAME+PIN`` and
    ``bridge:NAME:DIAL`` as room NAME (real-switch.md A1), and has words of its own in that place.
    """
    if not isinstance(text, str) or not _is_of(text, _ROOM_SIGNS) or not text[0].isalnum():
        return False
    lowered = text.lower()
    return lowered not in _RESERVED and not lowered.startswith(_BRIDGE)


def is_document_id(text: object) -> bool:
    """Whether a text may be the id of an ordinary document, in paths of the store and routing keys.

    Wider than `is_conference_id`, since no room is named by it: a user's id may be ``joe@example``. A
    conference stored under such an id is a 404 like any that the switch would read as another's.
    """
    return isinstance(text, str) and _is_of(text, _DOCUMENT_SIGNS) and not text.startswith("_")


@lru_cache(10_000)
def _is_of_short(text: str, signs: str) -> bool:
    if _ROOM_ID.fullmatch(text):
        return True
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return (
        size <= MAXIMUM_ID_BYTES
        and not _INVISIBLE.search(text)
        and all(
            character in signs
            or (
                character.isalnum() if character.isascii() else category(character)[0] in _HARMLESS_CATEGORIES
            )
            for character in text
        )
    )


def _is_of(text: str, signs: str) -> bool:
    # Before the cache, which would keep it.
    return 0 < len(text) <= MAXIMUM_ID_BYTES and _is_of_short(text, signs)


def participant_id(text: object) -> int | None:
    """The participant's number in a path or body, ``None`` when it is none.

    The switch also takes ``all``, ``last`` and ``non_moderator`` here; clients may not.
    """
    if isinstance(text, bool):
        return None
    if isinstance(text, int):
        return text if 0 <= text < _PARTICIPANT_LIMIT else None
    if isinstance(text, str) and _PARTICIPANT.fullmatch(text):
        number = int(text)
        return number if number < _PARTICIPANT_LIMIT else None
    return None


_PARTICIPANT_LIMIT: Final = 2**32
_PARTICIPANT: Final = re.compile(r"[0-9]{1,10}")
