"""The language of the control interface and of scenarios: words in, a step as a value out. Pure.

Every switch step of the recordings is understood, and more (docs/virtual-switch.md).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import CrossbarConferencesError
from .commands import (
    SELECTOR_WORDS,
    Command,
    Create,
    Destroy,
    Join,
    Leave,
    Lock,
    Parameter,
    Record,
    Selector,
    Switch,
    Variables,
    Verb,
    selector,
)
from .dialling import is_mode
from .faults import NO_FAULTS, with_fault

#: Longer words than this are a mistake.
WORD_LIMIT = 4096
WORDS_LIMIT = 100
#: How long ecallmgr tells of the rooms of a media server that died (real-switch.md D.2: 14 to 23 s).
GHOST_SECONDS = 17.0


class StepInvalid(CrossbarConferencesError):
    """The virtual switch does not understand this step."""


@dataclass(frozen=True, slots=True)
class InRoom:
    """A command to a room; ``zone`` says where a new one begins."""

    command: Command
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class SetDialMode:
    """What calls that are dialled do, all or those to one endpoint."""

    mode: str
    endpoint_id: str | None = None


@dataclass(frozen=True, slots=True)
class SetRealm:
    """The realm of an account, or of all without one of their own."""

    realm: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class SetFault:
    """A fault of one node, or of every node (``all``)."""

    node: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RestartNode:
    """An ecallmgr node is restarted, or every one (``all``)."""

    node: str


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The media server of a zone (of all, when it is ``None``) dies without a word. Its ecallmgr nodes
    still tell of its rooms for so many seconds."""

    seconds: float
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class StartSwitch:
    """The media server of a zone, or of all, runs again, without a room."""

    zone: str | None = None


@dataclass(frozen=True, slots=True)
class ClearFaults:
    """Every node works again."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Everything as at the start: conferences end, calls answer, nothing is faulty or remembered."""


