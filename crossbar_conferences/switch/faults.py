"""What can be made to go wrong on a node of the virtual switch. Pure.

Source: issue "virtual switch": silent, slow, wrong answers, ignored commands, lost or doubled events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import orjson

from ..errors import CrossbarConferencesError

#: The longest delay of answers, so that nothing waits for ever.
MAX_SLOW_MS = 600_000


class FaultInvalid(CrossbarConferencesError):
    """There is no such fault."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one node; none by default.

    ``silent``: answers nothing, advertises on. ``absent``: answers nothing and does not advertise.
    ``slow_ms``: answers come that much later. ``wrong``: how answers are spoiled, a key of
    `SPOILERS`. ``ignore_commands``: commands are heard and not done. ``drop_events`` and
    ``duplicate_events``: what happens is not told, or told twice. ``late_controls_ms``: a command to one
    who joined less than so many milliseconds ago has no effect, as on FreeSWITCH (200, up to 3000).
    """

    silent: bool = False
    absent: bool = False
    slow_ms: int = 0
    wrong: str | None = None
    ignore_commands: bool = False
    drop_events: bool = False
    duplicate_events: bool = False
    late_controls_ms: int = 0

    @property
    def answers(self) -> bool:
        """Whether questions are answered at all."""
        return not (self.silent or self.absent)

    def payload(self, body: Mapping[str, Any]) -> bytes:
        """An answer as it goes out, spoiled when asked for."""
        return orjson.dumps(body) if self.wrong is None else SPOILERS[self.wrong](body)


NO_FAULTS = Faults()

_SWITCHES = ("silent", "absent", "ignore_commands", "drop_events", "duplicate_events")
_ON = {"on": True, "true": True, "off": False, "false": False}


def with_fault(faults: Faults, name: str, value: str) -> Faults:
    """Faults with one changed, as people write it: ``("slow", "300")``, ``("drop-events", "on")``,
    ``("wrong", "garbage")``, ``("wrong", "off")``. Raises `FaultInvalid`."""
    key = name.replace("-", "_")
    if key in _SWITCHES:
        if value.lower() not in _ON:
            raise FaultInvalid(f"{name} is on or off, not {value}")
        return replace(faults, **{key: _ON[value.lower()]})  # type: ignore[arg-type]
    if key in ("slow", "slow_ms", "late_controls", "late_controls_ms"):
        if not (value.isascii() and value.isdecimal() and len(value) < 9) or int(value) > MAX_SLOW_MS:
            raise FaultInvalid(f"{name} is milliseconds from 0 to {MAX_SLOW_MS}, not {value}")
        if key.startswith("slow"):
            return replace(faults, slow_ms=int(value))
        return replace(faults, late_controls_ms=int(value))
    if key == "wrong":
        if value != "off" and value not in SPOILERS:
            raise FaultInvalid(f"{name} is one of {', '.join(SPOILERS)}, off; not {value}")
        return replace(faults, wrong=None if value == "off" else value)
    raise FaultInvalid(f"there is no fault {name}; there are {', '.join(fault_names())}")


def fault_names() -> tuple[str, ...]:
    """What `with_fault` knows."""
    return (*(name.replace("_", "-") for name in _SWITCHES), "slow", "late-controls", "wrong")


def _garbage(body: Mapping[str, Any]) -> bytes:
    return b'{"Event-Category": "conference", \xff'


def _headless(body: Mapping[str, Any]) -> bytes:
    keys = ("Event-Category", "Event-Name", "App-Name", "App-Version")
    return orjson.dumps({key: value for key, value in body.items() if key not in keys})


def _lying_types(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps({key: _lie(value) if key != "Msg-ID" else value for key, value in body.items()})


def _lie(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return "many" if isinstance(value, list | dict) else {"value": str(value)}


def _other_conference(body: Mapping[str, Any]) -> bytes:
    other = {"Conference-ID": "another-conference", "UUID": "another-instance"}
    return orjson.dumps({**body, **{key: value for key, value in other.items() if key in body}})


def _stray(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps({**body, "Msg-ID": "of-no-request"})


#: Name -> how an answer is spoiled: not JSON, without headers, wrong types, about another
#: conference, with a Msg-ID that nobody waits for.
SPOILERS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = MappingProxyType(
    {
        "garbage": _garbage,
        "headless": _headless,
        "types": _lying_types,
        "conference": _other_conference,
        "stray": _stray,
    }
)
