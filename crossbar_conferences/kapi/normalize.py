"""A Kazoo message as an API client sees it.

Source: http.md 10, amqp.md 12.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .messages import DEFAULT_HEADERS, OPTIONAL_DEFAULT_HEADERS

# Deviation: Kazoo lowers bytes 0xC0-0xDE too, which corrupts UTF-8 (http.md 10). Only ASCII here.
_KEY = str.maketrans(string.ascii_uppercase + "-", string.ascii_lowercase + "_")

#: Never shown to a websocket client, who still gets the account's and the call's id (amqp.md 12).
_HIDDEN = OPTIONAL_DEFAULT_HEADERS - {"Account-ID", "Call-ID"}

_DEFAULTS = OPTIONAL_DEFAULT_HEADERS | frozenset(DEFAULT_HEADERS)


# The same few names come in every message.
@lru_cache(maxsize=1_000)
def normalize_key(key: str) -> str:
    """``Custom-Channel-Vars`` as ``custom_channel_vars``."""
    return key.translate(_KEY)


def normalize(value: Any) -> Any:
    """Keys in lower case with underscores, through objects and lists; members that are null go."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {normalize_key(key): normalize(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [normalize(item) for item in value]
    return value


def public_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without the headers that only nodes need: what a websocket client is shown, not normalised."""
    return {key: value for key, value in body.items() if key not in _HIDDEN}


def without_defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without every default header, required or not: what an HTTP answer shows, not normalised."""
    return {key: value for key, value in body.items() if key not in _DEFAULTS}