Step = (
    InRoom | SetDialMode | SetRealm | SetFault | RestartNode | KillSwitch | StartSwitch | ClearFaults | Reset
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a step needs of the world: the time (gregorian seconds) and a fresh instance id."""

    now: int
    instance_id: str


def words(args: object) -> tuple[str, ...]:
    """A step's words, from a list of words or from one text with spaces (quotes hold words together).

    Raises `StepInvalid`."""
    if isinstance(args, str):
        try:
            args = shlex.split(args)
        except ValueError as error:
            raise StepInvalid(f"the step can't be split into words: {error}") from None
    if not isinstance(args, list | tuple) or not args:
        raise StepInvalid("a step is a list of words or a text")
    if len(args) > WORDS_LIMIT:
        raise StepInvalid(f"a step has at most {WORDS_LIMIT} words")
    return tuple(_word(arg) for arg in args)


def parse(args: Sequence[str], moment: Moment) -> Step:
    """The step that these words say. Raises `StepInvalid` with what is wrong."""
    name, *rest = args
    known = _STEPS.get(name)
    if known is None:
        raise StepInvalid(f"there is no step {name}; there are {', '.join(_STEPS)}")
    least, most, usage, make = known
    if not least <= len(rest) <= most:
        raise StepInvalid(f"usage: {name} {usage}".rstrip())
    return make(name, rest, moment)


def _word(arg: object) -> str:
    if isinstance(arg, bool):
        return "true" if arg else "false"
    if isinstance(arg, int):
        return str(arg)
    if not isinstance(arg, str) or not arg:
        raise StepInvalid("every word of a step is a text that is not empty")
    if len(arg) > WORD_LIMIT or "\0" in arg:
        raise StepInvalid("a word is too long or has a zero byte")
    return arg


def _pairs(args: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for arg in args:
        key, equals, value = arg.partition("=")
        if not key or not equals:
            raise StepInvalid(f"{arg} is not key=value")
        pairs[key] = value
    return pairs


def _boolean(key: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise StepInvalid(f"{key} is true or false, not {value}")
    return value == "true"


def _member(text: str) -> Selector:
    found = selector(text)
    if found is None:
        raise StepInvalid(f"{text} is no member id (1, 2, …) nor one of {', '.join(SELECTOR_WORDS)}")
    return found


def _create(name: str, args: Sequence[str], moment: Moment) -> Step:
    pairs = _pairs(args[2:])
    zone = pairs.pop("zone", None)
    late = _boolean("late-profile", pairs.pop("late-profile", "false"))
    if pairs:
        raise StepInvalid(f"{next(iter(pairs))} is no key of create; there are zone and late-profile")
    return InRoom(Create(args[0], args[1], moment.instance_id, moment.now, late), zone)


_FLAGS = ("moderator", "speak", "hear", "see", "ghost")


def _join(name: str, args: Sequence[str], moment: Moment) -> Step:
    pairs = _pairs(args[2:])
    flags = {key: _boolean(key, pairs.pop(key)) for key in _FLAGS if key in pairs}
    return InRoom(
        Join(
            args[0],
            args[1],
            moment.now,
            name=pairs.pop("name", None),
            number=pairs.pop("number", None),
            moderator=flags.get("moderator", False),
            speak=flags.get("speak", True),
            hear=flags.get("hear", True),
            see=flags.get("see", True),
            ghost=flags.get("ghost", False),
            account_id=pairs.get("Account-ID"),
            channel_vars=pairs,
        )
    )


def _leave(name: str, args: Sequence[str], moment: Moment) -> Step:
    return InRoom(Leave(args[0], _member(args[1]), kicked=name == "kick"))


def _destroy(name: str, args: Sequence[str], moment: Moment) -> Step:
    return InRoom(Destroy(args[0]))


def _limit(name: str, args: Sequence[str], moment: Moment) -> Step:
    if not re.fullmatch(r"[0-9]{1,5}", args[1]):
        raise StepInvalid(f"usage: {name} ROOM MEMBERS")
    return InRoom(Parameter(args[0], "Max-Members", args[1]))


def _lock(name: str, args: Sequence[str], moment: Moment) -> Step:
    return InRoom(Lock(args[0], name == "lock"))


def _switch(verb: Verb) -> Callable[[str, Sequence[str], Moment], Step]:
    return lambda name, args, moment: InRoom(Switch(args[0], verb, _member(args[1])))


def _record(name: str, args: Sequence[str], moment: Moment) -> Step:
    return InRoom(Record(args[0], args[1], name == "record"))


def _variables(name: str, args: Sequence[str], moment: Moment) -> Step:
    return InRoom(Variables(args[0], _pairs(args[1:])))


def _dial_mode(name: str, args: Sequence[str], moment: Moment) -> Step:
    if not is_mode(args[0]):
        raise StepInvalid(
            f"{args[0]} is neither answer, busy, silent, unanswered nor a hangup cause such as NO_ANSWER"
        )
    return SetDialMode(*args)


def _realm(name: str, args: Sequence[str], moment: Moment) -> Step:
    return SetRealm(args[-1], args[0] if len(args) == 2 else None)


def _fault(name: str, args: Sequence[str], moment: Moment) -> Step:
    with_fault(NO_FAULTS, args[1], args[2])
    return SetFault(*args)


def _restart_ecallmgr(name: str, args: Sequence[str], moment: Moment) -> Step:
    return RestartNode(args[0])


def _kill_switch(name: str, args: Sequence[str], moment: Moment) -> Step:
    pairs = _pairs(args)
    seconds, zone = pairs.pop("seconds", str(GHOST_SECONDS)), pairs.pop("zone", None)
    if pairs:
        raise StepInvalid(f"{next(iter(pairs))} is no key of {name}; there are seconds and zone")
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", seconds):
        raise StepInvalid(f"seconds is a number from 0 to 9999, not {seconds}")
    return KillSwitch(float(seconds), zone)


def _start_switch(name: str, args: Sequence[str], moment: Moment) -> Step:
    pairs = _pairs(args)
    zone = pairs.pop("zone", None)
    if pairs:
        raise StepInvalid(f"{next(iter(pairs))} is no key of {name}; there is zone")
    return StartSwitch(zone)


def _faults(name: str, args: Sequence[str], moment: Moment) -> Step:
    if args[0] != "off":
        raise StepInvalid("usage: faults off")
    return ClearFaults()


def _reset(name: str, args: Sequence[str], moment: Moment) -> Step:
    return Reset()


_Maker = Callable[[str, Sequence[str], Moment], Step]

#: Name -> fewest words after it, most, how it is used, what makes it.
_STEPS: Mapping[str, tuple[int, int, str, _Maker]] = MappingProxyType(
    {
        "create": (2, 4, "ROOM ACCOUNT [zone=ZONE] [late-profile=true]", _create),
        "join": (2, WORDS_LIMIT, "ROOM CALL-ID [key=value]…", _join),
        "leave": (2, 2, "ROOM MEMBER", _leave),
        "kick": (2, 2, "ROOM MEMBER", _leave),
        "destroy": (1, 1, "ROOM", _destroy),
        "limit": (2, 2, "ROOM MEMBERS", _limit),
        "lock": (1, 1, "ROOM", _lock),
        "unlock": (1, 1, "ROOM", _lock),
        "mute": (2, 2, "ROOM MEMBER", _switch("mute")),
        "unmute": (2, 2, "ROOM MEMBER", _switch("unmute")),
        "deaf": (2, 2, "ROOM MEMBER", _switch("deaf")),
        "undeaf": (2, 2, "ROOM MEMBER", _switch("undeaf")),
        "talk": (2, 2, "ROOM MEMBER", _switch("talk")),
        "quiet": (2, 2, "ROOM MEMBER", _switch("quiet")),
        "record": (2, 2, "ROOM MEDIA", _record),
        "recordstop": (2, 2, "ROOM MEDIA", _record),
        "vars": (2, WORDS_LIMIT, "ROOM key=value…", _variables),
        "dial-mode": (1, 2, "answer|busy|silent|unanswered|CAUSE [ENDPOINT]", _dial_mode),
        "realm": (1, 2, "[ACCOUNT] REALM", _realm),
        "fault": (3, 3, "NODE|all FAULT VALUE", _fault),
        "restart-ecallmgr": (1, 1, "NODE|all", _restart_ecallmgr),
        "kill-switch": (0, 2, "[seconds=SECONDS] [zone=ZONE]", _kill_switch),
        "start-switch": (0, 1, "[zone=ZONE]", _start_switch),
        "faults": (1, 1, "off", _faults),
        "reset": (0, 0, "", _reset),
    }
)


def step_names() -> tuple[str, ...]:
    """Every step there is."""
    return tuple(_STEPS)
