"""What is held is decided again when it may have changed (``sockets/reviews.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.auth.failures import InvalidCredentials
from crossbar_conferences.sockets.reviews import (
    EXPIRED,
    REVOKED,
    UNKNOWN,
    Hold,
    Reviews,
    Ruling,
    Unauthorized,
)
from crossbar_conferences.store.port import StoreUnreachable

PATIENCE = 10.0


@dataclass
class Judge:
    """Decides as it is told, and counts."""

    ruling: Ruling = field(default_factory=lambda: Ruling(databases=frozenset({"db"})))
    failure: Exception | None = None
    asked: int = 0
    meanwhile: Callable[[], Any] | None = None

    async def decide(self) -> Ruling:
        """What it is told."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            self.meanwhile()
        if self.failure is not None:
            raise self.failure
        return self.ruling


@dataclass
class Desk:
    """Reviews that run, a clock that a test sets, and why holds ended."""

    reviews: Reviews
    now: list[float]
    ended: list[str] = field(default_factory=list)

    async def hold(self, judge: Judge, key: str = "key", owner: str = "") -> Hold:
        """Hold a matter."""
        return await self.reviews.hold(key, judge.decide, self.ended.append, owner)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that nobody announces."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Until nothing is due."""
        await asyncio.sleep(0.02)
        await self.until(lambda: not self.reviews._due and not self.reviews._changed)


