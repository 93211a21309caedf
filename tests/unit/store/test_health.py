"""When the store counts as usable, what is said of it, and when it is asked again."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.store.health import PAUSES, SETTLE, Health, News
from crossbar_conferences.store.port import CredentialsRefused, StoreUnreachable, UserLocked

WORDS = "Name or password is incorrect."
PAUSE = PAUSES[CredentialsRefused.kind][0]


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fails(health: Health, error: StoreUnreachable) -> StoreUnreachable:
    """A request that is sent, and fails."""
    looks = health.enter()
    health.failed(error, looks)
    health.leave(looks)
    return error


def works(health: Health) -> None:
    """A request that is sent, and is answered."""
    looks = health.enter()
    health.worked(looks)
    health.leave(looks)


def _events(lines: list[Any]) -> list[tuple[str, str | None]]:
    return [(line["event"], line.get("reason")) for line in lines]


def test_an_outage_is_said_once_and_so_is_its_end() -> None:
    """However many requests fail, one line begins it and one ends it; every request is sent meanwhile."""
    clock = Clock()
    health = Health(clock)
    with capture_logs() as lines:
        works(health)
        for _ in range(10):
            fails(health, StoreUnreachable("ClientConnectorError"))
            clock.now += 1
        clock.now += SETTLE
        works(health)
        works(health)
    assert _events(lines) == [("store_unavailable", "unreachable"), ("store_available", None)]
    assert lines[0]["log_level"] == "warning" and lines[0]["said"] == "ClientConnectorError"
    assert lines[1]["after"] == 10 + SETTLE


def test_one_that_answers_now_and_then_does_not_come_and_go() -> None:
    """Between two failures that are close together nothing is over."""
    clock = Clock()
    health = Health(clock)
    with capture_logs() as lines:
        for _ in range(20):
            fails(health, StoreUnreachable())
            works(health)
            clock.now += SETTLE / 2
    assert len(lines) == 1


@pytest.mark.parametrize("error", [CredentialsRefused, UserLocked])
def test_after_a_refusal_one_request_at_a_time_looks(error: type[StoreUnreachable]) -> None:
    """Others are refused at once, with the store's own words and the time to come again."""
    clock = Clock()
    health = Health(clock)
    pause = PAUSES[error.kind][0]
    assert fails(health, error(WORDS)).retry_after == pause
    with pytest.raises(error, match=WORDS) as refused:
        health.enter()
    assert refused.value.retry_after == pause
    clock.now += pause - 0.5
    with pytest.raises(error) as refused:
        health.enter()
    assert refused.value.retry_after == 1
    clock.now += 0.5
    assert health.enter()
    with pytest.raises(error):
        health.enter()


def test_the_store_is_asked_ever_more_rarely() -> None:
    """Within five minutes no more than four wrong passwords: CouchDB locks out after five."""
    clock = Clock()
    health = Health(clock)
    asked: list[float] = []
    while clock.now < 1000 + 3600:
        try:
            looks = health.enter()
        except CredentialsRefused:
            clock.now += 1
            continue
        asked.append(clock.now)
        health.failed(CredentialsRefused(WORDS), looks)
        health.leave(looks)
    assert asked[0] == 1000 and len(asked) > 25
    assert max(sum(one <= other < one + 300 for other in asked) for one in asked) <= 4


def test_one_node_that_does_not_know_us_costs_a_second() -> None:
    """Where others of the cluster let us in, a refusal is followed by a short pause, not by longer ones."""
    clock = Clock()
    health = Health(clock)
    for _ in range(10):
        assert fails(health, CredentialsRefused(WORDS)).retry_after == 1
        clock.now += 1
        works(health)


def test_what_was_under_way_does_not_make_the_pause_longer() -> None:
    """Many refusals at once are one: the next look comes as early as after one."""
    clock = Clock()
    health = Health(clock)
    under_way = [health.enter() for _ in range(10)]
    with capture_logs() as lines:
        for looks in under_way:
            error = CredentialsRefused(WORDS)
            health.failed(error, looks)
            assert error.retry_after == PAUSE
            health.leave(looks)
    assert len(lines) == 1
    clock.now += PAUSE
    assert health.enter()


def test_what_was_let_in_before_ends_nothing() -> None:
    """An answer to a request that was sent before the refusal says nothing of the next ones."""
    clock = Clock()
    health = Health(clock)
    slow = health.enter()
    fails(health, CredentialsRefused(WORDS))
    health.worked(slow)
    health.leave(slow)
    with pytest.raises(CredentialsRefused):
        health.enter()
    clock.now += PAUSE
    works(health)
    assert health.trouble is None and not health.enter()


def test_a_look_that_shows_nothing_is_followed_soon() -> None:
    """A request that was cancelled, or was answered with nonsense, leaves the place to the next one."""
    clock = Clock()
    health = Health(clock)
    fails(health, UserLocked("locked"))
    clock.now += 15
    health.leave(health.enter())
    with pytest.raises(UserLocked):
        health.enter()
    clock.now += 1
    assert health.enter()


def test_another_reason_is_said() -> None:
    """Locked out after wrong passwords, or gone meanwhile: each is a line of its own, the end is one."""
    clock = Clock()
    health = Health(clock)
    with capture_logs() as lines:
        for error in (CredentialsRefused(WORDS), UserLocked("locked"), StoreUnreachable("gone")):
            fails(health, error)
            clock.now += 100
        works(health)
    assert [reason for _, reason in _events(lines)] == [
        "credentials_refused",
        "user_locked",
        "unreachable",
        None,
    ]


def test_processes_tell_each_other() -> None:
    """One that is told asks no sooner than the one that told it, says nothing, and is let in with it."""
    clock = Clock()
    first, second = Health(clock), Health(clock)
    first.on_news = second.hear
    told: list[News] = []
    second.on_news = told.append
    with capture_logs() as lines:
        fails(first, CredentialsRefused(WORDS))
        with pytest.raises(CredentialsRefused, match=WORDS):
            second.enter()
        clock.now += PAUSE
        with pytest.raises(CredentialsRefused):
            second.enter()
        works(first)
        works(second)
    assert told == []
    assert _events(lines) == [("store_unavailable", "credentials_refused"), ("store_available", None)]


def test_one_whose_teller_is_gone_asks_itself() -> None:
    """Whoever was told looks a moment later, and tells the others what it found."""
    clock = Clock()
    health = Health(clock)
    told: list[News] = []
    health.on_news = told.append
    first = Health(clock)
    first.on_news = health.hear
    fails(first, CredentialsRefused(WORDS))
    clock.now += PAUSE + health.grace
    works(health)
    assert told == [News(None)] and health.trouble is None


@pytest.mark.parametrize("count", [1, 100])
def test_missing_rights_are_remembered_for_a_while(count: int) -> None:
    """They are no trouble of the store; some are shown, and one line is written for many."""
    clock = Clock()
    health = Health(clock)
    with capture_logs() as lines:
        for number in range(count):
            health.lacks(f"account/{number}", "You are not allowed to access this db.")
    assert health.trouble is None
    assert len(lines) == 1 and lines[0]["event"] == "store_right_missing"
    shown = health.lacking()
    assert 1 <= len(shown) <= 20 and shown[-1].database == f"account/{count - 1}"
    clock.now += 301
    assert health.lacking() == []
