"""A limit to how long something may take, that costs nothing when it does not wait at all.

A warm request is answered without waiting for anybody, and then to set a timer and to take it back
would be a good part of its work. So a coroutine is begun first; only when it waits does the time
begin to run. What it did before took no time that anybody could have limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Patience:
    """So many seconds for one coroutine; `TimeoutError` when they are over."""

    __slots__ = ("_ended", "_seconds", "_timeout")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = False
        self._timeout: asyncio.Timeout | None = None

    def end(self) -> None:
        """No limit from here on: what is begun is not broken off."""
        self._ended = True
        if self._timeout is not None:
            self._timeout.reschedule(None)

    async def with_(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine, begun here."""
        try:
            awaited = work.send(None)
        except StopIteration as done:
            result: Result = done.value
            return result
        async with asyncio.timeout(None if self._ended else self._seconds) as self._timeout:
            return await _Rest(work, awaited)


class _Rest(Generic[Result]):
    """What is left of a coroutine that waits for ``awaited``."""

    def __init__(self, work: Coroutine[Any, Any, Result], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Result]:
        awaited = self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except BaseException as error:
                    # A cancellation, also the one with which the timeout makes itself known.
                    awaited = self._work.throw(error)
                else:
                    awaited = self._work.send(sent)
        except StopIteration as done:
            result: Result = done.value
            return result
