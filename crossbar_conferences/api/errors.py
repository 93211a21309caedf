"""Every error that the API can answer, in one table, and the exception that carries one.

A handler raises `ApiError` through one of the functions at the end; `CATALOGUE` is what the
contract test and the documentation read. Source: http.md 7, 13; recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import CrossbarConferencesError


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of error: HTTP status, the envelope's ``message``, and when it is given.

    ``empty`` answers have no body at all: they come from the HTTP layer, not from the resource.
    """

    name: str
    status: int
    message: str
    when: str
    empty: bool = False


_ENTRIES = (
    Entry("validation_error", 400, "validation error", "the body, a parameter or a header breaks a rule"),
    Entry("malformed_request", 400, "bad request", "what came is no HTTP request, or too long for one"),
    Entry("invalid_credentials", 401, "invalid_credentials", "no token, or one that is not valid"),
    Entry("invalid_account", 401, "invalid credentials", "the account id in the path is not an account"),
    Entry("forbidden", 403, "forbidden", "the token's account may not touch this account"),
    Entry("not_found", 404, "not_found", "no such path"),
    Entry(
        "bad_identifier", 404, "bad_identifier", "no such document, user or participant; a deleted account"
    ),
    Entry("bad_media", 404, "bad identifier", "media that cannot be resolved"),
    Entry("faulty_request", 404, "faulty_request", "an unknown participants action, or a bad list parameter"),
    Entry("invalid_method", 405, "invalid_method", "the path does not take this verb"),
    Entry("not_acceptable", 406, "", "no representation fits the Accept header", empty=True),
    Entry("request_timeout", 408, "request_timeout", "the body did not come in time"),
    Entry("conflict", 409, "datastore_conflict", "the document was changed by somebody else meanwhile"),
    Entry(
        "idempotency_unknown",
        409,
        "idempotency_key_in_use",
        "another process has the request under this Idempotency-Key in hand, or its answer is gone",
    ),
    Entry(
        "participant_unknown_to_switch",
        409,
        "participant_unknown_to_switch",
        "the participant is there, but the media side does not know the number that commands need",
    ),
    Entry(
        "participant_ambiguous",
        409,
        "participant_ambiguous",
        "several participants are of the device or user that the path names; the candidates are told",
    ),
    Entry(
        "recording_unknown",
        409,
        "recording_unknown",
        "the conference is recorded, but nobody knows to which file, and the media side needs its name",
    ),
    Entry("gone", 410, "gone", "version 1 of the API"),
    Entry("precondition_failed", 412, "", "If-Match or If-None-Match is not met", empty=True),
    Entry("unsupported_media_type", 415, "", "the body is neither JSON nor a form", empty=True),
    Entry(
        "idempotency_mismatch", 422, "idempotency_key_reused", "another body under the same Idempotency-Key"
    ),
    Entry(
        "headers_too_long",
        431,
        "request_headers_too_large",
        "headers of more than 16 kB, for an event stream",
    ),
    Entry("too_many_requests", 429, "too_many_requests", "the bucket of this caller is empty"),
    Entry("share_exceeded", 429, "overloaded", "this account or address has as much in hand as one may have"),
    Entry("internal_error", 500, "internal_error", "a fault of ours; the log has it under the request id"),
    Entry(
        "store_missing", 500, "datastore_missing", "a database of Kazoo's that is no account's is not there"
    ),
    Entry("store_fault", 500, "datastore_fault", "the document store answered with an error"),
    Entry(
        "not_supported",
        501,
        "not_supported",
        "an action that nothing on the media side would carry out; the message says why",
    ),
    Entry("unknown_method", 501, "", "a verb that HTTP servers do not know", empty=True),
    Entry("store_unreachable", 503, "datastore_unreachable", "the document store cannot be reached"),
    Entry("store_fatal", 503, "datastore_fault", "the check for numbers in use failed"),
    Entry("bus_unavailable", 503, "bus_unavailable", "the message broker cannot be reached"),
    Entry(
        "not_taken",
        503,
        "command_not_taken",
        "the broker is there, but no media node takes commands to this conference",
    ),
    Entry(
        "live_unknown",
        503,
        "live_state_unknown",
        "the media side is silent, so it is not known whose this id is",
    ),
    Entry(
        "guests_unavailable",
        503,
        "guest_links_unavailable",
        "our own database, which holds the key of guests' tokens, may not be written",
    ),
    Entry("overloaded", 503, "overloaded", "more requests at once than the limit; try again later"),
)

#: Every error by name.
CATALOGUE: Final[Mapping[str, Entry]] = {entry.name: entry for entry in _ENTRIES}

_NO_DATA: Final = object()


