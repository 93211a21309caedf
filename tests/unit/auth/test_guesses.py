"""Guesses from ever new addresses end; those who know are not held up for long, or not at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from crossbar_conferences.auth import InvalidCredentials
from crossbar_conferences.auth.buckets import Limits, TokenBuckets
from crossbar_conferences.auth.charging import OwnCharger
from crossbar_conferences.auth.failures import TooManyRequests
from crossbar_conferences.auth.gate import AuthRoom
from crossbar_conferences.auth.guesses import Guesses, conference, credentials, guests
from tests.support.clocks import Clock

from .conftest import MAIN, PARENT, World, database

ROOM = conference(MAIN, "room")


class Wrong(Exception):
    """The guess was wrong."""


class Bench:
    """Guesses over buckets of their own."""

    def __init__(self, limit: int = 1000) -> None:
        self.clock = Clock()
        self.buckets = TokenBuckets(limit=limit, clock=self.clock)
        self.guesses = Guesses(OwnCharger(self.buckets))

    async def wrong(self, *by: str) -> bool:
        """Guess wrongly; whether that was let through."""
        try:
            async with self.guesses.guess(Wrong, ROOM, by=by):
                raise Wrong
        except Wrong:
            return True
        except TooManyRequests:
            return False

    async def right(self, *by: str) -> bool:
        """Guess rightly; whether that was let through."""
        try:
            async with self.guesses.guess(Wrong, ROOM, by=by):
                return True
        except TooManyRequests:
            return False


async def test_wrong_guesses_end_and_begin_again() -> None:
    """However many guess, no more get through than the bucket holds and time refills."""
    bench = Bench()
    assert sum([await bench.wrong(str(number)) for number in range(300)]) == ROOM.limits.size
    assert not await bench.right("stranger")
    bench.clock.now += ROOM.limits.fill_seconds
    assert await bench.right("stranger")
    bench.clock.now += 3600
    assert sum([await bench.wrong(str(number)) for number in range(300)]) == ROOM.limits.size


async def test_right_guesses_cost_nothing() -> None:
    """A meeting whose hundred people come at once is not held up by its own bucket."""
    bench = Bench()
    assert all([await bench.right(str(number)) for number in range(200)])


async def test_who_was_right_before_is_not_locked_out() -> None:
    """During an attack a familiar caller comes in, as often as it likes, and tells no stranger's fortune."""
    bench = Bench()
    assert await bench.right("familiar")
    for number in range(100):
        await bench.wrong(str(number))
    assert not await bench.right("stranger")
    assert [await bench.right("familiar") for _ in range(50)] == [True] * 50
    # Not for ever: a day later it has to show again that it knows.
    bench.clock.now += 90_000
    for number in range(100):
        await bench.wrong(str(number))
    assert not await bench.right("familiar")


async def test_guesses_at_the_same_time_count_each() -> None:
    """Nobody gets more guesses by making them all at once."""
    bench = Bench()
    let_in = 0

    async def slowly() -> None:
        nonlocal let_in
        async with bench.guesses.guess(Wrong, ROOM):
            let_in += 1
            await asyncio.sleep(0)
            raise Wrong

    await asyncio.gather(*(slowly() for _ in range(200)), return_exceptions=True)
    assert let_in == ROOM.limits.size


async def test_a_guess_that_fails_for_other_reasons_is_none() -> None:
    """While the store is away nobody's guesses are used up; who breaks off has guessed."""
    bench = Bench()
    for _ in range(100):
        with pytest.raises(OSError):
            async with bench.guesses.guess(Wrong, ROOM):
                raise OSError
    assert bench.buckets.remaining(ROOM.name, ROOM.limits) == ROOM.limits.size
    with pytest.raises(asyncio.CancelledError):
        async with bench.guesses.guess(Wrong, ROOM):
            raise asyncio.CancelledError
    assert bench.buckets.remaining(ROOM.name, ROOM.limits) == ROOM.limits.size - 1


async def test_one_empty_bucket_takes_nothing_from_the_others() -> None:
    """What refuses one conference costs the account's other conferences nothing."""
    bench, account = Bench(), guests(MAIN)
    for _ in range(100):
        await bench.wrong()
    with pytest.raises(TooManyRequests):
        async with bench.guesses.guess(Wrong, account, ROOM):
            pass
    assert bench.buckets.remaining(account.name, account.limits) == account.limits.size


async def test_addresses_push_no_guesses_out() -> None:
    """Who makes many buckets, with many paths and addresses, does not make the counted guesses forgotten."""
    bench = Bench(limit=50)
    for _ in range(100):
        await bench.wrong()
    for number in range(200):
        bench.buckets.consume(f"192.0.2.1/{number}", 1, Limits())
    assert not await bench.right()
    assert len(bench.buckets) <= 100


def _basic(account: str, name: str, password: str) -> str:
    return base64.b64encode(
        f"{account}:{hashlib.md5(f'{name}:{password}'.encode()).hexdigest()}".encode()
    ).decode()


async def _outcome(room: AuthRoom, text: str) -> str:
    try:
        await room.authenticate("basic", text)
    except InvalidCredentials:
        return "refused"
    except TooManyRequests:
        return "too many"
    return "in"


async def test_basic_credentials_are_limited_by_account(world: World) -> None:
    """Guesses at one account's users end; other accounts, and who came in before, are not held up."""
    room = world.room()
    assert await _outcome(room, _basic(MAIN, "boss", "password")) == "in"
    outcomes = [await _outcome(room, _basic(MAIN, "boss", f"guess {number}")) for number in range(300)]
    assert outcomes.index("too many") == credentials(MAIN).limits.size
    assert set(outcomes[credentials(MAIN).limits.size :]) == {"too many"}
    assert await _outcome(room, _basic(MAIN, "joe", "password")) == "too many"
    assert await _outcome(room, _basic(MAIN, "boss", "password")) == "in"
    assert await _outcome(room, _basic(PARENT, "boss", "password")) == "refused"


async def test_basic_names_are_limited_by_user(world: World) -> None:
    """Where the user's name is told, its password is guessed at, in whatever case it is written."""
    world.add(database(PARENT), _id="configs_crossbar.auth", basic_auth_type="plain")
    room = world.room()

    def plain(name: str, password: str) -> str:
        return base64.b64encode(f"{MAIN}:{name}:{password}".encode()).decode()

    names = ["boss", "BOSS", "Boss"]
    outcomes = [await _outcome(room, plain(names[number % 3], f"guess {number}")) for number in range(60)]
    assert outcomes.index("too many") == 30
    assert await _outcome(room, plain("joe", "password")) == "in"
    assert await _outcome(room, plain("boss", "password")) == "too many"


async def test_what_is_no_credential_is_no_guess(world: World) -> None:
    """Accounts that there are not, and texts of another form, use up nothing and make no bucket."""
    buckets = TokenBuckets()
    room = AuthRoom(world, world, world.system(), guesses=Guesses(OwnCharger(buckets)), clock=world.clock)
    for number in range(200):
        assert await _outcome(room, _basic(f"{number:032x}", "boss", "password")) == "refused"
        assert await _outcome(room, base64.b64encode(f"{MAIN}:{number}".encode()).decode()) == "refused"
    assert len(buckets) == 0
