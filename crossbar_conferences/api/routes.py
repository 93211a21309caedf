"""The route table: every path of the API, its verbs and its parameters.

Dispatch, OPTIONS, 404 and 405, the OpenAPI document and the contract tests read this table.
Source: http.md 1.2, 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Route:
    """A path below the version: literal segments, and ``{name}`` for parameters.

    ``verbs`` in the order in which Kazoo announces them. ``guest`` routes need no token.
    """

    name: str
    template: str
    verbs: tuple[str, ...]
    guest: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        """The template's parts."""
        return tuple(self.template.split("/"))

    @property
    def endpoint_at(self) -> int:
        """Where the resource's own name is: behind the parents that it hangs below.

        What comes after are its arguments, for the restrictions of tokens (data.md 7)."""
        if not self.template.startswith("accounts/"):
            return 0
        return 4 if self.template.startswith("accounts/{account_id}/users/") else 2


@dataclass(frozen=True, slots=True)
class Match:
    """Where a path led: its route, its parameters (read-only), and what the restrictions of tokens see."""

    route: Route
    parameters: Mapping[str, str]
    #: The resource that the path names, and the path's segments after it.
    endpoint: str
    arguments: tuple[str, ...]


_DOCUMENT = ("GET", "PATCH", "DELETE", "POST", "PUT")

_BELOW: Final = (
    ("collection", "conferences", ("GET", "PUT")),
    ("document", "conferences/{conference_id}", _DOCUMENT),
    ("participants", "conferences/{conference_id}/participants", ("GET", "PUT")),
    ("participant", "conferences/{conference_id}/participants/{participant_id}", ("GET", "PUT")),
    ("email_invite", "conferences/{conference_id}/email_invite", ("PUT",)),
    ("calendar", "conferences/{conference_id}/invite.ics", ("GET",)),
    ("events", "conferences/{conference_id}/events", ("GET",)),
)

#: Where the resource hangs: below an account, below a user of it, or below nothing.
_PARENTS: Final = ("accounts/{account_id}/", "accounts/{account_id}/users/{user_id}/", "")

ROUTES: Final[tuple[Route, ...]] = (
    *(Route(name, parent + path, verbs) for parent in _PARENTS for name, path, verbs in _BELOW),
    Route("public_link", "accounts/{account_id}/conference_auth/{conference_id}", ("PUT",)),
    Route("guest_login", "conference_auth", ("PUT",), guest=True),
    Route("websocket_catalogue", "websockets", ("GET",), guest=True),
    Route("websockets", "accounts/{account_id}/websockets", ("GET",)),
    Route("websocket", "accounts/{account_id}/websockets/{session_id}", ("GET",)),
)

#: The routes by their number of segments, with these.
_BY_LENGTH: Final = {
    length: tuple((route, route.segments) for route in ROUTES if len(route.segments) == length)
    for length in {len(route.segments) for route in ROUTES}
}

#: ``/v2/…``, and every other version but the first.
_VERSION = re.compile(r"^v(\d+)$")


@lru_cache(64)
def version_of(segment: str) -> int | None:
    """The number of a version segment such as ``v2``; ``None`` when it is none."""
    match = _VERSION.match(segment)
    return int(match[1]) if match and len(match[1]) < 10 else None


#: Paths whose route is remembered, and the length up to which one is.
_KNOWN_PATHS = 2_048
_SHORT_PATH = 512


def match(tokens: tuple[str, ...]) -> Match | None:
    """Where a path leads.

    ``account`` stands for the token's own account and is resolved before (http.md 1.2).
    """
    return _known_match(tokens) if sum(map(len, tokens)) <= _SHORT_PATH else _match(tokens)


def _match(tokens: tuple[str, ...]) -> Match | None:
    for route, segments in _BY_LENGTH.get(len(tokens), ()):
        parameters: dict[str, str] = {}
        for segment, token in zip(segments, tokens, strict=True):
            if segment.startswith("{"):
                parameters[segment[1:-1]] = token
            elif segment != token:
                break
        else:
            at = route.endpoint_at
            return Match(route, MappingProxyType(parameters), tokens[at], tokens[at + 1 :])
    return None


_known_match = lru_cache(_KNOWN_PATHS)(_match)
