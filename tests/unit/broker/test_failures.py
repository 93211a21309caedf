"""Why a broker was not connected, in words (``broker/failures.py``)."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace
from typing import Any

import aiormq.exceptions
import pytest
from aiohttp import ClientConnectorCertificateError

from crossbar_conferences.broker.failures import CLOSED, NO_ANSWER, failure
from crossbar_conferences.broker.faults import CREDENTIALS_REFUSED, UNREACHABLE, VHOST_REFUSED


def _from(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def _untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


#: What aiohttp says of a connection, as far as its errors look at it.
_KEY: Any = SimpleNamespace(host="couch", port=6984, is_ssl=True)

MISSING = "NOT_ALLOWED - vhost nope not found"
NO_RIGHT = "NOT_ALLOWED - access to vhost '/' refused for user 'u'"


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (aiormq.exceptions.ProbableAuthenticationError("ACCESS_REFUSED"), CREDENTIALS_REFUSED, "Prob"),
        (aiormq.exceptions.AuthenticationError("PLAIN"), CREDENTIALS_REFUSED, "Auth"),
        (aiormq.exceptions.ConnectionClosed(530, MISSING), VHOST_REFUSED, "does not exist"),
        (aiormq.exceptions.ConnectionNotAllowed(MISSING), VHOST_REFUSED, "does not exist"),
        (aiormq.exceptions.ConnectionClosed(530, NO_RIGHT), VHOST_REFUSED, "no right"),
        (aiormq.exceptions.ConnectionClosed(320, "CONNECTION_FORCED"), UNREACHABLE, "ConnectionClosed"),
        (ConnectionRefusedError(111, "refused"), UNREACHABLE, CLOSED),
        (
            _from(aiormq.exceptions.AMQPConnectionError(111), ConnectionRefusedError(111, "refused")),
            UNREACHABLE,
            CLOSED,
        ),
        (
            _from(aiormq.exceptions.AMQPConnectionError(-2), socket.gaierror(-2, "unknown")),
            UNREACHABLE,
            "nobody knows",
        ),
        (TimeoutError(), UNREACHABLE, NO_ANSWER),
        (_from(ConnectionError(), ssl.SSLError(1, "wrong version")), UNREACHABLE, "TLS"),
        (ClientConnectorCertificateError(_KEY, _untrusted()), UNREACHABLE, "self-signed"),
        (ClientConnectorCertificateError(_KEY, ssl.CertificateError("odd")), UNREACHABLE, "not accepted"),
        (RuntimeError("secret"), UNREACHABLE, "RuntimeError"),
    ],
)
def test_kinds(error: BaseException, kind: str, detail: str) -> None:
    """Credentials, virtual host and way there are told apart; what a server says is not passed on."""
    found = failure(error)
    assert found[0] == kind
    assert detail in found[1]
    assert "secret" not in found[1] and "nope" not in found[1]


def test_an_endless_chain_ends() -> None:
    """An error that came from itself."""
    error = RuntimeError()
    error.__cause__ = error
    assert failure(error) == (UNREACHABLE, "RuntimeError")
