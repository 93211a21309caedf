"""What became of the legs of a dial, told by whoever knows first. Pure.

ecallmgr answers once, when it knows of every leg, and it does not always know: Kazoo 5 takes anybody's
joining for the success of every leg that still rings, and of a leg that answered and was hung up, as a
full conference does, both cores say nothing until the timeout. So each leg has a call id of our choosing,
and is in the conference when that call has joined, and out of it when that call has ended; ecallmgr's
answer tells the rest. Source: dial.md 6; real-switch.md A6; ecallmgr_fs_conferences_shared of both cores,
read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..kapi.normalize import normalize

_DIALLED: Final = "dialing endpoints"
_TIMEOUT: Final = "timeout"
_DROPPED: Final = "answered, and was hung up before it was in the conference, as a full one does"

#: Causes with which a leg ends that another one has taken the place of: the other phones of somebody who
#: has answered one, and a loopback that leaves the two ends to each other.
_REPLACED: Final = frozenset({"LOSE_RACE", "NORMAL_UNSPECIFIED", "PICKED_OFF"})


@dataclass(frozen=True, slots=True)
class DialLeg:
    """One leg. ``endpoint_id`` is how ecallmgr's answer names it; ``forks``: the switch looks up what is
    called, and several phones of somebody may ring under one leg; ``loops``: it is a number that comes back
    through Kazoo, and another call may take the place of its own."""

    call_id: str
    endpoint_id: str | None
    forks: bool = False
    loops: bool = False

    @classmethod
    def of(cls, endpoint: Mapping[str, Any]) -> DialLeg:
        """The leg of an endpoint of the message, which has a call id."""
        names = (
            endpoint.get("Route"),
            endpoint.get("Endpoint-ID"),
            (endpoint.get("Custom-Channel-Vars") or {}).get("Authorizing-ID"),
        )
        endpoint_id = next((name for name in names if isinstance(name, str) and name), None)
        form = endpoint.get("Invite-Format")
        return cls(endpoint["Outbound-Call-ID"], endpoint_id, form == "endpoint", form == "loopback")


@dataclass(slots=True)
class _Fate:
    leg: DialLeg
    #: The calls that may be this leg's: its own, and the one that ecallmgr names.
    calls: set[str]
    #: What ecallmgr's answer says of it.
    told: Mapping[str, Any] | None = None
    result: dict[str, Any] | None = None


@dataclass(slots=True)
class Fates:
    """The legs of one dial. ``trusts``: ecallmgr counts a leg's own joining only, so that its word for a
    success is enough (the open core)."""

    legs: Sequence[DialLeg]
    trusts: bool = False
    _fates: list[_Fate] = field(init=False)
    _joined: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._fates = [_Fate(leg, {leg.call_id}) for leg in self.legs]

    @property
    def are_settled(self) -> bool:
        """Whether the end of every leg is known."""
        return all(fate.result is not None for fate in self._fates)

    @property
    def is_any_known(self) -> bool:
        """Whether anything was heard of any leg."""
        return any(fate.result is not None or fate.told is not None for fate in self._fates)

    def joined(self, call_id: str) -> None:
        """A call has joined the conference since the dial was sent.

        Whose device or user it is of says nothing: they may have called in."""
        self._joined.add(call_id)
        fate = self._of_call(call_id)
        # Joins and ends come on ways of their own: who joined and left at once may be heard to leave first.
        if fate is not None and (fate.result is None or fate.result["status"] == "error"):
            _succeed(fate, call_id)

    def ended(self, call_id: str, cause: str, *, answered: bool) -> None:
        """A call is over, before or after it joined."""
        fate = self._of_call(call_id)
        if fate is None or fate.result is not None:
            return
        is_other = cause in _REPLACED or (fate.leg.forks and not answered)
        if not is_other:
            more = {"answered": True, "reason": _DROPPED} if answered else {}
            fate.result = _result(fate, {"status": "error", "message": cause}) | more

    def told(self, responses: Sequence[Any]) -> None:
        """ecallmgr's answer has come, with its word for each leg."""
        entries = [entry for entry in responses if isinstance(entry, Mapping)]
        # An error names its endpoint alone: by then the legs of the same name that had success are known.
        entries.sort(key=lambda entry: not isinstance(entry.get("Call-ID"), str))
        for entry in entries:
            fate = self._meant(entry)
            if fate is None:
                continue
            fate.told = entry
            call_id = entry.get("Call-ID")
            # A call is one leg's, whatever is said, and of a leg that rings one phone its own alone.
            is_its = isinstance(call_id, str) and (
                call_id in fate.calls
                or (self._of_call(call_id) is None and (self.trusts or fate.leg.forks or fate.leg.loops))
            )
            if is_its:
                fate.calls.add(str(call_id))
            else:
                call_id = None
            if fate.result is not None:
                continue
            if entry.get("Status") != "success":
                message = entry.get("Message")
                text = message if isinstance(message, str) and message else "unknown failure"
                fate.result = _result(fate, {"status": "error", "message": text})
            elif call_id is not None and (self.trusts or call_id in self._joined):
                _succeed(fate, str(call_id))

    def seen(self, call_ids: Collection[str]) -> None:
        """These calls are in the conference, as a search says."""
        for fate in self._open():
            if present := fate.calls.intersection(call_ids):
                _succeed(fate, min(present))

    def answer(self) -> dict[str, Any]:
        """What the client is told: each leg's fate, in the order of the legs; of one that nobody has told of
        that the time is over."""
        timeout = {"status": "error", "message": _TIMEOUT}
        return {"endpoint_responses": [fate.result or _result(fate, timeout) for fate in self._fates]}

    def _open(self) -> list[_Fate]:
        return [fate for fate in self._fates if fate.result is None]

    def _of_call(self, call_id: str) -> _Fate | None:
        return next((fate for fate in self._fates if call_id in fate.calls), None)

    def _meant(self, entry: Mapping[str, Any]) -> _Fate | None:
        """The leg that an entry of the answer is about: by its call, by its endpoint, else the next one."""
        call_id, endpoint_id = entry.get("Call-ID"), entry.get("Endpoint-ID")
        rest = [fate for fate in self._fates if fate.told is None]
        if isinstance(call_id, str):
            named = [fate for fate in rest if call_id in fate.calls]
        else:
            # A leg that is known to have joined is not the one that failed.
            named = []
            rest.sort(key=lambda fate: fate.result is not None and fate.result["status"] == "success")
        named = named or [fate for fate in rest if fate.leg.endpoint_id == endpoint_id]
        return next(iter(named or rest), None)


def _succeed(fate: _Fate, call_id: str) -> None:
    fate.calls.add(call_id)
    fate.result = _result(fate, {"status": "success", "message": _DIALLED}) | {"call_id": call_id}


def _result(fate: _Fate, known: Mapping[str, Any]) -> dict[str, Any]:
    """A leg's object of the answer: what ecallmgr says of it, and what is known."""
    told = normalize(dict(fate.told)) if fate.told is not None else {}
    name = {} if fate.leg.endpoint_id is None else {"endpoint_id": fate.leg.endpoint_id}
    if known["status"] == "error":
        told.pop("call_id", None)
    return {**told, **name, **known}
