"""Which core of Kazoo executes an action, which event proves it, and how that is known.

The one table of it: the planners refuse by it, docs/commands.md shows it. An action that no row gives to
the core at hand is a 501: a 202 would say that something was done.

Source: real-switch.md A3, A5, A10, B; amqp.md 5.3, 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: Whose ecallmgr is on the bus: Kazoo 5's, or that of the open core's master.
Core = Literal["5", "master"]

BOTH: Final[tuple[Core, ...]] = ("5", "master")

#: How a row is known: seen on a complete chain, or read in Kazoo's and FreeSWITCH's source.
PROVED: Final = "proved on FreeSWITCH 1.10"
BY_SOURCE: Final = "by source"


@dataclass(frozen=True, slots=True)
class ActionFact:
    """One action, or (``form``) one way to ask for it. ``cores``: whose ecallmgr carries it out;
    ``events``: what proves it, by default or (``where``, in words) under a condition."""

    name: str
    cores: tuple[Core, ...]
    events: tuple[str, ...] = ()
    known: str = PROVED
    where: str = ""
    form: str = ""


_LISTED: Final = "where the operator publishes it"
_NARROW: Final = "where the operator publishes it; Kazoo 5: always"

#: Every action there is, of the conference, of many and of one.
ACTIONS: Final[tuple[ActionFact, ...]] = (
    ActionFact("lock", BOTH, ("lock",)),
    ActionFact("unlock", BOTH, ("unlock",)),
    ActionFact("mute", BOTH, ("mute-member",)),
    ActionFact("unmute", BOTH, ("unmute-member",)),
    ActionFact("mute", BOTH, where="`mute-member`; the announcement: none", known=BY_SOURCE, form="announce"),
    ActionFact(
        "unmute", BOTH, where="`unmute-member`; the announcement: none", known=BY_SOURCE, form="announce"
    ),
    ActionFact("deaf", BOTH, ("deaf-member",)),
    ActionFact("undeaf", BOTH, ("undeaf-member",)),
    ActionFact("kick", BOTH, ("del-member", "conference-destroy")),
    ActionFact("record", BOTH, ("start-recording", "stop-recording"), where=_NARROW),
    ActionFact("energy", BOTH, ("energy-level-member",), where=_LISTED),
    ActionFact("volume_in", BOTH, ("volume-in-member",), where=_LISTED),
    ActionFact("volume_out", BOTH, ("volume-out-member",), where=_LISTED),
    ActionFact("play", BOTH),
    ActionFact("play", BOTH, known=BY_SOURCE, form="media_ids"),
    ActionFact("stop_play", BOTH),
    ActionFact("say", BOTH),
    ActionFact("tones", BOTH),
    ActionFact("relate", BOTH),
    ActionFact("dial", BOTH, where="the answer tells; `add-member` of the leg"),
    ActionFact("vars", ("5",), known=BY_SOURCE),
    ActionFact("set", ()),
)

_BY_NAME: Final = {fact.name: fact for fact in ACTIONS if not fact.form}

_REASONS: Final = {
    "set": (
        "no ecallmgr known today passes on a name that FreeSWITCH understands, so that set changes nothing;"
        " an operator whose switches do understand it turns on set_action"
    ),
    "vars": "the ecallmgr of Kazoo's open core does not know custom conference variables (setting core)",
}


@dataclass(frozen=True, slots=True)
class MediaSide:
    """What the operator says of the media side. ``takes_set``: it understands ``set``."""

    core: Core = "5"
    takes_set: bool = False

    @property
    def dial_begins(self) -> bool:
        """Whether a dial begins a conference that does not run (real-switch.md A5)."""
        return self.core == "5"

    def refusal(self, action: object) -> str | None:
        """Why an action would do nothing here, in words for a client; ``None`` when it would."""
        fact = _BY_NAME.get(action) if isinstance(action, str) else None
        if fact is None or self.core in fact.cores or (fact.name == "set" and self.takes_set):
            return None
        return _REASONS[fact.name]


#: What a media side is that nobody says anything of.
KAZOO_5: Final = MediaSide()