class ApiError(CrossbarConferencesError):
    """An answer that is an error of the catalogue."""

    def __init__(self, name: str, data: Any = _NO_DATA, *, headers: Mapping[str, str] | None = None) -> None:
        self.entry = CATALOGUE[name]
        self.headers = dict(headers or {})
        self._data = data
        super().__init__(self.entry.when)

    @property
    def has_data(self) -> bool:
        """Whether the envelope gets ``data``."""
        return self._data is not _NO_DATA

    @property
    def data(self) -> Any:
        """What goes into the envelope's ``data``."""
        return None if self._data is _NO_DATA else self._data


def validation_error(errors: Mapping[str, Any]) -> ApiError:
    """400: ``errors`` is a map of path to rule to details (http.md 5.1)."""
    return ApiError("validation_error", dict(errors))


def malformed_header(name: str, value: str) -> ApiError:
    """400: a header, or the parameter in its place, that has a form, and not this one."""
    return validation_error({name: {"invalid": {"message": "it cannot be read", "value": value[:256]}}})


def bad_identifier(cause: str) -> ApiError:
    """404: there is no such thing; ``cause`` is its id."""
    return ApiError("bad_identifier", {"cause": cause, "message": "bad identifier"})


def bad_participant(participant_id: int | str) -> ApiError:
    """404: no such participant in the running conference."""
    return ApiError("bad_identifier", {"id": participant_id, "message": "bad identifier"})


def faulty_request(text: str = "faulty request") -> ApiError:
    """404: the request makes no sense here."""
    return ApiError("faulty_request", {"message": text})


def invalid_credentials() -> ApiError:
    """401: no token, or one that is not valid."""
    return ApiError("invalid_credentials", {"message": "invalid credentials"})


def invalid_account() -> ApiError:
    """401: the path names no account (http.md 1.4)."""
    return ApiError("invalid_account", {"message": "invalid credentials"})


def forbidden(cause: str | None = None) -> ApiError:
    """403; ``cause`` says when restrictions of the token are the reason."""
    data = {"message": "forbidden"}
    if cause:
        data["cause"] = cause
    return ApiError("forbidden", data)


def not_found() -> ApiError:
    """404: no such path."""
    return ApiError("not_found", {"message": "not found"})


def invalid_method() -> ApiError:
    """405: the path does not take this verb."""
    return ApiError("invalid_method", {"message": "method not allowed"})


def too_many_requests() -> ApiError:
    """429: the caller's bucket is empty."""
    return ApiError("too_many_requests", {"message": "too many requests"})


def overloaded() -> ApiError:
    """503: there is more in hand than may be."""
    return ApiError("overloaded", {"message": "too many requests at once"}, headers={"retry-after": "1"})


def share_exceeded() -> ApiError:
    """429: one account, or one address, has as much in hand as one may have."""
    data = {"message": "too many requests at once of this account or address"}
    return ApiError("share_exceeded", data, headers={"retry-after": "1"})


def malformed_request(message: str) -> ApiError:
    """400: what came cannot be read as a request; the connection is closed."""
    return ApiError("malformed_request", {"message": message}, headers={"connection": "close"})


def conflict() -> ApiError:
    """409: a save race was lost."""
    return ApiError("conflict", {"message": "conflicting documents"})


def store_unreachable(retry_after: int | None = None) -> ApiError:
    """503: the document store is away, or refuses our user; it is asked again in so many seconds."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return ApiError("store_unreachable", {"message": "datastore timeout"}, headers=headers)


def store_fatal() -> ApiError:
    """503: the view of numbers in use cannot be read (http.md 5.4)."""
    return ApiError("store_fatal", {"message": "datastore fatal error"})


def store_fault(cause: str) -> ApiError:
    """500: the document store answered with an error."""
    return ApiError("store_fault", {"cause": cause, "message": "unknown failure"})


def store_missing(cause: str) -> ApiError:
    """500: a database is not there, and it is no account's."""
    return ApiError("store_missing", {"cause": cause, "message": "unknown failure"})


def request_timeout() -> ApiError:
    """408: the body did not come in time; the connection is closed."""
    return ApiError("request_timeout", {"message": "request timeout"}, headers={"connection": "close"})


def bus_unavailable() -> ApiError:
    """503: the command cannot be published."""
    return ApiError("bus_unavailable", {"message": "message broker unavailable"})


def not_taken() -> ApiError:
    """503: the command is in nobody's queue, so it is not carried out."""
    data = {"message": "no media node takes commands to this conference"}
    return ApiError("not_taken", data, headers={"retry-after": "30"})


def live_unknown() -> ApiError:
    """503: whether the conference runs for another account cannot be found out now."""
    return ApiError("live_unknown", {"message": "media servers did not answer"})
