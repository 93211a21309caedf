"""Where a request carries its credentials. Pure.

Source: http.md 2.3, data.md 6.1.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .exchange import Exchange

Kind = Literal["x-auth-token", "bearer", "basic", "unknown"]


class Credentials(NamedTuple):
    """A credential as it came: its kind and its text, without the scheme."""

    kind: Kind
    text: str

    def __repr__(self) -> str:
        # Never in a log line.
        return f"Credentials({self.kind})"


def find(exchange: Exchange) -> Credentials | None:
    """The first credential of a request; an empty one counts as none."""
    text = exchange.headers.get("X-Auth-Token") or exchange.value("auth_token")
    if isinstance(text, str) and text:
        return Credentials("x-auth-token", text)
    text = exchange.headers.get("Authorization") or exchange.value("authorization")
    return _authorization(text) if isinstance(text, str) and text else None


def _authorization(text: str) -> Credentials:
    # Schemes are compared as written, with one space (http.md 2.3).
    if text.startswith("Bearer "):
        return Credentials("bearer", text.removeprefix("Bearer "))
    if text.startswith("Basic "):
        return Credentials("basic", text.removeprefix("Basic "))
    return Credentials("unknown", text)
