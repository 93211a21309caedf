"""Tasks that are owned: bounded in number, and cancelled and awaited at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from ..tasks import end

log = structlog.get_logger(__name__)


class OwnedTasks:
    """Background work of one owner. A failure is logged and ends nothing else."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> bool:
        """Begin some work; ``False`` when there is too much already, and it is dropped."""
        if len(self._tasks) >= self._limit:
            work.close()
            log.warning("switch_overloaded", task=name, limit=self._limit)
            return False
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return True

    async def close(self) -> None:
        """Cancel what runs and wait until it has ended."""
        await end(*self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("switch_task_failed", task=task.get_name(), exc_info=error)
