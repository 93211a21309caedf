"""Why a broker was not connected, in words for people. Pure.

RabbitMQ says with 403 that it doesn't take the credentials, and with 530 that there is no such virtual
host, or that the user has no right to it; a host that refuses the connection has nobody at that port.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import aiormq.exceptions

from .faults import CREDENTIALS_REFUSED, UNREACHABLE, VHOST_REFUSED

#: What is said of a port where nobody listens.
CLOSED = "nobody listens at that port: the connection is refused"

#: What is said of one that keeps us waiting.
NO_ANSWER = "no answer in time"

_NOT_ALLOWED = 530


def failure(error: BaseException) -> tuple[str, str]:
    """The kind of fault that an attempt to connect ended with, and what is known of it."""
    if isinstance(
        error, aiormq.exceptions.AuthenticationError | aiormq.exceptions.ProbableAuthenticationError
    ):
        return CREDENTIALS_REFUSED, type(error).__name__
    if _is_not_allowed(error):
        # RabbitMQ: "vhost nope not found", "access to vhost 'x' refused for user 'y'".
        is_missing = "not found" in " ".join(map(str, error.args)).lower()
        return VHOST_REFUSED, "it does not exist" if is_missing else "our user has no right to it"
    return UNREACHABLE, why_unreachable(error)


def why_unreachable(error: BaseException) -> str:
    """Why nothing was reached, by what the operating system said; else the error's name."""
    for one in _causes(error):
        if isinstance(one, ConnectionRefusedError):
            return CLOSED
        if isinstance(one, socket.gaierror):
            return "nobody knows a host of that name"
        if isinstance(one, ssl.SSLCertVerificationError):
            # aiohttp has an error of this class that holds the one of OpenSSL.
            found = getattr(one, "certificate_error", one)
            return f"its certificate is not accepted: {getattr(found, 'verify_message', None) or found}"
        if isinstance(one, ssl.SSLError):
            return "it does not speak TLS as we do"
    return NO_ANSWER if isinstance(error, TimeoutError) else type(error).__name__


def _is_not_allowed(error: BaseException) -> bool:
    if isinstance(error, aiormq.exceptions.ConnectionNotAllowed):
        return True
    return isinstance(error, aiormq.exceptions.ConnectionClosed) and error.args[:1] == (_NOT_ALLOWED,)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from, whichever way it was told."""
    for _ in range(10):
        if error is None:
            return
        yield error
        inner = getattr(error, "os_error", None)
        if isinstance(error, BaseExceptionGroup):
            inner = error.exceptions[0]
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
