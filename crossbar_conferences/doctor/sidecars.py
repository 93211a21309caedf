"""What a sidecar that runs here says of itself."""

from __future__ import annotations

import aiohttp

from ..settings import Settings
from .findings import Finding, warn


async def check_sidecar(settings: Settings) -> list[Finding]:
    """What the sidecar on our operations port has noticed, if one runs there."""
    url = f"http://{settings.operations_host}:{settings.operations_port}/readyz"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as http,
            http.get(url) as answer,
        ):
            told = await answer.json()
            taken = told["checks"]["bus"].get("node_name_taken")
    except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
        return []
    if not isinstance(taken, str):
        return []
    return [
        warn(
            "node_name", f"the sidecar that runs here says: {taken[:300]}", "give each host its own node_name"
        )
    ]
