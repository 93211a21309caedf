"""What a guest of a public link is shown: an allow list, applied to whatever would be shown. Pure.

Guests are strangers who hold a link. They see the conference's name and its switches, and who is
there as names and flags: no numbers, no call ids, no variables, no hosts, nothing that an operator or
a client put into the document by itself. Every field has a reader here that says what it may hold;
what has none, and what its reader refuses, is not shown. One table for each kind of thing, and one
function, `seen`, that every answer, event and file for a guest goes through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from . import presentation
from .rooms import Room

Kind = Literal["document", "role", "participant", "room", "event"]

#: Gives a value as a guest may see it, or `None` for not at all.
Reader = Callable[[Any], Any]

#: Longer names are cut.
_MAX_NAME = 128

#: So many digits in a name are taken for a number.
_NUMBER = 5

_WORD = re.compile(r"[a-z]+(?:[-_][a-z]+){0,7}")
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


def _flag(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 64 and _WORD.fullmatch(value) else None


def _people(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list | tuple):
        return None
    return [seen("participant", one) for one in value if isinstance(one, Mapping)]


def _object(kind: Kind) -> Reader:
    return lambda value: seen(kind, value) if isinstance(value, Mapping) else None


_FLAGS: Final[Mapping[str, Reader]] = dict.fromkeys(
    ("is_moderator", "floor", "video", "speak", "hear", "talking", "mute_detect"), _flag
)

_FIGURES: Final[Mapping[str, Reader]] = {
    **dict.fromkeys(("members", "moderators", "admins", "duration", "participant_count"), _count),
    **dict.fromkeys(("start_time", "run_time", "active_speaker", "as_of"), _count),
    **dict.fromkeys(("is_locked", "locked", "is_recording"), _flag),
    "source": _word,
    "participants": _people,
}

_FIELDS: Final[Mapping[Kind, Mapping[str, Reader]]] = {
    "document": {
        "id": _text,
        "name": _text,
        "language": _id,
        "max_participants": _count,
        **dict.fromkeys(
            (
                "allow_shareable_link",
                "play_entry_tone",
                "play_exit_tone",
                "play_name",
                "play_welcome",
                "require_moderator",
                "video",
                "wait_for_moderator",
            ),
            _flag,
        ),
        "member": _object("role"),
        "moderator": _object("role"),
        "_read_only": _object("room"),
    },
    "role": dict.fromkeys(("join_deaf", "join_muted", "play_entry_prompt"), _flag),
    "participant": {
        **dict.fromkeys(("participant_id", "join_time", "duration", "talk_time"), _count),
        # Looked at together with the number, in `seen`.
        "caller_id_name": _text,
        **_FLAGS,
    },
    # The envelope's metadata has the document's id too.
    "room": {"id": _text, "conference_id": _text, **_FIGURES},
    "event": {
        "event": _word,
        "conference_id": _text,
        "participant_id": _count,
        "caller_id_name": _text,
        **_FLAGS,
    },
}


def seen(kind: Kind, shown: Mapping[str, Any]) -> dict[str, Any]:
    """What a guest sees of something that is shown to others; what is left of that is the same again."""
    result: dict[str, Any] = {}
    for field, read in _FIELDS[kind].items():
        value = shown.get(field)
        found = read(value) if value is not None else None
        if field == "caller_id_name" and found is not None:
            found = name_of(found, shown.get("caller_id_number"))
        if found is not None:
            result[field] = found
    return result


def answered(route: str, data: Any) -> Any:
    """The data of an answer to a guest. Raises `KeyError` for a route that guests have no business at."""
    kind = ROUTES[route]
    if kind is None:
        return None
    if isinstance(data, list | tuple):
        return [seen(kind, one) for one in data if isinstance(one, Mapping)]
    return seen(kind, data) if isinstance(data, Mapping) else None


#: The routes that guests may read, and what their answers' data are; files and streams have none.
ROUTES: Final[Mapping[str, Kind | None]] = {
    "document": "document",
    "participants": "participant",
    "participant": "participant",
    "calendar": None,
    "events": None,
}


def name_of(name: str, number: Any = None) -> str | None:
    """A caller's name; ``None`` for what is a number or an address, as switches put in place of a name."""
    name = name[:_MAX_NAME]
    plain = unicodedata.normalize("NFKC", name)
    digits = _digits(plain)
    own = _digits(unicodedata.normalize("NFKC", number[:_MAX_NAME])) if isinstance(number, str) else ""
    is_number = len(digits) >= _NUMBER or (bool(digits) and not any(map(str.isalpha, plain)))
    if is_number or "@" in plain or (len(own) > 1 and own in digits):
        return None
    return name


def stable(room: Room | None) -> Any:
    """What the entity tag of a guest's answer covers: what the guest sees, without the passing seconds."""
    if room is None:
        return None
    shown = seen("room", presentation.metadata(room, 0.0))
    people = shown.pop("participants", [])
    for passing in ("duration", "run_time"):
        shown.pop(passing, None)
    kept = [{key: one[key] for key in one if key not in ("duration", "talk_time")} for one in people]
    return [shown, kept]


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) for c in text if c.isdigit())
