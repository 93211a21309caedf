"""The end of background tasks: whoever owns some cancels them and waits for them, in one way."""

from __future__ import annotations

import asyncio
from typing import Any


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended; ``None`` is one that was never begun.

    What they end with, a result or an exception, is of no interest any more."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
