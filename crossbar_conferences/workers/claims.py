"""Idempotency-Keys that hold across the workers of a host: the supervisor knows who has which.

Only a request with such a header waits for the supervisor. The first worker to claim a key does the
work and then says what it answered; who claims it meanwhile is told to wait, who claims it later gets
that answer. A worker that dies with work in hand leaves it to whoever waits. A supervisor that does
not answer in time is counted, and the worker does the work: as if it were alone.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from ..clock import Clock
from ..commands.idempotency import MAX_ANSWER, AnswerUnknown, KeyReused, Name, Remembered
from .channel import Channel, Message

#: Seconds that a worker waits to hear whether a key is its own, and for another one's work.
ANSWER_WITHIN = 0.5
DONE_WITHIN = 120.0


@dataclass(slots=True)
class _Asked:
    """A question to the supervisor that is open."""

    answer: asyncio.Future[bytes | None]
    limit: asyncio.Timeout
    #: Another worker does the work.
    waits: bool = False


class SharedClaims:
    """A worker's side: asks the supervisor. See `commands.idempotency.Claims`."""

    def __init__(self, send: Callable[[Message], bool]) -> None:
        self.fallbacks = 0
        self._send = send
        self._numbers = itertools.count()
        self._asked: dict[int, _Asked] = {}

    async def claim(self, name: Name, fingerprint: str) -> bytes | None:
        """See `Claims`."""
        number = next(self._numbers)
        asked = _Asked(asyncio.get_running_loop().create_future(), asyncio.timeout(ANSWER_WITHIN))
        self._asked[number] = asked
        try:
            async with asked.limit:
                if self._send({"claim": number, "key": list(name), "fingerprint": fingerprint}):
                    return await asked.answer
        except TimeoutError:
            if asked.waits:
                # Nobody is left who would do the work, should it come to us.
                self._send({"forgo": number, "key": list(name)})
                raise AnswerUnknown from None
        finally:
            del self._asked[number]
        self.fallbacks += 1
        return None

    def settle(self, name: Name, answer: bytes | None) -> None:
        """See `Claims`."""
        kept = answer is None or len(answer) <= MAX_ANSWER
        text = answer.decode() if answer is not None and kept else None
        self._send({"settle": list(name), "state": "failed" if answer is None else "done", "answer": text})

    def hear(self, message: Message) -> None:
        """Take in a message of the supervisor's; one that is not for us is passed over."""
        asked = self._asked.get(message["claimed"]) if "claimed" in message else None
        if asked is None or asked.answer.done():
            return
        match message["state"], message["answer"]:
            case "wait", _:
                asked.waits = True
                asked.limit.reschedule(asyncio.get_running_loop().time() + DONE_WITHIN)
            case "yours", _:
                asked.answer.set_result(None)
            case "reused", _:
                asked.answer.set_exception(KeyReused())
            case "done", str(answer):
                asked.answer.set_result(answer.encode())
            case _:
                asked.answer.set_exception(AnswerUnknown())


@dataclass(slots=True)
class _Held:
    """A key whose work is under way. ``holder``: who does it."""

    fingerprint: str
    holder: Channel
    #: By which claim it is theirs.
    number: int
    waiting: list[tuple[Channel, int]] = field(default_factory=list)


class ClaimKeeper:
    """The supervisor's side: the keys of the host. ``keep`` in seconds, at most ``limit`` keys and
    answers of ``size`` bytes."""

    def __init__(self, clock: Clock, *, keep: float, limit: int, size: int = 64 * 2**20) -> None:
        self._remembered = Remembered(clock, keep=keep, limit=limit, size=size)
        self._held: dict[Name, _Held] = {}

    def __len__(self) -> int:
        return len(self._held) + len(self._remembered)

    def hear(self, worker: Channel, message: Message) -> None:
        """Take in a message of a worker's; one that is not about keys is passed over."""
        if "claim" in message:
            self._claim(worker, message["claim"], _name(message["key"]), message["fingerprint"])
        elif "forgo" in message:
            self._forgo(worker, message["forgo"], _name(message["key"]))
        elif "settle" in message:
            self._settle(worker, _name(message["settle"]), message["state"] == "done", message["answer"])
        elif "gone" in message:
            self._gone(worker)

    def _claim(self, worker: Channel, number: int, name: Name, fingerprint: str) -> None:
        held = self._held.get(name)
        if held is not None and held.fingerprint != fingerprint:
            _tell(worker, number, "reused")
        elif held is not None:
            held.waiting.append((worker, number))
            _tell(worker, number, "wait")
        else:
            self._answer(worker, number, name, fingerprint)

    def _answer(self, worker: Channel, number: int, name: Name, fingerprint: str) -> None:
        try:
            answer = self._remembered.find(name, fingerprint)
        except KeyReused:
            _tell(worker, number, "reused")
        except AnswerUnknown:
            _tell(worker, number, "done")
        else:
            if answer is None:
                self._held[name] = _Held(fingerprint, worker, number)
                _tell(worker, number, "yours")
            else:
                _tell(worker, number, "done", answer.decode())

    def _settle(self, worker: Channel, name: Name, is_done: bool, answer: str | None) -> None:
        held = self._held.get(name)
        if held is None or held.holder is not worker:
            # It was done without being asked for, when we did not answer in time.
            return
        if not is_done:
            self._pass_on(name, held)
            return
        del self._held[name]
        self._remembered.keep(name, held.fingerprint, None if answer is None else answer.encode())
        for waiting, number in held.waiting:
            _tell(waiting, number, "done", answer)

    def _forgo(self, worker: Channel, number: int, name: Name) -> None:
        held = self._held.get(name)
        if held is None:
            return
        held.waiting = [one for one in held.waiting if one != (worker, number)]
        if (held.holder, held.number) == (worker, number):
            # It was passed on just then.
            self._pass_on(name, held)

    def _gone(self, worker: Channel) -> None:
        for name, held in list(self._held.items()):
            held.waiting = [one for one in held.waiting if one[0] is not worker]
            if held.holder is worker:
                self._pass_on(name, held)

    def _pass_on(self, name: Name, held: _Held) -> None:
        """The work failed, or whoever did it is gone: the next one may try."""
        if not held.waiting:
            del self._held[name]
            return
        held.holder, held.number = held.waiting.pop(0)
        _tell(held.holder, held.number, "yours")


def _tell(worker: Channel, number: int, state: str, answer: str | None = None) -> None:
    worker.send({"claimed": number, "state": state, "answer": answer})


def _name(key: list[str]) -> Name:
    account_id, text = key
    return account_id, text
