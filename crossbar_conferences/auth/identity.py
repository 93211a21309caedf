"""Who is calling: the value that authentication gives to the rest of the house.

Source: data.md 6.2, 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["x-auth-token", "bearer", "basic"]

_ID = re.compile(r"[0-9A-Za-z]{32}")
_DOCUMENT_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.@+-]{0,127}")


def is_id(value: object) -> bool:
    """Whether this is an account or key id: 32 letters and digits, safe in a path."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_document_id(value: object) -> bool:
    """Whether this may be the id of a user, device or bearer document; never a design document's."""
    return isinstance(value, str) and _DOCUMENT_ID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller. After a masquerade, account and owner are those taken on."""

    account_id: str
    owner_id: str | None
    kind: Kind
    #: All claims of the token, or what Basic credentials stand for.
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    #: Whether the caller is nobody of the account, who may look at one conference.
    is_guest: bool = field(init=False, repr=False, compare=False)
    #: In whose name is counted what the caller takes of anything bounded: guests, who are strangers,
    #: never take what the account's own people need.
    share: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Found out once: an identity is remembered with its token, and asked for both at every request.
        is_guest = self.conference_id is not None
        object.__setattr__(self, "is_guest", is_guest)
        object.__setattr__(self, "share", f"{self.account_id} guests" if is_guest else self.account_id)

    @property
    def method(self) -> str | None:
        """How the caller logged in, such as ``cb_user_auth``; selects the token restrictions."""
        return self._text("method")

    @property
    def scope(self) -> str | None:
        """The scope of a conference link's token."""
        return self._text("scope")

    @property
    def conference_id(self) -> str | None:
        """The only conference that a conference link's token is for."""
        return self._text("conference_id")

    @property
    def original_account_id(self) -> str | None:
        """Goes into a saved document's ``pvt_original_auth_account_id``."""
        return self._text("original_account_id")

    @property
    def original_owner_id(self) -> str | None:
        """Goes into a saved document's ``pvt_original_auth_owner_id``."""
        return self._text("original_owner_id")

    @property
    def expires_at(self) -> float | None:
        """When the token ends, in unix seconds; ``None`` for never. For sessions that outlast a request."""
        expires_at = self.claims.get("exp")
        return expires_at if isinstance(expires_at, int | float) else None

    def _text(self, name: str) -> str | None:
        value = self.claims.get(name)
        return value if isinstance(value, str) and value else None
