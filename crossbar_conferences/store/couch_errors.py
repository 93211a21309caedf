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

from .port import (
    DatabaseMissing,
    DocumentConflict,
    DocumentMissing,
    StoreError,
    StoreFault,
    StoreRefused,
    StoreUnreachable,
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
        raise StoreRefused from error
    except BadRequestError as error:
        if "rev" in _reason(error).lower():
            # A text that is no revision is not the stored one either.
            raise DocumentConflict from error
        raise StoreFault("the document store does not understand") from error
    except aiohttp.ClientResponseError as error:
        reason = str(error.reason) if isinstance(error, RemoteResponseError) else ""
        if error.status in _AWAY or reason.lower() in _SHARDS_AWAY:
            raise StoreUnreachable from error
        raise StoreFault(f"the document store answered with status {error.status}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StoreUnreachable from error
    except (ValueError, TypeError, KeyError, AssertionError, AttributeError, RecursionError) as error:
        # What aiocouch makes of answers that are no answers, or are nested too deeply.
        raise StoreFault("the document store answered with nonsense") from error


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    return str(cause.reason) if isinstance(cause, RemoteResponseError) else ""
