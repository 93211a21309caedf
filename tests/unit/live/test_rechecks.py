"""Searches that settle a doubt (``live/rechecks.py``)."""

from __future__ import annotations

import asyncio

import pytest

from crossbar_conferences.broker.port import BrokerUnavailable
from crossbar_conferences.live import rechecks
from crossbar_conferences.live.rechecks import Rechecks
from tests.support.brokers import eventually


class _Asked:
    """Notes what was asked, and answers when it is let."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, str]] = []
        self.answer = asyncio.Event()

    async def __call__(self, account_id: str, conference_id: str) -> None:
        self.questions.append((account_id, conference_id))
        await self.answer.wait()


async def test_many_doubts_are_one_question() -> None:
    """Whatever comes before the question is sent needs no further one; what comes after it does."""
    asked = _Asked()
    checks = Rechecks(asked, delay=0.01)
    for _ in range(20):
        checks.soon("a", "c")
    await eventually(lambda: len(asked.questions) == 1)
    checks.soon("a", "c")
    asked.answer.set()
    await eventually(lambda: len(asked.questions) == 2 and not checks._tasks)
    await checks.close()


async def test_an_account_has_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """One account's doubts leave room for another's; what is too much is counted and left out."""
    monkeypatch.setattr(rechecks, "EACH", 2)
    asked = _Asked()
    checks = Rechecks(asked, delay=0.01)
    for number in range(5):
        checks.soon("a", str(number))
    checks.soon("b", "c")
    await eventually(lambda: len(asked.questions) == 3)
    assert checks.left_out == 3 and ("b", "c") in asked.questions
    await checks.close()
    assert not checks._tasks


async def test_a_broker_that_is_away_is_no_error() -> None:
    """The question fails, and the next doubt asks again."""
    failures: list[str] = []

    async def ask(account_id: str, conference_id: str) -> None:
        failures.append(conference_id)
        raise BrokerUnavailable("away")

    checks = Rechecks(ask, delay=0)
    for expected in (1, 2):
        checks.soon("a", "c")
        await eventually(lambda expected=expected: len(failures) == expected and not checks._tasks)  # type: ignore[misc]
    await checks.close()
