"""What aiocouch raises, in the port's terms.

It maps some statuses to children of builtins and lets the rest through as aiohttp's (anchors.md 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiocouch.exception import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RemoteResponseError,
    UnauthorizedError,
)

from ..logs import scrub
from .port import (
    CredentialsRefused,
    DatabaseMissing,
    DocumentConflict,
    DocumentMissing,
    StoreError,
    StoreFault,
    StoreRefused,
    StoreUnreachable,
    UserLocked,
    View,
    ViewMissing,
)

#: What a server says of a database that is not there: CouchDB 3, CouchDB 1 and PouchDB.
_NO_DATABASE = frozenset({"database does not exist.", "no_db_file"})

#: Statuses with which a proxy or an overloaded server says that it cannot serve now.
_AWAY = frozenset({502, 503, 504})

#: How CouchDB itself says so, under other statuses: no answer of the shards (500), no node for them (412).
_SHARDS_AWAY = frozenset(
    {"the request could not be processed in a reasonable amount of time.", "progress not possible"}
)

#: How CouchDB (3.4 and later) begins to say that it refuses a user for a while after wrong passwords.
_LOCKED = "account is temporarily locked"

#: How it begins to say that the user it knows may not do this; under 401 too, as for making databases.
_NO_RIGHT = "you are not"

#: Characters of a store's own words that are passed on.
_LONGEST_SAID = 200


@contextmanager
def translated(view: View | None) -> Iterator[None]:
    """Turn what aiocouch and aiohttp raise into the port's errors; ``view``: that a view is asked for."""
    try:
        yield
    except StoreError:
        raise
    except ConflictError as error:
        raise DocumentConflict from error
    except NotFoundError as error:
        if _reason(error).lower() in _NO_DATABASE:
            raise DatabaseMissing from error
        raise (DocumentMissing if view is None else ViewMissing) from error
    except (UnauthorizedError, ForbiddenError) as error:
        status = 401 if isinstance(error, UnauthorizedError) else 403
        raise _refusal(status, _reason(error)) from error
    except BadRequestError as error:
        if "rev" in _reason(error).lower():
            # A text that is no revision is not the stored one either.
            raise DocumentConflict from error
        raise StoreFault("the document store does not understand") from error
    except aiohttp.ClientResponseError as error:
        reason = str(error.reason or "") if isinstance(error, RemoteResponseError) else ""
        if error.status in _AWAY or reason.lower() in _SHARDS_AWAY:
            raise StoreUnreachable(said(f"{error.status} {reason or error.message}")) from error
        if error.status in (401, 403):
            raise _refusal(error.status, reason) from error
        raise StoreFault(f"the document store answered with status {error.status}") from error
    except TimeoutError as error:
        raise StoreUnreachable("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise StoreUnreachable(said(f"{type(error).__name__}: {error}")) from error
    except (ValueError, TypeError, KeyError, AssertionError, AttributeError, RecursionError) as error:
        # What aiocouch makes of answers that are no answers, or are nested too deeply.
        raise StoreFault("the document store answered with nonsense") from error


def said(text: str) -> str:
    """A store's own words as they may be passed on to logs and operators: on one line, short, no secret."""
    shown = "".join(each if each.isprintable() else " " for each in text[: 4 * _LONGEST_SAID])
    return scrub(" ".join(shown.split()))[:_LONGEST_SAID]


def _refusal(status: int, reason: str) -> StoreError:
    """What a 401 or 403 means. Without a reason, as after a HEAD, a 403 is about what was asked for."""
    words, text = said(reason or f"status {status}"), reason.lower()
    if text.startswith(_LOCKED):
        return UserLocked(words)
    if status == 401 and not text.startswith(_NO_RIGHT):
        return CredentialsRefused(words)
    return StoreRefused(words)


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    return str(cause.reason or "") if isinstance(cause, RemoteResponseError) else ""
