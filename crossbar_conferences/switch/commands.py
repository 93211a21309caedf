"""What can be done to the rooms of the virtual switch, as values.

A command says everything that the room machine (``rooms.py``) needs, times and ids included, so
that the machine decides without a clock and without chance. Times are gregorian seconds.

Source: recordings (switch steps), amqp.md 5.3, 7.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Which members are meant: a member id, or FreeSWITCH's words (anchors.md 0.2).
Selector = int | Literal["all", "last", "non_moderator"]

SELECTOR_WORDS: tuple[Literal["all", "last", "non_moderator"], ...] = ("all", "last", "non_moderator")

#: What can be switched on a member.
Verb = Literal["mute", "unmute", "deaf", "undeaf", "talk", "quiet"]


@dataclass(frozen=True, slots=True)
class Create:
    """Start a conference. ``instance_id`` is unique per run of a conference. ``late_profile``: Kazoo did
    not send the profile in time, so that ecallmgr publishes no event of it. ``real``: it behaves and is told
    as FreeSWITCH's; ``caller`` is the call that begins it, where one does."""

    conference_id: str
    account_id: str | None
    instance_id: str
    at: int
    late_profile: bool = False
    real: bool = False
    caller: Join | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """A call enters. Without name and number the switch makes them up from the member id. ``dialled``: the
    switch called it, so that a lock does not keep it out (real-switch.md A6), and a real one tells no
    caller's name of it. ``member_id``: given by the switch where it counts for all its rooms."""

    conference_id: str
    call_id: str
    at: int
    name: str | None = None
    number: str | None = None
    moderator: bool = False
    speak: bool = True
    hear: bool = True
    see: bool = True
    ghost: bool = False
    account_id: str | None = None
    channel_vars: Mapping[str, Any] = field(default_factory=dict)
    application_vars: Mapping[str, Any] = field(default_factory=dict)
    dialled: bool = False
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Members go, by themselves or kicked (then ``hup-member`` comes first)."""

    conference_id: str
    member: Selector
    kicked: bool = False


@dataclass(frozen=True, slots=True)
class Destroy:
    """The conference ends at once, whoever is in it."""

    conference_id: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Nobody more gets in (``locked``), or everybody does again."""

    conference_id: str
    locked: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """Mute, deafen, let talk … members."""

    conference_id: str
    verb: Verb
    member: Selector


@dataclass(frozen=True, slots=True)
class Energy:
    """How loud members must be to be heard as talking."""

    conference_id: str
    member: Selector
    level: int


@dataclass(frozen=True, slots=True)
class Volume:
    """How loud members are heard (``in``) or hear (``out``); the switch keeps it between -4 and 4."""

    conference_id: str
    member: Selector
    way: Literal["in", "out"]
    level: int


@dataclass(frozen=True, slots=True)
class Say:
    """A text is spoken to everybody, or to one member."""

    conference_id: str
    member: Selector | None = None


@dataclass(frozen=True, slots=True)
class Relate:
    """One member no longer hears or is heard by another: ``deaf``, ``mute`` or ``clear``."""

    conference_id: str
    member: int
    other: int
    relationship: Literal["deaf", "mute", "clear"]


@dataclass(frozen=True, slots=True)
class Play:
    """Media is played to everybody, or to one member."""

    conference_id: str
    media: str
    member: Selector | None = None


@dataclass(frozen=True, slots=True)
class StopPlay:
    """What is played stops: for everybody, or for one member."""

    conference_id: str
    member: Selector | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A recording to this media name begins (``on``) or ends."""

    conference_id: str
    media: str
    on: bool


@dataclass(frozen=True, slots=True)
class Variables:
    """Custom conference variables are merged in: new keys win, none goes (amqp.md 11)."""

    conference_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A setting of the conference; ``Max-Members`` has an effect, the others are kept."""

    conference_id: str
    name: str
    value: str


Command = (
    Create
    | Join
    | Leave
    | Destroy
    | Lock
    | Switch
    | Energy
    | Volume
    | Say
    | Relate
    | Play
    | StopPlay
    | Record
    | Variables
    | Parameter
)


def selector(value: object) -> Selector | None:
    """A member id or word as Kazoo and people write it (``7``, ``"7"``, ``"last"``), else ``None``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    if isinstance(value, str):
        for word in SELECTOR_WORDS:
            if value == word:
                return word
        if value.isascii() and value.isdecimal() and len(value) < 10 and int(value) > 0:
            return int(value)
    return None
