"""Scenarios: a YAML file that puts conferences and people in, moves them in time, breaks things.

`load` checks everything, steps included, and says where a mistake is; `run` plays a scenario.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import structlog
import yaml

from ..errors import CrossbarConferencesError
from .cluster import Cluster
from .faults import FaultInvalid
from .rooms import SwitchRefuses
from .steps import Moment, StepInvalid, parse, words

log = structlog.get_logger(__name__)

#: The longest wait between two moves, in seconds.
MAX_WAIT = 86_400


class ScenarioInvalid(CrossbarConferencesError):
    """The scenario file is not what a scenario is."""


@dataclass(frozen=True, slots=True)
class Move:
    """A step, so many seconds after the one before. ``place`` is where the file says so."""

    after: float
    args: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class ZoneSize:
    """A zone that the scenario asks for."""

    name: str
    nodes: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is there at the start (``opening``), and what happens then (``moves``).

    With ``repeat`` the moves begin anew when they are through. ``zones`` is empty when the
    scenario leaves them to whoever runs it."""

    opening: tuple[Move, ...]
    moves: tuple[Move, ...] = ()
    repeat: bool = False
    zones: tuple[ZoneSize, ...] = ()


def load(path: Path) -> Scenario:
    """The scenario in a file. Raises `ScenarioInvalid`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioInvalid(f"{path} can't be read: {error}") from None
    return parse_scenario(text, str(path))


def parse_scenario(text: str, source: str = "scenario") -> Scenario:
    """The scenario in a text. Raises `ScenarioInvalid`."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioInvalid(f"{source} is no YAML: {error}") from None
    problems = sorted(_VALIDATOR.iter_errors(data), key=lambda error: list(map(str, error.absolute_path)))
    if problems:
        raise ScenarioInvalid("\n".join(f"{source}: {_where(error)}: {error.message}" for error in problems))
    scenario = Scenario(
        opening=tuple(_opening(data)),
        moves=tuple(_moves(data)),
        repeat=data.get("repeat", False),
        zones=tuple(ZoneSize(zone["name"], zone.get("nodes", 1)) for zone in data.get("zones", ())),
    )
    for move in (*scenario.opening, *scenario.moves):
        try:
            parse(move.args, Moment(0, "check"))
        except (StepInvalid, FaultInvalid) as error:
            raise ScenarioInvalid(f"{source}: {move.place}: {error}") from None
    if scenario.repeat and sum(move.after for move in scenario.moves) <= 0:
        raise ScenarioInvalid(f"{source}: repeat: the moves take no time, so they can't be repeated")
    return scenario


async def run(scenario: Scenario, cluster: Cluster) -> int:
    """Play a scenario to its end (never, with ``repeat``); how many steps the switch refused."""
    refused = 0
    for move in scenario.opening:
        refused += await _make(move, cluster)
    while True:
        for move in scenario.moves:
            await asyncio.sleep(move.after)
            refused += await _make(move, cluster)
        if not scenario.repeat:
            return refused


async def _make(move: Move, cluster: Cluster) -> int:
    try:
        await cluster.perform(move.args)
    except (SwitchRefuses, StepInvalid, FaultInvalid) as error:
        # People may have ended the conference meanwhile; the rest of the story goes on.
        log.warning("scenario_step_refused", place=move.place, reason=str(error))
        return 1
    return 0


def _opening(data: Mapping[str, Any]) -> Iterator[Move]:
    if "realm" in data:
        yield Move(0, ("realm", data["realm"]), "realm")
    for account_id, realm in data.get("realms", {}).items():
        yield Move(0, ("realm", account_id, realm), f"realms.{account_id}")
    if "dial_mode" in data:
        yield Move(0, ("dial-mode", data["dial_mode"]), "dial_mode")
    for endpoint_id, mode in data.get("dial_modes", {}).items():
        yield Move(0, ("dial-mode", mode, endpoint_id), f"dial_modes.{endpoint_id}")
    for number, conference in enumerate(data.get("conferences", ())):
        yield from _conference(conference, f"conferences[{number}]")
    for number, fault in enumerate(data.get("faults", ())):
        node = fault.get("node", "all")
        for name, value in fault.items():
            if name != "node":
                yield Move(0, ("fault", node, name, _text(value)), f"faults[{number}].{name}")


def _conference(conference: Mapping[str, Any], place: str) -> Iterator[Move]:
    room = conference["id"]
    zone = (f"zone={conference['zone']}",) if "zone" in conference else ()
    yield Move(0, ("create", room, conference["account"], *zone), place)
    for number, member in enumerate(conference.get("members", ())):
        plain = {key: value for key, value in member.items() if key not in ("call_id", "variables")}
        pairs = {**member.get("variables", {}), **plain}
        args = (f"{key}={_text(value)}" for key, value in pairs.items())
        yield Move(0, ("join", room, member["call_id"], *args), f"{place}.members[{number}]")
    if conference.get("variables"):
        pairs = conference["variables"]
        yield Move(0, ("vars", room, *(f"{key}={_text(value)}" for key, value in pairs.items())), place)
    if conference.get("locked"):
        yield Move(0, ("lock", room), f"{place}.locked")


def _moves(data: Mapping[str, Any]) -> Iterator[Move]:
    for number, move in enumerate(data.get("moves", ())):
        place = f"moves[{number}].do"
        try:
            args = words(move["do"])
        except StepInvalid as error:
            raise ScenarioInvalid(f"{place}: {error}") from None
        yield Move(move.get("after", 0), args, place)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _where(error: jsonschema.ValidationError) -> str:
    place = ""
    for part in error.absolute_path:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return place.lstrip(".") or "the file"


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_NAME = {"type": "string", "minLength": 1, "maxLength": 4096}
_FLAG = {"type": "boolean"}
_NAMED_TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_MEMBER = _object(
    ("call_id",),
    call_id=_NAME,
    name={"type": "string"},
    number={"type": ["string", "integer"]},
    moderator=_FLAG,
    speak=_FLAG,
    hear=_FLAG,
    see=_FLAG,
    ghost=_FLAG,
    variables=_NAMED_TEXTS,
)
_CONFERENCE = _object(
    ("id", "account"),
    id=_NAME,
    account=_NAME,
    zone=_NAME,
    locked=_FLAG,
    members={"type": "array", "items": _MEMBER},
    variables=_NAMED_TEXTS,
)
_FAULT = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}
_MOVE = _object(
    ("do",),
    after={"type": "number", "minimum": 0, "maximum": MAX_WAIT},
    do={"type": ["string", "array"]},
)
_SCHEMA = _object(
    (),
    realm=_NAME,
    realms={"type": "object", "additionalProperties": _NAME},
    dial_mode=_NAME,
    dial_modes={"type": "object", "additionalProperties": _NAME},
    zones={
        "type": "array",
        "items": _object(("name",), name=_NAME, nodes={"type": "integer", "minimum": 1, "maximum": 100}),
    },
    conferences={"type": "array", "items": _CONFERENCE},
    faults={"type": "array", "items": _FAULT},
    moves={"type": "array", "items": _MOVE},
    repeat=_FLAG,
)
_VALIDATOR = jsonschema.Draft4Validator(_SCHEMA)