@asynccontextmanager
async def running(**options: float) -> AsyncIterator[Desk]:
    now = [1000.0]
    desk = Desk(Reviews(lambda: now[0], **{"pause": 0.001, **options}), now)  # type: ignore[arg-type]
    await desk.reviews.start()
    try:
        yield desk
    finally:
        await desk.reviews.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Reviews without a long pause."""
    async with running() as made:
        yield made


async def test_a_change_has_it_decided_again(desk: Desk) -> None:
    """A refusal ends it, once, with words; other databases and other conferences do not concern it."""
    judge = Judge()
    hold = await desk.hold(judge)
    desk.reviews.changed("other", "doc", "user")
    desk.reviews.changed("db", "room", "conference")
    await desk.quiet()
    assert judge.asked == 1
    desk.reviews.changed("db", "doc", "user")
    await desk.until(lambda: judge.asked == 2)
    await desk.quiet()
    assert desk.ended == []
    judge.failure = InvalidCredentials("identity_unknown")
    desk.reviews.changed("db", "doc", None)
    await desk.until(lambda: bool(desk.ended))
    assert desk.ended == [REVOKED] and hold.reason == REVOKED
    desk.reviews.changed("db", "doc", None)
    await desk.quiet()
    assert desk.ended == [REVOKED] and judge.asked == 3
    assert len(desk.reviews) == 0 and not desk.reviews._by_database


async def test_a_conference_concerns_who_depends_on_it(desk: Desk) -> None:
    """Its document is edited often, and few rights come from it."""
    judge = Judge(Ruling(databases=frozenset({"db"}), conference_id="room"))
    await desk.hold(judge)
    desk.reviews.changed("db", "other", "conference")
    await desk.quiet()
    assert judge.asked == 1
    desk.reviews.changed("db", "room", "conference")
    await desk.until(lambda: judge.asked == 2)


async def test_time_ends_it_without_a_question(desk: Desk) -> None:
    """The end of a token needs no store."""
    judge = Judge(Ruling(until=1000.05, databases=frozenset({"db"})))
    await desk.hold(judge)
    judge.failure = StoreUnreachable("away")
    desk.now[0] = 1000.06
    await desk.until(lambda: bool(desk.ended))
    assert desk.ended == [EXPIRED] and judge.asked == 1


async def test_it_is_looked_at_now_and_then() -> None:
    """When no message comes at all."""
    async with running(every=0.02) as desk:
        judge = Judge()
        await desk.hold(judge)
        await desk.until(lambda: judge.asked >= 3)
        judge.failure = Unauthorized("not any more")
        await desk.until(lambda: desk.ended == ["not any more"])


async def test_those_who_hold_the_same_share_a_decision(desk: Desk) -> None:
    """However many sessions a token has, a change costs one question."""
    judge = Judge()
    holds = [await desk.hold(judge) for _ in range(50)]
    before = judge.asked
    desk.reviews.changed("db", "doc", "user")
    await desk.until(lambda: judge.asked > before)
    await desk.quiet()
    assert judge.asked == before + 1
    holds[0].release()
    judge.failure = InvalidCredentials("identity_unknown")
    desk.reviews.changed("db", "doc", "user")
    await desk.until(lambda: bool(desk.ended))
    assert desk.ended == [REVOKED] * 49


async def test_a_burst_of_changes_is_no_burst_of_work() -> None:
    """Ten thousand messages at once have each matter decided twice at most."""
    async with running(pause=0.05) as desk:
        judges = [Judge() for _ in range(30)]
        for number, judge in enumerate(judges):
            await desk.hold(judge, f"key {number}")
        for number in range(10_000):
            desk.reviews.changed("db", f"doc {number}", "conference" if number % 2 else "user")
            if number % 1_000 == 0:
                await asyncio.sleep(0)
        await desk.quiet()
        assert {judge.asked for judge in judges} <= {2, 3}
        assert len(desk.reviews._changed) == 0


async def test_a_doubt_is_spread_over_rounds() -> None:
    """After a gap everything is decided again, so many at a time."""
    async with running(batch=10) as desk:
        judges = [Judge() for _ in range(25)]
        for number, judge in enumerate(judges):
            await desk.hold(judge, f"key {number}")
        desk.reviews.doubt()
        await desk.until(lambda: any(judge.asked > 1 for judge in judges))
        assert sum(judge.asked > 1 for judge in judges) <= 10
        await desk.until(lambda: all(judge.asked == 2 for judge in judges))


async def test_a_change_during_the_first_decision_counts(desk: Desk) -> None:
    """What it will depend on is not known yet, so anything does."""
    judge = Judge()

    def change() -> None:
        judge.meanwhile = None
        desk.reviews.changed("db", "doc", "user")

    judge.meanwhile = change
    await desk.hold(judge)
    judge.failure = InvalidCredentials("identity_unknown")
    await desk.until(lambda: desk.ended == [REVOKED])


async def test_what_cannot_be_decided_is_tried_again_and_given_up() -> None:
    """The store is away: nobody is thrown out at once, and nobody stays for ever."""
    async with running(retry=0.01, give_up=0.1) as desk:
        judge = Judge()
        await desk.hold(judge)
        judge.failure = StoreUnreachable("away")
        desk.reviews.changed("db", "doc", "user")
        await desk.until(lambda: judge.asked >= 3)
        assert desk.ended == []
        judge.failure = None
        await desk.quiet()
        await desk.until(lambda: all(matter.doubted is None for matter in desk.reviews._matters.values()))
        judge.failure = StoreUnreachable("away")
        desk.reviews.changed("db", "doc", "user")
        await desk.until(lambda: desk.ended == [UNKNOWN])


async def test_what_is_refused_at_first_leaves_nothing_behind(desk: Desk) -> None:
    """Neither a matter nor a word: the caller has the error."""
    judge = Judge(failure=Unauthorized("no"))
    with pytest.raises(Unauthorized, match="no"):
        await desk.hold(judge)
    assert len(desk.reviews) == 0 and desk.ended == [] and not desk.reviews._open
    with pytest.raises(Unauthorized):
        async with desk.reviews.holding("key", judge.decide, desk.ended.append):
            pass
    judge.failure = None
    async with desk.reviews.holding("key", judge.decide, desk.ended.append):
        assert len(desk.reviews) == 1
    assert len(desk.reviews) == 0


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("hold"), st.integers(0, 3)),
            st.tuples(st.just("release"), st.integers(0, 20)),
            st.tuples(st.just("change"), st.sampled_from(["db", "other"])),
            st.tuples(st.just("refuse"), st.booleans()),
        ),
        max_size=30,
    )
)
def test_nothing_that_is_refused_goes_on(steps: list[tuple[str, Any]]) -> None:
    """Whatever the order of holding, letting go and changes: after the last change has been looked at,
    whoever still holds is allowed to, and nothing is kept for those who do not."""

    async def play() -> None:
        async with running(pause=0.0) as desk:
            judge, holds = Judge(), []
            for what, value in steps:
                if what == "hold" and judge.failure is None:
                    holds.append(await desk.hold(judge, f"key {value}"))
                elif what == "release" and holds:
                    holds.pop(value % len(holds)).release()
                elif what == "change":
                    desk.reviews.changed(value, "doc", "user")
                elif what == "refuse":
                    judge.failure = Unauthorized("no") if value else None
            desk.reviews.changed("db", "doc", "user")
            await desk.until(lambda: not desk.reviews._due and not desk.reviews._changed)
            for _ in range(5):
                await asyncio.sleep(0)
            if judge.failure is not None:
                assert all(hold.reason == "no" for hold in holds)
                assert len(desk.reviews) == 0
            kept = sum(len(matter.holds) for matter in desk.reviews._matters.values())
            assert kept == sum(hold.reason is None for hold in holds)
            assert not desk.reviews._open
            for hold in holds:
                hold.release()
            assert len(desk.reviews) == 0 and not desk.reviews._by_database and not desk.reviews._due

    asyncio.run(play())


async def test_nobody_waits_for_all_that_another_account_holds() -> None:
    """One account holds a thousand rights and has them decided again; another's revoked one ends after
    one or two rounds, not after a hundred."""
    async with running(batch=10) as desk:
        many, one = Judge(), Judge(Ruling(databases=frozenset({"other"})))
        for number in range(1_000):
            await desk.hold(many, f"many {number}", "many")
        await desk.hold(one, "one", "one")
        one.failure = InvalidCredentials("identity_unknown")
        decided = many.asked
        desk.reviews.changed("db", "user", "user")
        await desk.until(lambda: many.asked > decided)
        decided = many.asked
        desk.reviews.changed("other", "user", "user")
        await desk.until(lambda: bool(desk.ended))
        assert desk.ended == [REVOKED]
        assert many.asked - decided <= 30
        await desk.until(lambda: many.asked == 2_000)
