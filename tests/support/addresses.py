"""Addresses for callers that have nothing to do with each other."""

from __future__ import annotations

import secrets


def elsewhere() -> str:
    """An address that no other test uses, and that nobody trusts."""
    return "10." + ".".join(str(number) for number in secrets.token_bytes(3))
