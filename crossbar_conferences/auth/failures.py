"""Why a caller is not let in. The API turns each into its answer.

``reason`` is a fixed word for logs and metrics; neither it nor the text of an error ever holds
a token, a key or a secret.
"""

from __future__ import annotations

from ..errors import CrossbarConferencesError


class AuthFailure(CrossbarConferencesError):
    """The caller is not let in."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason.replace("_", " "))


class InvalidCredentials(AuthFailure):
    """401 ``invalid_credentials``: no credentials, or none that are valid."""


class AccountExpired(AuthFailure):
    """400, ``account`` / ``expired`` / "account expired" (http.md 1.4)."""

    def __init__(self, expired_at: int) -> None:
        #: Gregorian seconds: the error's ``cause``.
        self.expired_at = expired_at
        super().__init__("account_expired")


class AccountDisabled(AuthFailure):
    """400, ``account`` / ``disabled`` (data.md 6.8); Basic credentials only."""

    def __init__(self) -> None:
        super().__init__("account_disabled")


class AccessDenied(AuthFailure):
    """403 ``forbidden``."""

    #: The ``cause`` in the answer's data, when it has one.
    cause: str | None = None


class TokenRestricted(AccessDenied):
    """403 ``forbidden``, with the cause that Kazoo gives (data.md 7.3)."""

    cause = "access denied by token restrictions"


class TooManyRequests(AuthFailure):
    """429 ``too_many_requests``: the caller's bucket holds less than the request costs."""

    def __init__(self) -> None:
        super().__init__("too_many_requests")
