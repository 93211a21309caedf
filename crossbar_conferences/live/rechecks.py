"""Searches that settle a doubt: one of a conference, soon after the doubt came up.

Events may come out of order, and those of the older core do not tell all of somebody who joins
(real-switch.md A8, A9). Then the conference is asked for once, a moment later, however many doubts
there were meanwhile. An account has a bounded share of these questions; what is not asked is found
by the next reconciliation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..broker.port import BrokerError
from ..complaints import Complaints
from ..shares import ShareExceeded, Shares
from ..tasks import end

#: Asks for one conference of an account.
Ask = Callable[[str, str], Awaitable[object]]

#: Questions waiting or under way: of all accounts, and of one.
TOTAL = 64
EACH = 8


class Rechecks:
    """Asks for conferences ``delay`` seconds after a doubt, one question at a time for each."""

    def __init__(self, ask: Ask, *, delay: float = 0.3) -> None:
        self.left_out = 0
        self._ask = ask
        self._delay = delay
        self._shares = Shares(TOTAL, EACH)
        self._complaints = Complaints()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        #: Those about which a doubt came up after the question was sent.
        self._again: set[tuple[str, str]] = set()
        self._asking: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """Questions waiting or under way."""
        return len(self._tasks)

    async def close(self) -> None:
        """Ask no more; every task of ours is over afterwards."""
        await end(*self._tasks.values())

    def soon(self, account_id: str, conference_id: str) -> None:
        """Ask for a conference in a moment, if that is not due already."""
        key = account_id, conference_id
        if key in self._tasks:
            if key in self._asking:
                self._again.add(key)
            return
        try:
            self._shares.take(account_id)
        except ShareExceeded:
            self.left_out += 1
            return
        task = asyncio.create_task(self._run(key), name="recheck")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._over(key))

    async def _run(self, key: tuple[str, str]) -> None:
        while True:
            self._again.discard(key)
            await asyncio.sleep(self._delay)
            self._asking.add(key)
            try:
                await self._ask(*key)
            except BrokerError as error:
                self._complaints.complain("recheck_failed", type(error).__name__, conference_id=key[1])
            finally:
                self._asking.discard(key)
            if key not in self._again:
                return

    def _over(self, key: tuple[str, str]) -> None:
        self._tasks.pop(key, None)
        self._again.discard(key)
        self._shares.give(key[0])
