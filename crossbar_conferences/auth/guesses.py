"""Wrong guesses at something secret are counted for what is guessed at, whoever guesses.

An address has its bucket; an attacker has many addresses. So a conference's PINs, and an account's Basic
credentials, have buckets of their own: a wrong guess takes a token, a right one gives its token back. Who
finds the bucket empty is refused before anything is compared, the legitimate user too. So that an attack
locks out as few as possible, and nobody for longer than it lasts, time refills the buckets, and who
guessed right within the last day is familiar, and not held up by what others do: an address to a
conference, credentials to an account. (A familiar address has its own bucket still, and familiar
credentials are right, or were changed.)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from .buckets import GUESSES, Limits
from .charging import Charger
from .failures import TooManyRequests

log = structlog.get_logger(__name__)

#: Twenty a minute: a guest's address may try seventeen times a minute, by its own bucket.
_CONFERENCE: Final = Limits(size=30, fill_rate=1, fill_seconds=3.0)
_ACCOUNT: Final = Limits(size=100, fill_rate=1, fill_seconds=1.0)
_CREDENTIALS: Final = Limits(size=100, fill_rate=2, fill_seconds=1.0)
_USER: Final = Limits(size=30, fill_rate=1, fill_seconds=3.0)
#: A bucket from which one token was taken says that somebody is familiar, to all workers of a host.
_FAMILIAR: Final = Limits(size=2, fill_rate=0, idle_seconds=86_400.0)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is guessed at: ``kind`` for the log, and a name of bounded length."""

    kind: str
    name: str
    limits: Limits


def conference(account_id: str, conference_id: str) -> Subject:
    """The PINs of a conference."""
    return _subject("conference", _CONFERENCE, account_id, conference_id)


def guests(account: str) -> Subject:
    """The PINs of all conferences of an account."""
    return _subject("guests", _ACCOUNT, account)


def credentials(account_id: str) -> Subject:
    """The Basic credentials of an account."""
    return _subject("credentials", _CREDENTIALS, account_id)


def user(account_id: str, name: str) -> Subject:
    """The password of a user, where Basic credentials name one."""
    return _subject("user", _USER, account_id, name)


def _subject(kind: str, limits: Limits, *names: str) -> Subject:
    text = "\0".join((kind, *names)).encode("utf-8", "surrogatepass")
    return Subject(kind, GUESSES + hashlib.blake2b(text, digest_size=16).hexdigest(), limits)


class Guesses:
    """Counts the wrong ones, over all workers of a host."""

    def __init__(self, charger: Charger) -> None:
        self._charger = charger

    @asynccontextmanager
    async def guess(
        self, wrong: type[Exception], *subjects: Subject, by: Sequence[str] = ()
    ) -> AsyncIterator[None]:
        """One guess at all of these, made in the ``with`` block; wrong when that raises ``wrong``.

        ``by``: what makes whoever guesses familiar, once it was right. Raises `TooManyRequests`, and does not
        enter the block, when one of the subjects was guessed at too often. Whoever gives up on the way
        has guessed."""
        familiar = _subject("familiar", _FAMILIAR, *by)
        if by and self._charger.remaining(familiar.name, _FAMILIAR) < _FAMILIAR.size:
            yield
            return
        await self._take(subjects)
        try:
            yield
        except wrong:
            raise
        except Exception:
            await self._give(subjects)
            raise
        else:
            await self._give(subjects)
            if by:
                await self._take((familiar,))

    async def _take(self, subjects: tuple[Subject, ...]) -> None:
        charges = await asyncio.gather(
            *(self._charger.charge(subject.name, 1, subject.limits) for subject in subjects)
        )
        refused = [subject for subject, charge in zip(subjects, charges, strict=True) if not charge.taken]
        if refused:
            await self._give(tuple(subject for subject in subjects if subject not in refused))
            log.warning("guesses_refused", kinds=[subject.kind for subject in refused])
            raise TooManyRequests

    async def _give(self, subjects: tuple[Subject, ...]) -> None:
        await asyncio.gather(
            *(self._charger.charge(subject.name, -1, subject.limits) for subject in subjects)
        )
