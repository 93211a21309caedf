"""What the query may ask of a write: only to try it, or to wait until it is proved.

Source: issue "commands" 7, 9; both are ours.
"""

from __future__ import annotations

from typing import Any

from .errors import ApiError, validation_error
from .exchange import Exchange

_DRY = {"true": True, "false": False}


def is_dry_run(exchange: Exchange) -> bool:
    """Whether ``?dry_run=true`` was asked for.

    A value that is neither true nor false is an error: who meant to try must not act instead."""
    value = exchange.query.get("dry_run", False)
    if isinstance(value, bool):
        return value
    known = _DRY.get(str(value).lower())
    if known is None:
        raise _wrong_type("dry_run", "boolean", value)
    return known


def wait_seconds(exchange: Exchange, limit_ms: int) -> float | None:
    """``?wait=MILLISECONDS`` in seconds, at most the limit; ``None`` when nobody waits."""
    text = exchange.query.get("wait")
    if text is None:
        return None
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise _wrong_type("wait", "integer", text)
    return min(int(text), limit_ms) / 1000


def _wrong_type(name: str, target: str, value: Any) -> ApiError:
    message = f"Value did not match type(s): {target}"
    return validation_error({name: {"type": {"message": message, "target": target, "value": value}}})
