"""What an ``Accept`` header says, read as the parser of Kazoo's web server reads it (cowlib). Pure.

That is RFC 9110 and what clients send all the same: ``*`` for ``*/*``, weights that begin with a dot,
members without anything in them. What it cannot read is refused there with a 400, so it is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_NEXT: Final = r"[ \t]*;[ \t]*"
#: A character set may be empty. Each text is a parameter in one way only: nothing is tried twice.
_PARAMETER: Final = (
    rf"(?!q=)(?:charset=(?:{_QUOTED}|(?:{_TOKEN})?)|(?!charset=){_TOKEN}=(?:{_TOKEN}|{_QUOTED}))"
)
_WEIGHT: Final = r"1(?:\.0{0,3})?|0(?:\.[0-9]{0,3})?|\.[0-9]{1,3}"
_EXTENSION: Final = rf"{_TOKEN}(?:=(?:{_TOKEN}|{_QUOTED}))?"

_MEMBER: Final = re.compile(
    rf"(?:({_TOKEN})/({_TOKEN})|\*(?=;))"
    rf"((?:{_NEXT}{_PARAMETER})*)"
    rf"(?:{_NEXT}q=({_WEIGHT})(?:{_NEXT}{_EXTENSION})*)?"
    r"[ \t]*(?:,|\Z)"
)
_BETWEEN: Final = re.compile(r"[ \t,]*")
_PAIR: Final = re.compile(rf"{_NEXT}({_TOKEN})=({_QUOTED}|(?:{_TOKEN})?)")

#: Longer ones are read each time: what is remembered is bounded.
_SHORT: Final = 512


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One member: a type, ``*`` for any, in small letters as the names of its parameters are."""

    kind: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float

    @property
    def name(self) -> str:
        """Type and subtype."""
        return f"{self.kind}/{self.subtype}"


def read(header: str) -> tuple[MediaRange, ...]:
    """The members that are accepted at all, the best first. Raises `ValueError` for what cannot be read."""
    return _known(header) if len(header) <= _SHORT else _read(header)


def _read(header: str) -> tuple[MediaRange, ...]:
    found: list[MediaRange] = []
    at = _end(_BETWEEN, header, 0)
    while at < len(header):
        member = _MEMBER.match(header, at)
        if member is None:
            raise ValueError("no list of media ranges")
        found.append(_media_range(member))
        at = _end(_BETWEEN, header, member.end())
    accepted = [one for one in found if one.quality > 0]
    # Of equal ones the more exact, then the first.
    return tuple(sorted(accepted, key=lambda one: (-one.quality, (one.kind == "*") + (one.subtype == "*"))))


# Clients say the same few things.
_known = lru_cache(256)(_read)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _media_range(member: re.Match[str]) -> MediaRange:
    kind, subtype, parameters, weight = member.groups()
    pairs: dict[str, str] = {}
    at = 0
    while (pair := _PAIR.match(parameters, at)) is not None:
        pairs[pair[1].lower()] = _unquoted(pair[2])
        at = pair.end()
    quality = 1.0 if weight is None else float(f"0{weight}")
    return MediaRange((kind or "*").lower(), (subtype or "*").lower(), MappingProxyType(pairs), quality)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
