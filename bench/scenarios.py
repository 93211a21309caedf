"""What is measured: each scenario's requests, and what its answer has to look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .site import PARTICIPANTS, Example, Rooms, Site
from .wrk import NUMBER, Request

LISTED = 50

#: Documents kept by the sidecar of the cold scenario: room for those that identify the caller, too
#: few for conferences that are asked for in turn. So every request reads one document.
COLD_CACHE = 32


@dataclass(frozen=True, slots=True)
class Scenario:
    """``fits`` looks at one answer before anything is measured. ``is_live``: people on the switch are
    needed; ``is_confirmed``: an answer that the switch did not confirm is an error."""

    name: str
    title: str
    requests: Callable[[Site, Rooms], Sequence[Request]]
    status: int
    fits: Callable[[Any], bool] = lambda data: isinstance(data, dict)
    is_live: bool = False
    is_confirmed: bool = False
    flags: tuple[str, ...] = ()

    def problem(self, example: Example) -> str | None:
        """What is wrong with an answer, if anything."""
        if example.status != self.status:
            return f"status {example.status} instead of {self.status}"
        return None if self.fits(example.data) else "the answer does not hold what was asked for"


def _put(path: str, data: Any, query: str = "", method: str = "PUT") -> Request:
    return Request(path + query, method, json.dumps({"data": data}))


def _one(site: Site, rooms: Rooms) -> list[Request]:
    return [Request(f"{site.collection}/{rooms.conferences[2]}")]


def _many(site: Site, rooms: Rooms) -> list[Request]:
    return [Request(f"{site.collection}/{one}") for one in rooms.conferences]


def _list(site: Site, rooms: Rooms) -> list[Request]:
    return [Request(f"{site.collection}?page_size={LISTED}")]


def _participants(site: Site, rooms: Rooms) -> list[Request]:
    return [Request(f"{site.collection}/{rooms.crowded}/participants")]


def _patch(site: Site, rooms: Rooms) -> list[Request]:
    # One after the other: at no time two for the same document, which would be a conflict.
    return [
        _put(f"{site.collection}/{one}", {"language": f"en-{NUMBER}"}, method="PATCH")
        for one in rooms.conferences
    ]


def _create(site: Site, rooms: Rooms) -> list[Request]:
    return [_put(site.collection, {"name": f"Bench {rooms.nonce} created {NUMBER}"})]


def _lock(site: Site, rooms: Rooms) -> list[Request]:
    path = f"{site.collection}/{rooms.lockable}"
    return [_put(path, {"action": action}) for action in ("lock", "unlock")]


def _mute(site: Site, rooms: Rooms) -> list[Request]:
    path = f"{site.collection}/{rooms.crowded}/participants"
    return [
        _put(f"{path}/{number}", {"action": action}, "?wait=10000")
        for action in ("mute", "unmute")
        for number in range(1, PARTICIPANTS + 1)
    ]


SCENARIOS = (
    Scenario("get", "warm GET of one", _one, 200),
    Scenario("get-cold", "cold GET of one", _many, 200, flags=("--document-cache-size", str(COLD_CACHE))),
    Scenario(
        "list",
        f"list of {LISTED}",
        _list,
        200,
        lambda data: isinstance(data, list) and len(data) == LISTED,
    ),
    Scenario(
        "participants",
        f"participants of {PARTICIPANTS}",
        _participants,
        200,
        lambda data: isinstance(data, list) and len(data) == PARTICIPANTS,
        is_live=True,
    ),
    Scenario("lock", "lock and unlock", _lock, 202, lambda data: True, is_live=True),
    Scenario(
        "mute",
        "mute with confirmation",
        _mute,
        200,
        lambda data: isinstance(data, dict) and data.get("confirmed") is True,
        is_live=True,
        is_confirmed=True,
    ),
    Scenario("patch", "patch", _patch, 200),
    Scenario("create", "create", _create, 201),
)


def named(names: Sequence[str]) -> tuple[Scenario, ...]:
    """The scenarios of these names, all when none is given. Raises `KeyError`."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    return tuple(known[name] for name in names) if names else SCENARIOS
